/* The state of ingest, and the order of its cells. */
#ifndef TRIB_HQ_INGEST_PRIVATE_H
#define TRIB_HQ_INGEST_PRIVATE_H

#include "ingest.h"

#define HOLDING_CELLS 65536u
#define POSTING_CELLS 32768u
#define TOTAL_CELLS 16384u
#define OWED_CELLS 8192u
#define RECEIPT_CELLS 8192u
#define INGEST_ARENA_BYTES (32u << 20)

struct blocked_key {
	int32_t store;
	uint8_t account[ACCOUNT_ID_BYTES];
};

struct ingest {
	uint32_t hq_epoch;
	uint8_t account_key[ACCOUNT_KEY_BYTES];
	struct position hq_journal; /* booked */
	struct position hq_building; /* with the group that is out */

	struct ingest_batch *queue; /* oldest first */
	struct ingest_batch **tail;
	size_t backlog; /* entries queued */

	bool is_out; /* a group is being written */
	bool must_quarantine; /* the database refused the culprit alone, for `detail` */
	int32_t culprit_store;
	uint32_t culprit_incarnation;
	uint64_t culprit_seq;
	size_t limit; /* entries of the next group */
	size_t n_store_rows; /* of the group that is out, without HQ's own */
	uint64_t group_no;
	char detail[200]; /* why must_quarantine */

	uint32_t n_streams;
	struct ingest_stream streams[INGEST_MAX_STREAMS];
	struct cells blocked, blocked_now; /* in the books; added by the group that is out */

	struct ingest_group group;
	struct fold fold; /* of the entry at hand */
	struct arena arena; /* unpacked entries of the group */

	struct holding_delta holding_rows[HOLDING_CELLS];
	uint32_t holding_slots[2 * HOLDING_CELLS], holding_order[2 * HOLDING_CELLS];
	struct posting_sum posting_rows[POSTING_CELLS];
	uint32_t posting_slots[2 * POSTING_CELLS], posting_order[2 * POSTING_CELLS];
	struct total_sum total_rows[TOTAL_CELLS];
	uint32_t total_slots[2 * TOTAL_CELLS], total_order[2 * TOTAL_CELLS];
	struct owed_delta owed_rows[OWED_CELLS];
	uint32_t owed_slots[2 * OWED_CELLS], owed_order[2 * OWED_CELLS];
	struct receipt_sum receipt_rows[RECEIPT_CELLS];
	uint32_t receipt_slots[2 * RECEIPT_CELLS], receipt_order[2 * RECEIPT_CELLS];
	struct blocked_key blocked_rows[INGEST_MAX_BLOCKED];
	uint32_t blocked_slots[2 * INGEST_MAX_BLOCKED], blocked_order[2 * INGEST_MAX_BLOCKED];
	struct blocked_key blocked_now_rows[INGEST_MAX_ENTRIES];
	uint32_t blocked_now_slots[2 * INGEST_MAX_ENTRIES],
		blocked_now_order[2 * INGEST_MAX_ENTRIES];
	uint8_t arena_memory[INGEST_ARENA_BYTES];
};

/* ---- ingest_entry.c ---- */

struct blocked_key ingest_blocked_key(int32_t store, const uint8_t account[ACCOUNT_ID_BYTES]);

/* Judge one entry and add it to the group: to its sums, or to its quarantine. False when it does
 * not fit into this group any more. */
bool ingest_add_entry(struct ingest *g, struct journal_row *row);

/* ---- ingest_order.c ---- */

/* Orders of PostgreSQL's primary keys (G6). */
bool holding_less(const void *a, const void *b);
bool posting_less(const void *a, const void *b);
bool total_less(const void *a, const void *b);
bool owed_less(const void *a, const void *b);
bool receipt_less(const void *a, const void *b);

#endif
