/* What the box still does with little room or a clock that nobody believes. */
#include <string.h>

#include "agent_internal.h"
#include "shop.h"

#define MIN INT64_C(60000)
#define HOUR (60 * MIN)
#define DAY (24 * HOUR)
#define RESERVE (UINT64_C(64) << 20)

/* Room of which that level follows, from any before it. */
static void set_disk(struct shop *s, unsigned level)
{
	static const uint64_t room[] = { 2 * RESERVE, RESERVE / 2 + RESERVE / 4, RESERVE / 4, 0 };
	struct agent_event ev = { .kind = AGENT_DISK };

	s->agent->disk.reserve_bytes = RESERVE;
	ev.disk.free_bytes = room[level];
	ev.disk.free_inodes = AGENT_DISK_UNKNOWN;
	ev.disk.ballast = AGENT_BALLAST_IMPOSSIBLE;
	assert_int_equal(shop_step(s, &ev), 0);
	assert_int_equal(s->agent->disk.level, level);
}

static void tick(struct shop *s)
{
	struct agent_event ev = { .kind = AGENT_TICK };

	assert_int_equal(shop_step(s, &ev), 0);
}

static void welcome(struct shop *s, int64_t clock_ms)
{
	struct agent_event lost = { .kind = AGENT_LINK_LOST }, up = { .kind = AGENT_LINK_UP };
	struct agent_event ev = { .kind = AGENT_WELCOME };

	assert_int_equal(shop_step(s, &lost), 0);
	assert_int_equal(shop_step(s, &up), 0);
	ev.welcome.window_bytes = 1u << 20;
	ev.welcome.clock_ms = clock_ms;
	assert_int_equal(shop_step(s, &ev), 0);
}

/* Move the box's clock to that distance from its last entry so that the level follows. */
static void set_clock(struct shop *s, unsigned level)
{
	static const int64_t ahead[] = { 0, 7 * DAY + HOUR, 30 * DAY };

	s->wall_ms = s->agent->clock.entry.wall_ms + ahead[level];
	tick(s);
	assert_int_equal(s->agent->clock.level, level);
}

static struct agent_command cancel(struct shop *s, const char *order_no, enum agent_verb verb)
{
	struct agent_command c = shop_sale(s, order_no, NULL, (int64_t)verb);

	c.verb = AGENT_CANCEL;
	c.cancel = verb;
	return c;
}

/* Each verb under each pair of levels. */
static void trouble_of_a_level_keeps_back_the_verbs_of_its_rank_and_below(void **state)
{
	static const struct {
		enum agent_verb verb;
		unsigned rank;
	} verbs[] = {
		{ AGENT_SALE, 1 },      { AGENT_REDEMPTION, 1 }, { AGENT_OPEN_CARD, 2 },
		{ AGENT_TOP_UP, 2 },    { AGENT_REFUND, 2 },     { AGENT_CANCEL, 3 },
		{ AGENT_CLOSE_DAY, 3 },
	};
	struct shop *s = *state;
	const struct agent_loaded l = { 0 };

	shop_fill(s, "4001", 1000);
	for (unsigned disk = 0; disk <= 3; disk++) {
		for (unsigned clock = 0; clock <= 2; clock++) {
			set_disk(s, disk);
			set_clock(s, clock);
			for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
				struct agent_command c = { .verb = verbs[i].verb };
				enum code expected = verbs[i].rank <= disk  ? CODE_DISK_LOW :
						     verbs[i].rank <= clock ? CODE_CLOCK_UNTRUSTED :
									      CODE_OK;

				if (agent_gate(s->agent, &c, &l) != expected)
					fail_msg("%s at disk %u, clock %u: not %s",
						 agent_verb_name(c.verb), disk, clock,
						 code_name(expected));
			}
		}
	}
}

static void a_rolled_back_journal_is_told_before_all_else(void **state)
{
	struct shop *s = *state;
	const struct agent_command c = { .verb = AGENT_CANCEL };
	const struct agent_loaded l = { 0 };
	const char *whys[AGENT_MAX_WHYS];

	shop_fill(s, "4001", 1000);
	set_disk(s, 3);
	set_clock(s, 2);
	s->agent->is_rolled_back = true;
	assert_int_equal(agent_gate(s->agent, &c, &l), CODE_JOURNAL_ROLLED_BACK);
	assert_int_equal(agent_mode_whys(s->agent, whys), 3);
	assert_string_equal(whys[0], "journal_rolled_back");
}

static void known_answers_are_given_at_every_level(void **state)
{
	struct shop *s = *state;
	struct agent_command sale, keyed, end;
	struct shop_answer *a;

	shop_fill(s, "4001", 1000);
	sale = shop_sale(s, "o1", "4001", 400);
	(void)shop_do(s, &sale);
	keyed = shop_sale(s, "o2", "4001", 5000);
	keyed.key = "k2";
	assert_int_equal(shop_do(s, &keyed)->code, CODE_INSUFFICIENT_BALANCE);
	end = cancel(s, "o3", AGENT_SALE);
	(void)shop_do(s, &end);
	set_disk(s, 3);
	set_clock(s, 2);
	assert_int_equal(shop_do(s, &sale)->outcome, AGENT_REPLAY_ORDER);
	assert_int_equal(shop_do(s, &keyed)->outcome, AGENT_REPLAY_KEY);
	assert_int_equal(shop_do(s, &end)->outcome, AGENT_REPLAY_CANCEL);
	sale = shop_sale(s, "o3", "4001", 400);
	assert_int_equal(shop_do(s, &sale)->code, CODE_ORDER_CANCELLED);
	sale = shop_sale(s, "o4", "4001", 400);
	a = shop_do(s, &sale);
	assert_int_equal(a->outcome, AGENT_REFUSED);
	assert_int_equal(a->code, CODE_DISK_LOW);
}

static void a_refusal_for_trouble_binds_no_key(void **state)
{
	struct shop *s = *state;
	struct agent_command c;

	shop_fill(s, "4001", 1000);
	set_disk(s, 1);
	c = shop_sale(s, "o1", "4001", 400);
	c.key = "k1";
	assert_int_equal(shop_do(s, &c)->code, CODE_DISK_LOW);
	set_disk(s, 0);
	assert_true(shop_do(s, &c)->is_append);
}

static void a_quote_is_answered_and_not_approvable(void **state)
{
	struct shop *s = *state;
	struct agent_command c;
	struct shop_answer *a;

	shop_fill(s, "4001", 1000);
	c = shop_sale(s, "o1", "4001", 400);
	c.is_quote = true;
	set_clock(s, 1);
	a = shop_do(s, &c);
	assert_int_equal(a->outcome, AGENT_QUOTED);
	assert_int_equal(a->code, CODE_CLOCK_UNTRUSTED);
	set_disk(s, 1);
	assert_int_equal(shop_do(s, &c)->code, CODE_DISK_LOW);
}

static void each_level_is_told_once_and_why_the_gravest_first(void **state)
{
	struct shop *s = *state;
	const char *whys[AGENT_MAX_WHYS];

	shop_fill(s, "4001", 1000);
	assert_string_equal(agent_mode(s->agent), "normal");
	assert_int_equal(agent_mode_whys(s->agent, whys), 0);
	set_disk(s, 1);
	assert_non_null(shop_effect(s, AGENT_TELL_DISK));
	set_disk(s, 1);
	assert_null(shop_effect(s, AGENT_TELL_DISK));
	set_clock(s, 2);
	assert_non_null(shop_effect(s, AGENT_TELL_CLOCK));
	tick(s);
	assert_null(shop_effect(s, AGENT_TELL_CLOCK));
	assert_int_equal(agent_mode_whys(s->agent, whys), 2);
	assert_string_equal(whys[0], "clock_untrusted");
	assert_string_equal(whys[1], "disk_low");
	set_disk(s, 2);
	assert_non_null(shop_effect(s, AGENT_TELL_DISK));
	assert_string_equal(agent_mode_why(s->agent), "disk_low");
	assert_string_equal(agent_mode(s->agent), "degraded");
	set_disk(s, 0);
	set_clock(s, 0);
	assert_non_null(shop_effect(s, AGENT_TELL_CLOCK));
	assert_string_equal(agent_mode(s->agent), "normal");
}

static void a_top_up_ten_hours_ahead_is_dated_by_the_relay(void **state)
{
	struct shop *s = *state;
	struct agent_command c;
	int64_t right = s->wall_ms;
	int32_t day;

	shop_fill(s, "4001", 1000);
	day = s->entry_business_day;
	welcome(s, right);
	s->wall_ms = right + 10 * HOUR; /* on the next day, in the store's zone */
	c = shop_sale(s, "o1", "4001", 400);
	assert_int_equal(shop_do(s, &c)->code, CODE_CLOCK_UNTRUSTED);
	c = shop_top_up(s, "t1", "4001", 100);
	assert_true(shop_do(s, &c)->is_append);
	assert_int_equal(s->entry_wall_ms, right);
	assert_int_equal(s->entry_business_day, day);
	assert_int_equal(s->agent->clock.level, 1); /* no more credible than before */
	s->wall_ms = right;
	c = shop_sale(s, "o1", "4001", 400);
	assert_true(shop_do(s, &c)->is_append);
	assert_int_equal(s->entry_business_day, day);
}

static void a_month_ahead_a_cancel_keeps_the_business_day(void **state)
{
	struct shop *s = *state;
	struct agent_command c;
	int64_t right = s->wall_ms;
	int32_t day;

	shop_fill(s, "4001", 1000);
	c = shop_sale(s, "o1", "4001", 400);
	(void)shop_do(s, &c);
	day = s->entry_business_day;
	s->wall_ms = right + 30 * DAY;
	c = shop_top_up(s, "t1", "4001", 100);
	assert_int_equal(shop_do(s, &c)->code, CODE_CLOCK_UNTRUSTED);
	c = cancel(s, "o1", AGENT_SALE);
	assert_true(shop_do(s, &c)->is_append);
	assert_int_equal(s->entry_business_day, day);
	assert_int_equal(s->entry_wall_ms, right);
	shop_restart(s);
	c = shop_top_up(s, "t1", "4001", 100);
	assert_int_equal(shop_do(s, &c)->code, CODE_CLOCK_UNTRUSTED);
	s->wall_ms = right + HOUR;
	c = shop_top_up(s, "t1", "4001", 100);
	assert_true(shop_do(s, &c)->is_append);
	assert_int_equal(s->entry_business_day, day);
}

static void while_no_clock_is_believed_midnight_comes_by_the_monotonic_one(void **state)
{
	struct shop *s = *state;
	struct agent_command c;
	int32_t day;

	shop_fill(s, "4001", 1000);
	day = s->entry_business_day;
	s->wall_ms -= 365 * DAY;
	s->now_ms += (uint64_t)(20 * HOUR);
	c = cancel(s, "o1", AGENT_SALE);
	assert_true(shop_do(s, &c)->is_append);
	assert_int_equal(s->entry_business_day, day + 1);
}

static void a_command_read_under_a_wrong_clock_is_not_dated_by_it(void **state)
{
	struct shop *s = *state;
	struct agent_command c;
	int64_t right = s->wall_ms;

	shop_fill(s, "4001", 1000);
	welcome(s, right);
	s->wall_ms = right + 30 * DAY;
	c = shop_top_up(s, "t1", "4001", 100);
	s->wall_ms = right; /* set while a PIN was hashed */
	assert_true(shop_do(s, &c)->is_append);
	assert_int_equal(s->entry_wall_ms, right);
}

static void a_long_rest_offline_ends_with_a_welcome(void **state)
{
	struct shop *s = *state;
	struct agent_command c;

	shop_fill(s, "4001", 1000);
	s->wall_ms += 15 * DAY;
	shop_restart(s);
	c = shop_sale(s, "o1", "4001", 400);
	assert_int_equal(shop_do(s, &c)->code, CODE_CLOCK_UNTRUSTED);
	welcome(s, s->wall_ms + 2 * MIN);
	assert_non_null(shop_effect(s, AGENT_TELL_CLOCK));
	assert_true(shop_do(s, &c)->is_append);
}

static void an_entry_from_the_future_yields_to_relay_and_clock(void **state)
{
	struct shop *s = *state;
	struct agent_command c;
	int64_t right = s->wall_ms;
	int32_t day;

	s->wall_ms = right + 8 * HOUR; /* a clock in the wrong zone, offline */
	shop_fill(s, "4001", 1000);
	day = s->entry_business_day;
	s->wall_ms = right;
	c = shop_sale(s, "o1", "4001", 400);
	assert_int_equal(shop_do(s, &c)->code, CODE_CLOCK_UNTRUSTED);
	welcome(s, right);
	assert_true(shop_do(s, &c)->is_append);
	assert_int_equal(s->entry_wall_ms, right);
	assert_int_equal(s->entry_business_day, day); /* G7 */
}

static void a_relay_whose_clock_goes_back_is_asked_anew(void **state)
{
	struct shop *s = *state;
	struct agent_event heard = { .kind = AGENT_HEARD };

	welcome(s, s->wall_ms);
	heard.heard_clock_ms = s->wall_ms - HOUR;
	assert_int_equal(shop_step(s, &heard), 0);
	assert_non_null(shop_effect(s, AGENT_RESTART_LINK));
	assert_int_equal(s->agent->clock.level, 0);
	welcome(s, s->wall_ms - HOUR);
	assert_int_equal(s->agent->clock.level, 1);
	heard.heard_clock_ms = s->wall_ms; /* and set right */
	assert_int_equal(shop_step(s, &heard), 0);
	assert_int_equal(s->agent->clock.level, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(trouble_of_a_level_keeps_back_the_verbs_of_its_rank_and_below),
		T(a_rolled_back_journal_is_told_before_all_else),
		T(known_answers_are_given_at_every_level),
		T(a_refusal_for_trouble_binds_no_key),
		T(a_quote_is_answered_and_not_approvable),
		T(each_level_is_told_once_and_why_the_gravest_first),
		T(a_top_up_ten_hours_ahead_is_dated_by_the_relay),
		T(a_month_ahead_a_cancel_keeps_the_business_day),
		T(while_no_clock_is_believed_midnight_comes_by_the_monotonic_one),
		T(a_command_read_under_a_wrong_clock_is_not_dated_by_it),
		T(a_long_rest_offline_ends_with_a_welcome),
		T(an_entry_from_the_future_yields_to_relay_and_clock),
		T(a_relay_whose_clock_goes_back_is_asked_anew),
	};

	return cmocka_run_group_tests_name("agent_gate", tests, NULL, NULL);
}
