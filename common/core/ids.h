/* Names of things: accounts, lots, transactions. */
#ifndef TRIB_CORE_IDS_H
#define TRIB_CORE_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "account.h"
#include "err.h"

#define ACCOUNT_TEXT_BYTES 27 /* 26 base32 characters and NUL */
#define ACCOUNT_KEY_BYTES 32
#define STORE_CODE_MAX 16 /* with NUL */
#define TXN_TEXT_BYTES 48
#define CARD_NO_MAX 64

/* Bounds that a lot id's fields give: node 20 bits, incarnation 10, seq 32. */
#define NODE_MAX ((1 << 20) - 1)
#define INCARNATION_MAX ((1u << 10) - 1)
#define LOT_SEQ_MAX UINT32_MAX

/* Lot of the value or uses issued by the entry (node, incarnation, seq); 0 when out of bounds. */
int64_t lot_id(int32_t node, uint32_t incarnation, uint64_t seq);

/* Node that issued a value or uses lot. */
int32_t lot_issuer(int64_t lot);

/* Account id: BLAKE2b-128 of the first card number under the chain's key, so that two cut-off
 * shops name the same account alike. card_no has len bytes, 1..CARD_NO_MAX. */
void account_id(const uint8_t key[ACCOUNT_KEY_BYTES], const void *card_no, size_t len,
		uint8_t ret_id[ACCOUNT_ID_BYTES]);

/* 26 characters of lower-case RFC 4648 base32 and NUL. */
void account_format(const uint8_t id[ACCOUNT_ID_BYTES], char ret_text[ACCOUNT_TEXT_BYTES]);

/* The reverse; upper case is taken too. ERR_INVALID leaves ret_id untouched. */
int MUST_CHECK account_parse(const char *text, uint8_t ret_id[ACCOUNT_ID_BYTES]);

/* "0107-1-381" */
void txn_format(const char *store, uint32_t incarnation, uint64_t seq,
		char ret_text[TXN_TEXT_BYTES]);

/* The reverse: ret_store has STORE_CODE_MAX bytes. ERR_INVALID leaves all outputs untouched. */
int MUST_CHECK txn_parse(const char *text, char *ret_store, uint32_t *ret_incarnation,
			 uint64_t *ret_seq);

/* A store code: 1..15 of [0-9A-Za-z_]; no '-', which parts the fields of a txn. */
int store_code_is_valid(const char *code);

/* A card number as shown to people: all but the last four characters masked. ret has
 * CARD_NO_MAX + 1 bytes. */
void card_mask(const char *card_no, char *ret_text);

#endif
