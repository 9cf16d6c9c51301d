#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules.h"
#include "rules_json.h"

static uint8_t buffer[2][64 * 1024];

static int compile(const char *text, struct arena *a, int which, Trib__V1__RuleSet **ret, char *err)
{
	arena_init(a, buffer[which], sizeof(buffer[which]));
	*err = '\0';
	return rules_from_text(text, strlen(text), 7, 1000, a, ret, err);
}

static void expect_error(const char *text, const char *error)
{
	char err[RULES_ERROR_BYTES];
	Trib__V1__RuleSet *set;
	struct arena a;

	assert_int_equal(compile(text, &a, 0, &set, err), ERR_INVALID);
	assert_string_equal(err, error);
}

static char *read_file(const char *name)
{
	char path[1024];
	char *text = calloc(1, 65536);
	FILE *f;

	snprintf(path, sizeof(path), "%s/deploy/rules/%s", getenv("TRIB_SOURCE_ROOT"), name);
	f = fopen(path, "r");
	if (f == NULL)
		fail_msg("%s cannot be read", path);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

static void example_has_the_values_that_it_shows(void **state)
{
	char err[RULES_ERROR_BYTES], *text = read_file("example.json");
	const Trib__V1__TopUpRule *gift;
	struct points_rate rate;
	Trib__V1__RuleSet *set;
	struct arena a;
	int64_t points;

	(void)state;
	if (compile(text, &a, 0, &set, err) != 0)
		fail_msg("%s", err);
	assert_int_equal(set->version, 7);
	assert_int_equal(set->effective_ms, 1000);
	rate = rules_points(set);
	assert_int_equal(points_earned(&rate, 1000, &points), 0);
	assert_int_equal(points, 15);
	assert_int_equal(set->n_top_ups, 2);
	gift = set->top_ups[0];
	assert_int_equal(gift->n_steps, 3);
	assert_int_equal(gift->steps[1]->bonus, 5000);
	assert_true(gift->repeat);
	assert_int_equal(gift->expires_days, 365);
	assert_false(set->top_ups[1]->has_expires_days);
	assert_int_equal(rules_account_type(set, "vip")->consumption,
			 TRIB__V1__CONSUMPTION__CONSUME_BONUS_FIRST);
	assert_int_equal(rules_account_type(set, "vip")->clawback,
			 TRIB__V1__CLAWBACK__CLAWBACK_REFUSE);
	assert_true(set->source.len > 100);
	free(text);
}

/* JSON -> message -> JSON -> message gives the same bytes, but for the source. */
static void compiled_set_survives_the_way_through_json(void **state)
{
	static uint8_t packed[2][16384];
	char err[RULES_ERROR_BYTES], *text = read_file("example.json"), *again;
	Trib__V1__RuleSet *set[2];
	struct arena a[2];
	size_t len[2];
	json_t *json;

	(void)state;
	assert_int_equal(compile(text, &a[0], 0, &set[0], err), 0);
	json = rules_to_json(set[0]);
	again = json_dumps(json, 0);
	assert_non_null(again);
	if (compile(again, &a[1], 1, &set[1], err) != 0)
		fail_msg("%s", err);
	for (int i = 0; i < 2; i++) {
		set[i]->has_source = false;
		len[i] = trib__v1__rule_set__get_packed_size(set[i]);
		assert_true(len[i] <= sizeof(packed[i]));
		trib__v1__rule_set__pack(set[i], packed[i]);
	}
	assert_int_equal(len[0], len[1]);
	assert_memory_equal(packed[0], packed[1], len[0]);
	json_decref(json);
	free(again);
	free(text);
}

static void built_in_base_set_is_the_deployed_file(void **state)
{
	char err[RULES_ERROR_BYTES], *text = read_file("base.json");
	struct points_rate rate;
	Trib__V1__RuleSet *set;
	struct arena a;
	int64_t points;

	(void)state;
	assert_string_equal(text, rules_base_json);
	assert_int_equal(compile(rules_base_json, &a, 0, &set, err), 0);
	assert_int_equal(set->n_top_ups, 0);
	rate = rules_points(set);
	assert_int_equal(points_earned(&rate, 12399, &points), 0);
	assert_int_equal(points, 123);
	free(text);
}

static void name_and_default_account_type_are_required(void **state)
{
	char err[RULES_ERROR_BYTES];
	Trib__V1__RuleSet *set;
	struct arena a;

	(void)state;
	expect_error("{}", "name: is required");
	expect_error("{\"account_types\":[{\"name\":\"default\"}]}", "name: is required");
	expect_error("{\"name\":\"a\"}", "account_types: the type \"default\" is required");
	expect_error("{\"name\":\"a\",\"account_types\":[{\"name\":\"vip\"}]}",
		     "account_types: the type \"default\" is required");
	assert_int_equal(compile("{\"name\":\"a\",\"account_types\":[{\"name\":\"default\"}]}", &a,
				 0, &set, err),
			 0);
	assert_int_equal(set->n_points + set->n_top_ups, 0);
}

static void multiplier_is_a_ratio_in_two_forms(void **state)
{
	static const char *const forms[] = { "\"3/2\"", "{\"num\":3,\"den\":2}" };
	static const char *const bad[] = {
		"\"3/\"",  "\"/2\"", "\"3/0\"",  "\"-3/2\"", "1.5",
		"\"1.5\"", "2",      "\" 3/2\"", "\"3/2 \"", "\"9999999999999999999/1\""
	};
	char text[256], err[RULES_ERROR_BYTES];
	Trib__V1__RuleSet *set;
	struct arena a;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		snprintf(text, sizeof(text),
			 "{\"name\":\"m\",\"account_types\":[{\"name\":\"default\"}],"
			 "\"points\":[{\"id\":\"p\",\"points\":1,\"per\":100,\"multiplier\":%s}]}",
			 forms[i]);
		assert_int_equal(compile(text, &a, 0, &set, err), 0);
		assert_int_equal(set->points[0]->multiplier_num, 3);
		assert_int_equal(set->points[0]->multiplier_den, 2);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
			 "{\"name\":\"m\",\"account_types\":[{\"name\":\"default\"}],"
			 "\"points\":[{\"id\":\"p\",\"points\":1,\"per\":100,\"multiplier\":%s}]}",
			 bad[i]);
		expect_error(text, "points[0].multiplier: must be a ratio such as \"3/2\" or "
				   "{\"num\":3,\"den\":2}");
	}
}

static void errors_name_their_place(void **state)
{
	(void)state;
	expect_error("{\"top_ups\":[{\"id\":\"a\",\"steps\":[{\"paid\":1}]},"
		     "{\"id\":\"b\",\"steps\":[{\"paid\":0}]}]}",
		     "top_ups[1].steps[0].paid: must be from 1 to 1000000000000");
	expect_error("{\"top_ups\":[{\"id\":\"a\",\"steps\":[{\"paid\":5},{\"paid\":5}]}]}",
		     "top_ups[0].steps[1].paid: must be more than the step before, 5");
	expect_error(
		"{\"top_ups\":[{\"id\":\"a\",\"steps\":[{\"paid\":5}],"
		"\"account_types\":[\"default\",\"vpi\"]}],\"account_types\":[{\"name\":\"vip\"}]}",
		"top_ups[0].account_types[1]: 'vpi' is none of the set's account types");
	expect_error("{\"top_ups\":[{\"id\":\"a\",\"stesp\":[],\"steps\":[{\"paid\":5}]}]}",
		     "top_ups[0].stesp: is not known here; did you mean 'steps'?");
	expect_error("{\"points\":[{\"id\":\"a\",\"points\":1,\"per\":1}],"
		     "\"top_ups\":[{\"id\":\"a\",\"steps\":[{\"paid\":5}]}]}",
		     "top_ups[0].id: points[0] has this id already");
	expect_error("{\"points\":[{\"id\":\"a\",\"per\":1}]}", "points[0].points: is required");
	expect_error("{\"points\":[{\"id\":\"a\",\"points\":1,\"per\":0}]}",
		     "points[0].per: must be from 1 to 1000000000");
	expect_error("{\"account_types\":[{\"name\":\"a\"},{\"name\":\"a\"}]}",
		     "account_types[1].name: account_types[0] has this name already");
	expect_error("{\"account_types\":[{\"name\":\"a\",\"consumption\":\"all\"}]}",
		     "account_types[0].consumption: must be one of pro_rata, bonus_first, "
		     "principal_first");
	expect_error("[]", "not an object");
	expect_error("{\"name\":1}", "name: must be a string");
	expect_error("{\"name\":\"a\",\"name\":\"b\"}",
		     "line 1, column 18: duplicate object key near '\"name\"'");
}

static void full_arena_is_an_error(void **state)
{
	char err[RULES_ERROR_BYTES], *text = read_file("example.json");
	Trib__V1__RuleSet *set = NULL;
	struct arena a;

	(void)state;
	for (size_t cap = 0; cap < 4096; cap += 64) {
		int r;

		arena_init(&a, buffer[0], cap);
		r = rules_from_text(text, strlen(text), 1, 0, &a, &set, err);
		assert_true(r == ERR_FULL || r == 0);
		if (r != 0)
			assert_string_equal(err, "the rule set is too large");
	}
	assert_non_null(set);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_has_the_values_that_it_shows),
		cmocka_unit_test(compiled_set_survives_the_way_through_json),
		cmocka_unit_test(built_in_base_set_is_the_deployed_file),
		cmocka_unit_test(name_and_default_account_type_are_required),
		cmocka_unit_test(multiplier_is_a_ratio_in_two_forms),
		cmocka_unit_test(errors_name_their_place),
		cmocka_unit_test(full_arena_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
