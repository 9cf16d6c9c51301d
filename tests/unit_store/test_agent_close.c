/* Closing business days: which day an entry is of, what a seal covers, and who is told what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "day_sum.h"
#include "days.h"
#include "journal_internal.h"

/* The last seal; to be freed. */
static Trib__V1__DaySealed *last_seal(const struct shop *s)
{
	Trib__V1__DaySealed *b = trib__v1__day_sealed__unpack(NULL, s->seal_len, s->seal_bytes);

	assert_non_null(b);
	assert_int_equal(b->n_ranges, 1);
	assert_int_equal(b->ranges[0]->incarnation, 1);
	assert_int_equal(b->ranges[0]->head.len, HEAD_BYTES);
	return b;
}

static void assert_sealed(const struct shop *s, int32_t day, uint64_t first, uint64_t last)
{
	Trib__V1__DaySealed *b = last_seal(s);
	uint8_t head[HEAD_BYTES];

	assert_int_equal(b->day, day);
	assert_int_equal(b->ranges[0]->first_seq, first);
	assert_int_equal(b->ranges[0]->last_seq, last);
	assert_true(journal_head_at(s->journal, last, head));
	assert_memory_equal(b->ranges[0]->head.data, head, HEAD_BYTES);
	trib__v1__day_sealed__free_unpacked(b, NULL);
}

static void closing_the_present_day_seals_all_of_it_and_opens_the_next(void **state)
{
	struct shop *s = *state;
	Trib__V1__DaySealed *b;
	uint64_t seal;

	shop_fill(s, "4001", 1000);
	(void)days_sell(s, "o1", 400);
	assert_int_equal(s->entry_business_day, TODAY);
	seal = days_close(s, TODAY);
	assert_int_equal(seal, 4);
	assert_int_equal(s->entry_business_day, TODAY);
	assert_sealed(s, TODAY, 1, 3);
	b = last_seal(s);
	assert_int_equal(b->n_totals, 4); /* opened, topped up, sold, points earned */
	assert_false(b->has_is_mismatch || b->has_pos_count || b->has_pos_stored_value);
	trib__v1__day_sealed__free_unpacked(b, NULL);
	(void)days_sell(s, "o2", 100);
	assert_int_equal(s->entry_business_day, TODAY + 1);
	days_set_clock(s, TODAY + 1, 12 * 60);
	(void)days_sell(s, "o3", 100);
	assert_int_equal(s->entry_business_day, TODAY + 1);
	(void)days_close(s, TODAY + 1);
	assert_sealed(s, TODAY + 1, 5, 6);
	assert_int_equal(days_verify(s), 0);
}

static void a_day_is_closed_once_for_ever(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_close(s, TODAY), other = shop_close(s, TODAY);
	struct shop_answer *a;
	uint64_t seal;

	shop_fill(s, "4001", 1000);
	seal = shop_do_close(s, &c)->seq;
	c.lane = 2;
	a = shop_do_close(s, &c);
	assert_false(a->is_append);
	assert_int_equal(a->outcome, AGENT_REPLAY_ORDER);
	assert_int_equal(a->seq, seal);
	other.fingerprint[0] ^= 1;
	a = shop_do_close(s, &other);
	assert_int_equal(a->code, CODE_DAY_CLOSED);
	assert_int_equal(a->seal_seq, seal);
	shop_restart(s);
	assert_int_equal(shop_do_close(s, &c)->outcome, AGENT_REPLAY_ORDER);
	assert_int_equal(shop_do_close(s, &other)->code, CODE_DAY_CLOSED);
	assert_int_equal(s->agent->durable.seq, seal);
}

static void keys_hold_for_closes_as_for_orders(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_close(s, TODAY), other = shop_close(s, TODAY);
	struct agent_command yesterday = shop_close(s, TODAY - 1), sale;
	struct shop_answer *a;

	shop_fill(s, "4001", 1000);
	other.fingerprint[0] ^= 1;
	c.key = "k1";
	assert_true(shop_do_close(s, &c)->is_append);
	assert_int_equal(shop_do_close(s, &c)->outcome, AGENT_REPLAY_KEY);
	assert_string_equal(s->loaded->key_answer, "{}"); /* which the seal has */
	yesterday.key = "k1";
	assert_int_equal(shop_do_close(s, &yesterday)->code, CODE_KEY_REUSED);
	sale = shop_sale(s, "o1", "4001", 1);
	sale.key = "k1";
	assert_int_equal(shop_do(s, &sale)->code, CODE_KEY_REUSED);
	c.key = "k2";
	assert_int_equal(shop_do_close(s, &c)->outcome, AGENT_REPLAY_ORDER);
	assert_int_equal(shop_do_close(s, &c)->outcome, AGENT_REPLAY_KEY);
	other.key = "k3"; /* a refusal is kept */
	assert_int_equal(shop_do_close(s, &other)->code, CODE_DAY_CLOSED);
	a = shop_do_close(s, &other);
	assert_int_equal(a->outcome, AGENT_REPLAY_KEY);
	assert_int_equal(a->seq, 0);
}

static void what_is_sold_while_a_day_is_summed_is_in_its_seal(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_close(s, TODAY);
	struct shop_answer *a;

	shop_fill(s, "4001", 1000);
	a = shop_take(s, &c);
	assert_ptr_equal(s->summed, &c);
	assert_false(a->is_decided);
	shop_commit(s);
	assert_false(a->is_out);
	shop_sum(s, &c, 1);
	assert_false(a->is_decided);
	(void)days_sell(s, "o1", 1);
	(void)days_sell(s, "o2", 1);
	assert_int_equal(s->entry_business_day, TODAY);
	shop_sum(s, &c, 1); /* of four, those two that came and one more */
	assert_true(a->is_append);
	assert_int_equal(a->seq, 5);
	shop_commit(s);
	assert_true(a->is_out);
	assert_sealed(s, TODAY, 1, 4);
	(void)days_sell(s, "o3", 1);
	assert_int_equal(s->entry_business_day, TODAY + 1);
	assert_int_equal(days_verify(s), 0);
}

static void a_sum_that_is_short_is_asked_for_again(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_close(s, TODAY);
	struct shop_answer *a;

	shop_fill(s, "4001", 1000);
	a = shop_take(s, &c);
	shop_sum(s, &c, 0);
	assert_ptr_equal(s->summed, &c);
	assert_false(a->is_decided);
	shop_sum(s, &c, 1);
	shop_sum(s, &c, 0);
	assert_ptr_equal(s->summed, &c);
	shop_sum(s, &c, 1);
	assert_true(a->is_append);
	shop_commit(s);
	assert_int_equal(days_verify(s), 0);
}

static void a_sum_of_other_entries_is_asked_for_again(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_close(s, TODAY);
	struct agent_event ev = { .kind = AGENT_COMMAND, .command = &c };
	struct agent_day_sum sum;
	struct day_sum *none = calloc(1, sizeof(*none));

	day_sum_init(none);
	shop_fill(s, "4001", 1000);
	(void)shop_take(s, &c);
	sum.sum = none;
	journal_day(s->journal, TODAY, &sum.of);
	sum.of.last.head[0] ^= 1;
	c.close.sum = &sum;
	s->summed = NULL;
	assert_int_equal(shop_step(s, &ev), 0);
	assert_ptr_equal(s->summed, &c);
	assert_int_equal(s->agent->head.seq, 2);
	free(none);
}

static void a_day_that_cannot_be_summed_is_told_so(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_close(s, TODAY);
	struct shop_answer *a;

	shop_fill(s, "4001", 1000);
	(void)days_sell(s, "o1", 1);
	assert_int_equal(sqlite3_exec(s->journal->db,
				      "UPDATE entry SET bytes = x'00' WHERE seq = 2", NULL, NULL,
				      NULL),
			 SQLITE_OK);
	a = shop_do_close(s, &c);
	assert_int_equal(a->code, CODE_INTERNAL);
	assert_int_equal(s->agent->head.seq, 3);
	(void)days_sell(s, "o2", 1);
	assert_int_equal(s->entry_business_day, TODAY);
}

static void one_day_is_closed_by_one_at_a_time(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_close(s, TODAY), again = c, other = c;
	struct shop_answer *a, *b;

	shop_fill(s, "4001", 1000);
	a = shop_take(s, &c);
	b = shop_take(s, &again);
	assert_int_equal(b->code, CODE_ORDER_IN_PROGRESS);
	other.key = "k"; /* no refusal of money: it is not kept */
	b = shop_take(s, &other);
	assert_int_equal(b->code, CODE_ORDER_IN_PROGRESS);
	shop_commit(s);
	shop_sum(s, &c, 10);
	shop_commit(s);
	assert_true(a->is_append);
	assert_int_equal(shop_do_close(s, &again)->outcome, AGENT_REPLAY_ORDER);
	assert_int_equal(shop_do_close(s, &other)->outcome, AGENT_REPLAY_ORDER);
}

static void few_days_wait_to_be_closed(void **state)
{
	struct shop *s = *state;
	struct agent_command days[AGENT_MAX_CLOSES + 1], sale;
	struct shop_answer *a[AGENT_MAX_CLOSES + 1];

	shop_fill(s, "4001", 1000);
	for (int i = 0; i <= AGENT_MAX_CLOSES; i++) {
		days[i] = shop_close(s, TODAY - i);
		a[i] = shop_take(s, &days[i]);
		assert_int_equal(a[i]->is_decided, i == AGENT_MAX_CLOSES);
	}
	assert_int_equal(a[AGENT_MAX_CLOSES]->code, CODE_RATE_LIMITED);
	sale = shop_sale(s, "o1", "4001", 1);
	assert_true(shop_take(s, &sale)->is_append);
	shop_commit(s);
	for (int i = 0; i < AGENT_MAX_CLOSES; i++) {
		shop_sum(s, &days[i], 10);
		shop_commit(s);
		assert_true(a[i]->is_append);
	}
	(void)days_close(s, TODAY - AGENT_MAX_CLOSES);
	assert_int_equal(days_verify(s), 0);
}

static void a_key_of_two_days_under_their_sum_holds_for_the_first(void **state)
{
	struct shop *s = *state;
	struct agent_command x = shop_close(s, TODAY), y = shop_close(s, TODAY - 1);
	struct shop_answer *a, *b;

	x.key = "k";
	y.key = "k";
	a = shop_take(s, &x);
	b = shop_take(s, &y);
	shop_commit(s);
	shop_sum(s, &x, 1);
	shop_commit(s);
	shop_sum(s, &y, 1);
	shop_commit(s);
	assert_true(a->is_append);
	assert_int_equal(b->code, CODE_KEY_REUSED);
}

static void a_day_begins_at_the_cutoff(void **state)
{
	struct shop *s = *state;
	struct agent_event ev = { .kind = AGENT_SETTINGS, .settings = { .cutoff_min = 120 } };
	struct agent_command c;
	struct shop_answer *a;

	assert_int_equal(shop_step(s, &ev), 0);
	days_set_clock(s, TODAY, 119);
	c = shop_close(s, TODAY);
	c.key = "k";
	a = shop_do_close(s, &c);
	assert_int_equal(a->code, CODE_BAD_VALUE);
	assert_string_equal(a->param, "day");
	shop_fill(s, "4001", 1000);
	assert_int_equal(s->entry_business_day, TODAY - 1);
	(void)days_close(s, TODAY - 1);
	assert_int_equal(s->entry_business_day, TODAY - 1);
	days_set_clock(s, TODAY, 120);
	c.wall_ms = s->wall_ms;
	assert_true(shop_do_close(s, &c)->is_append); /* the key was not bound */
	assert_sealed(s, TODAY, 4, 3);
	c = shop_close(s, TODAY + 1);
	assert_int_equal(shop_do_close(s, &c)->code, CODE_BAD_VALUE);
	assert_int_equal(days_verify(s), 0);
}

static void a_day_stays_begun_where_the_clock_is_set_back_a_little(void **state)
{
	struct shop *s = *state;

	days_set_clock(s, TODAY, 3); /* after midnight */
	shop_fill(s, "4001", 1000);
	days_set_clock(s, TODAY, -1); /* set back by 4 minutes */
	(void)days_sell(s, "o1", 1);
	assert_int_equal(s->entry_business_day, TODAY);
	(void)days_close(s, TODAY);
	assert_sealed(s, TODAY, 1, 3);
	(void)days_sell(s, "o2", 1);
	assert_int_equal(s->entry_business_day, TODAY + 1);
	assert_int_equal(days_verify(s), 0);
}

static void closing_early_does_not_run_ahead_of_the_clock(void **state)
{
	struct shop *s = *state;
	struct agent_command c;

	days_set_clock(s, TODAY, 12 * 60);
	shop_fill(s, "4001", 1000);
	(void)days_close(s, TODAY);
	(void)days_sell(s, "o1", 1);
	assert_int_equal(s->entry_business_day, TODAY + 1);
	c = shop_close(s, TODAY + 1); /* has entries, and is tomorrow all the same */
	assert_int_equal(shop_do_close(s, &c)->code, CODE_BAD_VALUE);
}

static void days_are_closed_in_any_order_and_without_entries(void **state)
{
	struct shop *s = *state;

	days_set_clock(s, TODAY - 2, 12 * 60);
	shop_fill(s, "4001", 1000); /* 1, 2 */
	days_set_clock(s, TODAY, 12 * 60);
	(void)days_sell(s, "o1", 1); /* 3 */
	assert_int_equal(days_close(s, TODAY - 5), 4);
	assert_sealed(s, TODAY - 5, 1, 0);
	assert_int_equal(s->entry_business_day, TODAY);
	(void)days_close(s, TODAY - 1); /* 5: between the two */
	assert_sealed(s, TODAY - 1, 3, 2);
	(void)days_sell(s, "o2", 1); /* 6 */
	assert_int_equal(s->entry_business_day, TODAY);
	(void)days_close(s, TODAY); /* 7 */
	assert_sealed(s, TODAY, 3, 6);
	assert_int_equal(s->entry_business_day, TODAY);
	(void)days_close(s, TODAY - 2); /* 8 */
	assert_sealed(s, TODAY - 2, 1, 2);
	assert_int_equal(s->entry_business_day, TODAY + 1); /* today is over */
	(void)days_close(s, TODAY - 3); /* 9 */
	assert_sealed(s, TODAY - 3, 1, 0);
	(void)days_sell(s, "o3", 1); /* 10 */
	days_set_clock(s, TODAY + 1, 12 * 60);
	(void)days_close(s, TODAY + 1);
	assert_sealed(s, TODAY + 1, 8, 10);
	days_set_clock(s, TODAY + 9, 12 * 60);
	(void)days_close(s, TODAY + 8); /* 12 */
	assert_sealed(s, TODAY + 8, 12, 11);
	assert_int_equal(s->entry_business_day, TODAY + 9);
	assert_int_equal(days_verify(s), 0);
}

static void yesterday_s_close_is_in_today_and_in_no_total(void **state)
{
	struct shop *s = *state;
	Trib__V1__DaySealed *b;

	shop_fill(s, "4001", 1000);
	days_set_clock(s, TODAY + 1, 9 * 60);
	(void)days_close(s, TODAY);
	assert_sealed(s, TODAY, 1, 2);
	assert_int_equal(s->entry_business_day, TODAY + 1);
	(void)days_close(s, TODAY + 1);
	assert_sealed(s, TODAY + 1, 3, 3);
	b = last_seal(s);
	assert_int_equal(b->n_totals, 0);
	trib__v1__day_sealed__free_unpacked(b, NULL);
	assert_int_equal(days_verify(s), 0);
}

static void a_day_that_ends_while_it_is_summed_ends_before_its_seal(void **state)
{
	struct shop *s = *state;
	struct agent_command c;
	struct shop_answer *a;

	shop_fill(s, "4001", 1000);
	days_set_clock(s, TODAY, 24 * 60 - 1);
	c = shop_close(s, TODAY);
	a = shop_take(s, &c);
	shop_commit(s);
	shop_sum(s, &c, 1);
	days_set_clock(s, TODAY + 1, 0);
	(void)days_sell(s, "o1", 1);
	shop_sum(s, &c, 1);
	assert_true(a->is_append);
	shop_commit(s);
	assert_sealed(s, TODAY, 1, 2);
	assert_int_equal(s->entry_business_day, TODAY + 1);
	assert_int_equal(days_verify(s), 0);
}

static void an_empty_day_may_get_its_first_entry_while_it_is_closed(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_close(s, TODAY), open;
	struct shop_answer *a = shop_take(s, &c);

	shop_commit(s);
	s->run = day_run_start(s->journal, &s->id, TODAY);
	open = shop_open(s, "4001");
	assert_true(shop_do(s, &open)->is_append);
	shop_sum(s, &c, 0); /* and what came since */
	assert_true(a->is_append);
	shop_commit(s);
	assert_sealed(s, TODAY, 1, 1);
	assert_int_equal(days_verify(s), 0);
}

static void the_till_s_figures_are_sealed_and_compared(void **state)
{
	static const struct {
		bool has_stored_value, has_count;
		int64_t stored_value, count;
		bool is_mismatch;
	} rows[] = {
		{ true, true, 350, 3, false },  { true, false, 350, 0, false },
		{ false, true, 0, 3, false },   { true, true, 351, 3, true },
		{ true, true, 350, 4, true },   { false, true, 0, 0, true },
		{ true, false, -350, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct agent_command c;
		Trib__V1__DaySealed *b;
		void *own = NULL;
		struct shop *s;

		assert_int_equal(days_setup(&own), 0);
		s = own;
		shop_fill(s, "4001", 1000);
		(void)days_sell(s, "o1", 400);
		c = shop_refund(s, "r1", "0107", "o1", 50);
		assert_true(shop_do(s, &c)->is_append);
		c = shop_close(s, TODAY);
		c.close.has_stored_value = rows[i].has_stored_value;
		c.close.stored_value = rows[i].stored_value;
		c.close.has_count = rows[i].has_count;
		c.close.count = rows[i].count;
		assert_true(shop_do_close(s, &c)->is_append);
		b = last_seal(s);
		assert_int_equal(b->is_mismatch, rows[i].is_mismatch);
		assert_int_equal(b->has_pos_stored_value, rows[i].has_stored_value);
		assert_int_equal(b->has_pos_count, rows[i].has_count);
		if (b->has_pos_stored_value)
			assert_int_equal(b->pos_stored_value, rows[i].stored_value);
		trib__v1__day_sealed__free_unpacked(b, NULL);
		assert_int_equal(days_verify(s), 0);
		assert_int_equal(shop_teardown(&own), 0);
	}
}

static void a_seal_that_is_rolled_back_leaves_the_day_open(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_close(s, TODAY);
	struct shop_answer *a;

	shop_fill(s, "4001", 1000);
	a = shop_take(s, &c);
	shop_commit(s);
	shop_sum(s, &c, 10);
	assert_true(a->is_append);
	assert_int_equal(s->agent->sealed_day, TODAY);
	shop_roll_back(s);
	assert_int_equal(a->code, CODE_DISK_LOW);
	(void)days_sell(s, "o1", 1);
	assert_int_equal(s->entry_business_day, TODAY);
	assert_true(shop_do_close(s, &c)->is_append);
	assert_sealed(s, TODAY, 1, 3);
	assert_int_equal(days_verify(s), 0);
}

static void a_turn_that_is_rolled_back_while_a_day_is_summed_is_not_in_it(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_close(s, TODAY), lost;
	struct shop_answer *a;

	shop_fill(s, "4001", 1000);
	a = shop_take(s, &c);
	shop_commit(s);
	shop_sum(s, &c, 1);
	lost = shop_sale(s, "o1", "4001", 7);
	assert_true(shop_take(s, &lost)->is_append);
	shop_roll_back(s);
	shop_sum(s, &c, 1);
	assert_true(a->is_append);
	shop_commit(s);
	assert_sealed(s, TODAY, 1, 2);
	assert_int_equal(days_verify(s), 0);
}

static void sealed_days_survive_a_restart(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_close(s, TODAY + 1);
	struct shop_answer *a;

	shop_fill(s, "4001", 1000);
	(void)days_close(s, TODAY);
	shop_restart(s);
	(void)days_sell(s, "o1", 1);
	assert_int_equal(s->entry_business_day, TODAY + 1);
	days_set_clock(s, TODAY + 1, 12 * 60);
	c.wall_ms = s->wall_ms;
	a = shop_take(s, &c);
	shop_commit(s);
	shop_sum(s, &c, 10);
	assert_true(a->is_append);
	shop_restart(s); /* before the commit */
	(void)days_sell(s, "o2", 1);
	assert_int_equal(s->entry_business_day, TODAY + 1);
	assert_true(shop_do_close(s, &c)->is_append);
	assert_sealed(s, TODAY + 1, 4, 5);
	assert_int_equal(days_verify(s), 0);
}

static void headquarters_that_books_no_seals_is_told_of(void **state)
{
	struct shop *s = *state;
	struct agent_event ev = { .kind = AGENT_SETTINGS, .settings = { .kinds = 1u } };
	struct agent_command c = shop_close(s, TODAY);

	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(shop_do_close(s, &c)->code, CODE_NO_RULE);
	ev.settings.kinds = UINT64_C(1) << TRIB__V1__ENTRY__BODY_DAY_SEALED;
	assert_int_equal(shop_step(s, &ev), 0);
	assert_true(shop_do_close(s, &c)->is_append);
}

static void a_rolled_back_box_closes_no_day(void **state)
{
	struct shop *s = *state;
	struct agent_command c = shop_close(s, TODAY);

	s->agent->is_rolled_back = true;
	assert_int_equal(shop_do_close(s, &c)->code, CODE_JOURNAL_ROLLED_BACK);
}

#define T(f) cmocka_unit_test_setup_teardown(f, days_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(closing_the_present_day_seals_all_of_it_and_opens_the_next),
		T(a_day_is_closed_once_for_ever),
		T(keys_hold_for_closes_as_for_orders),
		T(what_is_sold_while_a_day_is_summed_is_in_its_seal),
		T(a_sum_that_is_short_is_asked_for_again),
		T(a_sum_of_other_entries_is_asked_for_again),
		T(a_day_that_cannot_be_summed_is_told_so),
		T(one_day_is_closed_by_one_at_a_time),
		T(few_days_wait_to_be_closed),
		T(a_key_of_two_days_under_their_sum_holds_for_the_first),
		T(a_day_begins_at_the_cutoff),
		T(a_day_stays_begun_where_the_clock_is_set_back_a_little),
		T(closing_early_does_not_run_ahead_of_the_clock),
		T(days_are_closed_in_any_order_and_without_entries),
		T(yesterday_s_close_is_in_today_and_in_no_total),
		T(a_day_that_ends_while_it_is_summed_ends_before_its_seal),
		T(an_empty_day_may_get_its_first_entry_while_it_is_closed),
		cmocka_unit_test(the_till_s_figures_are_sealed_and_compared),
		T(a_seal_that_is_rolled_back_leaves_the_day_open),
		T(a_turn_that_is_rolled_back_while_a_day_is_summed_is_not_in_it),
		T(sealed_days_survive_a_restart),
		T(headquarters_that_books_no_seals_is_told_of),
		T(a_rolled_back_box_closes_no_day),
	};

	return cmocka_run_group_tests_name("agent_close", tests, NULL, NULL);
}
