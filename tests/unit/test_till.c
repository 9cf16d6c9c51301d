#include "till_fixture.h"

#include <string.h>

static char first[] = "first", second[] = "second", gold[] = "gold";

static struct shop *with_value(void **state, int64_t principal)
{
	struct shop *s = *state;

	shop_put_lot(s, 1, principal, 0, LOT_NEVER, 1000);
	return s;
}

static enum code sell_with(struct shop *s, int64_t amount, size_t n, const struct tender *tenders)
{
	struct sale_command cmd = { .amount = amount, .n_tenders = n, .tenders = tenders };

	return shop_sell_command(s, &cmd);
}

static void every_rule_of_the_type_gives_and_is_recorded(void **state)
{
	static const int64_t a[][2] = { { 100, 10 } }, b[][2] = { { 100, 7 } };
	struct shop *s = *state;
	Trib__V1__TopUpRule *rule = shop_add_ladder(s, first, false, 1, a);
	char *types[] = { gold };

	rule->steps[0]->points = 5;
	rule->has_expires_days = 1;
	rule->expires_days = 30;
	rule = shop_add_ladder(s, second, true, 1, b);
	rule->has_expires_days = 1;
	rule->expires_days = 90;
	assert_int_equal(shop_top_up(s, 250), CODE_OK);
	assert_int_equal(s->entry->top_up->n_gives, 2);
	assert_string_equal(s->entry->top_up->gives[0]->rule, "first");
	assert_int_equal(s->entry->top_up->gives[0]->bonus, 10);
	assert_int_equal(s->entry->top_up->gives[0]->points, 5);
	assert_string_equal(s->entry->top_up->gives[1]->rule, "second");
	assert_int_equal(s->entry->top_up->gives[1]->bonus, 14);
	assert_balance(s, 250, 24);
	assert_int_equal(shop_balance(s).points, 5);
	/* The lot lives as long as the longest of them. */
	assert_int_equal(s->acc.slices[0].expires, s->t.business_day + 90);

	rule->n_account_types = 1;
	rule->account_types = types;
	assert_int_equal(shop_top_up(s, 250), CODE_OK);
	assert_int_equal(s->entry->top_up->n_gives, 1);
	assert_moved(s, 250, 10);
}

static void a_top_up_that_gets_no_gift_never_expires(void **state)
{
	static const int64_t a[][2] = { { 100, 10 } };
	struct shop *s = *state;
	Trib__V1__TopUpRule *rule = shop_add_ladder(s, first, false, 1, a);

	rule->has_expires_days = 1;
	rule->expires_days = 30;
	assert_int_equal(shop_top_up(s, 99), CODE_OK);
	assert_int_equal(s->acc.slices[0].expires, LOT_NEVER);
}

static void points_of_a_top_up_pay_debt_first(void **state)
{
	static const int64_t a[][2] = { { 100, 0 } };
	struct shop *s = *state;

	shop_add_ladder(s, first, false, 1, a)->steps[0]->points = 50;
	s->acc.points_owed = 80;
	assert_int_equal(shop_top_up(s, 100), CODE_OK);
	assert_int_equal(s->acc.points_owed, 30);
	assert_int_equal(shop_balance(s).points, 0);
	assert_int_equal(shop_top_up(s, 100), CODE_OK);
	assert_int_equal(s->acc.points_owed, 0);
	assert_int_equal(shop_balance(s).points, 20);
}

static void a_top_up_of_a_bad_amount_or_tender_is_refused(void **state)
{
	struct shop *s = *state;
	struct top_up_command cmd = { .paid = 100, .tender = "stored_value" };
	Trib__V1__Entry e;

	assert_int_equal(shop_top_up(s, 0), CODE_BAD_VALUE);
	assert_int_equal(shop_top_up(s, -5), CODE_BAD_VALUE);
	assert_int_equal(shop_top_up(s, AMOUNT_MAX + 1), CODE_BAD_VALUE);
	assert_int_equal(shop_top_up(s, AMOUNT_MAX), CODE_OK);
	trib__v1__entry__init(&e);
	assert_int_equal(top_up_decide(&s->t, &s->acc, &cmd, &s->draft, &e, &s->facts),
			 CODE_BAD_VALUE);
	cmd.tender = "seashells";
	assert_int_equal(top_up_decide(&s->t, &s->acc, &cmd, &s->draft, &e, &s->facts),
			 CODE_BAD_VALUE);
}

static void a_lot_s_number_out_of_bounds_issues_nothing(void **state)
{
	struct shop *s = *state;

	s->t.seq = LOT_SEQ_MAX + UINT64_C(1);
	assert_int_equal(shop_top_up(s, 100), CODE_INTERNAL);
	s->t.seq = 5;
	s->t.incarnation = INCARNATION_MAX + 1;
	assert_int_equal(shop_top_up(s, 100), CODE_INTERNAL);
}

static void tenders_must_add_up(void **state)
{
	struct shop *s = with_value(state, 5000);
	const struct tender good[] = { { "stored_value", 600, NULL }, { "cash", 400, NULL } };
	const struct tender short_by_one[] = { { "stored_value", 600, NULL },
					       { "cash", 399, NULL } };
	const struct tender negative[] = { { "cash", 1400, NULL }, { "wechat", -400, NULL } };
	const struct tender twice[] = { { "stored_value", 600, NULL },
					{ "stored_value", 400, NULL } };
	const struct tender unknown[] = { { "shells", 1000, NULL } };
	struct tender many[SALE_MAX_TENDERS + 1];

	for (size_t i = 0; i <= SALE_MAX_TENDERS; i++)
		many[i] = (struct tender){ "cash", 10, NULL };
	assert_int_equal(sell_with(s, 1000, 2, short_by_one), CODE_BAD_VALUE);
	assert_string_equal(s->facts.param, "tenders");
	assert_non_null(s->facts.detail);
	assert_int_equal(s->facts.payable, 1000);
	assert_int_equal(s->facts.tendered, 999);
	assert_int_equal(sell_with(s, 1000, 2, negative), CODE_BAD_VALUE);
	assert_int_equal(sell_with(s, 1000, 2, twice), CODE_BAD_VALUE);
	assert_int_equal(sell_with(s, 1000, 1, unknown), CODE_BAD_VALUE);
	assert_int_equal(sell_with(s, 170, SALE_MAX_TENDERS + 1, many), CODE_BAD_VALUE);
	assert_int_equal(sell_with(s, 160, SALE_MAX_TENDERS, many), CODE_OK);
	assert_int_equal(s->clearing[TENDER_CASH], 160);
	assert_int_equal(sell_with(s, 1000, 2, good), CODE_OK);
	assert_balance(s, 4400, 0);
}

static void lines_must_add_up(void **state)
{
	struct shop *s = with_value(state, 5000);
	struct sale_line lines[] = { { "tea", "drinks", 1000, 700 }, { "bag", NULL, 2000, 0 } };
	struct sale_command cmd = { .amount = 701, .n_lines = 2, .lines = lines };

	assert_int_equal(shop_sell_command(s, &cmd), CODE_BAD_VALUE);
	cmd.amount = 700;
	lines[1].qty_milli = 0;
	assert_int_equal(shop_sell_command(s, &cmd), CODE_BAD_VALUE);
	lines[1].qty_milli = 2000;
	lines[1].amount = -1;
	lines[0].amount = 701;
	assert_int_equal(shop_sell_command(s, &cmd), CODE_BAD_VALUE);
	lines[1].amount = 0;
	lines[0].amount = 700;
	assert_int_equal(shop_sell_command(s, &cmd), CODE_OK);
	assert_int_equal(s->entry->sale->n_lines, 2);
	assert_string_equal(s->entry->sale->lines[0]->category, "drinks");
	assert_null(s->entry->sale->lines[1]->category);
}

static void amounts_of_a_sale_are_bounded(void **state)
{
	struct shop *s = with_value(state, 5000);
	struct sale_command cmd = { .amount = 100, .use_points = 1 };

	assert_int_equal(shop_sell(s, 0), CODE_BAD_VALUE);
	assert_int_equal(shop_sell(s, -1), CODE_BAD_VALUE);
	assert_int_equal(shop_sell(s, AMOUNT_MAX + 1), CODE_BAD_VALUE);
	assert_int_equal(shop_sell(s, INT64_MAX), CODE_BAD_VALUE);
	assert_int_equal(shop_sell_command(s, &cmd), CODE_NO_RULE);
	assert_string_equal(s->facts.detail, "no rule lets points pay: leave use_points out");
	cmd.use_points = -1;
	assert_int_equal(shop_sell_command(s, &cmd), CODE_BAD_VALUE);
}

static void a_payable_other_than_expected_is_refused(void **state)
{
	struct shop *s = with_value(state, 5000);
	const struct tender cash = { "cash", 900, NULL };
	struct sale_command cmd = { .amount = 1000,
				    .has_expected_payable = true,
				    .expected_payable = 900,
				    .n_tenders = 1,
				    .tenders = &cash };

	assert_int_equal(shop_sell_command(s, &cmd), CODE_PAYABLE_CHANGED);
	assert_int_equal(s->facts.payable, 1000);
	cmd.n_tenders = 0;
	cmd.expected_payable = 1000;
	assert_int_equal(shop_sell_command(s, &cmd), CODE_OK);
}

static void a_blocked_card_buys_nothing_but_gets_its_refund(void **state)
{
	struct shop *s = with_value(state, 5000);
	struct receipt of;

	assert_int_equal(shop_sell(s, 1000), CODE_OK);
	of = shop_keep_receipt(s);
	s->acc.status = ACCOUNT_BLOCKED;
	assert_int_equal(shop_sell(s, 1000), CODE_CARD_BLOCKED);
	assert_int_equal(shop_refund(s, &of, 0), CODE_OK);
	assert_int_equal(shop_top_up(s, 100), CODE_OK);
	s->acc.status = ACCOUNT_CLOSED;
	assert_int_equal(shop_top_up(s, 100), CODE_CARD_BLOCKED);
	assert_int_equal(shop_sell(s, 1000), CODE_CARD_BLOCKED);
}

static void what_is_elsewhere_is_told_from_what_is_nowhere(void **state)
{
	struct shop *s = with_value(state, 5000);

	assert_int_equal(shop_sell(s, 5001), CODE_INSUFFICIENT_BALANCE);
	assert_int_equal(s->facts.available_here, 5000);
	assert_int_equal(s->facts.total, 5000);
	s->acc.facts_as_of_ms = 1;
	s->acc.facts_principal = 9000;
	s->acc.facts_bonus = 1000;
	s->acc.facts_here = 4000;
	memcpy(s->acc.home_store, "0101", 5);
	assert_int_equal(shop_sell(s, 11000), CODE_INSUFFICIENT_HERE);
	assert_int_equal(s->facts.total, 11000);
	assert_int_equal(s->facts.available_here, 5000);
	assert_int_equal(shop_sell(s, 11001), CODE_INSUFFICIENT_HERE); /* it may have grown */
	s->acc.home_store[0] = '\0';
	assert_int_equal(shop_sell(s, 11001), CODE_INSUFFICIENT_BALANCE);
}

static void an_expired_lot_is_not_spent(void **state)
{
	struct shop *s = with_value(state, 300);

	shop_put_lot(s, 2, 500, 0, s->t.today, 2000);
	assert_int_equal(shop_sell(s, 100), CODE_OK); /* its last day */
	assert_slice(s, 2, 400, 0);
	shop_set_day(s, s->t.today + 1);
	assert_int_equal(shop_sell(s, 301), CODE_INSUFFICIENT_BALANCE);
	assert_int_equal(shop_sell(s, 300), CODE_OK);
	assert_slice(s, 2, 400, 0);
}

static void principal_back_in_an_expired_lot_stays_the_member_s(void **state)
{
	struct shop *s = *state;
	struct receipt of;

	shop_put_lot(s, 1, 500, 100, s->t.today, 1000);
	assert_int_equal(shop_sell(s, 600), CODE_OK);
	of = shop_keep_receipt(s);
	assert_int_equal(shop_refund(s, &of, 60), CODE_OK); /* its last day */
	assert_slice(s, 1, 50, 10);
	assert_int_equal(shop_sell(s, 60), CODE_OK);
	shop_set_day(s, s->t.today + 1);
	assert_int_equal(shop_refund(s, &of, 300), CODE_OK);
	assert_int_equal(s->entry->refund->back[0]->principal, 250);
	assert_int_equal(s->entry->refund->back[0]->expired_bonus, 50);
	assert_int_equal(shop_refund(s, &of, 240), CODE_OK);
	assert_slice(s, 1, 450, 0);
	assert_balance(s, 0, 0); /* held, but past its day */
	assert_int_equal(s->ledger[LEDGER_PROMOTION_COST][LEDGER_UNIT_MONEY], -10);
}

static void points_that_expire_last_are_clawed_back_first(void **state)
{
	struct shop *s = with_value(state, 10000);
	struct receipt of;

	shop_put_points(s, -202612, 70);
	shop_put_points(s, -202611, 500); /* expired */
	assert_int_equal(shop_sell(s, 10000), CODE_OK);
	of = shop_keep_receipt(s);
	shop_put_points(s, POINTS_LOT_NEVER, 80);
	assert_int_equal(shop_refund(s, &of, 9000), CODE_OK);
	assert_int_equal(shop_balance(s).points, 60);
	assert_null(account_find(&s->acc, TRIB__V1__UNIT__UNIT_POINTS, POINTS_LOT_NEVER));
	shop_put_points(s, -202612, 6);
	assert_int_equal(shop_refund(s, &of, 0), CODE_OK);
	assert_int_equal(shop_balance(s).points, 0);
	assert_int_equal(s->acc.points_owed, 4);
	assert_int_equal(account_find(&s->acc, TRIB__V1__UNIT__UNIT_POINTS, -202611)->principal,
			 500);
}

static void a_refund_of_a_bad_amount_or_beyond_the_rest_is_refused(void **state)
{
	struct shop *s = with_value(state, 1000);
	struct receipt of;

	assert_int_equal(shop_sell(s, 1000), CODE_OK);
	of = shop_keep_receipt(s);
	assert_int_equal(shop_refund(s, &of, -1), CODE_BAD_VALUE);
	assert_int_equal(shop_refund(s, &of, INT64_MAX), CODE_BAD_VALUE);
	assert_int_equal(shop_refund(s, &of, 400), CODE_OK);
	assert_int_equal(shop_refund(s, &of, 601), CODE_REFUND_EXCEEDS_SALE);
	assert_int_equal(s->facts.rest, 600);
	assert_int_equal(shop_refund(s, &of, 0), CODE_OK);
	assert_int_equal(s->entry->refund->amount, 600);
	assert_int_equal(shop_refund(s, &of, 0), CODE_REFUND_EXCEEDS_SALE);
	assert_int_equal(s->facts.rest, 0);
}

static void a_receipt_of_another_account_is_no_receipt(void **state)
{
	struct shop *s = with_value(state, 1000);
	struct receipt of;

	assert_int_equal(shop_sell(s, 1000), CODE_OK);
	of = shop_keep_receipt(s);
	s->acc.id[0]++;
	assert_int_equal(shop_refund(s, &of, 0), CODE_INTERNAL);
	s->acc.id[0]--;
	of.refunded = 1001;
	assert_int_equal(shop_refund(s, &of, 0), CODE_INTERNAL);
	of.refunded = 0;
	assert_int_equal(shop_top_up(s, 5), CODE_OK);
	of = shop_keep_receipt(s);
	assert_int_equal(shop_refund(s, &of, 0), CODE_INTERNAL);
}

static void a_refund_names_the_shop_that_sold(void **state)
{
	struct shop *s = with_value(state, 1000);
	struct receipt of;

	assert_int_equal(shop_sell(s, 1000), CODE_OK);
	of = shop_keep_receipt(s);
	assert_int_equal(shop_refund(s, &of, 1), CODE_OK);
	assert_false(s->entry->refund->has_of_node);
	assert_int_equal(s->entry->refund->of_seq, of.entry->seq);
	s->t.node = 205;
	assert_int_equal(shop_refund(s, &of, 1), CODE_OK);
	assert_int_equal(s->entry->refund->of_node, SHOP_NODE);
	assert_slice(s, 1, 2, 0);
}

static void a_full_arena_changes_nothing(void **state)
{
	struct shop *s = with_value(state, 1000);
	struct sale_line line = { "tea", "drinks", 1000, 100 };
	struct sale_command cmd = { .amount = 100, .n_lines = 1, .lines = &line };
	struct refund_command refund = { .has_amount = false };
	struct top_up_command top_up = { .paid = 100, .tender = "cash", .payment_ref = "R" };
	struct receipt of;
	size_t oks = 0;

	assert_int_equal(shop_sell(s, 100), CODE_OK);
	of = shop_keep_receipt(s);
	for (size_t cap = 0; cap < 4096; cap += 8) {
		struct arena a;
		Trib__V1__Entry e;

		trib__v1__entry__init(&e);
		arena_init(&a, s->draft.base, cap);
		oks += sale_decide(&s->t, &s->acc, &cmd, &a, &e, &s->facts) == CODE_OK;
		arena_reset(&a);
		oks += top_up_decide(&s->t, &s->acc, &top_up, &a, &e, &s->facts) == CODE_OK;
		arena_reset(&a);
		oks += refund_decide(&s->t, &s->acc, &of, &refund, &a, &e, &s->facts) == CODE_OK;
		assert_true(oks > 0 || e.body_case == TRIB__V1__ENTRY__BODY__NOT_SET);
	}
	assert_true(oks > 3); /* the larger ones suffice */
}

static void a_full_account_takes_no_further_lot(void **state)
{
	struct shop *s = *state;

	for (uint64_t i = 1; i <= ACCOUNT_MAX_SLICES; i++)
		shop_put_lot(s, i, 1, 0, LOT_NEVER, 0);
	assert_int_equal(shop_top_up(s, 100), CODE_INTERNAL);
}

static void without_rules_sales_earn_nothing(void **state)
{
	struct shop *s = with_value(state, 1000);

	s->t.rules = NULL;
	assert_int_equal(shop_top_up(s, 500), CODE_OK);
	assert_int_equal(shop_sell(s, 1500), CODE_OK);
	assert_null(s->entry->sale->points_rate);
	assert_int_equal(shop_balance(s).points, 0);
	assert_false(s->entry->has_rules_version);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_rule_of_the_type_gives_and_is_recorded),
		TEST(a_top_up_that_gets_no_gift_never_expires),
		TEST(points_of_a_top_up_pay_debt_first),
		TEST(a_top_up_of_a_bad_amount_or_tender_is_refused),
		TEST(a_lot_s_number_out_of_bounds_issues_nothing),
		TEST(tenders_must_add_up),
		TEST(lines_must_add_up),
		TEST(amounts_of_a_sale_are_bounded),
		TEST(a_payable_other_than_expected_is_refused),
		TEST(a_blocked_card_buys_nothing_but_gets_its_refund),
		TEST(what_is_elsewhere_is_told_from_what_is_nowhere),
		TEST(an_expired_lot_is_not_spent),
		TEST(principal_back_in_an_expired_lot_stays_the_member_s),
		TEST(points_that_expire_last_are_clawed_back_first),
		TEST(a_refund_of_a_bad_amount_or_beyond_the_rest_is_refused),
		TEST(a_receipt_of_another_account_is_no_receipt),
		TEST(a_refund_names_the_shop_that_sold),
		TEST(a_full_arena_changes_nothing),
		TEST(a_full_account_takes_no_further_lot),
		TEST(without_rules_sales_earn_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
