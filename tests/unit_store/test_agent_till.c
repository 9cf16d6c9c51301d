/* The core's judgement of commands, and what a turn's commit or rollback makes of it. */
#include <stdio.h>
#include <string.h>

#include "shop.h"

static struct agent_command with_key(struct agent_command c, const char *key)
{
	c.key = key;
	return c;
}

static void nobody_is_answered_before_the_commit(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_open(s, "4001");
	struct shop_answer *a = shop_take(s, &c);

	assert_true(a->is_append);
	assert_false(a->is_out);
	assert_int_equal(s->agent->durable.seq, 0);
	shop_commit(s);
	assert_true(a->is_out);
	assert_int_equal(s->agent->durable.seq, 1);
}

static void replay_of_the_same_turn_waits_for_its_commit(void **state)
{
	struct shop *s = *state;
	struct agent_command c;
	struct shop_answer *first, *second;

	shop_fill(s, "4001", 1000);
	c = shop_sale(s, "o1", "4001", 400);
	first = shop_take(s, &c);
	second = shop_take(s, &c);
	assert_true(first->is_append);
	assert_int_equal(second->outcome, AGENT_REPLAY_ORDER);
	assert_false(second->is_out);
	shop_commit(s);
	assert_true(first->is_out && second->is_out);
	assert_int_equal(first->seq, second->seq);
	assert_int_equal(s->agent->durable.seq, 3);
}

static void rolled_back_turn_is_refused_and_leaves_nothing(void **state)
{
	struct shop *s = *state;
	struct agent_command sale, again;
	struct shop_answer *a, *b;
	struct position before;
	int32_t day;

	shop_fill(s, "4001", 1000);
	before = s->agent->durable;
	day = s->agent->day;
	s->wall_ms += 86400000;
	sale = with_key(shop_sale(s, "o1", "4001", 400), "k1");
	a = shop_take(s, &sale);
	b = shop_take(s, &sale);
	shop_roll_back(s);
	assert_true(a->is_out && b->is_out);
	assert_int_equal(a->code, CODE_DISK_LOW);
	assert_int_equal(b->code, CODE_DISK_LOW);
	assert_memory_equal(&s->agent->head, &before, sizeof(before));
	assert_int_equal(s->agent->day, day);
	again = with_key(shop_sale(s, "o1", "4001", 400), "k1");
	a = shop_do(s, &again);
	assert_true(a->is_append);
	assert_int_equal(a->seq, before.seq + 1);
}

static void what_was_committed_survives_a_restart(void **state)
{
	struct shop *s = *state;
	struct agent_command sale, lost;
	struct position before;

	shop_fill(s, "4001", 1000);
	sale = shop_sale(s, "o1", "4001", 400);
	(void)shop_do(s, &sale);
	before = s->agent->durable;
	lost = shop_sale(s, "o2", "4001", 100);
	(void)shop_take(s, &lost);
	shop_restart(s);
	assert_memory_equal(&s->agent->durable, &before, sizeof(before));
	assert_int_equal(shop_do(s, &sale)->outcome, AGENT_REPLAY_ORDER);
	assert_true(shop_do(s, &lost)->is_append);
}

/* One row: a first request, then a second; what the second is told. */
static void idempotency_follows_its_table(void **state)
{
	static const struct {
		const char *what;
		int64_t first_amount; /* of a card with 1000: more is refused */
		const char *first_key;
		const char *order_no; /* of the second; the first is o1 */
		int64_t amount;
		const char *key;
		bool is_append;
		enum agent_outcome outcome;
		enum code code;
	} rows[] = {
		{ "success, same key", 400, "k", "o1", 400, "k", false, AGENT_REPLAY_KEY, CODE_OK },
		{ "success, no key", 400, "k", "o1", 400, NULL, false, AGENT_REPLAY_ORDER,
		  CODE_OK },
		{ "success, new key", 400, "k", "o1", 400, "l", false, AGENT_REPLAY_ORDER,
		  CODE_OK },
		{ "success, other body, same key", 400, "k", "o1", 401, "k", false, AGENT_REFUSED,
		  CODE_KEY_REUSED },
		{ "success, other body, no key", 400, NULL, "o1", 401, NULL, false, AGENT_REFUSED,
		  CODE_ORDER_CONFLICT },
		{ "success, other body, new key", 400, "k", "o1", 401, "l", false, AGENT_REFUSED,
		  CODE_ORDER_CONFLICT },
		{ "success, other order, same key", 400, "k", "o2", 400, "k", false, AGENT_REFUSED,
		  CODE_KEY_REUSED },
		{ "success, other order, no key", 400, NULL, "o2", 400, NULL, true, 0, CODE_OK },
		{ "refusal, same key", 2000, "k", "o1", 2000, "k", false, AGENT_REPLAY_KEY,
		  CODE_OK },
		{ "refusal, new key", 2000, "k", "o1", 2000, "l", false, AGENT_REFUSED,
		  CODE_INSUFFICIENT_BALANCE },
		{ "refusal, no key", 2000, "k", "o1", 2000, NULL, false, AGENT_REFUSED,
		  CODE_INSUFFICIENT_BALANCE },
		{ "refusal, smaller, same key", 2000, "k", "o1", 400, "k", false, AGENT_REFUSED,
		  CODE_KEY_REUSED },
		{ "refusal, smaller, new key", 2000, "k", "o1", 400, "l", true, 0, CODE_OK },
	};
	struct shop *s = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char card[16], order[16], other[16], key[16], key2[16];
		struct agent_command first, second;
		struct shop_answer *a;

		snprintf(card, sizeof(card), "5%03zu", i);
		snprintf(order, sizeof(order), "%zu-o1", i);
		snprintf(other, sizeof(other), "%zu-%s", i, rows[i].order_no);
		snprintf(key, sizeof(key), "%zu-%s", i, rows[i].first_key ? rows[i].first_key : "");
		snprintf(key2, sizeof(key2), "%zu-%s", i, rows[i].key ? rows[i].key : "");
		shop_fill(s, card, 1000);
		first = shop_sale(s, order, card, rows[i].first_amount);
		first.key = rows[i].first_key != NULL ? key : NULL;
		(void)shop_do(s, &first);
		second = shop_sale(s, other, card, rows[i].amount);
		second.key = rows[i].key != NULL ? key2 : NULL;
		a = shop_do(s, &second);
		if (a->is_append != rows[i].is_append || a->code != rows[i].code ||
		    (!a->is_append && a->outcome != rows[i].outcome))
			fail_msg("%s: append %d outcome %d code %s", rows[i].what, a->is_append,
				 (int)a->outcome, code_name(a->code));
	}
}

static void a_new_key_that_replayed_an_order_is_bound_to_it(void **state)
{
	struct shop *s = *state;
	struct agent_command c, other;

	shop_fill(s, "4001", 1000);
	c = shop_sale(s, "o1", "4001", 400);
	(void)shop_do(s, &c);
	c = with_key(c, "k2");
	assert_int_equal(shop_do(s, &c)->outcome, AGENT_REPLAY_ORDER);
	assert_int_equal(shop_do(s, &c)->outcome, AGENT_REPLAY_KEY);
	other = with_key(shop_sale(s, "o2", "4001", 1), "k2");
	assert_int_equal(shop_do(s, &other)->code, CODE_KEY_REUSED);
}

static void order_numbers_of_two_verbs_do_not_meet(void **state)
{
	struct shop *s = *state;
	struct agent_command top_up, sale;

	shop_fill(s, "4001", 1000);
	top_up = shop_top_up(s, "o1", "4001", 400);
	sale = shop_sale(s, "o1", "4001", 400);
	assert_true(shop_do(s, &top_up)->is_append);
	assert_true(shop_do(s, &sale)->is_append);
}

static void only_money_refusals_bind_a_key(void **state)
{
	struct shop *s = *state;
	struct agent_command c = with_key(shop_sale(s, "o1", "4001", 400), "k");

	assert_int_equal(shop_do(s, &c)->code, CODE_UNKNOWN_CARD);
	shop_fill(s, "4001", 1000);
	assert_true(shop_do(s, &c)->is_append);
}

static void card_exists_is_not_kept_under_a_key(void **state)
{
	struct shop *s = *state;
	struct agent_command first = shop_open(s, "4001");
	struct agent_command again = with_key(shop_open(s, "4001"), "k");

	assert_true(shop_do(s, &first)->is_append);
	assert_int_equal(shop_do(s, &again)->code, CODE_CARD_EXISTS);
	assert_int_equal(shop_do(s, &again)->outcome, AGENT_REFUSED);
	first = with_key(shop_open(s, "4002"), "k2");
	assert_true(shop_do(s, &first)->is_append);
	assert_int_equal(shop_do(s, &first)->outcome, AGENT_REPLAY_KEY);
}

static void a_receipt_of_another_store_is_held_there(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_refund(s, "r1", "0108", "o1", 0);
	struct shop_answer *a = shop_do(s, &c);

	assert_int_equal(a->code, CODE_INSUFFICIENT_HERE);
	assert_string_equal(a->held_store, "0108");
}

static void refunds_name_sales_of_this_incarnation(void **state)
{
	struct shop *s = *state;
	struct agent_command c;

	shop_fill(s, "4001", 1000);
	c = shop_sale(s, "o1", "4001", 400);
	(void)shop_do(s, &c); /* seq 3 */
	c = shop_refund(s, "r1", "0107", "nothing", 0);
	assert_int_equal(shop_do(s, &c)->code, CODE_UNKNOWN_ORDER);
	c = shop_open(s, "4002");
	(void)shop_do(s, &c); /* seq 4: no receipt */
	c = shop_refund(s, "r1", "0107", NULL, 0);
	c.refund.seq = 4;
	c.refund.incarnation = 1;
	assert_int_equal(shop_do(s, &c)->code, CODE_UNKNOWN_ORDER);
	c = shop_refund(s, "r1", "0107", NULL, 0);
	c.refund.seq = 3;
	c.refund.incarnation = 2;
	assert_int_equal(shop_do(s, &c)->code, CODE_UNKNOWN_ORDER);
	c.refund.incarnation = 1;
	assert_true(shop_do(s, &c)->is_append);
	c = shop_refund(s, "r2", "0107", NULL, 0);
	c.refund.incarnation = 1;
	c.refund.seq = 1; /* the card's opening */
	assert_int_equal(shop_do(s, &c)->code, CODE_UNKNOWN_ORDER);
}

static void refunds_of_a_receipt_never_pass_it(void **state)
{
	struct shop *s = *state;
	struct agent_command a, b, c;

	shop_fill(s, "4001", 1000);
	a = shop_sale(s, "o1", "4001", 400);
	(void)shop_do(s, &a);
	a = shop_refund(s, "r1", "0107", "o1", 300);
	b = shop_refund(s, "r2", "0107", "o1", 101);
	c = shop_refund(s, "r3", "0107", "o1", 100);
	assert_true(shop_take(s, &a)->is_append); /* of one turn: what is not committed counts */
	assert_int_equal(shop_take(s, &b)->code, CODE_REFUND_EXCEEDS_SALE);
	assert_true(shop_take(s, &c)->is_append);
	shop_commit(s);
}

static void the_business_day_turns_at_the_cutoff_and_never_back(void **state)
{
	struct shop *s = *state;
	struct agent_event ev = { .kind = AGENT_SETTINGS, .settings = { .cutoff_min = 120 } };
	const int64_t midnight = INT64_C(20000) * 86400000 - INT64_C(480) * 60000; /* local */
	struct agent_command c;

	assert_int_equal(shop_step(s, &ev), 0);
	s->wall_ms = midnight + 119 * 60000;
	c = shop_open(s, "4001");
	(void)shop_do(s, &c);
	assert_int_equal(s->entry_business_day, 19999);
	s->wall_ms = midnight + 120 * 60000;
	c = shop_open(s, "4002");
	(void)shop_do(s, &c);
	assert_int_equal(s->entry_business_day, 20000);
	s->wall_ms = midnight; /* the clock was set back */
	c = shop_open(s, "4003");
	(void)shop_do(s, &c);
	assert_int_equal(s->entry_business_day, 20000);
}

static void what_headquarters_does_not_book_yet_is_refused(void **state)
{
	struct shop *s = *state;
	struct agent_event ev = { .kind = AGENT_SETTINGS,
				  .settings = { .kinds = UINT64_C(1) << 32 | UINT64_C(1) << 35 } };
	struct agent_command c;
	uint64_t seq;

	assert_int_equal(shop_step(s, &ev), 0);
	shop_fill(s, "4001", 1000); /* kinds 32 and 35 */
	seq = s->agent->durable.seq;
	c = shop_sale(s, "o1", "4001", 400);
	assert_int_equal(shop_do(s, &c)->code, CODE_NO_RULE);
	assert_int_equal(s->agent->durable.seq, seq);
	ev.settings.kinds |= UINT64_C(1) << 36;
	assert_int_equal(shop_step(s, &ev), 0);
	assert_true(shop_do(s, &c)->is_append);
}

static void days_before_1970_round_down(void **state)
{
	(void)state;
	assert_int_equal(agent_calendar_day(-1, 0), -1);
	assert_int_equal(agent_calendar_day(0, 0), 0);
	assert_int_equal(agent_calendar_day(0, -1), -1);
	assert_int_equal(agent_business_day(0, 480, 600, INT32_MIN), -1);
}

static void a_witness_of_another_history_stops_spends(void **state)
{
	struct shop *s = *state;
	struct agent_command c;
	char text[AGENT_WITNESS_BYTES];

	shop_fill(s, "4001", 1000);
	agent_witness_format(s->agent, text);
	c = shop_sale(s, "o1", "4001", 100);
	assert_int_equal(agent_witness_parse(text, &c.witness), 0);
	assert_true(shop_do(s, &c)->is_append);
	c = shop_sale(s, "o2", "4001", 100);
	assert_int_equal(agent_witness_parse(text, &c.witness), 0); /* of an earlier head */
	assert_true(shop_do(s, &c)->is_append);
	c = shop_sale(s, "o3", "4001", 100);
	assert_int_equal(agent_witness_parse(text, &c.witness), 0);
	c.witness.prefix[0] ^= 1;
	assert_int_equal(shop_do(s, &c)->code, CODE_JOURNAL_ROLLED_BACK);
	c.witness.prefix[0] ^= 1;
	c.witness.seq = 99;
	assert_int_equal(shop_do(s, &c)->code, CODE_JOURNAL_ROLLED_BACK);
	c.witness.incarnation = 2;
	assert_int_equal(shop_do(s, &c)->code, CODE_STORE_FENCED);
	c.witness.incarnation = 0;
	assert_true(shop_do(s, &c)->is_append);
	c = shop_top_up(s, "t1", "4001", 100);
	c.witness = (struct agent_witness){ .present = true, .incarnation = 1, .seq = 99 };
	assert_true(shop_do(s, &c)->is_append); /* money may come in */
}

static void witnesses_have_one_spelling(void **state)
{
	static const char *const bad[] = { "",
					   "1",
					   "1.2",
					   "1.2.",
					   "1.2.0011223344556",
					   "1.2.00112233445566778",
					   "01.2.0011223344556677",
					   "1.02.0011223344556677",
					   "1.-2.0011223344556677",
					   "1.2.001122334455667G",
					   "1.2.00112233445566AA",
					   "9999.2.0011223344556677",
					   "1.99999999999999999999.0011223344556677" };
	struct agent_witness w = { .seq = 7 };
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(agent_witness_parse(bad[i], &w), ERR_INVALID);
		assert_int_equal(w.seq, 7);
	}
	assert_int_equal(agent_witness_parse("1.0.00112233445566ff", &w), 0);
	assert_int_equal(w.prefix[7], 0xff);
}

static void unknown_account_types_are_refused(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_open(s, "4001");
	struct shop_answer *a;

	c.open.account_type = "gold";
	a = shop_do(s, &c);
	assert_int_equal(a->code, CODE_BAD_VALUE);
	assert_string_equal(a->param, "account_type");
}

static void a_slow_clock_sells_by_the_lowest_rules_known(void **state)
{
	struct shop *s = *state;
	struct agent_event ev = { .kind = AGENT_RULES };
	Trib__V1__RuleSet five = TRIB__V1__RULE_SET__INIT, six = TRIB__V1__RULE_SET__INIT;
	const Trib__V1__RuleSet *sets[] = { &five, &six };

	five.version = 5;
	five.effective_ms = s->wall_ms;
	six.version = 6;
	six.effective_ms = s->wall_ms + 1000;
	ev.rules.n = 2;
	ev.rules.sets = sets;
	assert_int_equal(shop_step(s, &ev), 0);
	assert_ptr_equal(agent_rules_at(s->agent, s->wall_ms + 1000), &six);
	assert_ptr_equal(agent_rules_at(s->agent, s->wall_ms), &five);
	assert_ptr_equal(agent_rules_at(s->agent, s->wall_ms - 1), &five);
	assert_ptr_equal(agent_rules_at(s->agent, 0), &five); /* a dead battery */
	ev.rules.n = 0;
	assert_int_equal(shop_step(s, &ev), 0);
	assert_null(agent_rules_at(s->agent, s->wall_ms));
}

static void fill_with_lots(struct shop *s, const char *card_no, size_t n)
{
	char order_no[32];
	struct agent_command c;

	for (size_t i = 0; i < n; i++) {
		s->wall_ms++;
		snprintf(order_no, sizeof(order_no), "lot-%zu-%lld", i, (long long)s->wall_ms);
		c = shop_top_up(s, order_no, card_no, 50);
		assert_true(shop_take(s, &c)->is_append);
		if (i % 8 == 0 || i + 1 == n)
			shop_commit(s);
	}
}

static void a_card_with_too_many_lots_is_told_so_for_good(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_open(s, "4001");
	struct shop_answer *a = shop_do(s, &c);
	uint64_t seq;

	assert_true(a->is_append);
	fill_with_lots(s, "4001", ACCOUNT_MAX_SLICES);
	seq = s->agent->durable.seq;
	c = with_key(shop_top_up(s, "t1", "4001", 50), "k1");
	a = shop_do(s, &c);
	assert_int_equal(a->code, CODE_BAD_VALUE);
	assert_string_equal(a->param, "card_no");
	assert_int_equal(s->agent->durable.seq, seq);
	c = shop_sale(s, "s1", "4001", 50); /* empties a lot */
	assert_true(shop_do(s, &c)->is_append);
	c = with_key(shop_top_up(s, "t1", "4001", 50), "k1"); /* the key is not bound */
	assert_true(shop_do(s, &c)->is_append);
	c = shop_refund(s, "r1", "0107", "s1", 0);
	a = shop_do(s, &c);
	assert_int_equal(a->code, CODE_BAD_VALUE);
	assert_string_equal(a->param, "of");
	c = shop_sale(s, "s2", "4001", 50);
	assert_true(shop_do(s, &c)->is_append);
	c = shop_refund(s, "r1", "0107", "s1", 0);
	assert_true(shop_do(s, &c)->is_append);
}

static void pending_requests_are_bounded(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_sale(s, "o1", "none", 100);
	struct agent_event ev = { .kind = AGENT_COMMAND, .command = &c };

	for (size_t i = 0; i < AGENT_MAX_PENDING; i++) {
		s->answers[0] = (struct shop_answer){ 0 };
		assert_int_equal(shop_step(s, &ev), 0);
	}
	assert_int_equal(shop_step(s, &ev), ERR_FULL);
	s->agent->n_pending = 1; /* the others are the same request's */
	shop_commit(s);
	assert_int_equal(shop_step(s, &ev), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nobody_is_answered_before_the_commit),
		T(replay_of_the_same_turn_waits_for_its_commit),
		T(rolled_back_turn_is_refused_and_leaves_nothing),
		T(what_was_committed_survives_a_restart),
		T(idempotency_follows_its_table),
		T(a_new_key_that_replayed_an_order_is_bound_to_it),
		T(order_numbers_of_two_verbs_do_not_meet),
		T(only_money_refusals_bind_a_key),
		T(card_exists_is_not_kept_under_a_key),
		T(a_receipt_of_another_store_is_held_there),
		T(refunds_name_sales_of_this_incarnation),
		T(refunds_of_a_receipt_never_pass_it),
		T(the_business_day_turns_at_the_cutoff_and_never_back),
		T(what_headquarters_does_not_book_yet_is_refused),
		T(days_before_1970_round_down),
		T(a_witness_of_another_history_stops_spends),
		T(witnesses_have_one_spelling),
		T(unknown_account_types_are_refused),
		T(a_slow_clock_sells_by_the_lowest_rules_known),
		T(a_card_with_too_many_lots_is_told_so_for_good),
		T(pending_requests_are_bounded),
	};

	return cmocka_run_group_tests_name("agent_till", tests, NULL, NULL);
}
