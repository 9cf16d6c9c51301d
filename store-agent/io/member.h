/* Who an account belongs to, at rest: sealed, and found again by keyed hashes.
 *
 *   DATA/member.key ──KDF──> 1 seal ── XChaCha20-Poly1305 over (name, phone, birthday), padded to one
 *                            │         length, with a random nonce; the account's id is authenticated
 *                            2 index of the phone number      ┐
 *                            3 index of its last four digits  ├ keyed BLAKE2b
 *                            4 print, for a request's fingerprint ┘
 *                            5 the key's own name, in front of what it sealed
 *
 *   state:  NONE ──first need──> READY          LOST: the file is damaged, or gone while something
 *                                               is sealed: nothing is sealed, opened or found until
 *                                               it is there again and the agent starts anew
 *
 * Invariants
 *   M1  a name, phone number or birthday leaves this module in clear only towards an answer that is
 *       not kept; what is kept, logged or sent up has it sealed, keyed or not at all
 *   M2  while anything is sealed the agent makes no other key. A person who lost the old one for good
 *       may put a new one there: what the old one sealed is not shown, and not found by phone
 *   M3  what was sealed for one account opens for no other */
#ifndef TRIB_STORE_MEMBER_H
#define TRIB_STORE_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "ids.h"

#define MEMBER_KEY_FILE "member.key"
#define MEMBER_NAME_MAX 64 /* bytes of UTF-8 */
#define MEMBER_PHONE_MIN 5
#define MEMBER_PHONE_MAX 20
#define MEMBER_BIRTHDAY_BYTES 10 /* yyyy-mm-dd */
#define MEMBER_LAST4 4

#define MEMBER_KEY_BYTES 32
#define MEMBER_KEY_ID_BYTES 16
#define MEMBER_INDEX_BYTES 16
#define MEMBER_PLAIN_BYTES 112
#define MEMBER_SEALED_BYTES (MEMBER_KEY_ID_BYTES + 24 + MEMBER_PLAIN_BYTES + 16)

struct member { /* "" where something is not known */
	char name[MEMBER_NAME_MAX + 1];
	char phone[MEMBER_PHONE_MAX + 1]; /* as member_phone_parse gives it */
	char birthday[MEMBER_BIRTHDAY_BYTES + 1];
};

enum member_state {
	MEMBER_KEY_NONE,
	MEMBER_KEY_READY,
	MEMBER_KEY_LOST
};

struct member_keys {
	enum member_state state;
	uint8_t id[MEMBER_KEY_ID_BYTES];
	uint8_t seal[MEMBER_KEY_BYTES], phone[MEMBER_KEY_BYTES];
	uint8_t last4[MEMBER_KEY_BYTES], print[MEMBER_KEY_BYTES];
};

/* Read dir/member.key. sealed is something that was sealed here, or NULL where there is nothing:
 * with it a missing file is state LOST, as a damaged one always is. That, and a key that did not
 * seal it, is logged. ERR_DENIED: others may read the file; one line in err (KEYS_WHY_BYTES). */
int MUST_CHECK member_keys_load(struct member_keys *k, const char *dir,
				const uint8_t sealed[MEMBER_SEALED_BYTES], char *err);

/* Make the key, durably, where there is none. ERR_NOT_FOUND: LOST. ERR_IO, which is logged. */
int MUST_CHECK member_keys_need(struct member_keys *k, const char *dir);

void member_keys_wipe(struct member_keys *k);

/* 5 to 20 characters, digits but for one '+' in front. A Chinese mobile number loses its +86, so
 * that it is one number in both spellings. ret has MEMBER_PHONE_MAX + 1 bytes. ERR_INVALID. */
int MUST_CHECK member_phone_parse(const char *text, char *ret);

/* "yyyy-mm-dd", a day of the calendar from 1900 on. */
bool member_birthday_is_valid(const char *text);

/* "138****5678": at most the first three and the last four, and never all. ret has
 * MEMBER_PHONE_MAX + 1 bytes. */
void member_phone_mask(const char *phone, char *ret);

/* Keys are READY for all that follow. */
void member_seal(const struct member_keys *k, const uint8_t account[ACCOUNT_ID_BYTES],
		 const struct member *m, uint8_t ret[MEMBER_SEALED_BYTES]);

/* ERR_SIGNATURE: not sealed under this key for this account, or damaged. */
int MUST_CHECK member_open(const struct member_keys *k, const uint8_t account[ACCOUNT_ID_BYTES],
			   const uint8_t sealed[MEMBER_SEALED_BYTES], struct member *ret);

/* Index of a parsed phone number, and of its last digits or MEMBER_LAST4 digits alone. */
void member_phone_index(const struct member_keys *k, const char *phone,
			uint8_t ret[MEMBER_INDEX_BYTES]);
void member_last4_index(const struct member_keys *k, const char *phone,
			uint8_t ret[MEMBER_INDEX_BYTES]);

/* What a request's fingerprint has instead of a member's field: 32 hex digits and NUL. */
#define MEMBER_PRINT_BYTES 33
void member_print(const struct member_keys *k, const char *field, const char *text,
		  char ret[MEMBER_PRINT_BYTES]);

#endif
