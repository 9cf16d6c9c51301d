#include "nudge.h"

/* Entries of refunds of top-ups, redemptions and reversals that lie. */

static char rule_id[] = "charge";

/* A top-up of P50000 B10000 and 30 points, of which a sale takes P10288 B2057. */
static struct receipt top_up_and_sell(struct shop *s)
{
	static const int64_t steps[][2] = { { 50000, 10000 } };
	struct receipt of;

	shop_add_ladder(s, rule_id, false, 1, steps)->steps[0]->points = 30;
	assert_int_equal(shop_top_up(s, 50000), CODE_OK);
	of = shop_keep_receipt(s);
	assert_int_equal(shop_sell(s, 12345), CODE_OK);
	return of;
}

static struct shop *refund_top_up(void **state)
{
	struct shop *s = *state;
	struct receipt of = top_up_and_sell(s);

	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_OK);
	return s;
}

static struct shop *redeem(void **state)
{
	struct shop *s = *state;

	top_up_and_sell(s);
	assert_int_equal(shop_redeem(s, 50), CODE_OK);
	return s;
}

static struct shop *reverse_refund(void **state)
{
	const struct tender tenders[] = { { "wechat", 300, NULL }, { "stored_value", 700, NULL } };
	const struct sale_command cmd = { .amount = 1000, .n_tenders = 2, .tenders = tenders };
	struct shop *s = *state;
	struct receipt of;

	shop_put_lot(s, 1, 400, 100, s->t.today, 1000);
	shop_put_lot(s, 2, 4000, 1000, LOT_NEVER, 1000);
	assert_int_equal(shop_sell_command(s, &cmd), CODE_OK);
	of = shop_keep_receipt(s);
	shop_set_day(s, s->t.today + 1);
	assert_int_equal(shop_refund(s, &of, 0), CODE_OK);
	assert_int_equal(shop_reverse(s, shop_keep_receipt(s).entry, &of), CODE_OK);
	return s;
}

static struct shop *reverse_top_up_refund(void **state)
{
	struct shop *s = *state;
	struct receipt of = top_up_and_sell(s);

	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_OK);
	assert_int_equal(shop_reverse(s, shop_keep_receipt(s).entry, &of), CODE_OK);
	return s;
}

static struct shop *reverse_redemption(void **state)
{
	struct shop *s = redeem(state);

	assert_int_equal(shop_reverse(s, shop_keep_receipt(s).entry, NULL), CODE_OK);
	return s;
}

/* With `field = value` the last operation's entry must not fold for that reason. */
#define ASSERT_LIE(s, field, value, reason)                                     \
	do {                                                                    \
		__typeof__(field) kept = field;                                 \
		const char *answer = "folds";                                   \
		field = value;                                                  \
		fold_entry_error = fold_entry((s)->entry, &(s)->fold, &answer); \
		field = kept;                                                   \
		assert_string_equal(answer, reason);                            \
		assert_int_equal(fold_entry_error, ERR_INVALID);                \
	} while (0)

/* The same, and with its own value it must fold. */
#define ASSERT_REFUSED(s, field, value, reason)                                   \
	do {                                                                      \
		const char *before = "";                                          \
		assert_int_equal(fold_entry((s)->entry, &(s)->fold, &before), 0); \
		ASSERT_LIE(s, field, value, reason);                              \
	} while (0)

static int fold_entry_error;

static void a_refund_of_a_top_up_takes_its_own_lot_and_pays_that(void **state)
{
	static char stored[] = "stored_value", unknown[] = "shells";
	struct shop *s = refund_top_up(state);
	Trib__V1__Entry *e = s->entry;
	Trib__V1__RefundTopUp *b = e->refund_top_up;
	Trib__V1__SliceEffect *x = e->effects[0], *points = e->effects[1];

	ASSERT_REFUSED(s, b->amount, 0, "the refund's amount or rest is out of bounds");
	ASSERT_REFUSED(s, b->amount, b->amount + 1, "the lot's effect is not the refund");
	ASSERT_REFUSED(s, b->bonus, -1, "the refund's amount or rest is out of bounds");
	ASSERT_REFUSED(s, b->bonus, 0, "the lot's effect is not the refund");
	ASSERT_REFUSED(s, b->rest, -1, "the refund's amount or rest is out of bounds");
	ASSERT_REFUSED(s, b->rest, AMOUNT_MAX, "the refund's amount or rest is out of bounds");
	ASSERT_REFUSED(s, b->of_seq, 0, "the receipt's number is out of bounds");
	ASSERT_REFUSED(s, b->of_seq, LOT_SEQ_MAX + UINT64_C(1),
		       "the receipt's number is out of bounds");
	ASSERT_REFUSED(s, b->of_seq, e->seq, "the receipt is later than its refund");
	ASSERT_REFUSED(s, b->of_seq, b->of_seq - 1, "the lot taken is not the top-up's");
	ASSERT_REFUSED(s, b->of_incarnation, 2, "the receipt is later than its refund");
	ASSERT_REFUSED(s, b->paid_out->amount, b->amount - 1, "what is paid out is not the refund");
	ASSERT_REFUSED(s, b->paid_out->type, stored, "what is paid out is not the refund");
	ASSERT_REFUSED(s, b->paid_out->type, unknown, "what is paid out is not the refund");
	ASSERT_REFUSED(s, b->points_clawed_back, -1, "the points clawed back are out of bounds");
	ASSERT_REFUSED(s, b->points_clawed_back, 25,
		       "points of the effects are not the points taken");
	ASSERT_REFUSED(s, x->lot, shop_lot(77), "the lot taken is not the top-up's");
	ASSERT_REFUSED(s, x->principal, 39712, "an effect gives and takes at once");
	ASSERT_REFUSED(s, x->principal, -1, "the lot's effect is not the refund");
	ASSERT_REFUSED(s, x->bonus, 0, "the lot's effect is not the refund");
	ASSERT_REFUSED(s, e->n_effects, 0, "a refund of a top-up takes one lot");
	ASSERT_REFUSED(s, e->has_account, 0, "no account");
	ASSERT_REFUSED(s, points->principal, 24, "points are given where they are taken");
	ASSERT_REFUSED(s, e->points_owed, 1, "points of the effects are not the points taken");
	points->unit = TRIB__V1__UNIT__UNIT_VALUE;
	ASSERT_LIE(s, points->lot, shop_lot(9), "a refund of a top-up takes one lot");
}

static void a_redemption_takes_points_and_nothing_else(void **state)
{
	struct shop *s = redeem(state);
	Trib__V1__Entry *e = s->entry;
	Trib__V1__SliceEffect *x = e->effects[0];

	ASSERT_REFUSED(s, e->points_redeemed->points, 0, "the points redeemed are out of bounds");
	ASSERT_REFUSED(s, e->points_redeemed->points, 51,
		       "points of the effects are not the points taken");
	ASSERT_REFUSED(s, x->principal, 50, "points are given where they are taken");
	ASSERT_REFUSED(s, x->principal, -49, "points of the effects are not the points taken");
	ASSERT_REFUSED(s, e->n_effects, 0, "points of the effects are not the points taken");
	x->principal = -49;
	ASSERT_LIE(s, e->points_owed, 1, "points redeemed become debt");
	x->principal = -50;
	ASSERT_REFUSED(s, e->points_owed, -1, "points redeemed become debt");
	x->unit = TRIB__V1__UNIT__UNIT_VALUE;
	ASSERT_LIE(s, x->lot, shop_lot(9), "a redemption moves value");
}

static void a_reversal_takes_what_its_refund_gave(void **state)
{
	struct shop *s = reverse_refund(state);
	Trib__V1__Entry *e = s->entry;
	Trib__V1__Reversal *b = e->reversal;
	Trib__V1__SliceEffect *x = e->effects[0];

	ASSERT_REFUSED(s, b->of_seq, 0, "the undone entry's number is out of bounds");
	ASSERT_REFUSED(s, b->of_seq, e->seq, "the undone entry is later than its reversal");
	ASSERT_REFUSED(s, b->of_incarnation, 2, "the undone entry is later than its reversal");
	ASSERT_REFUSED(s, b->refund->of_seq, b->of_seq, "the receipt is later than its refund");
	ASSERT_REFUSED(s, b->refund->amount, 999,
		       "slices back and tenders are not the refund's amount");
	ASSERT_REFUSED(s, x->principal, -x->principal, "an effect gives and takes at once");
	ASSERT_REFUSED(s, x->principal, x->principal + 1, "the effects are not the slices back");
	ASSERT_REFUSED(s, x->bonus, x->bonus - 1, "the effects are not the slices back");
	ASSERT_REFUSED(s, e->n_effects, 0, "the effects are not the slices back");
	ASSERT_REFUSED(s, e->points_owed, 1, "points are given where they are taken");
	ASSERT_REFUSED(s, b->refund->points_clawed_back, 9,
		       "points of the effects are not the points taken");
	ASSERT_REFUSED(s, b->what_case, TRIB__V1__REVERSAL__WHAT__NOT_SET, "a reversal of nothing");
}

static void a_reversal_gives_what_its_top_up_s_refund_took(void **state)
{
	struct shop *s = reverse_top_up_refund(state);
	Trib__V1__Entry *e = s->entry;
	Trib__V1__SliceEffect *x = e->effects[0];

	ASSERT_REFUSED(s, x->principal, x->principal + 1, "the lot's effect is not the refund");
	ASSERT_REFUSED(s, x->lot, shop_lot(77), "the lot taken is not the top-up's");
	ASSERT_REFUSED(s, e->reversal->refund_top_up->bonus, 0,
		       "the lot's effect is not the refund");
	ASSERT_REFUSED(s, e->reversal->of_seq, e->reversal->refund_top_up->of_seq,
		       "the receipt is later than its refund");
}

static void a_reversal_gives_the_points_that_were_redeemed(void **state)
{
	struct shop *s = reverse_redemption(state);
	Trib__V1__Entry *e = s->entry;

	ASSERT_REFUSED(s, e->effects[0]->principal, 51,
		       "points of the effects are not the points taken");
	ASSERT_REFUSED(s, e->effects[0]->principal, -50, "points are given where they are taken");
	ASSERT_REFUSED(s, e->points_owed, -1, "points of the effects are not the points taken");
	ASSERT_REFUSED(s, e->reversal->points_redeemed->points, -50,
		       "the points redeemed are out of bounds");
}

static void an_entry_that_lies_moves_what_it_books_or_is_refused(void **state)
{
	struct shop *(*const make[])(void **) = { refund_top_up, redeem, reverse_refund,
						  reverse_top_up_refund, reverse_redemption };

	for (size_t i = 0; i < 5; i++) {
		nudge_all(make[i](state));
		shop_teardown(state);
		shop_setup(state);
	}
}

/* Every cell of the reversal is that of what it undoes, debits for credits. */
static void assert_mirrors(const struct fold *x, const struct fold *y)
{
	assert_int_equal(x->n_postings, y->n_postings);
	for (size_t i = 0; i < x->n_postings; i++) {
		const struct posting *p = &x->postings[i], *q = &y->postings[i];

		assert_int_equal(p->account, q->account);
		assert_int_equal(p->unit, q->unit);
		assert_int_equal(p->party1, q->party1);
		assert_int_equal(p->party2, q->party2);
		assert_int_equal(p->debit, q->credit);
		assert_int_equal(p->credit, q->debit);
	}
	assert_int_equal(x->n_totals, y->n_totals);
	for (size_t i = 0; i < x->n_totals; i++) {
		assert_int_equal(x->totals[i].amount, y->totals[i].amount);
		assert_int_equal(x->totals[i].count, y->totals[i].count);
		assert_int_equal(x->totals[i].tender, y->totals[i].tender);
		assert_int_equal(x->totals[i].unit, y->totals[i].unit);
		assert_int_not_equal(x->totals[i].kind, y->totals[i].kind);
	}
}

static void a_reversal_posts_the_mirror_of_its_refund(void **state)
{
	static struct fold refund;
	const struct tender tenders[] = { { "wechat", 300, NULL }, { "stored_value", 700, NULL } };
	const struct sale_command cmd = { .amount = 1000, .n_tenders = 2, .tenders = tenders };
	struct shop *s = *state;
	struct receipt of;

	shop_put_lot(s, 1, 400, 100, s->t.today, 1000);
	shop_put_lot(s, 2, 4000, 1000, LOT_NEVER, 1000);
	assert_int_equal(shop_sell_command(s, &cmd), CODE_OK);
	of = shop_keep_receipt(s);
	shop_set_day(s, s->t.today + 1);
	assert_int_equal(shop_refund(s, &of, 0), CODE_OK);
	refund = s->fold;
	assert_int_equal(shop_reverse(s, shop_keep_receipt(s).entry, &of), CODE_OK);
	assert_mirrors(&s->fold, &refund);
}

static void an_entry_of_a_kind_that_moves_nothing_folds_to_nothing(void **state)
{
	struct shop *s = redeem(state);
	Trib__V1__OrderCancelled cancelled = TRIB__V1__ORDER_CANCELLED__INIT;
	Trib__V1__DaySealed sealed = TRIB__V1__DAY_SEALED__INIT;
	Trib__V1__PinEvent pin = TRIB__V1__PIN_EVENT__INIT;
	const struct {
		Trib__V1__Entry__BodyCase kind;
		void *body;
	} bodies[] = { { TRIB__V1__ENTRY__BODY_ORDER_CANCELLED, &cancelled },
		       { TRIB__V1__ENTRY__BODY_DAY_SEALED, &sealed },
		       { TRIB__V1__ENTRY__BODY_PIN_EVENT, &pin } };
	size_t n = s->entry->n_effects;
	const char *why;

	for (size_t i = 0; i < 3; i++) {
		s->entry->body_case = bodies[i].kind;
		s->entry->order_cancelled = bodies[i].body; /* a member of the union */
		s->entry->n_effects = n;
		assert_int_equal(fold_entry(s->entry, &s->fold, &why), ERR_INVALID);
		assert_string_equal(why, "a kind that moves nothing has effects");
		s->entry->n_effects = 0;
		assert_int_equal(fold_entry(s->entry, &s->fold, &why), 0);
		assert_int_equal(s->fold.n_postings, 0);
		assert_int_equal(s->fold.n_totals, 0);
		assert_int_equal(entry_amount(s->entry), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_refund_of_a_top_up_takes_its_own_lot_and_pays_that),
		TEST(a_redemption_takes_points_and_nothing_else),
		TEST(a_reversal_takes_what_its_refund_gave),
		TEST(a_reversal_gives_what_its_top_up_s_refund_took),
		TEST(a_reversal_gives_the_points_that_were_redeemed),
		TEST(an_entry_that_lies_moves_what_it_books_or_is_refused),
		TEST(a_reversal_posts_the_mirror_of_its_refund),
		TEST(an_entry_of_a_kind_that_moves_nothing_folds_to_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
