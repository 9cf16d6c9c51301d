/* Ingest: receipts going up and down, and the kinds that move nothing. */
#include "ingest_fixture.h"

#include <stdlib.h>
#include <string.h>

#define CARD "6001"

/* An entry of the card's account, whose parts the caller sets. */
struct draft {
	Trib__V1__Entry e;
	uint8_t account[ACCOUNT_ID_BYTES];
	Trib__V1__Tender tender, *tenders[1];
	Trib__V1__SliceEffect effect, *effects[1];
	Trib__V1__Refund refund;
	Trib__V1__RefundTopUp refund_top_up;
	Trib__V1__Reversal reversal;
};

static void begin(struct draft *d, const char *card)
{
	memset(d, 0, sizeof(*d));
	trib__v1__entry__init(&d->e);
	trib__v1__tender__init(&d->tender);
	trib__v1__slice_effect__init(&d->effect);
	trib__v1__refund__init(&d->refund);
	trib__v1__refund_top_up__init(&d->refund_top_up);
	trib__v1__reversal__init(&d->reversal);
	d->tender.type = (char *)(uintptr_t) "cash";
	d->tenders[0] = &d->tender;
	d->effects[0] = &d->effect;
	d->e.order_no = (char *)(uintptr_t) "A1";
	if (card == NULL)
		return;
	name_account(card, d->account);
	d->e.has_account = 1;
	d->e.account = (ProtobufCBinaryData){ sizeof(d->account), d->account };
}

/* A refund of a cash sale. */
static void refund(struct draft *d, const char *card, uint64_t of_seq, int64_t amount)
{
	begin(d, card);
	d->tender.amount = amount;
	d->refund.of_incarnation = 1;
	d->refund.of_seq = of_seq;
	d->refund.amount = amount;
	d->refund.n_paid_out = 1;
	d->refund.paid_out = d->tenders;
	d->e.body_case = TRIB__V1__ENTRY__BODY_REFUND;
	d->e.refund = &d->refund;
}

static void refund_top_up(struct draft *d, const char *card, uint64_t of_seq, int64_t amount)
{
	begin(d, card);
	d->tender.amount = amount;
	d->effect.lot = lot_id(101, 1, of_seq);
	d->effect.unit = TRIB__V1__UNIT__UNIT_VALUE;
	d->effect.principal = -amount;
	d->e.n_effects = 1;
	d->e.effects = d->effects;
	d->refund_top_up.of_incarnation = 1;
	d->refund_top_up.of_seq = of_seq;
	d->refund_top_up.amount = amount;
	d->refund_top_up.paid_out = &d->tender;
	d->e.body_case = TRIB__V1__ENTRY__BODY_REFUND_TOP_UP;
	d->e.refund_top_up = &d->refund_top_up;
}

/* Make the draft, a refund of either kind, the reversal of that refund, which was entry of_seq. */
static void reverse(struct draft *d, uint64_t of_seq)
{
	d->reversal.of_incarnation = 1;
	d->reversal.of_seq = of_seq;
	if (d->e.body_case == TRIB__V1__ENTRY__BODY_REFUND) {
		d->reversal.what_case = TRIB__V1__REVERSAL__WHAT_REFUND;
		d->reversal.refund = &d->refund;
	} else {
		d->reversal.what_case = TRIB__V1__REVERSAL__WHAT_REFUND_TOP_UP;
		d->reversal.refund_top_up = &d->refund_top_up;
	}
	d->effect.principal = -d->effect.principal;
	d->e.body_case = TRIB__V1__ENTRY__BODY_REVERSAL;
	d->e.reversal = &d->reversal;
}

/* Opening, top-up of 1000 and cash sale of 500, seqs 1 to 3, booked. */
static void trade(struct fixture *f)
{
	struct builder w = batch_of(f, 0);
	Trib__V1__Sale sale = TRIB__V1__SALE__INIT;
	struct draft d;

	add_opening(f, &w, CARD);
	add_top_up(f, &w, CARD, 1000, 1000);
	begin(&d, CARD);
	sale.list_amount = sale.payable = d.tender.amount = 500;
	sale.n_tenders = 1;
	sale.tenders = d.tenders;
	d.e.body_case = TRIB__V1__ENTRY__BODY_SALE;
	d.e.sale = &sale;
	add_entry(f, &w, &d.e);
	ingest_push(f->g, w.b);
	assert_int_equal(ingest_build(f->g, NOW_MS)->n_quarantined, 0);
	book(f);
}

static const struct ingest_group *build(struct fixture *f, struct builder *w)
{
	ingest_push(f->g, w->b);
	return ingest_build(f->g, NOW_MS);
}

/* One group of these entries; the only receipt that it changes. */
static const struct receipt_sum *receipt_of(struct fixture *f, struct draft *const *drafts,
					    size_t n)
{
	struct builder w = batch_of(f, 0);
	const struct ingest_group *g;

	for (size_t i = 0; i < n; i++)
		add_entry(f, &w, &drafts[i]->e);
	g = build(f, &w);
	assert_int_equal(g->n_quarantined, 0);
	assert_int_equal(g->receipts.n, 1);
	return cells_sorted(&g->receipts, 0);
}

static void the_way_of_a_receipt_is_kept(void **state)
{
	struct fixture *f = *state;
	const struct receipt_sum *r;
	struct draft a, b, c;

	trade(f);
	refund(&a, CARD, 3, 300);
	refund(&b, CARD, 3, 300);
	reverse(&b, 4);
	refund(&c, CARD, 3, 200);
	r = receipt_of(f, (struct draft *[]){ &a, &b, &c }, 3);
	assert_int_equal(r->kind, TRIB__V1__ENTRY__BODY_SALE);
	assert_int_equal(r->key.seq, 3);
	assert_int_equal(r->refunded, 200);
	assert_int_equal(r->min_refunded, 0);
	assert_int_equal(r->max_refunded, 300);
	book(f);

	/* Undone first and refunded again: the sum alone would not show that it fell. */
	refund(&a, CARD, 3, 300);
	reverse(&a, 4);
	refund(&b, CARD, 3, 300);
	r = receipt_of(f, (struct draft *[]){ &a, &b }, 2);
	assert_int_equal(r->refunded, 0);
	assert_int_equal(r->min_refunded, -300);
	assert_int_equal(r->max_refunded, 0);
	book(f);
}

static void a_top_up_has_a_receipt_as_well(void **state)
{
	struct fixture *f = *state;
	const struct receipt_sum *r;
	struct draft a, b;

	trade(f);
	refund_top_up(&a, CARD, 2, 1000);
	refund_top_up(&b, CARD, 2, 1000);
	reverse(&b, 4);
	r = receipt_of(f, (struct draft *[]){ &a, &b }, 2);
	assert_int_equal(r->kind, TRIB__V1__ENTRY__BODY_TOP_UP);
	assert_int_equal(r->key.seq, 2);
	assert_int_equal(r->refunded, 0);
	assert_int_equal(r->max_refunded, 1000);
	book(f);
}

/* The first is booked, the second goes to quarantine for that. */
static void assert_second_refused(struct fixture *f, struct draft *first, struct draft *second,
				  const char *detail)
{
	struct builder w = batch_of(f, 0);
	const struct ingest_group *g;

	add_entry(f, &w, &first->e);
	add_entry(f, &w, &second->e);
	g = build(f, &w);
	assert_int_equal(g->n_quarantined, 1);
	assert_int_equal(g->quarantined[0].seq, f->seq[0]);
	assert_string_equal(g->quarantined[0].reason, "inconsistent");
	assert_string_equal(g->quarantined[0].detail, detail);
	book(f);
}

static void a_receipt_is_of_one_kind(void **state)
{
	struct fixture *f = *state;
	struct draft a, b;

	trade(f);
	refund_top_up(&a, CARD, 2, 400);
	refund(&b, CARD, 2, 100);
	assert_second_refused(f, &a, &b, "refunds a receipt of another kind");
}

static void a_receipt_is_of_one_account(void **state)
{
	struct fixture *f = *state;
	struct draft a, b;

	trade(f);
	refund(&a, CARD, 3, 100);
	refund(&b, "6002", 3, 100);
	reverse(&b, 4);
	assert_second_refused(f, &a, &b, "refunds a receipt of another account");
}

/* The draft goes to quarantine for that. */
static void assert_refused(struct fixture *f, struct draft *d, const char *reason,
			   const char *detail)
{
	struct builder w = batch_of(f, 1);
	const struct ingest_group *g;

	add_entry(f, &w, &d->e);
	g = build(f, &w);
	assert_int_equal(g->n_quarantined, 1);
	assert_string_equal(g->quarantined[0].reason, reason);
	assert_string_equal(g->quarantined[0].detail, detail);
	assert_int_equal(g->receipts.n + g->postings.n + g->holdings.n, 0);
	book(f);
}

static void a_reversal_of_another_store_s_refund_is_quarantined(void **state)
{
	struct fixture *f = *state;
	struct builder w = batch_of(f, 1);
	struct draft d;

	add_opening(f, &w, CARD);
	(void)build(f, &w);
	book(f);
	refund(&d, CARD, 1, 100);
	d.refund.has_of_node = 1;
	d.refund.of_node = 101;
	reverse(&d, 1);
	assert_refused(f, &d, "inconsistent", "refunds a receipt that another store holds");
}

static void an_entry_cancels_an_order_of_the_verb_that_it_undoes(void **state)
{
	static const char why[] = "cancels an order of a verb that it does not undo";
	struct fixture *f = *state;
	Trib__V1__OrderCancelled cancelled = TRIB__V1__ORDER_CANCELLED__INIT;
	struct builder w;
	struct draft d;

	trade(f);
	w = batch_of(f, 0);
	refund(&d, CARD, 3, 500);
	d.e.has_cancels = 1;
	d.e.cancels = ORDER_SALE;
	add_entry(f, &w, &d.e);
	refund(&d, CARD, 3, 500);
	reverse(&d, 4);
	d.e.has_cancels = 1;
	d.e.cancels = ORDER_REFUND;
	add_entry(f, &w, &d.e);
	refund_top_up(&d, CARD, 2, 1000);
	d.e.has_cancels = 1;
	d.e.cancels = ORDER_TOP_UP;
	add_entry(f, &w, &d.e);
	begin(&d, NULL);
	cancelled.verb = ORDER_REDEMPTION;
	d.e.body_case = TRIB__V1__ENTRY__BODY_ORDER_CANCELLED;
	d.e.order_cancelled = &cancelled;
	d.e.has_cancels = 1;
	d.e.cancels = ORDER_REDEMPTION;
	add_entry(f, &w, &d.e);
	assert_int_equal(build(f, &w)->n_quarantined, 0);
	book(f);

	d.e.cancels = ORDER_SALE;
	assert_refused(f, &d, "inconsistent", "cancels no order, or one of another verb");
	d.e.has_cancels = 0;
	assert_refused(f, &d, "inconsistent", "cancels no order, or one of another verb");
	d.e.has_cancels = 1;
	d.e.cancels = 6;
	assert_refused(f, &d, "malformed", "cancels an unknown verb, or no order");
	d.e.cancels = ORDER_REDEMPTION;
	d.e.order_no = NULL;
	assert_refused(f, &d, "malformed", "cancels an unknown verb, or no order");
	refund(&d, CARD, 1, 500);
	d.e.has_cancels = 1;
	d.e.cancels = ORDER_TOP_UP;
	assert_refused(f, &d, "inconsistent", why);
}

static void sealed_days_and_pin_events_are_booked_and_move_nothing(void **state)
{
	struct fixture *f = *state;
	struct builder w = batch_of(f, 1);
	uint8_t head[HEAD_BYTES] = { 0 };
	Trib__V1__SeqRange range = TRIB__V1__SEQ_RANGE__INIT, *ranges[] = { &range };
	Trib__V1__SealedTotal total = TRIB__V1__SEALED_TOTAL__INIT, *totals[] = { &total };
	Trib__V1__DaySealed sealed = TRIB__V1__DAY_SEALED__INIT;
	Trib__V1__PinEvent pin = TRIB__V1__PIN_EVENT__INIT;
	const struct ingest_group *g;
	struct draft d, e;

	begin(&d, NULL);
	range.head = (ProtobufCBinaryData){ sizeof(head), head };
	sealed.day = DAY;
	sealed.n_ranges = sealed.n_totals = 1;
	sealed.ranges = ranges;
	sealed.totals = totals;
	d.e.body_case = TRIB__V1__ENTRY__BODY_DAY_SEALED;
	d.e.day_sealed = &sealed;
	add_entry(f, &w, &d.e);
	begin(&e, CARD);
	pin.result = TRIB__V1__PIN_RESULT__PIN_FAILED;
	pin.failures = 1;
	e.e.body_case = TRIB__V1__ENTRY__BODY_PIN_EVENT;
	e.e.pin_event = &pin;
	add_entry(f, &w, &e.e);
	g = build(f, &w);
	assert_int_equal(g->n_quarantined, 0);
	assert_int_equal(g->n_rows, 2);
	assert_int_equal(g->receipts.n + g->postings.n + g->holdings.n + g->totals.n, 0);
	book(f);

	range.head.len = 31;
	assert_refused(f, &d, "malformed", "a sealed range is out of bounds");
	range.head.len = 32;
	total.unit = -1;
	assert_refused(f, &d, "malformed", "a sealed total is out of bounds");
	pin.result = TRIB__V1__PIN_RESULT__PIN_RESULT_NONE;
	assert_refused(f, &e, "malformed", "a PIN event of an unknown result");
}

static void a_seal_of_too_many_totals_is_quarantined(void **state)
{
	struct fixture *f = *state;
	static Trib__V1__SealedTotal total, *totals[SEAL_MAX_TOTALS + 1];
	Trib__V1__DaySealed sealed = TRIB__V1__DAY_SEALED__INIT;
	struct builder w = batch_of(f, 0);
	struct draft d;

	trib__v1__sealed_total__init(&total);
	for (size_t i = 0; i <= SEAL_MAX_TOTALS; i++)
		totals[i] = &total;
	begin(&d, NULL);
	sealed.day = DAY;
	sealed.n_totals = SEAL_MAX_TOTALS + 1;
	sealed.totals = totals;
	d.e.body_case = TRIB__V1__ENTRY__BODY_DAY_SEALED;
	d.e.day_sealed = &sealed;
	add_entry(f, &w, &d.e);
	assert_int_equal(build(f, &w)->n_quarantined, 1);
	book(f);
}

static void hq_s_own_kinds_are_no_store_s(void **state)
{
	struct fixture *f = *state;
	Trib__V1__Quarantined body = TRIB__V1__QUARANTINED__INIT;
	struct draft d;

	begin(&d, NULL);
	body.reason = (char *)(uintptr_t) "because";
	d.e.body_case = TRIB__V1__ENTRY__BODY_QUARANTINED;
	d.e.quarantined = &body;
	assert_refused(f, &d, "inconsistent", "kind is not one that a store writes");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ingest_setup, ingest_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_way_of_a_receipt_is_kept),
		TEST(a_top_up_has_a_receipt_as_well),
		TEST(a_receipt_is_of_one_kind),
		TEST(a_receipt_is_of_one_account),
		TEST(a_reversal_of_another_store_s_refund_is_quarantined),
		TEST(an_entry_cancels_an_order_of_the_verb_that_it_undoes),
		TEST(sealed_days_and_pin_events_are_booked_and_move_nothing),
		TEST(a_seal_of_too_many_totals_is_quarantined),
		TEST(hq_s_own_kinds_are_no_store_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
