/* Ingest: what a group holds, and what becomes of entries that cannot be booked. */
#include "ingest_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "chain.h"

static void a_group_sums_many_stores(void **state)
{
	struct fixture *f = *state;
	const struct ingest_group *g;

	for (uint32_t stream = 0; stream < 3; stream++) {
		struct builder w = batch_of(f, stream);

		add_opening(f, &w, "6001");
		add_top_up(f, &w, "6001", 10000, 10000);
		add_top_up(f, &w, "6001", 500, 500);
		ingest_push(f->g, w.b);
	}
	g = ingest_build(f->g, NOW_MS);
	assert_non_null(g);
	assert_int_equal(g->n_rows, 9);
	assert_int_equal(g->n_quarantined, 0);
	assert_int_equal(g->n_opened, 3);
	assert_int_equal(g->n_cursors, 3);
	assert_int_equal(g->n_signed, 3);
	assert_int_equal(g->holdings.n, 6);
	for (size_t i = 0; i < g->n_cursors; i++) {
		assert_int_equal(g->cursors[i].from.seq, 0);
		assert_int_equal(g->cursors[i].to.seq, 3);
	}
	for (size_t i = 0; i < g->postings.n; i++) {
		const struct posting_sum *p = cells_sorted(&g->postings, i);

		assert_int_equal(p->debit + p->credit, 10500);
	}
	assert_null(ingest_build(f->g, NOW_MS)); /* G2 */
	assert_int_equal(book(f), 3);
	assert_int_equal(ingest_backlog(f->g), 0);
	assert_int_equal(ingest_stream_at(f->g, 2)->booked.seq, 3);
}

static void cursor_heads_follow_the_chain(void **state)
{
	struct fixture *f = *state;
	struct builder w = batch_of(f, 1);
	const struct ingest_group *g;
	uint8_t head[HEAD_BYTES] = { 0 };

	add_opening(f, &w, "6001");
	add_opening(f, &w, "6002");
	for (size_t i = 0; i < 2; i++)
		chain_next(head, w.items[i].data, w.items[i].len, head);
	ingest_push(f->g, w.b);
	g = ingest_build(f->g, NOW_MS);
	assert_memory_equal(g->cursors[0].to.head, head, HEAD_BYTES);
	assert_memory_equal(g->rows[1].head, head, HEAD_BYTES);
	book(f);
}

static void bytes_that_are_no_entry_are_quarantined_alone(void **state)
{
	struct fixture *f = *state;
	struct builder w = batch_of(f, 0);
	const struct ingest_group *g;

	add_opening(f, &w, "6001");
	add_bytes(f, &w, "\xff\xff\xff", 3);
	add_top_up(f, &w, "6001", 700, 700);
	ingest_push(f->g, w.b);
	g = ingest_build(f->g, NOW_MS);
	assert_int_equal(g->n_quarantined, 1);
	assert_string_equal(g->quarantined[0].reason, "malformed");
	assert_int_equal(g->quarantined[0].seq, 2);
	assert_int_equal(g->n_rows, 4); /* the three, and HQ's own word (G5) */
	assert_int_equal(g->rows[3].store, 0);
	assert_int_equal(g->cursors[1].store, 0);
	assert_int_equal(g->cursors[1].to.seq, 1);
	assert_int_equal(g->holdings.n, 1); /* the later top-up counts */
	book(f);
	assert_int_equal(ingest_hq_journal(f->g)->seq, 1);
}

static void a_lying_top_up_blocks_its_account_only(void **state)
{
	struct fixture *f = *state;
	struct builder w = batch_of(f, 0);
	const struct ingest_group *g;

	add_opening(f, &w, "6001");
	add_opening(f, &w, "6002");
	add_top_up(f, &w, "6001", 700, 900000); /* issues more than was paid */
	add_top_up(f, &w, "6001", 700, 700);
	add_top_up(f, &w, "6002", 700, 700);
	ingest_push(f->g, w.b);
	g = ingest_build(f->g, NOW_MS);
	assert_int_equal(g->n_quarantined, 2);
	assert_string_equal(g->quarantined[0].reason, "inconsistent");
	assert_string_equal(g->quarantined[1].reason, "account_blocked");
	assert_int_equal(g->holdings.n, 1);
	book(f);

	w = batch_of(f, 0); /* G4: also in later groups */
	add_top_up(f, &w, "6001", 700, 700);
	ingest_push(f->g, w.b);
	g = ingest_build(f->g, NOW_MS);
	assert_int_equal(g->n_quarantined, 1);
	book(f);

	w = batch_of(f, 1); /* another store's dealings with the account go on */
	add_top_up(f, &w, "6001", 700, 700);
	ingest_push(f->g, w.b);
	g = ingest_build(f->g, NOW_MS);
	assert_int_equal(g->n_quarantined, 0);
	book(f);
}

static void an_account_under_a_foreign_id_is_quarantined(void **state)
{
	struct fixture *f = *state;
	struct builder w = batch_of(f, 0);
	Trib__V1__Entry e = TRIB__V1__ENTRY__INIT;
	Trib__V1__AccountOpened body = TRIB__V1__ACCOUNT_OPENED__INIT;
	uint8_t id[ACCOUNT_ID_BYTES];

	name_account("6001", id);
	e.has_account = 1;
	e.account = (ProtobufCBinaryData){ sizeof(id), id };
	body.account_type = (char *)(uintptr_t) "default";
	body.card_no = (ProtobufCBinaryData){ 4, (uint8_t *)(uintptr_t) "6002" };
	e.body_case = TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED;
	e.account_opened = &body;
	add_entry(f, &w, &e);
	ingest_push(f->g, w.b);
	assert_int_equal(ingest_build(f->g, NOW_MS)->n_quarantined, 1);
	book(f);
}

/* Takes from a lot of its own, which no sale issues. */
static void a_sale_that_names_its_own_lot_is_quarantined(void **state)
{
	struct fixture *f = *state;
	struct builder w = batch_of(f, 0);
	Trib__V1__Entry e = TRIB__V1__ENTRY__INIT;
	Trib__V1__Sale body = TRIB__V1__SALE__INIT;
	Trib__V1__Tender tender = TRIB__V1__TENDER__INIT, *tenders[] = { &tender };
	Trib__V1__SliceEffect effect = TRIB__V1__SLICE_EFFECT__INIT, *effects[] = { &effect };
	uint8_t id[ACCOUNT_ID_BYTES];

	name_account("6001", id);
	e.has_account = 1;
	e.account = (ProtobufCBinaryData){ sizeof(id), id };
	body.list_amount = body.payable = tender.amount = 100;
	tender.type = (char *)(uintptr_t) "stored_value";
	body.n_tenders = 1;
	body.tenders = tenders;
	effect.lot = lot_id(101, 1, 1);
	effect.unit = TRIB__V1__UNIT__UNIT_VALUE;
	effect.principal = -100;
	e.n_effects = 1;
	e.effects = effects;
	e.body_case = TRIB__V1__ENTRY__BODY_SALE;
	e.sale = &body;
	add_entry(f, &w, &e);
	ingest_push(f->g, w.b);
	assert_int_equal(ingest_build(f->g, NOW_MS)->n_quarantined, 1);
	book(f);
}

/* The database refuses one of 100 entries: halving finds it, the others are booked once. */
static void a_refused_entry_is_found_by_halving(void **state)
{
	struct fixture *f = *state;
	struct builder w = batch_of(f, 0);
	const uint64_t culprit = 37;
	uint64_t booked = 0;
	size_t quarantined = 0, rounds = 0;

	add_opening(f, &w, "6001");
	for (size_t i = 1; i < 100; i++)
		add_opening(f, &w, "6001");
	ingest_push(f->g, w.b);
	while (ingest_backlog(f->g) > 0) {
		const struct ingest_group *g = ingest_build(f->g, NOW_MS);
		bool is_refused = false;

		assert_true(++rounds < 64);
		for (size_t i = 0; i < g->n_rows; i++)
			is_refused |= g->rows[i].seq == culprit && g->rows[i].store != 0 &&
				      g->n_quarantined == 0;
		if (is_refused) {
			ingest_failed(f->g, true, "check constraint");
			continue;
		}
		assert_int_equal(g->cursors[0].from.seq, booked);
		booked = g->cursors[0].to.seq;
		for (size_t i = 0; i < g->n_quarantined; i++) {
			assert_int_equal(g->quarantined[i].seq >= culprit, true);
			quarantined++;
		}
		book(f);
	}
	assert_int_equal(booked, 100);
	assert_int_equal(quarantined, 100 - culprit + 1); /* it and what follows for the account */
}

static void a_lost_connection_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct builder w = batch_of(f, 0);
	const struct ingest_group *g;

	add_opening(f, &w, "6001");
	ingest_push(f->g, w.b);
	g = ingest_build(f->g, NOW_MS);
	assert_int_equal(g->n_rows, 1);
	ingest_failed(f->g, false, "");
	g = ingest_build(f->g, NOW_MS);
	assert_int_equal(g->n_rows, 1);
	assert_int_equal(g->cursors[0].from.seq, 0);
	assert_int_equal(book(f), 1);
}

/* The culprit is quarantined by its place: after the queue was dropped, whoever comes first is not. */
static void a_dropped_queue_forgets_the_culprit(void **state)
{
	struct fixture *f = *state;
	struct builder w = batch_of(f, 0);
	struct ingest_batch *released;

	add_opening(f, &w, "6001");
	ingest_push(f->g, w.b);
	(void)ingest_build(f->g, NOW_MS);
	ingest_failed(f->g, true, "check constraint");
	assert_int_equal(ingest_build(f->g, NOW_MS)->n_quarantined, 1);
	ingest_failed(f->g, false, ""); /* the connection is lost before the answer */
	ingest_reset(f->g, &released);
	assert_int_equal(free_all(released), 1);

	w = batch_of(f, 1);
	add_opening(f, &w, "6002");
	ingest_push(f->g, w.b);
	assert_int_equal(ingest_build(f->g, NOW_MS)->n_quarantined, 0);
	book(f);
}

/* What the sums were on the way is told, not only where they end (G7). */
static void the_way_of_a_holding_is_kept(void **state)
{
	struct fixture *f = *state;
	struct builder w = batch_of(f, 0);
	const struct ingest_group *g;
	const struct holding_delta *d;

	add_opening(f, &w, "6001");
	add_top_up(f, &w, "6001", 700, 700);
	ingest_push(f->g, w.b);
	g = ingest_build(f->g, NOW_MS);
	d = cells_sorted(&g->holdings, 0);
	assert_true(d->is_issue);
	assert_int_equal(d->min_principal, 0);
	assert_int_equal(d->max_principal, 700);
	book(f);
}

static void a_group_may_end_inside_a_batch(void **state)
{
	struct fixture *f = *state;
	struct builder w = batch_of(f, 0);

	for (size_t i = 0; i < 10; i++)
		add_opening(f, &w, "6001");
	ingest_push(f->g, w.b);
	(void)ingest_build(f->g, NOW_MS);
	ingest_failed(f->g, true, "halve"); /* the next group takes five */
	for (uint64_t done = 5; done <= 10; done += 5) {
		const struct ingest_group *g = ingest_build(f->g, NOW_MS);

		assert_int_equal(g->n_rows, 5);
		assert_int_equal(g->n_signed, done == 10); /* the head is signed for the last */
		assert_int_equal(g->cursors[0].to.seq, done);
		assert_int_equal(book(f), done == 10);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ingest_setup, ingest_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_group_sums_many_stores),
		TEST(cursor_heads_follow_the_chain),
		TEST(bytes_that_are_no_entry_are_quarantined_alone),
		TEST(a_lying_top_up_blocks_its_account_only),
		TEST(an_account_under_a_foreign_id_is_quarantined),
		TEST(a_sale_that_names_its_own_lot_is_quarantined),
		TEST(a_refused_entry_is_found_by_halving),
		TEST(a_lost_connection_changes_nothing),
		TEST(a_dropped_queue_forgets_the_culprit),
		TEST(the_way_of_a_holding_is_kept),
		TEST(a_group_may_end_inside_a_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
