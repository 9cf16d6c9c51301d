/* Entries as bytes: the one form that is hashed, signed, kept and passed on. */
#ifndef TRIB_CORE_ENTRY_H
#define TRIB_CORE_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "entry.pb-c.h"
#include "err.h"

#define ENTRY_MAX_BYTES (64u * 1024)
#define ENTRY_MAX_EFFECTS 1100
#define ORDER_NO_MAX 64
#define OPERATOR_MAX 64
#define REASON_MAX 200 /* of a refund, bytes */
#define ITEM_MAX 200 /* of a redemption, bytes */
#define SEAL_MAX_RANGES 64
#define SEAL_MAX_TOTALS 4096

/* Numbers of Entry.cancels and OrderCancelled.verb. */
enum order_verb {
	ORDER_TOP_UP = 2,
	ORDER_SALE = 3,
	ORDER_REFUND = 4,
	ORDER_REDEMPTION = 5
};

/* Number of the entry's kind (the body's field number), 0 for one that this version does not
 * know. */
int entry_kind(const Trib__V1__Entry *e);

/* "sale" and so on; "unknown" for 0 and numbers not known. */
const char *entry_kind_name(int kind);

/* enum order_verb of the order whose success the entry is; 0: of none, as a cancel is. */
int entry_order_verb(const Trib__V1__Entry *e);

/* Fen that the entry's kind is about: paid, payable, refunded, or refunded and undone; 0 where it
 * moves no money. */
int64_t entry_amount(const Trib__V1__Entry *e);

/* Pack into buf[0..cap). ERR_FULL when it does not fit or passes ENTRY_MAX_BYTES. */
int MUST_CHECK entry_pack(const Trib__V1__Entry *e, uint8_t *buf, size_t cap, size_t *ret_len);

/* Unpack and check what holds for entries of every kind: it is from (node, incarnation, seq), ids
 * have their lengths, texts their bounds and are UTF-8 without control characters, effects have a
 * known unit and stand at most once per (unit, lot); and the texts, dates and counts in bodies that
 * move nothing or are younger than sales and refunds. Memory comes from the arena; the entry
 * borrows nothing from `bytes`. ERR_INVALID with a static reason in *ret_why, ERR_FULL. */
int MUST_CHECK entry_unpack(const void *bytes, size_t len, int32_t node, uint32_t incarnation,
			    uint64_t seq, struct arena *a, Trib__V1__Entry **ret_entry,
			    const char **ret_why);

/* Valid UTF-8 of 0..max bytes without control characters. */
int text_is_valid(const char *s, size_t max);

#endif
