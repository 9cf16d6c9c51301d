#include "till_fixture.h"

#include <string.h>

static char charge[] = "charge", other[] = "other", gold[] = "gold", points[] = "points";
static const int64_t steps[][2] = { { 50000, 10000 }, { 100000, 25000 } };

/* The shop's rules with a ladder. */
static struct shop *start(void **state)
{
	struct shop *s = *state;

	shop_add_ladder(s, charge, true, 2, steps);
	return s;
}

static void assert_valid(const struct shop *s)
{
	const char *why = "";

	if (rules_validate(&s->rules, &why) != 0)
		fail_msg("%s", why);
}

static void assert_invalid(const struct shop *s, const char *reason)
{
	const char *why = "";

	assert_int_equal(rules_validate(&s->rules, &why), ERR_INVALID);
	assert_string_equal(why, reason);
}

/* Set *field, expect the reason, and set it back. */
#define ASSERT_REFUSED(s, field, value, reason)   \
	do {                                      \
		__typeof__(field) kept = field;   \
		field = (__typeof__(field))value; \
		assert_invalid(s, reason);        \
		field = kept;                     \
		assert_valid(s);                  \
	} while (0)

static void a_sound_rule_set_is_valid(void **state)
{
	struct shop *s = start(state);

	assert_valid(s);
}

static void numbers_out_of_bounds_are_refused(void **state)
{
	struct shop *s = start(state);
	Trib__V1__LadderStep *step = s->top_ups[0].steps[1];

	ASSERT_REFUSED(s, s->rules.version, 0, "version is 0");
	ASSERT_REFUSED(s, s->rules.effective_ms, -1, "effective_ms is negative");
	ASSERT_REFUSED(s, s->points.per, 0, "a points rule's number is out of bounds");
	ASSERT_REFUSED(s, s->points.points, -1, "a points rule's number is out of bounds");
	ASSERT_REFUSED(s, s->points.multiplier_den, 0, "a points rule's number is out of bounds");
	ASSERT_REFUSED(s, s->points.multiplier_num, RULE_FACTOR_MAX + 1,
		       "a points rule's number is out of bounds");
	ASSERT_REFUSED(s, step->paid, 50000, "a ladder's steps do not rise from above 0");
	ASSERT_REFUSED(s, s->top_ups[0].steps[0]->paid, 0,
		       "a ladder's steps do not rise from above 0");
	ASSERT_REFUSED(s, step->paid, AMOUNT_MAX + 1, "a ladder's amount is out of bounds");
	ASSERT_REFUSED(s, step->bonus, -1, "a ladder's amount is out of bounds");
	ASSERT_REFUSED(s, step->points, AMOUNT_MAX + 1, "a ladder's amount is out of bounds");
	ASSERT_REFUSED(s, s->top_ups[0].n_steps, 0, "a ladder has no step or too many");
	s->top_ups[0].has_expires_days = 1;
	s->top_ups[0].expires_days = 365;
	ASSERT_REFUSED(s, s->top_ups[0].expires_days, 0, "expires_days is out of bounds");
	ASSERT_REFUSED(s, s->type.offline_keep, -1, "an account type's number is out of bounds");
	ASSERT_REFUSED(s, s->type.idle_days, -1, "an account type's number is out of bounds");
}

static void unknown_words_are_refused(void **state)
{
	struct shop *s = start(state);

	ASSERT_REFUSED(s, s->type.consumption, 0, "an account type's consumption is unknown");
	ASSERT_REFUSED(s, s->type.consumption, 9, "an account type's consumption is unknown");
	ASSERT_REFUSED(s, s->type.clawback, 3, "an account type's clawback is unknown");
}

static void names_are_texts_in_bounds_and_unique(void **state)
{
	static char empty[] = "", bad[] = "a\nb", not_text[] = "\xff";
	static char long_id[RULE_ID_MAX + 2], long_type[ACCOUNT_TYPE_MAX + 1];
	struct shop *s = start(state);
	char *types[] = { gold };

	memset(long_id, 'x', sizeof(long_id) - 1);
	memset(long_type, 'x', sizeof(long_type) - 1);
	ASSERT_REFUSED(s, s->points.id, empty, "a rule's id is empty, too long or no text");
	ASSERT_REFUSED(s, s->points.id, bad, "a rule's id is empty, too long or no text");
	ASSERT_REFUSED(s, s->points.id, not_text, "a rule's id is empty, too long or no text");
	ASSERT_REFUSED(s, s->points.id, long_id, "a rule's id is empty, too long or no text");
	ASSERT_REFUSED(s, s->points.id, charge, "two rules have the same id");
	ASSERT_REFUSED(s, s->type.name, long_type,
		       "an account type's name is empty, too long or no text");
	s->top_ups[0].n_account_types = 1;
	s->top_ups[0].account_types = types;
	ASSERT_REFUSED(s, types[0], empty, "an account type's name is empty, too long or no text");
}

static void account_types_are_unique(void **state)
{
	struct shop *s = start(state);
	Trib__V1__AccountType *twice[] = { &s->type, &s->type };

	s->rules.n_account_types = 2;
	s->rules.account_types = twice;
	assert_invalid(s, "two account types have the same name");
}

static void an_unnamed_account_type_has_the_default_s_settings(void **state)
{
	struct shop *s = start(state);

	s->type.offline_keep = 7;
	assert_int_equal(rules_account_type(&s->rules, "default")->offline_keep, 7);
	assert_int_equal(rules_account_type(&s->rules, "gold")->offline_keep, 7);
	s->type.name = gold;
	assert_int_equal(rules_account_type(&s->rules, "gold")->offline_keep, 7);
	assert_int_equal(rules_account_type(&s->rules, "silver")->offline_keep, 100000);
	assert_int_equal(rules_account_type(NULL, "gold")->consumption,
			 TRIB__V1__CONSUMPTION__CONSUME_PRO_RATA);
	assert_int_equal(rules_account_type(NULL, "gold")->clawback,
			 TRIB__V1__CLAWBACK__CLAWBACK_DEBT);
	assert_int_equal(rules_account_type(NULL, "gold")->idle_days, 30);
}

static void points_have_one_floor_and_no_overflow(void **state)
{
	struct shop *s = start(state);
	struct points_rate rate = rules_points(&s->rules);
	int64_t n = -7;

	assert_int_equal(points_earned(&rate, 199, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(points_earned(&rate, -1, &n), ERR_INVALID);
	s->points.points = RULE_FACTOR_MAX;
	s->points.multiplier_num = RULE_FACTOR_MAX;
	s->points.per = 1;
	assert_valid(s);
	rate = rules_points(&s->rules);
	assert_int_equal(points_earned(&rate, AMOUNT_MAX, &n), ERR_OVERFLOW);
	assert_int_equal(n, 1);
	rate = rules_points(NULL);
	assert_null(rate.rule);
	assert_int_equal(points_earned(&rate, 12345, &n), 0);
	assert_int_equal(n, 0);
}

static void a_ladder_s_points_follow_its_steps(void **state)
{
	struct shop *s = start(state);
	int64_t bonus, n;

	s->top_ups[0].steps[0]->points = 3;
	s->top_ups[0].steps[1]->points = 10;
	assert_int_equal(ladder_give(&s->top_ups[0], 260000, &bonus, &n), 0);
	assert_int_equal(bonus, 60000);
	assert_int_equal(n, 23);
	s->top_ups[0].repeat = 0;
	assert_int_equal(ladder_give(&s->top_ups[0], 99999, &bonus, &n), 0);
	assert_int_equal(bonus, 10000);
	assert_int_equal(n, 3);
	assert_int_equal(ladder_give(&s->top_ups[0], 200000, &bonus, &n), 0);
	assert_int_equal(bonus, 25000);
	assert_int_equal(n, 10);
	assert_int_equal(ladder_give(&s->top_ups[0], 1, &bonus, &n), 0);
	assert_int_equal(bonus, 0);
	assert_int_equal(n, 0);
}

static void a_ladder_that_gives_too_much_overflows(void **state)
{
	struct shop *s = start(state);
	int64_t bonus = -7, n = -7;

	s->top_ups[0].steps[0]->paid = 1;
	s->top_ups[0].steps[0]->bonus = AMOUNT_MAX;
	s->top_ups[0].n_steps = 1;
	assert_valid(s);
	assert_int_equal(ladder_give(&s->top_ups[0], AMOUNT_MAX, &bonus, &n), ERR_OVERFLOW);
	assert_int_equal(bonus, -7);
	assert_int_equal(shop_top_up(s, AMOUNT_MAX), CODE_INTERNAL);
}

static void a_rule_is_for_its_account_types(void **state)
{
	struct shop *s = start(state);
	char *types[] = { other, gold };

	assert_true(top_up_rule_applies(&s->top_ups[0], "anything"));
	s->top_ups[0].n_account_types = 2;
	s->top_ups[0].account_types = types;
	assert_true(top_up_rule_applies(&s->top_ups[0], "gold"));
	assert_false(top_up_rule_applies(&s->top_ups[0], "default"));
	assert_string_equal(rules_points(&s->rules).rule, points);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_sound_rule_set_is_valid),
		TEST(numbers_out_of_bounds_are_refused),
		TEST(unknown_words_are_refused),
		TEST(names_are_texts_in_bounds_and_unique),
		TEST(account_types_are_unique),
		TEST(an_unnamed_account_type_has_the_default_s_settings),
		TEST(points_have_one_floor_and_no_overflow),
		TEST(a_ladder_s_points_follow_its_steps),
		TEST(a_ladder_that_gives_too_much_overflows),
		TEST(a_rule_is_for_its_account_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
