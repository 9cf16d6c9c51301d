/* The core's judgement of cancels and PINs, at moments that no till can choose. */
#include <stdio.h>

#include "money.h"
#include "shop.h"

static struct agent_command cancel(struct shop *s, const char *order_no, enum agent_verb verb)
{
	struct agent_command c = shop_sale(s, order_no, NULL, (int64_t)verb);

	c.verb = AGENT_CANCEL;
	c.cancel = verb;
	return c;
}

static struct agent_command pin_sale(struct shop *s, const char *order_no)
{
	struct agent_command c = shop_sale(s, order_no, "4001", 100);

	c.pin = AGENT_PIN_GIVEN;
	return c;
}

/* A card that has a PIN and money. */
static void fill_with_pin(struct shop *s)
{
	struct agent_command open = shop_open(s, "4001"), top_up;

	open.open.has_pin = true;
	assert_int_equal(shop_do(s, &open)->code, CODE_OK);
	top_up = shop_top_up(s, "t1", "4001", 1000);
	assert_int_equal(shop_do(s, &top_up)->code, CODE_OK);
}

/* The second COMMAND of a request whose PIN was checked. */
static struct shop_answer *checked(struct shop *s, struct agent_command *c, enum agent_pin_word pin)
{
	struct agent_event ev = { .kind = AGENT_COMMAND, .command = c };

	c->pin = pin;
	assert_int_equal(shop_step(s, &ev), 0);
	return &s->answers[c->request];
}

static void a_checked_order_is_in_progress_for_others(void **state)
{
	struct shop *s = *state;
	struct agent_command first, second;
	struct shop_answer *a;

	fill_with_pin(s);
	first = pin_sale(s, "o1");
	a = shop_take(s, &first);
	assert_non_null(shop_effect(s, AGENT_CHECK_PIN));
	assert_false(a->is_decided);
	second = pin_sale(s, "o1");
	assert_int_equal(shop_do(s, &second)->code, CODE_ORDER_IN_PROGRESS);
	assert_false(a->is_out); /* that commit was not its own */
	a = checked(s, &first, AGENT_PIN_RIGHT);
	shop_commit(s);
	assert_true(a->is_append && a->is_out);
	assert_int_equal(shop_do(s, &second)->outcome, AGENT_REPLAY_ORDER);
}

static void a_cancel_beats_the_pin_under_check(void **state)
{
	struct shop *s = *state;
	struct agent_command sale, end;
	struct shop_answer *a;

	fill_with_pin(s);
	sale = pin_sale(s, "o1");
	(void)shop_take(s, &sale);
	end = cancel(s, "o1", AGENT_SALE);
	assert_true(shop_do(s, &end)->is_append);
	a = checked(s, &sale, AGENT_PIN_RIGHT);
	shop_commit(s);
	assert_true(a->is_out);
	assert_int_equal(a->code, CODE_ORDER_CANCELLED);
}

static void every_wrong_pin_is_counted_before_it_is_answered(void **state)
{
	struct shop *s = *state;
	struct agent_command c[AGENT_PIN_TRIES + 2];
	static const char *const orders[] = { "o0", "o1", "o2", "o3", "o4", "o5", "o6" };
	struct shop_answer *a;
	uint64_t before;

	fill_with_pin(s);
	before = s->agent->durable.seq;
	for (size_t i = 0; i < AGENT_PIN_TRIES + 2; i++) {
		c[i] = pin_sale(s, orders[i]);
		c[i].lane = 1 + (uint32_t)i;
		(void)shop_take(s, &c[i]);
	}
	for (size_t i = 0; i < AGENT_PIN_TRIES; i++) {
		a = checked(s, &c[i], AGENT_PIN_WRONG);
		assert_true(a->is_append);
		assert_int_equal(a->code, CODE_PIN_WRONG);
		assert_false(a->is_out);
	}
	/* all of one turn, and the right one comes too late */
	a = checked(s, &c[AGENT_PIN_TRIES], AGENT_PIN_RIGHT);
	assert_int_equal(a->code, CODE_PIN_LOCKED);
	a = checked(s, &c[AGENT_PIN_TRIES + 1], AGENT_PIN_WRONG);
	assert_int_equal(a->code, CODE_PIN_LOCKED);
	shop_commit(s);
	assert_int_equal(s->agent->durable.seq, before + AGENT_PIN_TRIES);
}

static void a_lock_outlives_a_restart_and_ends_by_time(void **state)
{
	struct shop *s = *state;
	struct agent_command c;

	fill_with_pin(s);
	for (size_t i = 0; i < AGENT_PIN_TRIES; i++) {
		c = pin_sale(s, "o1");
		(void)shop_take(s, &c);
		(void)checked(s, &c, AGENT_PIN_WRONG);
		shop_commit(s);
	}
	shop_restart(s);
	s->wall_ms += AGENT_PIN_LOCK_MS - 1;
	c = pin_sale(s, "o1");
	assert_int_equal(shop_do(s, &c)->code, CODE_PIN_LOCKED);
	s->wall_ms += 1;
	c = pin_sale(s, "o1"); /* one more try, */
	(void)shop_take(s, &c);
	assert_int_equal(checked(s, &c, AGENT_PIN_WRONG)->code, CODE_PIN_WRONG);
	shop_commit(s);
	c = pin_sale(s, "o1"); /* and it is locked again */
	assert_int_equal(shop_do(s, &c)->code, CODE_PIN_LOCKED);
	s->wall_ms += AGENT_PIN_LOCK_MS;
	c = pin_sale(s, "o1");
	(void)shop_take(s, &c);
	assert_true(checked(s, &c, AGENT_PIN_RIGHT)->is_append);
	shop_commit(s);
	c = pin_sale(s, "o2"); /* the right one made it forget */
	(void)shop_take(s, &c);
	assert_int_equal(checked(s, &c, AGENT_PIN_WRONG)->code, CODE_PIN_WRONG);
	shop_commit(s);
	c = pin_sale(s, "o2");
	(void)shop_take(s, &c);
	assert_non_null(shop_effect(s, AGENT_CHECK_PIN));
}

static void a_pin_that_could_not_be_checked_counts_for_nothing(void **state)
{
	struct shop *s = *state;
	struct agent_command c;
	uint64_t before;

	fill_with_pin(s);
	before = s->agent->durable.seq;
	c = pin_sale(s, "o1");
	(void)shop_take(s, &c);
	assert_int_equal(checked(s, &c, AGENT_PIN_FAILED)->code, CODE_INTERNAL);
	shop_commit(s);
	assert_int_equal(s->agent->durable.seq, before);
	assert_int_equal(s->agent->n_checking, 0);
}

static void too_many_checks_are_turned_away(void **state)
{
	struct shop *s = *state;
	static struct agent_command c[AGENT_MAX_CHECKS + 1];
	static char orders[AGENT_MAX_CHECKS + 1][8];
	struct shop_answer *a;

	fill_with_pin(s);
	for (size_t i = 0; i < AGENT_MAX_CHECKS; i++) {
		snprintf(orders[i], sizeof(orders[i]), "o%zu", i);
		c[i] = pin_sale(s, orders[i]);
		c[i].lane = (uint32_t)(i / AGENT_MAX_LANE_CHECKS);
		(void)shop_take(s, &c[i]);
		assert_non_null(shop_effect(s, AGENT_CHECK_PIN));
	}
	c[AGENT_MAX_CHECKS] = pin_sale(s, "more");
	c[AGENT_MAX_CHECKS].lane = 99;
	a = shop_take(s, &c[AGENT_MAX_CHECKS]);
	assert_int_equal(a->code, CODE_RATE_LIMITED);
}

static void a_lane_s_checks_leave_room_for_others(void **state)
{
	struct shop *s = *state;
	static struct agent_command c[AGENT_MAX_LANE_CHECKS + 2];
	static char orders[AGENT_MAX_LANE_CHECKS + 2][8];

	fill_with_pin(s);
	for (size_t i = 0; i < AGENT_MAX_LANE_CHECKS + 2; i++) {
		struct shop_answer *a;

		snprintf(orders[i], sizeof(orders[i]), "o%zu", i);
		c[i] = pin_sale(s, orders[i]);
		c[i].lane = i <= AGENT_MAX_LANE_CHECKS ? 1 : 2;
		a = shop_take(s, &c[i]);
		if (i == AGENT_MAX_LANE_CHECKS)
			assert_int_equal(a->code, CODE_RATE_LIMITED);
		else
			assert_non_null(shop_effect(s, AGENT_CHECK_PIN));
	}
}

/* Its reversal would sell again what was cancelled. */
static void a_refund_of_a_cancelled_order_ends_and_moves_nothing(void **state)
{
	struct shop *s = *state;
	struct agent_command sale, refund, end;

	shop_fill(s, "4001", 1000);
	sale = shop_sale(s, "o1", "4001", 400);
	(void)shop_do(s, &sale);
	refund = shop_refund(s, "r1", "0107", "o1", 0);
	assert_true(shop_do(s, &refund)->is_append);
	end = cancel(s, "o1", AGENT_SALE); /* nothing is left to reverse */
	assert_true(shop_do(s, &end)->is_append);
	end = cancel(s, "r1", AGENT_REFUND);
	assert_true(shop_do(s, &end)->is_append);
	assert_int_equal(shop_do(s, &refund)->code, CODE_ORDER_CANCELLED);
	sale = shop_sale(s, "o2", "4001", 1000);
	assert_true(shop_do(s, &sale)->is_append);
	sale = shop_sale(s, "o3", "4001", 1);
	assert_int_equal(shop_do(s, &sale)->code, CODE_INSUFFICIENT_BALANCE);
}

static void a_rolled_back_cancel_leaves_the_order_open(void **state)
{
	struct shop *s = *state;
	struct agent_command end, sale;

	shop_fill(s, "4001", 1000);
	end = cancel(s, "o1", AGENT_SALE);
	(void)shop_take(s, &end);
	shop_roll_back(s);
	sale = shop_sale(s, "o1", "4001", 100);
	assert_true(shop_do(s, &sale)->is_append);
}

static void a_cancel_and_its_order_may_share_a_turn(void **state)
{
	struct shop *s = *state;
	struct agent_command end, sale;
	struct shop_answer *done, *again, *ended;

	shop_fill(s, "4001", 1000);
	sale = shop_sale(s, "o1", "4001", 100);
	end = cancel(s, "o1", AGENT_SALE);
	done = shop_take(s, &sale);
	ended = shop_take(s, &end);
	again = shop_take(s, &sale);
	shop_commit(s);
	assert_true(done->is_append && ended->is_append);
	assert_int_equal(again->code, CODE_ORDER_CANCELLED);
	again = shop_do(s, &end);
	assert_int_equal(again->outcome, AGENT_REPLAY_CANCEL);
}

static void kinds_that_hq_does_not_book_are_not_written(void **state)
{
	struct shop *s = *state;
	struct agent_event ev = { .kind = AGENT_SETTINGS };
	struct agent_command c;

	for (int kind = 32; kind <= 37; kind++)
		ev.settings.kinds |= UINT64_C(1) << kind;
	shop_fill(s, "4001", 1000);
	assert_int_equal(shop_step(s, &ev), 0);
	c = cancel(s, "o1", AGENT_SALE);
	assert_int_equal(shop_do(s, &c)->code, CODE_NO_RULE);
	c = shop_open(s, "4002");
	c.open.has_pin = true; /* its wrong tries could not be told */
	assert_int_equal(shop_do(s, &c)->code, CODE_NO_RULE);
	c = shop_sale(s, "o1", "4001", 100);
	assert_true(shop_do(s, &c)->is_append);
	c = cancel(s, "o1", AGENT_SALE); /* its refund would be booked, but not what it ends */
	assert_int_equal(shop_do(s, &c)->code, CODE_NO_RULE);
}

static void a_cancel_heeds_the_till_s_witness(void **state)
{
	struct shop *s = *state;
	struct agent_command end;

	shop_fill(s, "4001", 1000);
	end = cancel(s, "fill-4001", AGENT_TOP_UP);
	end.witness.present = true;
	end.witness.incarnation = 1;
	end.witness.seq =
		s->agent->durable.seq + 1; /* a later life of the journal: it may be paid */
	assert_int_equal(shop_do(s, &end)->code, CODE_JOURNAL_ROLLED_BACK);
	end.witness.present = false;
	assert_true(shop_do(s, &end)->is_append);
}

/* What a till may sell it may also refund whole, undo and cancel. */
static void the_largest_sale_can_be_undone(void **state)
{
	struct shop *s = *state;
	struct agent_command c;
	static char order[16];

	c = shop_open(s, "4001");
	(void)shop_do(s, &c);
	for (int i = 0; i <= SALE_MAX_LOTS; i++) {
		snprintf(order, sizeof(order), "t%d", i);
		c = shop_top_up(s, order, "4001", AMOUNT_MAX / 1000);
		assert_true(shop_do(s, &c)->is_append);
	}
	c = shop_sale(s, "o1", "4001", AMOUNT_MAX / 1000 * SALE_MAX_LOTS + 1);
	assert_int_equal(shop_do(s, &c)->code, CODE_BAD_VALUE);
	c = shop_sale(s, "o1", "4001", AMOUNT_MAX / 1000 * SALE_MAX_LOTS);
	assert_true(shop_do(s, &c)->is_append);
	c = shop_refund(s, "r1", "0107", "o1", 0);
	assert_true(shop_do(s, &c)->is_append);
	c = cancel(s, "r1", AGENT_REFUND);
	assert_true(shop_do(s, &c)->is_append);
	c = cancel(s, "o1", AGENT_SALE);
	assert_true(shop_do(s, &c)->is_append);
}

static void a_receipt_that_fits_no_entry_is_told_so(void **state)
{
	struct shop *s = *state;
	static struct sale_line lines[SALE_MAX_LINES];
	static const char name[] =
		"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
	struct agent_command c;
	struct shop_answer *a;

	shop_fill(s, "4001", 1000);
	for (size_t i = 0; i < SALE_MAX_LINES; i++)
		lines[i] = (struct sale_line){ name, name, INT64_C(1000000000), 1 };
	c = shop_sale(s, "o1", "4001", SALE_MAX_LINES);
	c.sale.n_lines = SALE_MAX_LINES;
	c.sale.lines = lines;
	a = shop_do(s, &c);
	assert_int_equal(a->code, CODE_BAD_VALUE);
	assert_string_equal(a->param, "lines");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, shop_setup, shop_teardown)
	const struct CMUnitTest tests[] = {
		T(a_checked_order_is_in_progress_for_others),
		T(a_cancel_beats_the_pin_under_check),
		T(every_wrong_pin_is_counted_before_it_is_answered),
		T(a_lock_outlives_a_restart_and_ends_by_time),
		T(a_pin_that_could_not_be_checked_counts_for_nothing),
		T(too_many_checks_are_turned_away),
		T(a_lane_s_checks_leave_room_for_others),
		T(a_refund_of_a_cancelled_order_ends_and_moves_nothing),
		T(a_rolled_back_cancel_leaves_the_order_open),
		T(a_cancel_and_its_order_may_share_a_turn),
		T(kinds_that_hq_does_not_book_are_not_written),
		T(a_cancel_heeds_the_till_s_witness),
		T(the_largest_sale_can_be_undone),
		T(a_receipt_that_fits_no_entry_is_told_so),
	};

	return cmocka_run_group_tests_name("agent_cancel", tests, NULL, NULL);
}
