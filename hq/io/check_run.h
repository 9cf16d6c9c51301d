/* One run of the proof of the books: what its parts share. It may block, and exits when the
 * database fails it. */
#ifndef TRIB_HQ_CHECK_RUN_H
#define TRIB_HQ_CHECK_RUN_H

#include <jansson.h>
#include <libpq-fe.h>

#include "arena.h"
#include "chain.h"
#include "pgcursor.h"
#include "refold.h"
#include "wire.pb-c.h"

#define CHECK_MAX_LISTED 100
#define CHECK_VALUE_BYTES 160

struct check_store {
	int32_t store;
	char code[STORE_CODE_MAX + 8]; /* "?17" for one that is in no list */
};

struct check_incarnation {
	int32_t store;
	uint32_t incarnation;
	uint8_t sign_key[32];
	struct position booked, down; /* as the row says */
	uint8_t up_seed[HEAD_BYTES], down_seed[HEAD_BYTES];
	bool is_walked;
};

/* Bookings in the order of (store, incarnation, from), one row ahead. */
struct check_bookings {
	struct pgcursor cursor;
	bool has_row;
	int32_t store;
	uint32_t incarnation;
	uint64_t from, to;
	struct refold_booking booking;
};

struct check_run {
	PGconn *conn;
	uint8_t chain[16], hq_key[32];
	struct check_store *stores; /* ascending; owned */
	size_t n_stores;
	struct check_incarnation *incarnations; /* ascending; owned */
	size_t n_incarnations;
	struct check_bookings bookings;
	bool has_bookings; /* false: bookings and tables are not looked at */
	struct refold refold;
	struct arena arena;
	void *memory; /* of the arena; owned */
	uint64_t n_entries, n_unsigned; /* unsigned: after the last signed head of each journal */
	uint64_t n_differences;
	json_t *differences; /* the first CHECK_MAX_LISTED */
};

/* ---- check_report.c ---- */

/* One cell that is not what it must be. cell is a printf format. */
void check_differ(struct check_run *c, const char *check, const char *expected, const char *found,
		  const char *cell, ...) __attribute__((format(printf, 5, 6)));

const char *check_code(const struct check_run *c, int32_t store);

/* Texts for cells; storage is the caller's. */
const char *check_account_text(const uint8_t id[ACCOUNT_ID_BYTES], char ret[ACCOUNT_TEXT_BYTES]);
const char *check_day_text(int32_t day, char ret[16]);

/* ---- check_walk.c: chains ---- */

/* A walk along one hash chain, told of each item in order. One changed item or head is one
 * difference, not one for each item behind it. */
struct check_walk {
	struct position at;
	uint8_t alternative[HEAD_BYTES]; /* what the last item's own column says, if different */
	bool has_alternative;
	uint64_t signed_seq; /* of the last signed head */
};

void check_walk_begin(struct check_walk *w, const uint8_t seed[HEAD_BYTES]);

/* The next item; what names the log ("journal" or "down_log"). */
void check_walk_item(struct check_run *c, struct check_walk *w, const char *what,
		     const struct check_incarnation *i, uint64_t seq, const void *bytes, size_t len,
		     const void *head, size_t head_len);

/* A signed head that stands at the item just walked. */
void check_walk_signed(struct check_run *c, struct check_walk *w, const char *what,
		       const struct check_incarnation *i, int direction, const uint8_t key[32],
		       const void *bytes, size_t len);

/* The end, against the cursor. */
void check_walk_end(struct check_run *c, const struct check_walk *w, const char *what,
		    const struct check_incarnation *i, const struct position *cursor);

/* ---- the parts ---- */

struct check_incarnation *check_find_incarnation(struct check_run *c, int32_t store,
						 uint32_t incarnation);

/* check_journal.c: walk and fold one store's journal. */
void check_journal(struct check_run *c, const struct check_store *s);
void check_bookings_open(struct check_run *c);
void check_bookings_end(struct check_run *c);

/* check_down.c: walk one store's down logs. */
void check_down(struct check_run *c, const struct check_store *s);

/* check_tables.c: one store's cells against the fold. */
void check_store_tables(struct check_run *c, const struct check_store *s);

/* check_chain.c: what spans stores. Accounts are loaded before the first entry is folded. */
void check_load_accounts(struct check_run *c);
void check_chain_tables(struct check_run *c);

#endif
