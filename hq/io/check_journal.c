#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "check_run.h"
#include "entry.h"

enum {
	INCARNATION,
	SEQ,
	KIND,
	DAY,
	AT,
	ACCOUNT,
	AMOUNT,
	ORDER_NO,
	OPERATOR,
	CANCELS,
	HEAD,
	BYTES,
	SIGNED
};

/* What the walk over one store's journal keeps. */
struct journal {
	struct check_run *c;
	const struct check_store *store;
	struct pgcursor rows;
	struct check_incarnation *i; /* of the row at hand */
	struct check_walk walk;
	uint64_t booked_to; /* entries up to it lie in a booking that was seen */
	bool is_unbooked; /* said so already */
};

/* ---- bookings ---- */

static void bookings_next(struct check_run *c)
{
	struct check_bookings *b = &c->bookings;

	b->has_row = pgcursor_next(&b->cursor);
	if (!b->has_row)
		return;
	b->store = (int32_t)pgc_int(&b->cursor, 0);
	b->incarnation = (uint32_t)pgc_int(&b->cursor, 1);
	b->from = (uint64_t)pgc_int(&b->cursor, 2);
	b->to = (uint64_t)pgc_int(&b->cursor, 3);
	b->booking.no = pgc_int(&b->cursor, 4);
	b->booking.at = pgc_us(&b->cursor, 5);
}

void check_bookings_open(struct check_run *c)
{
	c->has_bookings = true;
	pgcursor_open(&c->bookings.cursor, c->conn, "bookings",
		      "SELECT store, incarnation, from_seq, to_seq, no, at FROM trib.booking"
		      " ORDER BY store, incarnation, from_seq, no");
	bookings_next(c);
}

static void booking_of_nothing(struct check_run *c)
{
	const struct check_bookings *b = &c->bookings;
	char found[64];

	snprintf(found, sizeof(found), "%" PRIu64 " to %" PRIu64, b->from, b->to);
	check_differ(c, "booking", "nothing", found, "store %s, incarnation %u, booking %" PRId64,
		     check_code(c, b->store), b->incarnation, b->booking.no);
}

void check_bookings_end(struct check_run *c)
{
	for (; c->bookings.has_row; bookings_next(c))
		booking_of_nothing(c);
	pgcursor_close(&c->bookings.cursor);
}

static bool is_before(const struct check_bookings *b, int32_t store, uint32_t incarnation)
{
	return b->store < store || (b->store == store && b->incarnation < incarnation);
}

/* The booking that the entry at hand lies in. */
static void book(struct journal *j, uint64_t seq, struct refold_booking *ret)
{
	struct check_bookings *b = &j->c->bookings;
	char found[64] = "nothing";

	memset(ret, 0, sizeof(*ret));
	if (!j->c->has_bookings)
		return;
	while (b->has_row && is_before(b, j->i->store, j->i->incarnation)) {
		booking_of_nothing(j->c);
		bookings_next(j->c);
	}
	while (b->has_row && b->store == j->i->store && b->incarnation == j->i->incarnation &&
	       b->to < seq) {
		if (b->from != j->booked_to + 1)
			booking_of_nothing(j->c);
		j->booked_to = b->to;
		bookings_next(j->c);
	}
	if (b->has_row && b->store == j->i->store && b->incarnation == j->i->incarnation &&
	    b->from <= seq && (b->from == j->booked_to + 1 || j->is_unbooked)) {
		*ret = b->booking;
		j->is_unbooked = false;
		return;
	}
	if (j->is_unbooked)
		return;
	j->is_unbooked = true;
	if (b->has_row && b->store == j->i->store && b->incarnation == j->i->incarnation)
		snprintf(found, sizeof(found), "%" PRIu64 " to %" PRIu64, b->from, b->to);
	check_differ(j->c, "booking", "one booking", found,
		     "store %s, incarnation %u, entry %" PRIu64, j->store->code, j->i->incarnation,
		     seq);
}

/* All bookings of this incarnation lie behind. */
static void end_bookings(struct journal *j)
{
	struct check_bookings *b = &j->c->bookings;

	if (!j->c->has_bookings)
		return;
	if (b->has_row && b->store == j->i->store && b->incarnation == j->i->incarnation &&
	    b->from == j->booked_to + 1 && b->to == j->walk.at.seq)
		bookings_next(j->c);
	while (b->has_row && b->store == j->i->store && b->incarnation == j->i->incarnation) {
		booking_of_nothing(j->c);
		bookings_next(j->c);
	}
}

/* ---- columns ---- */

static void differ(struct journal *j, const char *column, const char *expected, const char *found)
{
	check_differ(j->c, "journal", expected, found,
		     "store %s, incarnation %u, entry %" PRIu64 ", %s", j->store->code,
		     j->i->incarnation, j->walk.at.seq, column);
}

static void compare_int(struct journal *j, const char *column, int col, int64_t want)
{
	char expected[24], found[24];

	if (pgc_int(&j->rows, col) == want)
		return;
	snprintf(expected, sizeof(expected), "%" PRId64, want);
	snprintf(found, sizeof(found), "%" PRId64, pgc_int(&j->rows, col));
	differ(j, column, expected, found);
}

static void compare_cancels(struct journal *j, const Trib__V1__Entry *e)
{
	bool has = e != NULL && e->has_cancels, is_null = pgc_null(&j->rows, CANCELS);

	if (has && !is_null)
		compare_int(j, "cancels", CANCELS, e->cancels);
	else if (has || !is_null)
		differ(j, "cancels", has ? "a verb" : "nothing", is_null ? "nothing" : "a verb");
}

static void compare_text(struct journal *j, const char *column, int col, const char *want)
{
	const char *found = pgc_null(&j->rows, col) ? NULL : pgc_text(&j->rows, col);

	if (want == NULL ? found == NULL : found != NULL && strcmp(want, found) == 0)
		return;
	differ(j, column, want != NULL ? want : "nothing", found != NULL ? found : "nothing");
}

static void compare_day(struct journal *j, const Trib__V1__Entry *e)
{
	bool is_null = pgc_null(&j->rows, DAY);
	char expected[16], found[16];

	if (e == NULL ? is_null : !is_null && pgc_date(&j->rows, DAY) == e->business_day)
		return;
	differ(j, "business_day", e != NULL ? check_day_text(e->business_day, expected) : "nothing",
	       is_null ? "nothing" : check_day_text(pgc_date(&j->rows, DAY), found));
}

static void compare_at(struct journal *j, const Trib__V1__Entry *e)
{
	bool is_null = pgc_null(&j->rows, AT);
	char expected[40], found[40];

	if (e == NULL ? is_null : !is_null && pgc_us(&j->rows, AT) == e->wall_ms * 1000)
		return;
	snprintf(expected, sizeof(expected), "%" PRId64 " ms", e != NULL ? e->wall_ms : 0);
	snprintf(found, sizeof(found), "%" PRId64 " us", is_null ? 0 : pgc_us(&j->rows, AT));
	differ(j, "at", e != NULL ? expected : "nothing", is_null ? "nothing" : found);
}

static void compare_account(struct journal *j, const Trib__V1__Entry *e)
{
	bool has = e != NULL && e->has_account, is_null = pgc_null(&j->rows, ACCOUNT);
	char expected[ACCOUNT_TEXT_BYTES], found[ACCOUNT_TEXT_BYTES];
	const void *id;
	size_t len;

	id = pgc_bytes(&j->rows, ACCOUNT, &len);
	if (has ? !is_null && memcmp(id, e->account.data, ACCOUNT_ID_BYTES) == 0 : is_null)
		return;
	differ(j, "account", has ? check_account_text(e->account.data, expected) : "nothing",
	       is_null ? "nothing" : check_account_text(id, found));
}

/* The row's columns against its bytes; e NULL: they are no entry. */
static void compare_columns(struct journal *j, const Trib__V1__Entry *e, int64_t amount)
{
	compare_int(j, "kind", KIND, e != NULL ? entry_kind(e) : 0);
	compare_day(j, e);
	compare_at(j, e);
	compare_account(j, e);
	compare_int(j, "amount", AMOUNT, amount);
	compare_text(j, "order_no", ORDER_NO, e != NULL ? e->order_no : NULL);
	compare_text(j, "operator", OPERATOR, e != NULL ? e->operator_ : NULL);
	compare_cancels(j, e);
}

/* ---- entries ---- */

static void check_entry(struct journal *j)
{
	struct check_run *c = j->c;
	const char *why = "the bytes are no entry";
	struct refold_booking booking;
	Trib__V1__Entry *e = NULL;
	uint64_t seq = (uint64_t)pgc_int(&j->rows, SEQ);
	bool is_quarantined;
	size_t len;
	const void *bytes = pgc_bytes(&j->rows, BYTES, &len);
	int r;

	book(j, seq, &booking);
	is_quarantined = refold_is_quarantined(&c->refold, j->i->store, j->i->incarnation, seq);
	arena_reset(&c->arena);
	r = entry_unpack(bytes, len, j->i->store, j->i->incarnation, seq, &c->arena, &e, &why);
	if (r < 0)
		e = NULL;
	compare_columns(j, e, e != NULL && !is_quarantined ? entry_amount(e) : 0);
	if (is_quarantined)
		return;
	if (e != NULL && e->body_case == TRIB__V1__ENTRY__BODY_QUARANTINED && j->i->store == 0)
		refold_quarantined(&c->refold, e->quarantined->node, e->quarantined->incarnation,
				   e->quarantined->seq, e->quarantined->reason);
	if (e == NULL || refold_entry(&c->refold, e, &booking, &why) < 0)
		differ(j, "bytes", "an entry that folds", why);
}

static void begin_incarnation(struct journal *j, struct check_incarnation *i)
{
	i->is_walked = true;
	j->i = i;
	j->booked_to = 0;
	j->is_unbooked = false;
	check_walk_begin(&j->walk, i->up_seed);
}

static void end_incarnation(struct journal *j)
{
	if (j->i == NULL)
		return;
	check_walk_end(j->c, &j->walk, "journal", j->i, &j->i->booked);
	end_bookings(j);
	if (j->i->store != 0) /* HQ's own journal stands in its own database */
		j->c->n_unsigned += j->walk.at.seq - j->walk.signed_seq;
	j->i = NULL;
}

static void check_row(struct journal *j)
{
	uint32_t incarnation = (uint32_t)pgc_int(&j->rows, INCARNATION);
	uint64_t seq = (uint64_t)pgc_int(&j->rows, SEQ);
	const void *bytes, *head, *signed_head;
	size_t len, head_len, signed_len;

	if (j->i == NULL || j->i->incarnation != incarnation) {
		struct check_incarnation *i =
			check_find_incarnation(j->c, j->store->store, incarnation);

		if (i == NULL) {
			check_differ(j->c, "journal", "nothing", "an entry",
				     "store %s, incarnation %u, entry %" PRIu64, j->store->code,
				     incarnation, seq);
			return;
		}
		end_incarnation(j);
		begin_incarnation(j, i);
	}
	bytes = pgc_bytes(&j->rows, BYTES, &len);
	head = pgc_bytes(&j->rows, HEAD, &head_len);
	check_walk_item(j->c, &j->walk, "journal", j->i, seq, bytes, len, head, head_len);
	if (!pgc_null(&j->rows, SIGNED)) {
		signed_head = pgc_bytes(&j->rows, SIGNED, &signed_len);
		check_walk_signed(j->c, &j->walk, "journal", j->i, TRIB__V1__DIRECTION__UP,
				  j->i->sign_key, signed_head, signed_len);
	}
	check_entry(j);
	j->c->n_entries++;
}

void check_journal(struct check_run *c, const struct check_store *s)
{
	struct journal j = { .c = c, .store = s };

	refold_begin(&c->refold);
	pgcursor_open(
		&j.rows, c->conn, "journal",
		"SELECT j.incarnation, j.seq, j.kind, j.business_day, j.at, j.account, j.amount,"
		" j.order_no, j.operator, j.cancels, j.head, j.bytes, s.signed FROM trib.journal j"
		" LEFT JOIN trib.signed_head s ON s.store = j.store"
		" AND s.incarnation = j.incarnation AND s.seq = j.seq AND s.store = %d"
		" WHERE j.store = %d ORDER BY j.incarnation, j.seq",
		s->store, s->store);
	while (pgcursor_next(&j.rows))
		check_row(&j);
	end_incarnation(&j);
	pgcursor_close(&j.rows);
	for (size_t k = 0; k < c->n_incarnations; k++) {
		struct check_incarnation *i = &c->incarnations[k];

		if (i->store == s->store && !i->is_walked) {
			begin_incarnation(&j, i);
			end_incarnation(&j);
		}
	}
	refold_end(&c->refold);
}
