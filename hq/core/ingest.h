/* Ingest: verified batches of many stores become one commit of the books at a time.
 *
 *   batch ──ingest_push──> queue (per store in order) ──ingest_build──> group ──> io: one
 *                            ^                                           │    transaction
 *                            │                 ingest_booked ────────────┤
 *                            └── ingest_failed (data: half the size, ────┘
 *                                 at one entry: quarantine it)
 *
 * Invariants
 *   G1  a group holds, per store, a run of entries that begins right after what is booked
 *   G2  at most one group is out at a time
 *   G3  entries of one store are booked in the order of their seq, each exactly once
 *   G4  a quarantined entry is in the journal, and in no sum; all later entries of its
 *       (store, account) are quarantined too, until somebody resolves it
 *   G5  each quarantined entry has an entry of HQ's own journal in the same group
 *   G6  sums of a group are in key order
 *   G7  the verdict on an entry does not depend on how entries were grouped */
#ifndef TRIB_HQ_INGEST_H
#define TRIB_HQ_INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account.h"
#include "arena.h"
#include "cells.h"
#include "chain.h"
#include "entry.h"
#include "fold.h"
#include "ids.h"

#define INGEST_MAX_ENTRIES 8192u /* of one group */
#define INGEST_MAX_STREAMS 16384u
#define INGEST_MAX_BLOCKED 65536u /* (store, account) pairs in quarantine */

/* One batch waiting to be booked. The io side allocates it with all it points at; ingest_push
 * takes it, ingest_booked hands it back through the released list. */
struct ingest_batch {
	struct ingest_batch *next;
	uint32_t stream; /* index */
	uint64_t first_seq;
	size_t n;
	size_t done; /* items [0, done) are booked */
	size_t planned; /* items [done, planned) are in the group that is out */
	const ProtobufCBinaryData *items;
	ProtobufCBinaryData signed_head; /* Signed, as received; for the last item */
	uint64_t bytes; /* that count against the sender's window */
	uint32_t link; /* whose window */
};

struct journal_row {
	int32_t store;
	uint32_t incarnation;
	uint64_t seq;
	const Trib__V1__Entry *entry; /* NULL: the bytes are no entry */
	int64_t amount;
	uint8_t head[HEAD_BYTES];
	const uint8_t *bytes;
	size_t len;
};

struct holding_key {
	int64_t lot;
	int32_t node;
	int32_t unit;
	uint8_t account[ACCOUNT_ID_BYTES];
};
struct holding_delta {
	struct holding_key key;
	int64_t principal, bonus;
	/* lowest and highest that the sums were on the way, entry by entry, from 0: a group books
	 * what its entries one by one would (G7) */
	int64_t min_principal, max_principal, min_bonus, max_bonus;
	bool is_issue; /* the lot is issued in this group; the terms below hold */
	int32_t issuer;
	int32_t expires; /* LOT_NEVER */
	int64_t issued_ms;
	int64_t issued_principal, issued_bonus;
};

struct posting_key {
	int32_t store;
	int32_t business_day;
	int32_t party1, party2;
	int16_t account, unit;
};
struct posting_sum {
	struct posting_key key;
	int64_t debit, credit;
};

struct total_key {
	int32_t store;
	int32_t business_day;
	int16_t kind, tender, unit, zero;
};
struct total_sum {
	struct total_key key;
	int64_t count, amount;
};

struct owed_key {
	uint8_t account[ACCOUNT_ID_BYTES];
};
struct owed_delta {
	struct owed_key key;
	int64_t points_owed;
	int64_t min_points_owed; /* on the way */
};

struct receipt_key {
	int64_t seq;
	int32_t store;
	uint32_t incarnation;
};
struct receipt_sum { /* what came back of one sale or top-up, less refunds undone */
	struct receipt_key key;
	int64_t refunded;
	int64_t min_refunded, max_refunded; /* on the way */
	uint8_t account[ACCOUNT_ID_BYTES]; /* whose it must be */
	int16_t kind; /* of its entry, that it must be */
};

/* What one entry changes of a receipt. */
struct receipt_change {
	struct receipt_key key;
	int64_t amount; /* refunded; below 0: undone */
	int16_t kind; /* of the receipt's entry */
};

struct opened_row { /* account opened, or card linked */
	const Trib__V1__Entry *entry;
	int32_t store;
	bool is_link;
};

/* Kinds that a store may write: what this HQ books, and announces; ascending. */
extern const uint32_t ingest_kinds[];
extern const size_t ingest_n_kinds;

/* Cells of an entry, with zeroed padding. */
struct holding_key holding_key_of(const Trib__V1__Entry *e, const Trib__V1__SliceEffect *s);
struct posting_key posting_key_of(const Trib__V1__Entry *e, const struct posting *p);
struct total_key total_key_of(const Trib__V1__Entry *e, const struct day_total *t);

/* False where the entry changes no receipt. */
bool receipt_change_of(const Trib__V1__Entry *e, struct receipt_change *ret);

struct cursor_row {
	uint32_t stream;
	int32_t store;
	uint32_t incarnation;
	struct position from; /* booked before */
	struct position to;
};

struct quarantine_row {
	int32_t store;
	uint32_t incarnation;
	uint64_t seq;
	bool has_account;
	uint8_t account[ACCOUNT_ID_BYTES];
	const char *reason;
	const char *detail;
};

struct signed_row {
	int32_t store;
	uint32_t incarnation;
	uint64_t seq;
	ProtobufCBinaryData signed_head;
};

/* What one transaction writes. Points into batches and the group's own arena. */
struct ingest_group {
	size_t n_rows, n_opened, n_cursors, n_quarantined, n_signed;
	struct journal_row rows[INGEST_MAX_ENTRIES * 2]; /* HQ's own entries last */
	struct opened_row opened[INGEST_MAX_ENTRIES];
	struct cursor_row cursors[INGEST_MAX_STREAMS];
	struct quarantine_row quarantined[INGEST_MAX_ENTRIES];
	struct signed_row signed_heads[INGEST_MAX_ENTRIES];
	struct cells holdings, postings, totals, owed, receipts;
};

struct ingest_stream { /* the part of a store's stream that ingest keeps */
	int32_t store;
	uint32_t incarnation;
	struct position booked;
	struct position building; /* inside ingest_build */
	uint64_t cursor_of; /* group number in which cursor_index holds */
	size_t cursor_index;
};

struct ingest; /* large: use ingest_size() bytes of zeroed memory */

size_t ingest_size(void);

/* Set up in `memory`. hq_journal: where HQ's own journal (node 0, incarnation hq_epoch) ends.
 * account_key: an account opened under another id than its card's is quarantined. */
struct ingest *ingest_init(void *memory, uint32_t hq_epoch, const struct position *hq_journal,
			   const uint8_t account_key[ACCOUNT_KEY_BYTES]);

/* A stream that is booked up to `booked`. Returns its index, or ERR_FULL. */
int64_t ingest_add_stream(struct ingest *g, int32_t store, uint32_t incarnation,
			  const struct position *booked);

const struct ingest_stream *ingest_stream_at(const struct ingest *g, uint32_t stream);

/* (store, account) is in quarantine: loaded at start. Beyond INGEST_MAX_BLOCKED pairs, later
 * entries of the pair are judged each by itself: the books stay the fold of what is not
 * quarantined. */
void ingest_block(struct ingest *g, int32_t store, const uint8_t account[ACCOUNT_ID_BYTES]);

/* Queue a batch that follows what is queued for its stream: sync_in accepted it. Takes b. */
void ingest_push(struct ingest *g, struct ingest_batch *b);

/* Entries waiting, those of the group that is out included. */
size_t ingest_backlog(const struct ingest *g);

/* Build the next group from the queue's front, at most the limit of this moment. NULL when nothing
 * waits or a group is out (G2). wall_ms dates HQ's own entries. */
const struct ingest_group *ingest_build(struct ingest *g, int64_t wall_ms);

/* The group is committed. *ret_released: batches that are wholly booked now, for io to free. */
void ingest_booked(struct ingest *g, struct ingest_batch **ret_released);

/* The group was rolled back. is_data: the database refused the values themselves, so that trying
 * the same again is of no use; else it is tried again as it is. detail is kept for quarantine. */
void ingest_failed(struct ingest *g, bool is_data, const char *detail);

/* Where HQ's own journal ends in the books. */
const struct position *ingest_hq_journal(const struct ingest *g);

/* Drop everything queued: after the cursors were read anew. Streams are as given by
 * ingest_set_booked. *ret_released as above. */
void ingest_reset(struct ingest *g, struct ingest_batch **ret_released);
void ingest_set_booked(struct ingest *g, uint32_t stream, const struct position *booked);
void ingest_set_hq_journal(struct ingest *g, const struct position *at);

#endif
