#include "till_fixture.h"

static int64_t points_in(const struct shop *s, int64_t lot)
{
	const struct slice *x = account_find(&s->acc, TRIB__V1__UNIT__UNIT_POINTS, lot);

	return x != NULL ? x->principal : 0;
}

static void points_that_expire_first_are_redeemed_first(void **state)
{
	struct shop *s = *state;

	shop_put_points(s, POINTS_LOT_NEVER, 100);
	shop_put_points(s, -202701, 40);
	shop_put_points(s, -202612, 30);
	shop_put_points(s, -202611, 500); /* expired */
	assert_int_equal(shop_redeem(s, 50), CODE_OK);
	assert_string_equal(s->entry->points_redeemed->item, "mug");
	assert_int_equal(s->entry->points_redeemed->points, 50);
	assert_int_equal(points_in(s, -202612), 0);
	assert_int_equal(points_in(s, -202701), 20);
	assert_int_equal(points_in(s, POINTS_LOT_NEVER), 100);
	assert_int_equal(points_in(s, -202611), 500);
	assert_int_equal(s->fold.n_totals, 1);
	assert_int_equal(s->fold.totals[0].kind, TOTAL_REDEMPTION);
	assert_int_equal(s->fold.totals[0].amount, 50);
	assert_int_equal(s->ledger[LEDGER_ISSUED][LEDGER_UNIT_POINTS], 50);
}

static void points_that_lack_are_never_debt(void **state)
{
	struct shop *s = *state;

	shop_put_points(s, POINTS_LOT_NEVER, 100);
	assert_int_equal(shop_redeem(s, 101), CODE_POINTS_SHORT);
	assert_int_equal(s->facts.points_held, 100);
	assert_int_equal(s->facts.points_wanted, 101);
	assert_int_equal(shop_redeem(s, 100), CODE_OK);
	assert_int_equal(s->acc.points_owed, 0);
	assert_int_equal(shop_redeem(s, 1), CODE_POINTS_SHORT);
}

static void a_redemption_of_a_bad_amount_is_refused(void **state)
{
	struct shop *s = *state;

	shop_put_points(s, POINTS_LOT_NEVER, 100);
	assert_int_equal(shop_redeem(s, 0), CODE_BAD_VALUE);
	assert_int_equal(shop_redeem(s, -5), CODE_BAD_VALUE);
	assert_int_equal(shop_redeem(s, AMOUNT_MAX + 1), CODE_BAD_VALUE);
	s->acc.status = ACCOUNT_BLOCKED;
	assert_int_equal(shop_redeem(s, 1), CODE_CARD_BLOCKED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(points_that_expire_first_are_redeemed_first),
		TEST(points_that_lack_are_never_debt),
		TEST(a_redemption_of_a_bad_amount_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
