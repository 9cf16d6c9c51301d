/* What happens at which room, the ballast's own room included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent_disk.h"

#define KIB UINT64_C(1024)
#define R (64 * KIB * 1024)
#define MANY 1000000

static struct agent_disk_facts facts(uint64_t free_bytes, enum agent_ballast ballast)
{
	return (struct agent_disk_facts){ .free_bytes = free_bytes,
					  .free_inodes = MANY,
					  .ballast = ballast };
}

/* The room below which a level begins, and from which on it has ended. */
static void levels_begin_and_end_where_the_table_says(void **state)
{
	static const struct {
		unsigned level;
		uint64_t begins, ends;
	} rows[] = { { 1, R, R / 8 * 9 }, { 2, R / 2, R / 8 * 5 }, { 3, R / 16, R / 16 * 3 } };
	(void)state;

	for (size_t i = 0; i < 3; i++) {
		struct agent_disk_facts f = facts(rows[i].begins, AGENT_BALLAST_IMPOSSIBLE);
		struct agent_disk d;

		agent_disk_init(&d, R);
		(void)agent_disk_judge(&d, &f, 0);
		assert_int_equal(d.level, rows[i].level - 1);
		f.free_bytes = rows[i].begins - 1;
		(void)agent_disk_judge(&d, &f, 0);
		assert_int_equal(d.level, rows[i].level);
		f.free_bytes = rows[i].ends - 1;
		(void)agent_disk_judge(&d, &f, 0);
		assert_int_equal(d.level, rows[i].level);
		f.free_bytes = rows[i].ends;
		(void)agent_disk_judge(&d, &f, 0);
		assert_int_equal(d.level, rows[i].level - 1);
	}
}

/* A disk with its ballast: what the wishes make of it. */
struct disk {
	struct agent_disk core;
	uint64_t free_bytes;
	enum agent_ballast ballast;
	uint64_t now_ms;
	bool is_lying; /* it says that there is plenty */
	int n_made, n_given_up;
};

static void poll(struct disk *d, bool is_full)
{
	struct agent_disk_facts f = facts(d->is_lying ? 100 * R : d->free_bytes, d->ballast);

	f.is_full = is_full;
	d->now_ms += 1000;
	switch (agent_disk_judge(&d->core, &f, d->now_ms)) {
	case AGENT_DISK_NOTHING:
		break;
	case AGENT_DISK_MAKE_BALLAST:
		if (d->free_bytes < R / 4) /* twice its size must be there */
			break;
		d->free_bytes -= R / 8;
		d->ballast = AGENT_BALLAST_KEPT;
		d->n_made++;
		break;
	case AGENT_DISK_GIVE_UP_BALLAST:
		d->free_bytes += R / 8;
		d->ballast = AGENT_BALLAST_NONE;
		d->n_given_up++;
		break;
	}
}

static void init(struct disk *d, uint64_t free_bytes)
{
	*d = (struct disk){ .free_bytes = free_bytes };
	agent_disk_init(&d->core, R);
}

/* One way down and up again in small steps: each level comes and goes once, the ballast too. */
static void a_disk_that_fills_and_empties_changes_levels_once_each(void **state)
{
	unsigned level = 0;
	struct disk d;
	int changes = 0;
	(void)state;

	init(&d, 2 * R);
	poll(&d, false);
	assert_int_equal(d.ballast, AGENT_BALLAST_KEPT);
	while (d.free_bytes >= 100 * KIB) {
		d.free_bytes -= 100 * KIB;
		poll(&d, false);
		assert_true(d.core.level >= level); /* V1 */
		changes += d.core.level != level;
		level = d.core.level;
		if (d.ballast == AGENT_BALLAST_KEPT)
			assert_true(d.free_bytes >= R / 4 && level < 3);
	}
	assert_int_equal(level, 3);
	assert_int_equal(d.n_given_up, 1);
	while (d.free_bytes < 2 * R) {
		d.free_bytes += 100 * KIB;
		poll(&d, false);
		assert_true(d.core.level <= level); /* V2 */
		changes += d.core.level != level;
		level = d.core.level;
	}
	assert_int_equal(level, 0);
	assert_int_equal(changes, 6);
	assert_int_equal(d.n_made, 2);
	assert_int_equal(d.n_given_up, 1);
}

static void a_disk_that_is_full_at_once_leaves_the_ballast_for_cancels(void **state)
{
	struct disk d;
	(void)state;

	init(&d, 2 * R);
	poll(&d, false);
	d.free_bytes = 0;
	poll(&d, false);
	assert_int_equal(d.ballast, AGENT_BALLAST_NONE);
	assert_int_equal(d.core.level, 2); /* V3 */
	poll(&d, false);
	assert_int_equal(d.core.level, 2);
	d.free_bytes = 0; /* something took that too */
	poll(&d, false);
	assert_int_equal(d.core.level, 3);
}

static void a_write_that_found_no_room_counts_more_than_what_the_disk_says(void **state)
{
	struct disk d;
	(void)state;

	init(&d, 2 * R);
	poll(&d, false);
	d.is_lying = true;
	d.free_bytes = 0;
	poll(&d, false);
	assert_int_equal(d.core.level, 0);
	poll(&d, true);
	assert_int_equal(d.core.level, 2); /* V5 */
	assert_int_equal(d.ballast, AGENT_BALLAST_NONE);
	for (int i = 0; i < 20; i++) { /* what it gave back is not enough to make it again */
		poll(&d, false);
		assert_int_equal(d.core.level, 2);
	}
	assert_int_equal(d.n_made, 1);
	d.free_bytes = R / 4;
	for (int i = 0; i < 10 && d.core.level > 0; i++)
		poll(&d, false);
	assert_int_equal(d.core.level, 0);
	assert_int_equal(d.ballast, AGENT_BALLAST_KEPT);
}

static void where_no_ballast_is_possible_room_alone_ends_the_trouble(void **state)
{
	struct disk d;
	(void)state;

	init(&d, 2 * R);
	d.ballast = AGENT_BALLAST_IMPOSSIBLE;
	poll(&d, true);
	assert_int_equal(d.core.level, 2);
	d.free_bytes = R / 4 * 5 - 1;
	poll(&d, false);
	assert_int_equal(d.core.level, 2);
	d.free_bytes++;
	poll(&d, false);
	assert_int_equal(d.core.level, 0);
}

static void few_inodes_are_little_room_but_never_the_end(void **state)
{
	static const struct {
		uint64_t free_inodes;
		unsigned level;
	} rows[] = { { 64, 0 }, { 63, 1 }, { 79, 1 }, { 80, 0 },  { 15, 2 },
		     { 19, 2 }, { 20, 1 }, { 0, 2 },  { MANY, 0 } };
	struct agent_disk d;
	(void)state;

	agent_disk_init(&d, R);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct agent_disk_facts f = facts(2 * R, AGENT_BALLAST_IMPOSSIBLE);

		f.free_inodes = rows[i].free_inodes;
		(void)agent_disk_judge(&d, &f, 0);
		assert_int_equal(d.level, rows[i].level);
	}
}

static void what_is_not_known_is_no_trouble(void **state)
{
	struct agent_disk_facts f = facts(AGENT_DISK_UNKNOWN, AGENT_BALLAST_KEPT);
	struct agent_disk d;
	(void)state;

	f.free_inodes = AGENT_DISK_UNKNOWN;
	agent_disk_init(&d, R);
	assert_int_equal(agent_disk_judge(&d, &f, 0), AGENT_DISK_NOTHING);
	assert_int_equal(d.level, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_begin_and_end_where_the_table_says),
		cmocka_unit_test(a_disk_that_fills_and_empties_changes_levels_once_each),
		cmocka_unit_test(a_disk_that_is_full_at_once_leaves_the_ballast_for_cancels),
		cmocka_unit_test(a_write_that_found_no_room_counts_more_than_what_the_disk_says),
		cmocka_unit_test(where_no_ballast_is_possible_room_alone_ends_the_trouble),
		cmocka_unit_test(few_inodes_are_little_room_but_never_the_end),
		cmocka_unit_test(what_is_not_known_is_no_trouble),
	};

	return cmocka_run_group_tests_name("agent_disk", tests, NULL, NULL);
}
