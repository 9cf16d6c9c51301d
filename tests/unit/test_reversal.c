#include "till_fixture.h"

#include <string.h>

static struct account saved;
static int64_t saved_ledger[LEDGER_CELLS][LEDGER_UNIT_USES + 1];
static int64_t saved_clearing[TENDER_OTHER + 1];

static void save(const struct shop *s)
{
	saved = s->acc;
	memcpy(saved_ledger, s->ledger, sizeof(saved_ledger));
	memcpy(saved_clearing, s->clearing, sizeof(saved_clearing));
}

/* Account and books are as they were saved. */
static void assert_undone(const struct shop *s)
{
	assert_same_holdings(&s->acc, &saved);
	assert_memory_equal(s->ledger, saved_ledger, sizeof(saved_ledger));
	assert_memory_equal(s->clearing, saved_clearing, sizeof(saved_clearing));
}

static const Trib__V1__Entry *keep(struct shop *s)
{
	return shop_keep_receipt(s).entry;
}

/* 10000 by wechat and from a lot of P10000 B2000 that expires today; the receipt. */
static struct receipt sell_mixed(struct shop *s)
{
	const struct tender tenders[] = { { "wechat", 4000, "W1" },
					  { "stored_value", 6000, NULL } };
	struct sale_command cmd = { .amount = 10000, .n_tenders = 2, .tenders = tenders };

	shop_put_lot(s, 1, 10000, 2000, s->t.today, 1000);
	assert_int_equal(shop_sell_command(s, &cmd), CODE_OK);
	return shop_keep_receipt(s);
}

static void a_refund_undone_leaves_the_sale_as_it_stood(void **state)
{
	struct shop *s = *state;
	struct receipt of = sell_mixed(s);
	const Trib__V1__Entry *refund;

	assert_int_equal(shop_refund(s, &of, 1000), CODE_OK);
	save(s);
	assert_int_equal(shop_refund(s, &of, 7000), CODE_OK);
	refund = keep(s);
	assert_int_equal(shop_reverse(s, refund, &of), CODE_OK);
	assert_undone(s);
	assert_int_equal(of.refunded, 1000);
	assert_int_equal(s->entry->reversal->of_seq, refund->seq);
	assert_int_equal(s->fold.totals[0].kind, TOTAL_REVERSAL_REFUND);
	assert_int_equal(entry_amount(s->entry), 7000);
	assert_int_equal(shop_refund(s, &of, 0), CODE_OK); /* may be refunded again */
	assert_int_equal(s->entry->refund->amount, 9000);
}

static void bonus_that_expired_on_its_way_back_is_promotion_cost_again(void **state)
{
	struct shop *s = *state;
	struct receipt of = sell_mixed(s);
	const Trib__V1__Entry *refund;

	shop_set_day(s, s->t.today + 1);
	save(s);
	assert_int_equal(shop_refund(s, &of, 0), CODE_OK);
	refund = keep(s);
	assert_int_equal(refund->refund->back[0]->expired_bonus, 1000);
	assert_int_equal(s->ledger[LEDGER_PROMOTION_COST][LEDGER_UNIT_MONEY], 0);
	assert_int_equal(shop_reverse(s, refund, &of), CODE_OK);
	assert_undone(s);
	assert_int_equal(s->ledger[LEDGER_PROMOTION_COST][LEDGER_UNIT_MONEY], -1000);
}

static void what_came_back_and_is_spent_is_not_undone(void **state)
{
	struct shop *s = *state;
	struct receipt of = sell_mixed(s);
	const Trib__V1__Entry *refund;

	assert_int_equal(shop_refund(s, &of, 0), CODE_OK);
	refund = keep(s);
	assert_int_equal(shop_sell(s, 6001), CODE_OK); /* P4999 is left, P5000 came back */
	assert_int_equal(shop_reverse(s, refund, &of), CODE_INSUFFICIENT_BALANCE);
	memcpy(s->acc.home_store, "0101", 5);
	assert_int_equal(shop_reverse(s, refund, &of), CODE_INSUFFICIENT_HERE);
	assert_int_equal(of.refunded, 10000);
	assert_balance(s, 4999, 1000);
}

static void points_clawed_back_return_and_debt_is_gone(void **state)
{
	struct shop *s = *state;
	struct receipt of = sell_mixed(s); /* 100 points */
	const Trib__V1__Entry *refund;

	assert_int_equal(shop_redeem(s, 70), CODE_OK);
	save(s);
	assert_int_equal(shop_refund(s, &of, 0), CODE_OK);
	refund = keep(s);
	assert_int_equal(s->acc.points_owed, 70);
	assert_int_equal(shop_reverse(s, refund, &of), CODE_OK);
	assert_undone(s);
	assert_int_equal(shop_balance(s).points, 30);
	assert_int_equal(s->acc.points_owed, 0);
}

static void points_return_to_the_lots_they_came_from(void **state)
{
	struct shop *s = *state;
	const Trib__V1__Entry *redeemed;

	shop_put_points(s, POINTS_LOT_NEVER, 100);
	shop_put_points(s, -202612, 30);
	save(s);
	assert_int_equal(shop_redeem(s, 50), CODE_OK);
	redeemed = keep(s);
	assert_int_equal(shop_reverse(s, redeemed, NULL), CODE_OK);
	assert_undone(s);
	assert_int_equal(s->fold.totals[0].kind, TOTAL_REVERSAL_REDEMPTION);
	assert_int_equal(entry_amount(s->entry), 0);
}

static void points_that_return_pay_what_is_owed_by_now(void **state)
{
	struct shop *s = *state;
	const Trib__V1__Entry *redeemed;
	struct receipt of = sell_mixed(s); /* 100 points */

	assert_int_equal(shop_redeem(s, 80), CODE_OK);
	redeemed = keep(s);
	assert_int_equal(shop_refund(s, &of, 0), CODE_OK);
	assert_int_equal(s->acc.points_owed, 80);
	s->acc.points_owed = 50; /* 30 were earned elsewhere */
	assert_int_equal(shop_reverse(s, redeemed, NULL), CODE_OK);
	assert_int_equal(s->acc.points_owed, 0);
	assert_int_equal(shop_balance(s).points, 30);
}

static void debt_paid_meanwhile_returns_as_points(void **state)
{
	struct shop *s = *state;
	struct receipt of = sell_mixed(s); /* 100 points */
	const Trib__V1__Entry *refund;

	assert_int_equal(shop_redeem(s, 70), CODE_OK);
	assert_int_equal(shop_refund(s, &of, 0), CODE_OK); /* takes 30, 70 are owed */
	refund = keep(s);
	s->acc.points_owed = 0;
	assert_int_equal(shop_reverse(s, refund, &of), CODE_OK);
	assert_int_equal(shop_balance(s).points, 100);
}

static void a_refund_of_a_top_up_undone_gives_its_lot_back(void **state)
{
	static char rule_id[] = "charge";
	static const int64_t steps[][2] = { { 50000, 10000 } };
	struct shop *s = *state;
	struct receipt of, sale;
	const Trib__V1__Entry *refund;

	shop_add_ladder(s, rule_id, false, 1, steps)->steps[0]->points = 100;
	assert_int_equal(shop_top_up(s, 50000), CODE_OK);
	of = shop_keep_receipt(s);
	assert_int_equal(shop_sell(s, 12345), CODE_OK);
	sale = shop_keep_receipt(s);
	save(s);
	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_OK);
	refund = keep(s);
	assert_int_equal(shop_reverse(s, refund, &of), CODE_OK);
	assert_undone(s);
	assert_int_equal(of.refunded, 0);
	assert_int_equal(s->fold.totals[0].kind, TOTAL_REVERSAL_REFUND_TOP_UP);

	/* Its lot is open again: what comes back to it now has its bonus. */
	assert_int_equal(shop_refund(s, &sale, 0), CODE_OK);
	assert_balance(s, 50000, 10000);
	assert_int_equal(shop_cancel_top_up(s, &of), CODE_OK);
}

static void only_own_refunds_and_redemptions_are_undone(void **state)
{
	struct shop *s = *state;
	struct receipt of = sell_mixed(s);
	const Trib__V1__Entry *refund;

	assert_int_equal(shop_reverse(s, of.entry, &of), CODE_INTERNAL);
	assert_int_equal(shop_refund(s, &of, 0), CODE_OK);
	refund = keep(s);
	s->t.node = 205;
	assert_int_equal(shop_reverse(s, refund, &of), CODE_INTERNAL);
	s->t.node = SHOP_NODE;
	s->acc.id[0]++;
	assert_int_equal(shop_reverse(s, refund, &of), CODE_INTERNAL);
	s->acc.id[0]--;
	assert_int_equal(shop_reverse(s, refund, &of), CODE_OK);
	assert_int_equal(shop_reverse(s, keep(s), &of), CODE_INTERNAL);
}

static void a_full_arena_changes_nothing(void **state)
{
	struct shop *s = *state;
	struct refund_command cancel = { .is_cancel = true };
	struct redemption_command redemption = { .points = 5, .item = "mug" };
	struct receipt of, top_up;
	const Trib__V1__Entry *refund;
	size_t oks = 0;

	assert_int_equal(shop_top_up(s, 500), CODE_OK);
	top_up = shop_keep_receipt(s);
	of = sell_mixed(s);
	assert_int_equal(shop_refund(s, &of, 5000), CODE_OK);
	refund = keep(s);
	for (size_t cap = 0; cap < 2048; cap += 8) {
		struct arena a;
		Trib__V1__Entry e;

		trib__v1__entry__init(&e);
		arena_init(&a, s->draft.base, cap);
		oks += reversal_decide(&s->t, &s->acc, refund, &a, &e, &s->facts) == CODE_OK;
		arena_reset(&a);
		oks += top_up_refund_decide(&s->t, &s->acc, &top_up, &cancel, &a, &e, &s->facts) ==
		       CODE_OK;
		arena_reset(&a);
		oks += redemption_decide(&s->t, &s->acc, &redemption, &a, &e, &s->facts) == CODE_OK;
		assert_true(oks > 0 || e.body_case == TRIB__V1__ENTRY__BODY__NOT_SET);
	}
	assert_true(oks > 3); /* the larger ones suffice */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_refund_undone_leaves_the_sale_as_it_stood),
		TEST(bonus_that_expired_on_its_way_back_is_promotion_cost_again),
		TEST(what_came_back_and_is_spent_is_not_undone),
		TEST(points_clawed_back_return_and_debt_is_gone),
		TEST(points_return_to_the_lots_they_came_from),
		TEST(points_that_return_pay_what_is_owed_by_now),
		TEST(debt_paid_meanwhile_returns_as_points),
		TEST(a_refund_of_a_top_up_undone_gives_its_lot_back),
		TEST(only_own_refunds_and_redemptions_are_undone),
		TEST(a_full_arena_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
