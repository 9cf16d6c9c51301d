#include "till_fixture.h"

static const int64_t one_step[][2] = { { 50000, 10000 } };
static const int64_t two_steps[][2] = { { 50000, 10000 }, { 100000, 25000 } };
static char rule_id[] = "charge";

static void check_gives(void **state, bool repeat, size_t n, const int64_t steps[][2], int64_t paid,
			int64_t bonus)
{
	struct shop *s = *state;

	shop_add_ladder(s, rule_id, repeat, n, steps);
	assert_int_equal(shop_top_up(s, paid), CODE_OK);
	assert_balance(s, paid, bonus);
	assert_moved(s, paid, bonus);
	assert_int_equal(s->entry->top_up->n_gives, bonus > 0 ? 1 : 0);
	assert_int_equal(s->clearing[TENDER_CASH], paid);
}

static void T1_a_step_reached_gives_its_bonus(void **state)
{
	check_gives(state, false, 1, one_step, 50000, 10000);
}

static void T2_a_fen_below_the_step_gives_nothing(void **state)
{
	check_gives(state, false, 1, one_step, 49999, 0);
}

static void T3_without_repeat_a_step_gives_once(void **state)
{
	check_gives(state, false, 1, one_step, 100000, 10000);
}

static void T4_with_repeat_a_step_gives_as_often_as_it_fits(void **state)
{
	check_gives(state, true, 1, one_step, 100000, 20000);
}

static void T5_without_repeat_only_the_highest_step_gives(void **state)
{
	check_gives(state, false, 2, two_steps, 120000, 25000);
}

static void T6_with_repeat_the_ladder_is_greedy_from_the_top(void **state)
{
	check_gives(state, true, 2, two_steps, 160000, 35000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(T1_a_step_reached_gives_its_bonus),
		CASE(T2_a_fen_below_the_step_gives_nothing),
		CASE(T3_without_repeat_a_step_gives_once),
		CASE(T4_with_repeat_a_step_gives_as_often_as_it_fits),
		CASE(T5_without_repeat_only_the_highest_step_gives),
		CASE(T6_with_repeat_the_ladder_is_greedy_from_the_top),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
