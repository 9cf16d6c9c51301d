/* The store's journal and tables in one SQLite file, DATA/journal.db.
 *
 *   first write ──> BEGIN IMMEDIATE ──> writes ──> journal_commit ──> answers leave
 *                                          │             │
 *                                    disk is full     disk is full
 *                                          └── rolled back: ERR_FULL, the journal goes on ──┘
 *
 * One connection, which locks the file for the process's life; WAL with synchronous=FULL, so a
 * commit is one fdatasync. Any error of SQLite's other than a full disk ends the process: what the
 * operating system did with the writes is unknown, and recovery is the next start's. */
#ifndef TRIB_STORE_JOURNAL_H
#define TRIB_STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent.h"
#include "err.h"
#include "member.h"

#define JOURNAL_ERROR_BYTES 512
#define JOURNAL_FILE "journal.db"

struct journal;

/* Make dir/journal.db for the incarnation whose certificate payload is given, durably but for the
 * directory. Once in the life of an incarnation, before it counts as enrolled; an empty one that an
 * enrolment left which broke off is taken over. Errors of journal_open; ERR_FULL. */
int MUST_CHECK journal_create(const char *dir, const void *certificate, size_t certificate_len,
			      char *err);

/* Open dir/journal.db of the incarnation whose certificate payload is given: it seeds both chains.
 * Checks that the last items of both chains follow from what is before them.
 *
 * ERR_NOT_FOUND: it is gone, or was never whole: never made anew, since its sequence numbers were
 * used. ERR_EXISTS: another process uses it. ERR_DENIED: it is of another certificate. ERR_CHAIN: its
 * end is damaged. ERR_VERSION: written by another version. ERR_IO. One line in err
 * (JOURNAL_ERROR_BYTES). */
int MUST_CHECK journal_open(const char *dir, const void *certificate, size_t certificate_len,
			    struct journal **ret, char *err);

/* Rolls back what is not committed. */
void journal_close(struct journal *j);

/* ---- transactions ---- */

bool journal_has_writes(const struct journal *j);

/* Commit what was written since the last commit. ERR_FULL: the disk is full, all of it is rolled
 * back. */
int MUST_CHECK journal_commit(struct journal *j);
void journal_rollback(struct journal *j);

/* Move pages from the log to the file and forget refusals older than 90 days; when idle. ERR_AGAIN:
 * there is more to forget than fits a burst, or a turn is under way. ERR_FULL: the disk is full. */
int MUST_CHECK journal_maintain(struct journal *j, int64_t wall_ms);

/* ---- the till's side ---- */

/* What a command needs. The strings and the receipt live until the next journal_load. */
struct journal_loaded {
	struct agent_loaded core;
	const char *key_answer; /* text of the stored answers; NULL where there is none */
	size_t key_answer_len;
	const char *order_answer;
	size_t order_answer_len;
	const char *cancel_answer; /* of the cancel that the order has */
	size_t cancel_answer_len;
	const char *pin_verifier; /* of the account; NULL: it has no PIN */
};

/* Borrows c. The result is owned by j and valid until the next call. */
struct journal_loaded *journal_load(struct journal *j, const struct agent_command *c);

/* Write an entry with the account, the records and the receipt that follow from it, and the answer
 * that was made of it. ERR_FULL: the disk is full. */
int MUST_CHECK journal_append(struct journal *j, const struct agent_append *x, const char *answer,
			      size_t len);

/* Set the verifier of a new account's PIN, in the transaction of its entry. */
int MUST_CHECK journal_set_pin(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES],
			       const char *verifier);

/* Write the key record of a refusal, or (seq != 0) of a replay of `order`'s answer. */
int MUST_CHECK journal_keep_key(struct journal *j, const struct agent_command *c, int status,
				uint64_t seq, const char *answer, size_t len);

/* ---- business days ---- */

/* Where the day's entries lie, committed or not. A day that has none lies before those of the next
 * one that has. */
void journal_day(struct journal *j, int32_t day, struct agent_day *ret);

/* The latest sealed day; INT32_MIN: none. */
int32_t journal_sealed_day(struct journal *j);

/* ---- reading ---- */

/* The account, in storage of j's valid until the next journal_load or journal_read_account; NULL:
 * not known. */
const struct account *journal_read_account(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES]);

/* Call `each` for the account's card numbers, in order. */
void journal_each_card(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES],
		       void (*each)(void *ctx, const char *card_no), void *ctx);

struct journal_holder {
	const char *store;
	int64_t principal, bonus;
	bool has_silent_since;
	int64_t silent_since_ms;
};
void journal_each_holder(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES],
			 void (*each)(void *ctx, const struct journal_holder *h), void *ctx);

struct journal_order {
	enum agent_verb verb;
	uint64_t seq; /* of the success; of an order that never arrived: of the cancel */
	const char *answer; /* of the success; "" where there is none */
	size_t len;
	uint64_t cancel_seq; /* or 0 */
	bool is_reversed;
};

/* The records of an order number, by verb. */
void journal_each_order(struct journal *j, const char *order_no,
			void (*each)(void *ctx, const struct journal_order *o), void *ctx);

/* Entries from first_seq up to last_seq while `each` answers true; bytes are borrowed. */
void journal_each_entry(struct journal *j, uint64_t first_seq, uint64_t last_seq,
			bool (*each)(void *ctx, const struct position *at, const uint8_t *bytes,
				     size_t len),
			void *ctx);

/* The account's entries before before_seq, newest first, while `each` answers true and at most max;
 * bytes are borrowed. */
void journal_each_activity(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES],
			   uint64_t before_seq, size_t max,
			   bool (*each)(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len),
			   void *ctx);

/* Head of the journal (own entries) or of the down log at seq, 0 included. False: beyond it. */
bool journal_head_at(struct journal *j, uint64_t seq, uint8_t ret_head[HEAD_BYTES]);
bool journal_down_head_at(struct journal *j, uint64_t seq, uint8_t ret_head[HEAD_BYTES]);

/* Ends of both chains, committed or not. */
void journal_end(struct journal *j, struct position *ret);
void journal_down_end(struct journal *j, struct position *ret);

/* ---- members ---- */

/* Keep an account's member as member.h sealed it; the indexes are NULL where there is no phone
 * number. ERR_FULL: the disk is full. */
int MUST_CHECK journal_put_member(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES],
				  const uint8_t sealed[MEMBER_SEALED_BYTES],
				  const uint8_t *phone_index, const uint8_t *last4_index);

/* One of all that are sealed; false: there is none. */
bool journal_any_member(struct journal *j, uint8_t ret_sealed[MEMBER_SEALED_BYTES]);

struct journal_owner {
	bool has_pin;
	bool has_member;
	uint8_t sealed[MEMBER_SEALED_BYTES];
};
void journal_read_owner(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES],
			struct journal_owner *ret);

enum journal_find {
	JOURNAL_BY_CARD, /* what: the card number, NUL behind it */
	JOURNAL_BY_PHONE, /* what: an index of MEMBER_INDEX_BYTES */
	JOURNAL_BY_LAST4
};

/* Accounts, those first that had an entry most recently; how many, at most max. */
size_t journal_find_accounts(struct journal *j, enum journal_find by, const void *what, size_t len,
			     uint8_t (*ret)[ACCOUNT_ID_BYTES], size_t max);

/* ---- the link's side ---- */

int MUST_CHECK journal_down_append(struct journal *j, const struct position *at, const void *bytes,
				   size_t len);
int MUST_CHECK journal_put_rule_set(struct journal *j, uint64_t version, int64_t effective_ms,
				    const void *payload, size_t len);

/* Facts of an account; `here` is what HQ knew this store to hold. *ret_known is false when this
 * store has no such account: nothing was written. */
int MUST_CHECK journal_put_facts(struct journal *j, const Trib__V1__AccountFacts *f, int64_t here,
				 bool *ret_known);

/* Rule sets by rising version: the newest effective at wall_ms, the one before it that is effective
 * too (for a clock that is set back), and all later ones. */
void journal_each_rule_set(struct journal *j, int64_t wall_ms,
			   void (*each)(void *ctx, const void *payload, size_t len), void *ctx);

/* Small named values. journal_get copies at most cap bytes; false: not there or larger. */
int MUST_CHECK journal_put(struct journal *j, const char *name, const void *value, size_t len);
bool journal_get(struct journal *j, const char *name, void *ret, size_t cap, size_t *ret_len);
int MUST_CHECK journal_put_int(struct journal *j, const char *name, int64_t value);
int64_t journal_get_int(struct journal *j, const char *name, int64_t fallback);

/* ---- lanes ---- */

#define JOURNAL_HASH_BYTES 32
#define LANE_LABEL_MAX 64

void journal_each_lane(struct journal *j,
		       void (*each)(void *ctx, uint32_t lane,
				    const uint8_t token_hash[JOURNAL_HASH_BYTES],
				    const char *label),
		       void *ctx);
int MUST_CHECK journal_put_lane(struct journal *j, uint32_t lane,
				const uint8_t token_hash[JOURNAL_HASH_BYTES], const char *label);

/* Drop a lane's token and its pending codes. ERR_NOT_FOUND: it has neither. */
int MUST_CHECK journal_drop_lane(struct journal *j, uint32_t lane, int64_t wall_ms);

/* A pairing code replaces those of the same lane. */
int MUST_CHECK journal_put_pairing(struct journal *j, const uint8_t code_hash[JOURNAL_HASH_BYTES],
				   uint32_t lane, const char *label, int64_t expires_ms);

/* Use up a pairing code. ERR_NOT_FOUND: unknown, used or expired. ret_label has LANE_LABEL_MAX + 1
 * bytes. */
int MUST_CHECK journal_take_pairing(struct journal *j, const uint8_t code_hash[JOURNAL_HASH_BYTES],
				    int64_t wall_ms, uint32_t *ret_lane, char *ret_label);

#endif
