/* Token buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rate.h"

static unsigned taken(struct rate_bucket *b, unsigned rate, uint64_t now_ms, unsigned attempts)
{
	unsigned n = 0;

	for (unsigned i = 0; i < attempts; i++)
		n += rate_take(b, rate, now_ms);
	return n;
}

static void burst_is_twice_the_rate(void **state)
{
	struct rate_bucket b;

	(void)state;
	rate_init(&b, 100, 5000);
	assert_int_equal(taken(&b, 100, 5000, 1000), 200);
	assert_false(rate_take(&b, 100, 5009));
	assert_true(rate_take(&b, 100, 5010)); /* 10 ms refill one */
	assert_false(rate_take(&b, 100, 5010));
}

static void long_run_is_the_rate_however_it_is_asked(void **state)
{
	struct rate_bucket b;
	unsigned n = 0;

	(void)state;
	rate_init(&b, 3, 0);
	for (uint64_t t = 0; t <= 100000; t++) /* refused attempts cost nothing */
		n += rate_take(&b, 3, t);
	assert_int_equal(n, 6 + 300);
}

static void pause_fills_it_and_no_more(void **state)
{
	struct rate_bucket b;

	(void)state;
	rate_init(&b, 10, 0);
	assert_int_equal(taken(&b, 10, 0, 100), 20);
	assert_int_equal(taken(&b, 10, 1000, 100), 10);
	assert_int_equal(taken(&b, 10, 1000000, 100), 20);
	assert_int_equal(taken(&b, 10, UINT64_MAX, 100), 20);
}

static void highest_rate_does_not_overflow(void **state)
{
	struct rate_bucket b;

	(void)state;
	rate_init(&b, RATE_MAX, 0);
	assert_int_equal(taken(&b, RATE_MAX, 0, 2 * RATE_MAX + 5), 2 * RATE_MAX);
	assert_int_equal(taken(&b, RATE_MAX, 1999, 2 * RATE_MAX), 1999000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_is_twice_the_rate),
		cmocka_unit_test(long_run_is_the_rate_however_it_is_asked),
		cmocka_unit_test(pause_fills_it_and_no_more),
		cmocka_unit_test(highest_rate_does_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
