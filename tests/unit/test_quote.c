#include "till_fixture.h"

/* Quote the command, and answer what a sale of it answers; *ret is the quote's body. */
static enum code quote(struct shop *s, const struct sale_command *cmd, Trib__V1__Sale **ret)
{
	struct till_facts facts;
	enum code c;

	arena_reset(&s->kept);
	c = sale_quote(&s->t, &s->acc, cmd, &s->kept, ret, &facts);
	assert_int_equal(shop_sell_command(s, cmd), c);
	assert_memory_equal(&facts, &s->facts, sizeof(facts));
	return c;
}

static void a_quote_is_the_sale_that_would_be(void **state)
{
	struct shop *s = *state;
	const struct sale_line line = { "tea", "drinks", 1000, 12345 };
	const struct tender tenders[] = { { "wechat", 345, NULL },
					  { "stored_value", 12000, NULL } };
	struct sale_command cmd = {
		.amount = 12345, .n_lines = 1, .lines = &line, .n_tenders = 2, .tenders = tenders
	};
	Trib__V1__Sale *body;

	shop_put_lot(s, 1, 50000, 10000, LOT_NEVER, 1000);
	assert_int_equal(quote(s, &cmd, &body), CODE_OK);
	assert_int_equal(body->payable, s->entry->sale->payable);
	assert_int_equal(body->points_earned, s->entry->sale->points_earned);
	assert_int_equal(body->n_tenders, 2);
	assert_int_equal(body->tenders[1]->amount, 12000);
	assert_int_equal(body->n_lines, 1);
	assert_string_equal(body->points_rate->rule, "points");
}

static void what_is_not_there_is_quoted_and_refused(void **state)
{
	struct shop *s = *state;
	struct sale_command cmd = { .amount = 12000 };
	Trib__V1__Sale *body;

	shop_put_lot(s, 1, 5000, 0, LOT_NEVER, 1000);
	assert_int_equal(quote(s, &cmd, &body), CODE_INSUFFICIENT_BALANCE);
	assert_int_equal(body->payable, 12000);
	assert_int_equal(body->tenders[0]->amount, 12000);
	assert_int_equal(body->points_earned, 120);
	s->acc.status = ACCOUNT_BLOCKED;
	assert_int_equal(quote(s, &cmd, &body), CODE_CARD_BLOCKED);
	assert_int_equal(body->payable, 12000);
}

static void a_partial_sale_is_quoted_as_it_would_be_taken(void **state)
{
	struct shop *s = *state;
	const struct tender tenders[] = { { "wechat", 2000, NULL },
					  { "stored_value", 10000, NULL } };
	struct sale_command cmd = {
		.amount = 12000, .n_tenders = 2, .tenders = tenders, .allow_partial = true
	};
	Trib__V1__Sale *body;

	assert_int_equal(quote(s, &cmd, &body), CODE_INSUFFICIENT_BALANCE);
	assert_int_equal(body->payable, 12000);
	shop_put_lot(s, 1, 5000, 0, LOT_NEVER, 1000);
	assert_int_equal(quote(s, &cmd, &body), CODE_OK);
	assert_int_equal(body->list_amount, 12000);
	assert_int_equal(body->payable, 7000);
	assert_int_equal(body->tenders[0]->amount, 2000);
	assert_int_equal(body->tenders[1]->amount, 5000);
	assert_int_equal(body->points_earned, 70);
	assert_int_equal(s->entry->sale->payable, 7000);
	assert_int_equal(s->entry->sale->points_earned, 70);
}

static void what_cannot_be_priced_has_no_body(void **state)
{
	struct shop *s = *state;
	const struct tender cash = { "cash", 99, NULL };
	struct sale_command cmd = { .amount = 0 };
	Trib__V1__Sale *body;

	assert_int_equal(quote(s, &cmd, &body), CODE_BAD_VALUE);
	assert_null(body);
	cmd.amount = 100;
	cmd.use_points = 1;
	assert_int_equal(quote(s, &cmd, &body), CODE_NO_RULE);
	assert_null(body);
	cmd.use_points = 0;
	cmd.has_expected_payable = true;
	cmd.expected_payable = 99;
	cmd.n_tenders = 1;
	cmd.tenders = &cash;
	assert_int_equal(quote(s, &cmd, &body), CODE_PAYABLE_CHANGED);
	assert_null(body);
	assert_int_equal(s->facts.payable, 100);
}

static void a_payable_that_changed_is_quoted(void **state)
{
	struct shop *s = *state;
	struct sale_command cmd = { .amount = 100,
				    .has_expected_payable = true,
				    .expected_payable = 99 };
	Trib__V1__Sale *body;

	shop_put_lot(s, 1, 5000, 0, LOT_NEVER, 1000);
	assert_int_equal(quote(s, &cmd, &body), CODE_PAYABLE_CHANGED);
	assert_int_equal(body->payable, 100);
}

static void a_quote_changes_nothing(void **state)
{
	static struct account before;
	struct shop *s = *state;
	struct sale_command cmd = { .amount = 100 };
	struct till_facts facts;
	Trib__V1__Sale *body;

	shop_put_lot(s, 1, 5000, 0, LOT_NEVER, 1000);
	before = s->acc;
	for (size_t cap = 0; cap < 4096; cap += 64) {
		struct arena a;
		enum code c;

		arena_init(&a, s->draft.base, cap);
		c = sale_quote(&s->t, &s->acc, &cmd, &a, &body, &facts);
		assert_true(c == (body != NULL ? CODE_OK : CODE_INTERNAL));
	}
	assert_non_null(body);
	assert_memory_equal(&s->acc, &before, sizeof(before));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_quote_is_the_sale_that_would_be),
		TEST(what_is_not_there_is_quoted_and_refused),
		TEST(a_partial_sale_is_quoted_as_it_would_be_taken),
		TEST(what_cannot_be_priced_has_no_body),
		TEST(a_payable_that_changed_is_quoted),
		TEST(a_quote_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
