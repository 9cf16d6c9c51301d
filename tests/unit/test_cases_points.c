#include "till_fixture.h"

static struct receipt sell_for_cash(struct shop *s, int64_t amount)
{
	const struct tender cash = { .type = "cash", .amount = amount };
	struct sale_command cmd = { .amount = amount, .n_tenders = 1, .tenders = &cash };

	assert_int_equal(shop_sell_command(s, &cmd), CODE_OK);
	return shop_keep_receipt(s);
}

/* P1's sale, of which P2 and P3 refund. */
static struct receipt sell_12345(struct shop *s)
{
	s->points.multiplier_num = 3;
	s->points.multiplier_den = 2;
	return sell_for_cash(s, 12345);
}

static void P1_the_receipt_has_one_floor(void **state)
{
	struct shop *s = *state;

	sell_12345(s);
	assert_int_equal(s->entry->sale->points_earned, 185);
	assert_int_equal(shop_balance(s).points, 185);
}

static void P2_a_refund_claws_back_what_the_rest_does_not_earn(void **state)
{
	struct shop *s = *state;
	struct receipt of = sell_12345(s);

	/* The receipt keeps its own rate, whatever the rules say by now. */
	s->points.multiplier_num = 7;
	assert_int_equal(shop_refund(s, &of, 4115), CODE_OK);
	assert_int_equal(s->entry->refund->points_clawed_back, 62);
	assert_int_equal(shop_balance(s).points, 123);
}

static void P3_the_last_refund_claws_back_the_rest(void **state)
{
	struct shop *s = *state;
	struct receipt of = sell_12345(s);

	assert_int_equal(shop_refund(s, &of, 4115), CODE_OK);
	assert_int_equal(shop_refund(s, &of, 8230), CODE_OK);
	assert_int_equal(s->entry->refund->points_clawed_back, 123);
	assert_int_equal(shop_balance(s).points, 0);
	assert_int_equal(s->acc.points_owed, 0);
}

static void P5_points_that_lack_become_debt_and_later_points_pay_it(void **state)
{
	struct shop *s = *state;
	struct receipt of = sell_for_cash(s, 10000);

	assert_int_equal(shop_redeem(s, 60), CODE_OK);
	assert_int_equal(shop_balance(s).points, 40);
	assert_int_equal(shop_refund(s, &of, 0), CODE_OK);
	assert_int_equal(s->entry->refund->points_clawed_back, 100);
	assert_int_equal(shop_balance(s).points, 0);
	assert_int_equal(s->acc.points_owed, 60);

	sell_for_cash(s, 8000);
	assert_int_equal(s->entry->sale->points_earned, 80);
	assert_int_equal(shop_balance(s).points, 20);
	assert_int_equal(s->acc.points_owed, 0);
}

static void P6_points_that_lack_refuse_the_refund(void **state)
{
	struct shop *s = *state;
	struct receipt of = sell_for_cash(s, 10000);

	s->type.clawback = TRIB__V1__CLAWBACK__CLAWBACK_REFUSE;
	assert_int_equal(shop_redeem(s, 60), CODE_OK);
	assert_int_equal(shop_refund(s, &of, 0), CODE_POINTS_SHORT);
	assert_string_equal(code_name(CODE_POINTS_SHORT), "points_short");
	assert_int_equal(s->facts.points_held, 40);
	assert_int_equal(s->facts.points_wanted, 100);
	assert_int_equal(shop_balance(s).points, 40);
	assert_int_equal(s->acc.points_owed, 0);

	/* A part for which the points suffice may go. */
	assert_int_equal(shop_refund(s, &of, 4000), CODE_OK);
	assert_int_equal(shop_balance(s).points, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(P1_the_receipt_has_one_floor),
		CASE(P2_a_refund_claws_back_what_the_rest_does_not_earn),
		CASE(P3_the_last_refund_claws_back_the_rest),
		CASE(P5_points_that_lack_become_debt_and_later_points_pay_it),
		CASE(P6_points_that_lack_refuse_the_refund),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
