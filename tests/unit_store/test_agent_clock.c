/* Which readings of the box's clock are believed, and what time it is where none is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent_clock.h"

#define MIN INT64_C(60000)
#define HOUR (60 * MIN)
#define DAY (24 * HOUR)
#define T0 INT64_C(1800000000000) /* the last entry, or where there is none, now */
#define NOW 1000000u /* monotonic */
#define NONE INT64_MIN

/* Minutes count from T0; `passed` is what our monotonic clock says since the start. */
static void readings_follow_the_table(void **state)
{
	static const struct {
		const char *what;
		int64_t entry, relay; /* or NONE */
		int64_t passed, wall;
		unsigned level;
		enum agent_clock_why why;
	} rows[] = {
		{ "nothing is known", NONE, NONE, 0, -9999 * DAY, 0, AGENT_CLOCK_BELIEVED },
		{ "at the last entry", 0, NONE, 0, 0, 0, AGENT_CLOCK_BELIEVED },
		{ "5 min before it", 0, NONE, 0, -5 * MIN, 0, AGENT_CLOCK_BELIEVED },
		{ "more before it", 0, NONE, 0, -5 * MIN - 1, 1, AGENT_CLOCK_BEFORE_ENTRY },
		{ "12 h before it", 0, NONE, 0, -12 * HOUR, 1, AGENT_CLOCK_BEFORE_ENTRY },
		{ "more than that", 0, NONE, 0, -12 * HOUR - 1, 2, AGENT_CLOCK_BEFORE_ENTRY },
		{ "dead battery", 0, NONE, 0, -T0, 2, AGENT_CLOCK_BEFORE_ENTRY },
		{ "7 days after it", 0, NONE, 0, 7 * DAY, 0, AGENT_CLOCK_BELIEVED },
		{ "more after it", 0, NONE, 0, 7 * DAY + 1, 1, AGENT_CLOCK_AFTER_ENTRY },
		{ "a month after it", 0, NONE, 0, 30 * DAY, 2, AGENT_CLOCK_AFTER_ENTRY },
		{ "a long rest, running", 0, NONE, 20 * DAY, 27 * DAY, 0, AGENT_CLOCK_BELIEVED },
		{ "and more", 0, NONE, 20 * DAY, 27 * DAY + 1, 1, AGENT_CLOCK_AFTER_ENTRY },
		{ "idle, set back", 0, NONE, 3 * HOUR, 2 * HOUR, 0, AGENT_CLOCK_BELIEVED },
		{ "with the relay", 0, 0, HOUR, HOUR, 0, AGENT_CLOCK_BELIEVED },
		{ "5 min fast", 0, 0, HOUR, HOUR + 5 * MIN, 0, AGENT_CLOCK_BELIEVED },
		{ "faster", 0, 0, HOUR, HOUR + 5 * MIN + 1, 1, AGENT_CLOCK_OFF_RELAY },
		{ "5 min slow", 0, 0, HOUR, HOUR - 5 * MIN, 0, AGENT_CLOCK_BELIEVED },
		{ "slower", 0, 0, HOUR, HOUR - 5 * MIN - 1, 1, AGENT_CLOCK_OFF_RELAY },
		{ "12 h fast", 0, 0, 0, 12 * HOUR, 1, AGENT_CLOCK_OFF_RELAY },
		{ "more than that", 0, 0, 0, 12 * HOUR + 1, 2, AGENT_CLOCK_OFF_RELAY },
		{ "12 h slow", 0, 0, 0, -12 * HOUR - 1, 2, AGENT_CLOCK_OFF_RELAY },
		{ "an empty journal, fast", NONE, 0, 0, 6 * MIN, 1, AGENT_CLOCK_OFF_RELAY },
		{ "an empty journal, right", NONE, 0, 0, 4 * MIN, 0, AGENT_CLOCK_BELIEVED },
		{ "the relay confirms a rest", 0, 90 * DAY, 0, 90 * DAY, 0, AGENT_CLOCK_BELIEVED },
		{ "within the relay's 5 min, before the entry", 4 * MIN, 0, 0, -4 * MIN, 1,
		  AGENT_CLOCK_BEFORE_ENTRY },
		{ "an entry from the future, relay right", 8 * HOUR, 0, 0, 0, 0,
		  AGENT_CLOCK_BELIEVED },
		{ "an entry from the future, relay unknown", 8 * HOUR, NONE, 0, 0, 1,
		  AGENT_CLOCK_BEFORE_ENTRY },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct agent_clock c;

		agent_clock_init(&c, rows[i].entry != NONE, T0 + rows[i].entry, NOW);
		if (rows[i].relay != NONE)
			agent_clock_welcome(&c, T0 + rows[i].relay, NOW);
		agent_clock_judge(&c, T0 + rows[i].wall, NOW + (uint64_t)rows[i].passed);
		if (c.level != rows[i].level || c.why != rows[i].why)
			fail_msg("%s: level %u, %s", rows[i].what, c.level,
				 agent_clock_why_name(c.why));
		assert_int_equal(c.off_ms == 0, c.level == 0);
	}
}

/* What an entry is dated by; all from T0, the last entry, `passed` after the start. */
static void time_follows_the_table(void **state)
{
	static const struct {
		const char *what;
		int64_t entry, relay, passed, wall, time;
	} rows[] = {
		{ "believed", 0, NONE, 0, 3 * DAY, 3 * DAY },
		{ "believed, beside the relay", 0, 0, HOUR, HOUR - MIN, HOUR - MIN },
		{ "offline, a month ahead", 0, NONE, 0, 30 * DAY, 0 },
		{ "offline, a month ahead, hours later", 0, NONE, 3 * HOUR, 30 * DAY, 3 * HOUR },
		{ "offline, behind", 0, NONE, 2 * MIN, -HOUR, 2 * MIN },
		{ "fast", 0, HOUR, 0, 11 * HOUR, HOUR },
		{ "slow", 0, HOUR, 0, HOUR - 10 * MIN, HOUR - 10 * MIN },
		{ "slow, before the last entry", 0, HOUR, MIN, -HOUR, MIN },
		{ "the relay's is a month ahead", 0, 30 * DAY, 0, HOUR, HOUR },
		{ "the relay's is a month behind", 0, -30 * DAY, MIN, HOUR, MIN },
		{ "an empty journal, fast", NONE, 0, 0, DAY, 0 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct agent_clock c;
		int64_t time;

		agent_clock_init(&c, rows[i].entry != NONE, T0 + rows[i].entry, NOW);
		if (rows[i].relay != NONE)
			agent_clock_welcome(&c, T0 + rows[i].relay, NOW);
		time = agent_clock_time(&c, T0 + rows[i].wall, NOW + (uint64_t)rows[i].passed);
		if (time != T0 + rows[i].time)
			fail_msg("%s: off by %lld ms", rows[i].what,
				 (long long)(time - T0 - rows[i].time));
	}
}

/* Date an entry under whatever clock that is, as the agent does. */
static void write_entry(struct agent_clock *c, int64_t wall_ms, uint64_t now_ms)
{
	agent_clock_judge(c, wall_ms, now_ms);
	agent_clock_on_entry(c, agent_clock_time(c, wall_ms, now_ms), now_ms);
	agent_clock_on_committed(c);
}

static void no_number_of_entries_makes_a_wrong_clock_credible(void **state)
{
	struct agent_clock c;
	(void)state;

	agent_clock_init(&c, true, T0, NOW);
	for (int i = 0; i < 1000; i++) {
		write_entry(&c, T0 + 8 * DAY, NOW);
		agent_clock_judge(&c, T0 + 8 * DAY, NOW);
		assert_int_equal(c.level, 2);
	}
	agent_clock_init(&c, true, c.durable_entry.wall_ms, NOW); /* a restart */
	agent_clock_judge(&c, T0 + 8 * DAY, NOW);
	assert_int_equal(c.level, 2);
	agent_clock_judge(&c, T0 + HOUR, NOW);
	assert_int_equal(c.level, 0);
}

static void an_entry_beside_the_relay_is_dated_by_what_both_have_passed(void **state)
{
	struct agent_clock c;
	(void)state;

	agent_clock_init(&c, true, T0, NOW);
	agent_clock_welcome(&c, T0 + HOUR, NOW);
	write_entry(&c, T0 + 11 * HOUR, NOW);
	assert_int_equal(c.entry.wall_ms, T0 + HOUR);
	agent_clock_judge(&c, T0 + HOUR, NOW); /* set right */
	assert_int_equal(c.level, 0);
	agent_clock_init(&c, true, c.entry.wall_ms, NOW); /* offline after a restart */
	agent_clock_judge(&c, T0 + HOUR, NOW);
	assert_int_equal(c.level, 0);
}

static void a_rolled_back_entry_dates_nothing(void **state)
{
	struct agent_clock c;
	(void)state;

	agent_clock_init(&c, true, T0, NOW);
	agent_clock_on_entry(&c, T0 + 3 * DAY, NOW);
	agent_clock_on_rolled_back(&c);
	agent_clock_judge(&c, T0, NOW);
	assert_int_equal(c.level, 0);
	agent_clock_on_entry(&c, T0 + 3 * DAY, NOW);
	agent_clock_on_committed(&c);
	agent_clock_on_rolled_back(&c);
	agent_clock_judge(&c, T0, NOW);
	assert_int_equal(c.level, 2);
}

static void a_clock_on_the_border_does_not_go_to_and_fro(void **state)
{
	static const int64_t borders[] = { 5 * MIN, 12 * HOUR };
	struct agent_clock c;
	(void)state;

	for (unsigned i = 0; i < 2; i++) {
		agent_clock_init(&c, true, T0, NOW);
		agent_clock_welcome(&c, T0, NOW);
		agent_clock_judge(&c, T0 + borders[i], NOW);
		assert_int_equal(c.level, i);
		agent_clock_judge(&c, T0 + borders[i] + 1, NOW);
		assert_int_equal(c.level, i + 1);
		agent_clock_judge(&c, T0 + borders[i] - 9999, NOW);
		assert_int_equal(c.level, i + 1);
		agent_clock_judge(&c, T0 + borders[i] - 10000, NOW);
		assert_int_equal(c.level, i);
		agent_clock_judge(&c, T0 + borders[i], NOW);
		assert_int_equal(c.level, i);
	}
}

static void later_words_of_a_link_move_the_reference_but_not_far_back(void **state)
{
	struct agent_clock c;
	(void)state;

	agent_clock_init(&c, true, T0, NOW);
	assert_true(agent_clock_hear(&c, T0, NOW)); /* the first word, whatever it is */
	assert_true(agent_clock_hear(&c, T0 + MIN, NOW + 2 * MIN)); /* a minute late */
	assert_int_equal(c.relay.wall_ms, T0 + MIN);
	assert_false(agent_clock_hear(&c, T0 + MIN - 1, NOW + 3 * MIN));
	assert_int_equal(c.relay.wall_ms, T0 + MIN);
	assert_true(agent_clock_hear(&c, T0 + DAY, NOW + 3 * MIN)); /* it was set */
	assert_int_equal(c.relay.wall_ms, T0 + DAY);
	agent_clock_welcome(&c, T0, NOW + 4 * MIN); /* a new link may say anything */
	assert_int_equal(c.relay.wall_ms, T0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readings_follow_the_table),
		cmocka_unit_test(time_follows_the_table),
		cmocka_unit_test(no_number_of_entries_makes_a_wrong_clock_credible),
		cmocka_unit_test(an_entry_beside_the_relay_is_dated_by_what_both_have_passed),
		cmocka_unit_test(a_rolled_back_entry_dates_nothing),
		cmocka_unit_test(a_clock_on_the_border_does_not_go_to_and_fro),
		cmocka_unit_test(later_words_of_a_link_move_the_reference_but_not_far_back),
	};

	return cmocka_run_group_tests_name("agent_clock", tests, NULL, NULL);
}
