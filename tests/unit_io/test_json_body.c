#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "json_body.h"

static const struct body_text card_text = { 1, 32, BODY_PRINTABLE };
static const struct body_text any_text = { 0, 16, BODY_ANY };

/* A request with one field of each sort; the first error's code. */
static enum code read_all(struct json_body *b, const char *text)
{
	struct body_scope lines, line, member;
	size_t n;

	body_init(b, text, strlen(text));
	body_text(&b->top, "card_no", BODY_REQUIRED, &card_text);
	body_int(&b->top, "amount", BODY_REQUIRED, 1, 1000, 0);
	body_bool(&b->top, "allow_partial", BODY_OPTIONAL, false);
	if (body_object(&b->top, "member", BODY_OPTIONAL, &member)) {
		body_text(&member, "name", BODY_OPTIONAL, &any_text);
		body_end(&member);
	}
	n = body_array(&b->top, "lines", BODY_OPTIONAL, 1, 3, &lines);
	for (size_t i = 0; i < n && body_item(&lines, i, &line); i++) {
		body_text(&line, "sku", BODY_REQUIRED, &card_text);
		body_int(&line, "qty", BODY_OPTIONAL, 1, 9, 1);
		body_end(&line);
	}
	return body_result(b);
}

static void expect(const char *text, enum code code, const char *param)
{
	struct json_body b;
	enum code got = read_all(&b, text);

	if (got != code || strcmp(b.param, param) != 0)
		fail_msg("%s: %s at '%s' (%s)", text, code_name(got), b.param, b.detail);
	body_finish(&b);
}

static void good_request_is_read(void **state)
{
	struct json_body b;

	(void)state;
	expect("{\"card_no\":\"8800\",\"amount\":1000,\"allow_partial\":true,"
	       "\"member\":{\"name\":\"王小明\"},\"lines\":[{\"sku\":\"a\"},{\"sku\":\"b\",\"qty\":9}]}",
	       CODE_OK, "");
	expect("{\"card_no\":\"8800\",\"amount\":1,\"allow_partial\":null,\"lines\":null}", CODE_OK,
	       "");
	body_init(&b, "{\"n\":-9223372036854775808}", 26);
	assert_true(body_int(&b.top, "n", BODY_REQUIRED, INT64_MIN, INT64_MAX, 0) == INT64_MIN);
	assert_int_equal(body_int(&b.top, "other", BODY_OPTIONAL, 0, 1, 7), 7);
	assert_int_equal(body_result(&b), CODE_OK);
	body_finish(&b);
}

static void malformed_text_is_bad_json(void **state)
{
	static const char *const bad[] = {
		"{",
		"[]",
		"\"x\"",
		"1",
		"{}{}",
		"{} x",
		"{'a':1}",
		"{\"a\":1,}",
		"{\"a\":01}",
		"{\"a\":NaN}",
		"{\"card_no\":\"1\",\"card_no\":\"2\"}",
		"{\"member\":{\"name\":\"1\",\"name\":\"1\"}}",
		"{\"card_no\":\"\\u0000\"}",
		"{\"card_no\":\"\xff\"}",
		"{\"card_no\":\"\xed\xa0\x80\"}",
		"{\"card_no\":\"\\ud800\"}",
		"{\"card_no\":\"a\nb\"}",
		"{\"a\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}",
	};
	char deep[4096];
	struct json_body b;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(bad[i], CODE_BAD_JSON, "");
	memset(deep, '[', sizeof(deep));
	body_init(&b, deep, sizeof(deep));
	assert_int_equal(body_result(&b), CODE_BAD_JSON);
	body_finish(&b);
	/* Brackets in strings are no nesting. */
	expect("{\"card_no\":\"[[[[[[[[[[[[[[[[[[[[[[\\\"{{\",\"amount\":1}", CODE_OK, "");
}

static void what_is_not_plain_utf8_is_said_to_be_so(void **state)
{
	static const struct {
		const char *text, *detail;
	} rows[] = {
		{ "{\"card_no\":\"\xcd\xf5\"}", "line 1, column 12: not UTF-8" },
		{ "\xff\xfe{", "line 1, column 0: not UTF-8" },
		{ "\xef\xbb\xbf{\"card_no\":\"1\"}", "begins with a byte order mark" },
	};
	struct json_body b;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(read_all(&b, rows[i].text), CODE_BAD_JSON);
		assert_string_equal(b.detail, rows[i].detail);
		body_finish(&b);
	}
}

static void a_syntax_error_repeats_no_value_of_the_request(void **state)
{
	static const char *const bad[] = {
		"{\"phone\" \"13800135678\"}",
		"{\"phone\":\"13800135678\n\"}",
		"{\"phone\":13800135678x}",
		"{\"a\":1 near '13800135678'}",
	};
	struct json_body b;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		body_init(&b, bad[i], strlen(bad[i]));
		assert_int_equal(body_result(&b), CODE_BAD_JSON);
		assert_null(strstr(b.detail, "1380013"));
		assert_non_null(strstr(b.detail, "line 1, column "));
		body_finish(&b);
	}
}

static void numbers_never_wrap(void **state)
{
	(void)state;
	expect("{\"card_no\":\"1\",\"amount\":9223372036854775808}", CODE_BAD_VALUE, "");
	expect("{\"card_no\":\"1\",\"amount\":18446744073709551617}", CODE_BAD_VALUE, "");
	expect("{\"card_no\":\"1\",\"amount\":-9223372036854775809}", CODE_BAD_VALUE, "");
	expect("{\"card_no\":\"1\",\"amount\":1e999}", CODE_BAD_VALUE, "");
	expect("{\"card_no\":\"1\",\"amount\":9223372036854775807}", CODE_BAD_VALUE, "amount");
}

static void wrong_types_and_ranges_are_bad_values(void **state)
{
	static const char *const amounts[] = { "1.0", "1e2", "\"5\"", "true", "null", "[1]",
					       "{}",  "0",   "1001",  "-1",   "0.5" };
	static const char *const cards[] = { "1",
					     "\"\"",
					     "null",
					     "\"a b\"",
					     "\"\\u007f\"",
					     "\"卡\"",
					     "\"123456789012345678901234567890123\"" };
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
		snprintf(text, sizeof(text), "{\"card_no\":\"1\",\"amount\":%s}", amounts[i]);
		expect(text, CODE_BAD_VALUE, "amount");
	}
	for (size_t i = 0; i < sizeof(cards) / sizeof(cards[0]); i++) {
		snprintf(text, sizeof(text), "{\"card_no\":%s,\"amount\":1}", cards[i]);
		expect(text, CODE_BAD_VALUE, "card_no");
	}
	expect("{\"card_no\":\"1\",\"amount\":1,\"allow_partial\":1}", CODE_BAD_VALUE,
	       "allow_partial");
	expect("{\"card_no\":\"1\",\"amount\":1,\"member\":[]}", CODE_BAD_VALUE, "member");
	expect("{\"card_no\":\"1\",\"amount\":1,\"member\":{\"name\":\"a\\u0085\"}}",
	       CODE_BAD_VALUE, "member.name");
	expect("{\"card_no\":\"1\",\"amount\":1,\"lines\":[]}", CODE_BAD_VALUE, "lines");
	expect("{\"card_no\":\"1\",\"amount\":1,\"lines\":[1]}", CODE_BAD_VALUE, "lines[0]");
	expect("{\"card_no\":\"1\",\"amount\":1,\"lines\":[{\"sku\":\"a\"},{\"sku\":\"a\",\"qty\":0}]}",
	       CODE_BAD_VALUE, "lines[1].qty");
	expect("{\"card_no\":\"1\",\"amount\":1,\"lines\":[{\"sku\":\"1\"},{\"sku\":\"1\"},"
	       "{\"sku\":\"1\"},{\"sku\":\"1\"}]}",
	       CODE_BAD_VALUE, "lines");
}

static void missing_and_unknown_fields_are_named(void **state)
{
	struct json_body b;

	(void)state;
	expect("{}", CODE_MISSING_FIELD, "card_no");
	expect("", CODE_MISSING_FIELD, "card_no");
	expect("{\"card_no\":\"1\",\"amount\":1,\"lines\":[{}]}", CODE_MISSING_FIELD,
	       "lines[0].sku");
	expect("{\"card_no\":\"1\",\"amount\":1,\"color\":1}", CODE_UNKNOWN_FIELD, "color");
	expect("{\"cardno\":\"1\",\"amount\":1}", CODE_UNKNOWN_FIELD, "cardno");
	expect("{\"card_no\":\"1\",\"amuont\":1,\"allow_partial\":true,\"member\":{}}",
	       CODE_UNKNOWN_FIELD, "amuont");
	expect("{\"card_no\":\"1\",\"amount\":1,\"lines\":[{\"skv\":\"a\",\"qty\":1}]}",
	       CODE_UNKNOWN_FIELD, "lines[0].skv");
	expect("{\"card_no\":\"1\",\"amount\":1,\"lines\":[{}],\"color\":1}", CODE_UNKNOWN_FIELD,
	       "color");
	expect("{\"card_no\":1,\"color\":1}", CODE_BAD_VALUE, "card_no");
	expect("{\"card_no\":\"1\",\"amount\":1,\"lines\":[{\"sku\":\"a\",\"x\":1}]}",
	       CODE_UNKNOWN_FIELD, "lines[0].x");
	assert_int_equal(read_all(&b, "{\"card_no\":\"1\",\"amount\":1,\"alow_partial\":true}"),
			 CODE_UNKNOWN_FIELD);
	assert_string_equal(b.detail, "is not known here; did you mean 'allow_partial'?");
	body_finish(&b);
}

static void hostile_field_name_still_makes_an_error(void **state)
{
	char text[600] = "{\"card_no\":\"1\",\"amount\":1,\"x";
	struct json_body b;
	json_t *error, *facts;

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(text, "卡");
	strcat(text, "\":1}");
	assert_int_equal(read_all(&b, text), CODE_UNKNOWN_FIELD);
	assert_true(strlen(b.param) > 150);
	facts = body_facts(&b);
	error = api_error_json(b.code, b.param, facts, "t");
	assert_non_null(error);
	json_decref(error);
	json_decref(facts);
	body_finish(&b);
}

static void every_code_has_its_texts(void **state)
{
	static const enum code all[] = {
#define X(name, text, status) CODE_##name,
		CODES(X)
#undef X
	};

	(void)state;
	for (size_t i = 1; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_true(strlen(api_error_en(all[i])) > 0);
		assert_string_not_equal(api_error_zh(all[i]), api_error_zh(CODE_OK));
		if (code_status(all[i]) == 422)
			assert_string_equal(api_error_type(all[i]), "refused");
	}
}

static void error_json_has_the_documented_shape(void **state)
{
	json_t *facts = json_pack("{s:i, s:i, s:s}", "total", 5000, "available_here", 1000, "code",
				  "forged");
	json_t *error = api_error_json(CODE_INSUFFICIENT_HERE, "amount", facts, "abc");
	char *text = json_dumps(error, JSON_COMPACT);

	(void)state;
	assert_string_equal(
		text,
		"{\"error\":{\"type\":\"refused\",\"code\":\"insufficient_here\","
		"\"param\":\"amount\",\"message\":{\"zh\":"
		"\"本店可用余额不足，其余金额在其他门店。\",\"en\":\"The balance available in "
		"this store is too small; the rest is held by other stores.\"},"
		"\"retryable\":false,\"total\":5000,\"available_here\":1000,"
		"\"trace_id\":\"abc\"}}");
	free(text);
	json_decref(facts);
	json_decref(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_request_is_read),
		cmocka_unit_test(malformed_text_is_bad_json),
		cmocka_unit_test(what_is_not_plain_utf8_is_said_to_be_so),
		cmocka_unit_test(a_syntax_error_repeats_no_value_of_the_request),
		cmocka_unit_test(numbers_never_wrap),
		cmocka_unit_test(wrong_types_and_ranges_are_bad_values),
		cmocka_unit_test(missing_and_unknown_fields_are_named),
		cmocka_unit_test(hostile_field_name_still_makes_an_error),
		cmocka_unit_test(every_code_has_its_texts),
		cmocka_unit_test(error_json_has_the_documented_shape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
