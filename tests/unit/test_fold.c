#include "nudge.h"

#include <string.h>

static char rule_id[] = "charge";

static int64_t debit_of(const struct shop *s, enum ledger_account account, enum ledger_unit unit,
			int32_t party1, int32_t party2)
{
	int64_t sum = 0;

	for (size_t i = 0; i < s->fold.n_postings; i++) {
		const struct posting *p = &s->fold.postings[i];

		if (p->account == (int)account && p->unit == (int)unit && p->party1 == party1 &&
		    p->party2 == party2)
			sum += p->debit - p->credit;
	}
	return sum;
}

static int64_t total_of(const struct shop *s, enum total_kind kind, enum tender_kind tender,
			enum ledger_unit unit)
{
	for (size_t i = 0; i < s->fold.n_totals; i++) {
		const struct day_total *t = &s->fold.totals[i];

		if (t->kind == (int)kind && t->tender == (int)tender && t->unit == (int)unit) {
			assert_int_equal(t->count, 1);
			return t->amount;
		}
	}
	return -1;
}

/* A top-up of 50000 that gives 10000 and 30 points; seq 1000. */
static struct shop *top_up(void **state)
{
	static const int64_t steps[][2] = { { 50000, 10000 } };
	struct shop *s = *state;

	shop_add_ladder(s, rule_id, false, 1, steps)->steps[0]->points = 30;
	assert_int_equal(shop_top_up(s, 50000), CODE_OK);
	return s;
}

/* 12000 of stored value, 3000 by wechat and 1000 in cash twice, after top_up; two lots are touched. */
static struct shop *sell(void **state)
{
	static const struct tender tenders[] = { { "cash", 1000, NULL },
						 { "stored_value", 12000, NULL },
						 { "wechat", 3000, "W1" },
						 { "cash", 1000, NULL } };
	static const struct sale_line lines[] = { { "tea", NULL, 1000, 7000 },
						  { "cake", NULL, 2000, 10000 } };
	const struct sale_command cmd = {
		.amount = 17000, .n_lines = 2, .lines = lines, .n_tenders = 4, .tenders = tenders
	};
	struct shop *s = top_up(state);

	shop_put_lot(s, 1, 400, 100, s->t.today, 1000);
	assert_int_equal(shop_sell_command(s, &cmd), CODE_OK);
	return s;
}

/* All of sell's receipt comes back, the first lot being expired. */
static struct shop *refund(void **state)
{
	struct shop *s = sell(state);
	struct receipt of = shop_keep_receipt(s);

	shop_set_day(s, s->t.today + 1);
	shop_put_points(s, POINTS_LOT_NEVER, 150);
	assert_int_equal(shop_refund(s, &of, 0), CODE_OK);
	return s;
}

static void a_top_up_posts_tender_principal_bonus_and_points(void **state)
{
	struct shop *s = top_up(state);

	assert_int_equal(s->fold.n_postings, 6);
	assert_int_equal(debit_of(s, LEDGER_TENDER_CLEARING, LEDGER_UNIT_MONEY, SHOP_NODE,
				  TENDER_CASH),
			 50000);
	assert_int_equal(debit_of(s, LEDGER_PRINCIPAL, LEDGER_UNIT_MONEY, SHOP_NODE, 0), -50000);
	assert_int_equal(debit_of(s, LEDGER_ISSUED, LEDGER_UNIT_BONUS, SHOP_NODE, 0), 10000);
	assert_int_equal(debit_of(s, LEDGER_BONUS, LEDGER_UNIT_BONUS, SHOP_NODE, 0), -10000);
	assert_int_equal(debit_of(s, LEDGER_ISSUED, LEDGER_UNIT_POINTS, SHOP_NODE, 0), 30);
	assert_int_equal(debit_of(s, LEDGER_POINTS, LEDGER_UNIT_POINTS, 0, 0), -30);
	assert_int_equal(s->fold.n_totals, 3);
	assert_int_equal(total_of(s, TOTAL_TOP_UP, TENDER_CASH, LEDGER_UNIT_MONEY), 50000);
	assert_int_equal(total_of(s, TOTAL_TOP_UP, TENDER_NONE, LEDGER_UNIT_BONUS), 10000);
	assert_int_equal(total_of(s, TOTAL_TOP_UP, TENDER_NONE, LEDGER_UNIT_POINTS), 30);
}

static void a_sale_posts_revenue_against_tenders_principal_and_promotion(void **state)
{
	struct shop *s = sell(state);

	/* 100 of bonus from the first lot, floor(11500 * 10000 / 60000) from the second. */
	assert_int_equal(debit_of(s, LEDGER_PRINCIPAL, LEDGER_UNIT_MONEY, SHOP_NODE, 0), 9984);
	assert_int_equal(debit_of(s, LEDGER_PROMOTION_COST, LEDGER_UNIT_MONEY, SHOP_NODE, 0), 2016);
	assert_int_equal(debit_of(s, LEDGER_TENDER_CLEARING, LEDGER_UNIT_MONEY, SHOP_NODE,
				  TENDER_CASH),
			 2000);
	assert_int_equal(debit_of(s, LEDGER_TENDER_CLEARING, LEDGER_UNIT_MONEY, SHOP_NODE,
				  TENDER_WECHAT),
			 3000);
	assert_int_equal(debit_of(s, LEDGER_REVENUE, LEDGER_UNIT_MONEY, SHOP_NODE, 0), -17000);
	assert_int_equal(debit_of(s, LEDGER_BONUS, LEDGER_UNIT_BONUS, SHOP_NODE, 0), 2016);
	assert_int_equal(debit_of(s, LEDGER_ISSUED, LEDGER_UNIT_BONUS, SHOP_NODE, 0), -2016);
	assert_int_equal(debit_of(s, LEDGER_POINTS, LEDGER_UNIT_POINTS, 0, 0), -170);
	assert_int_equal(s->fold.n_totals, 5);
	assert_int_equal(total_of(s, TOTAL_SALE, TENDER_KIND_STORED_VALUE, LEDGER_UNIT_MONEY),
			 12000);
	assert_int_equal(total_of(s, TOTAL_SALE, TENDER_CASH, LEDGER_UNIT_MONEY), 2000);
	assert_int_equal(total_of(s, TOTAL_SALE, TENDER_WECHAT, LEDGER_UNIT_MONEY), 3000);
	assert_int_equal(total_of(s, TOTAL_SALE, TENDER_NONE, LEDGER_UNIT_BONUS), 2016);
	assert_int_equal(total_of(s, TOTAL_SALE, TENDER_NONE, LEDGER_UNIT_POINTS), 170);
}

static void a_refund_mirrors_its_sale_and_expired_bonus_goes_out_again(void **state)
{
	struct shop *s = refund(state);

	assert_int_equal(debit_of(s, LEDGER_PRINCIPAL, LEDGER_UNIT_MONEY, SHOP_NODE, 0), -9984);
	assert_int_equal(debit_of(s, LEDGER_PROMOTION_COST, LEDGER_UNIT_MONEY, SHOP_NODE, 0),
			 -2016);
	assert_int_equal(debit_of(s, LEDGER_TENDER_CLEARING, LEDGER_UNIT_MONEY, SHOP_NODE,
				  TENDER_CASH),
			 -2000);
	assert_int_equal(debit_of(s, LEDGER_REVENUE, LEDGER_UNIT_MONEY, SHOP_NODE, 0), 17000);
	assert_int_equal(debit_of(s, LEDGER_BONUS, LEDGER_UNIT_BONUS, SHOP_NODE, 0), -1916);
	assert_int_equal(debit_of(s, LEDGER_ISSUED, LEDGER_UNIT_BONUS, SHOP_NODE, 0), 1916);
	/* 170 are clawed back, of which 20 become debt. */
	assert_int_equal(debit_of(s, LEDGER_POINTS, LEDGER_UNIT_POINTS, 0, 0), 150);
	assert_int_equal(total_of(s, TOTAL_REFUND, TENDER_NONE, LEDGER_UNIT_POINTS), 170);
	assert_int_equal(total_of(s, TOTAL_REFUND, TENDER_NONE, LEDGER_UNIT_BONUS), 2016);
	assert_int_equal(total_of(s, TOTAL_REFUND, TENDER_KIND_STORED_VALUE, LEDGER_UNIT_MONEY),
			 12000);
}

static void a_lot_of_another_shop_is_that_shop_s_principal(void **state)
{
	struct shop *s = *state;

	shop_put_lot(s, 1, 600, 60, LOT_NEVER, 1000);
	s->t.node = 205;
	assert_int_equal(shop_sell(s, 110), CODE_OK);
	assert_int_equal(debit_of(s, LEDGER_PRINCIPAL, LEDGER_UNIT_MONEY, SHOP_NODE, 0), 100);
	assert_int_equal(debit_of(s, LEDGER_BONUS, LEDGER_UNIT_BONUS, SHOP_NODE, 0), 10);
	assert_int_equal(debit_of(s, LEDGER_PROMOTION_COST, LEDGER_UNIT_MONEY, 205, 0), 10);
	assert_int_equal(debit_of(s, LEDGER_REVENUE, LEDGER_UNIT_MONEY, 205, 0), -110);
}

/* The last operation's entry must fold, and with `*field = value` must not. */
#define ASSERT_REFUSED(s, field, value, reason)                                   \
	do {                                                                      \
		__typeof__(field) kept = field;                                   \
		const char *answer = "folds";                                     \
		assert_int_equal(fold_entry((s)->entry, &(s)->fold, &answer), 0); \
		field = value;                                                    \
		fold_entry_error = fold_entry((s)->entry, &(s)->fold, &answer);   \
		field = kept;                                                     \
		assert_string_equal(answer, reason);                              \
		assert_int_equal(fold_entry_error, ERR_INVALID);                  \
	} while (0)

static int fold_entry_error;

static void a_header_out_of_bounds_is_refused(void **state)
{
	struct shop *s = sell(state);
	Trib__V1__Entry *e = s->entry;
	Trib__V1__SliceEffect *x = e->effects[0];

	ASSERT_REFUSED(s, e->node, 0, "node, incarnation or seq is out of bounds");
	ASSERT_REFUSED(s, e->node, NODE_MAX + 1, "node, incarnation or seq is out of bounds");
	ASSERT_REFUSED(s, e->seq, 0, "node, incarnation or seq is out of bounds");
	ASSERT_REFUSED(s, e->has_account, 0, "no account");
	ASSERT_REFUSED(s, e->account.len, 15, "no account");
	ASSERT_REFUSED(s, e->points_owed, INT64_MIN, "points owed are out of bounds");
	ASSERT_REFUSED(s, x->principal, INT64_MIN, "an effect is out of bounds");
	ASSERT_REFUSED(s, x->bonus, INT64_MAX, "an effect is out of bounds");
	ASSERT_REFUSED(s, x->terms->principal, -1, "an effect is out of bounds");
	ASSERT_REFUSED(s, x->terms->issuer, 1, "the issuer is not the one in the lot's number");
	ASSERT_REFUSED(s, x->lot, e->effects[1]->lot, "a lot stands twice in the effects");
	ASSERT_REFUSED(s, x->lot, -5, "no value lot's number");
	ASSERT_REFUSED(s, x->unit, TRIB__V1__UNIT__UNIT_POINTS, "no points lot's number");
	ASSERT_REFUSED(s, x->unit, TRIB__V1__UNIT__UNIT_USES,
		       "an effect in a unit that this kind does not move");
	ASSERT_REFUSED(s, x->unit, (Trib__V1__Unit)77,
		       "an effect in a unit that this kind does not move");
	ASSERT_REFUSED(s, x->bonus, 5, "an effect gives and takes at once");
	ASSERT_REFUSED(s, e->effects[2]->bonus, 5, "points have no bonus");
	ASSERT_REFUSED(s, e->effects[2]->principal, 0, "an effect moves nothing");
}

static void a_top_up_issues_what_was_paid_and_given_and_no_more(void **state)
{
	static char stored[] = "stored_value", unknown[] = "shells";
	struct shop *s = top_up(state);
	Trib__V1__Entry *e = s->entry;
	Trib__V1__SliceEffect *x = e->effects[0], *points = e->effects[1];
	Trib__V1__RuleGive *g = e->top_up->gives[0];

	ASSERT_REFUSED(s, e->top_up->paid, 0, "paid is out of bounds");
	ASSERT_REFUSED(s, e->top_up->paid, -50000, "paid is out of bounds");
	ASSERT_REFUSED(s, e->top_up->paid, 49999, "principal issued is not what was paid");
	ASSERT_REFUSED(s, e->top_up->tender, stored, "no tender that can pay a top-up");
	ASSERT_REFUSED(s, e->top_up->tender, unknown, "no tender that can pay a top-up");
	ASSERT_REFUSED(s, e->top_up->tender, NULL, "no tender that can pay a top-up");
	ASSERT_REFUSED(s, x->principal, 50001, "principal issued is not what was paid");
	ASSERT_REFUSED(s, x->bonus, 10001, "bonus issued is not what the rules gave");
	ASSERT_REFUSED(s, x->terms->bonus, 20000, "the lot's terms are not what was issued");
	ASSERT_REFUSED(s, x->terms, NULL, "the lot's terms are not what was issued");
	ASSERT_REFUSED(s, x->lot, x->lot - 1, "a top-up issues a lot that is not its own");
	ASSERT_REFUSED(s, e->seq, e->seq + 1, "a top-up issues a lot that is not its own");
	ASSERT_REFUSED(s, e->n_effects, 0, "a top-up issues one lot");
	ASSERT_REFUSED(s, g->bonus, -10000, "a gift is out of bounds");
	ASSERT_REFUSED(s, g->bonus, 9999, "bonus issued is not what the rules gave");
	ASSERT_REFUSED(s, g->uses, 1, "a gift of uses");
	ASSERT_REFUSED(s, e->top_up->n_gives, 0, "bonus issued is not what the rules gave");
	ASSERT_REFUSED(s, points->principal, 31, "points of the effects are not the points given");
	ASSERT_REFUSED(s, points->principal, -30, "points are taken where they are given");
	ASSERT_REFUSED(s, points->lot, -202613, "no points lot's number");
	ASSERT_REFUSED(s, e->points_owed, -1, "points of the effects are not the points given");
	ASSERT_REFUSED(s, e->points_owed, 1, "points are taken where they are given");
}

static void a_sale_takes_what_its_tender_says(void **state)
{
	static char unknown[] = "shells", stored[] = "stored_value";
	struct shop *s = sell(state);
	Trib__V1__Entry *e = s->entry;
	Trib__V1__Sale *b = e->sale;
	Trib__V1__SliceEffect *x = e->effects[0], *points = e->effects[2];
	const char *why = "";

	ASSERT_REFUSED(s, x->principal, -399, "the slices taken are not the stored value tender");
	ASSERT_REFUSED(s, x->bonus, -99, "the slices taken are not the stored value tender");
	ASSERT_REFUSED(s, e->n_effects, 0, "the slices taken are not the stored value tender");
	ASSERT_REFUSED(s, b->tenders[1]->amount, 11999, "the tenders are not the payable");
	ASSERT_REFUSED(s, b->tenders[0]->amount, 0, "a tender is unknown or out of bounds");
	ASSERT_REFUSED(s, b->tenders[0]->amount, -1000, "a tender is unknown or out of bounds");
	ASSERT_REFUSED(s, b->tenders[0]->type, unknown, "a tender is unknown or out of bounds");
	ASSERT_REFUSED(s, b->tenders[0]->type, stored, "stored value stands twice in the tenders");
	ASSERT_REFUSED(s, b->n_tenders, 0, "no tender or too many");
	ASSERT_REFUSED(s, b->n_tenders, 3, "the tenders are not the payable");
	ASSERT_REFUSED(s, b->payable, 17001, "payable is above what the discounts leave");
	ASSERT_REFUSED(s, b->payable, INT64_MAX, "the receipt's amount is out of bounds");
	ASSERT_REFUSED(s, b->payable, 16999, "points earned are not the rate's");
	ASSERT_REFUSED(s, b->list_amount, 16999, "the lines are not the list amount");
	ASSERT_REFUSED(s, b->list_amount, -17000, "the receipt's amount is out of bounds");
	ASSERT_REFUSED(s, b->lines[0]->amount, -7000, "a line is out of bounds");
	ASSERT_REFUSED(s, b->lines[0]->qty_milli, 0, "a line is out of bounds");
	ASSERT_REFUSED(s, b->points_used, 1, "points used by a sale");
	ASSERT_REFUSED(s, b->points_earned, 171, "points earned are not the rate's");
	ASSERT_REFUSED(s, b->points_rate, NULL, "points earned are not the rate's");
	ASSERT_REFUSED(s, b->points_rate->num, INT64_MAX, "the points rate is out of bounds");
	ASSERT_REFUSED(s, b->points_rate->den, 0, "the points rate is out of bounds");
	ASSERT_REFUSED(s, b->points_rate->num, -1, "the points rate is out of bounds");
	ASSERT_REFUSED(s, points->principal, 171, "points of the effects are not the points given");
	points->unit = TRIB__V1__UNIT__UNIT_VALUE;
	points->lot = shop_lot(9);
	points->terms = NULL;
	assert_int_equal(fold_entry(e, &s->fold, &why), ERR_INVALID);
	assert_string_equal(why, "a sale gives value");
}

static void a_discount_lowers_what_may_be_paid(void **state)
{
	struct shop *s = sell(state);
	Trib__V1__Discount d, *list[] = { &d };

	trib__v1__discount__init(&d);
	d.rule = rule_id;
	s->entry->sale->discounts = list;
	s->entry->sale->n_discounts = 1;
	ASSERT_REFUSED(s, d.amount, 1, "payable is above what the discounts leave");
	ASSERT_REFUSED(s, d.amount, -1, "a discount is out of bounds");
}

static void a_refund_gives_back_what_its_body_says(void **state)
{
	static char stored[] = "stored_value";
	struct shop *s = refund(state);
	Trib__V1__Entry *e = s->entry;
	Trib__V1__Refund *b = e->refund;
	Trib__V1__SliceEffect *x = e->effects[0], *points = e->effects[2];

	assert_int_equal(b->n_back, 2);
	ASSERT_REFUSED(s, b->amount, 17001, "slices back and tenders are not the refund's amount");
	ASSERT_REFUSED(s, b->amount, -1, "the refund's amount or rest is out of bounds");
	ASSERT_REFUSED(s, b->rest, -1, "the refund's amount or rest is out of bounds");
	ASSERT_REFUSED(s, b->rest, AMOUNT_MAX, "the refund's amount or rest is out of bounds");
	ASSERT_REFUSED(s, b->of_seq, e->seq, "the receipt is later than its refund");
	ASSERT_REFUSED(s, b->of_seq, 0, "the receipt's number is out of bounds");
	ASSERT_REFUSED(s, b->of_incarnation, e->incarnation + 1,
		       "the receipt is later than its refund");
	ASSERT_REFUSED(s, b->paid_out[0]->amount, 999,
		       "slices back and tenders are not the refund's amount");
	ASSERT_REFUSED(s, b->paid_out[0]->amount, -1000, "a tender is unknown or out of bounds");
	ASSERT_REFUSED(s, b->paid_out[0]->type, stored, "a tender is unknown or out of bounds");
	ASSERT_REFUSED(s, x->principal, x->principal + 1, "the effects are not the slices back");
	ASSERT_REFUSED(s, x->bonus, x->bonus - 1, "the effects are not the slices back");
	ASSERT_REFUSED(s, x->lot, shop_lot(77), "the effects are not the slices back");
	ASSERT_REFUSED(s, e->n_effects, 0, "the effects are not the slices back");
	ASSERT_REFUSED(s, b->n_back, 1, "a value effect that is no slice back");
	ASSERT_REFUSED(s, b->back[0]->principal, -1, "a slice back is out of bounds");
	ASSERT_REFUSED(s, b->back[0]->issuer, 1, "the issuer is not the one in the lot's number");
	ASSERT_REFUSED(s, b->back[0]->lot, b->back[1]->lot,
		       "a lot stands twice in the slices back");
	ASSERT_REFUSED(s, b->back[0]->expired_bonus, 1, "a lot's bonus is expired and is not");
	ASSERT_REFUSED(s, b->back[1]->expired_bonus, 99,
		       "slices back and tenders are not the refund's amount");
	ASSERT_REFUSED(s, b->back[1]->expired_principal, 1, "principal expired by a refund");
	ASSERT_REFUSED(s, b->points_clawed_back, 169,
		       "points of the effects are not the points taken");
	ASSERT_REFUSED(s, b->points_clawed_back, -1, "the points clawed back are out of bounds");
	ASSERT_REFUSED(s, points->principal, 150, "points are given where they are taken");
	ASSERT_REFUSED(s, e->points_owed, 19, "points of the effects are not the points taken");
	ASSERT_REFUSED(s, e->points_owed, -20, "points are given where they are taken");
}

static void an_entry_that_lies_moves_what_it_books_or_is_refused(void **state)
{
	struct shop *(*const make[])(void **) = { top_up, sell, refund };

	for (size_t i = 0; i < 3; i++) {
		nudge_all(make[i](state));
		shop_teardown(state);
		shop_setup(state);
	}
}

static void a_kind_that_moves_nothing_has_no_effects(void **state)
{
	struct shop *s = top_up(state);
	Trib__V1__AccountOpened opened;
	Trib__V1__CardLinked linked;
	const char *why;

	trib__v1__account_opened__init(&opened);
	trib__v1__card_linked__init(&linked);
	s->entry->body_case = TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED;
	s->entry->account_opened = &opened;
	assert_int_equal(fold_entry(s->entry, &s->fold, &why), ERR_INVALID);
	assert_string_equal(why, "a kind that moves nothing has effects");
	s->entry->n_effects = 0;
	assert_int_equal(fold_entry(s->entry, &s->fold, &why), 0);
	assert_int_equal(s->fold.n_postings, 0);
	assert_int_equal(s->fold.n_totals, 1);
	assert_int_equal(total_of(s, TOTAL_ACCOUNT_OPENED, TENDER_NONE, LEDGER_UNIT_MONEY), 0);
	s->entry->body_case = TRIB__V1__ENTRY__BODY_CARD_LINKED;
	s->entry->card_linked = &linked;
	assert_int_equal(fold_entry(s->entry, &s->fold, &why), 0);
	assert_int_equal(s->fold.n_totals, 0);
	s->entry->points_owed = 1;
	assert_int_equal(fold_entry(s->entry, &s->fold, &why), ERR_INVALID);
}

static void an_unknown_kind_may_not_move_anything(void **state)
{
	struct shop *s = top_up(state);
	const char *why;

	s->entry->body_case = TRIB__V1__ENTRY__BODY__NOT_SET;
	assert_int_equal(fold_entry(s->entry, &s->fold, &why), ERR_VERSION);
	s->entry->n_effects = 0;
	assert_int_equal(fold_entry(s->entry, &s->fold, &why), 0);
	assert_int_equal(s->fold.n_postings, 0);
	assert_int_equal(s->fold.n_totals, 0);
}

static void names_are_those_of_the_reporting_views(void **state)
{
	(void)state;
	for (int k = TENDER_KIND_STORED_VALUE; k <= TENDER_OTHER; k++)
		assert_int_equal(tender_parse(tender_name((enum tender_kind)k)), k);
	assert_int_equal(tender_parse("none"), TENDER_NONE);
	assert_int_equal(tender_parse(NULL), TENDER_NONE);
	assert_string_equal(ledger_account_name(LEDGER_PROMOTION_COST), "promotion_cost");
	assert_string_equal(ledger_account_name(LEDGER_ISSUED), "issued");
	assert_string_equal(ledger_account_name((enum ledger_account)0), "unknown");
	assert_string_equal(ledger_account_name((enum ledger_account)99), "unknown");
	assert_string_equal(ledger_unit_name(LEDGER_UNIT_USES), "uses");
	assert_string_equal(total_kind_name(TOTAL_REFUND), "refund");
	assert_string_equal(total_kind_name(TOTAL_REVERSAL_REDEMPTION), "reversal_redemption");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_top_up_posts_tender_principal_bonus_and_points),
		TEST(a_sale_posts_revenue_against_tenders_principal_and_promotion),
		TEST(a_refund_mirrors_its_sale_and_expired_bonus_goes_out_again),
		TEST(a_lot_of_another_shop_is_that_shop_s_principal),
		TEST(a_header_out_of_bounds_is_refused),
		TEST(a_top_up_issues_what_was_paid_and_given_and_no_more),
		TEST(a_sale_takes_what_its_tender_says),
		TEST(a_discount_lowers_what_may_be_paid),
		TEST(a_refund_gives_back_what_its_body_says),
		TEST(an_entry_that_lies_moves_what_it_books_or_is_refused),
		TEST(a_kind_that_moves_nothing_has_no_effects),
		TEST(an_unknown_kind_may_not_move_anything),
		TEST(names_are_those_of_the_reporting_views),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
