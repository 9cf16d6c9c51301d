/* Enrolments under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tickets.h"

static void answer_finds_its_way_once(void **state)
{
	struct tickets t;
	uint8_t route[TICKET_ROUTE_BYTES] = "a", back[TICKET_ROUTE_BYTES];
	uint64_t no, other;

	(void)state;
	tickets_init(&t, 41);
	assert_int_equal(tickets_open(&t, 1000, route, &no), 0);
	route[0] = 'b';
	assert_int_equal(tickets_open(&t, 1000, route, &other), 0);
	assert_int_not_equal(no, other);
	assert_int_equal(tickets_close(&t, 2000, no, back), 0);
	assert_int_equal(back[0], 'a');
	assert_int_equal(tickets_close(&t, 2000, no, back), ERR_NOT_FOUND);
	assert_int_equal(tickets_close(&t, 2000, 0, back), ERR_NOT_FOUND);
}

static void ticket_expires(void **state)
{
	struct tickets t;
	uint8_t route[TICKET_ROUTE_BYTES] = { 0 };
	uint64_t no;

	(void)state;
	tickets_init(&t, 0);
	assert_int_equal(tickets_open(&t, 1000, route, &no), 0);
	assert_int_equal(tickets_close(&t, 1000 + TICKET_LIFE_MS, no, route), ERR_NOT_FOUND);
}

static void requests_are_limited_by_rate_and_number(void **state)
{
	struct tickets t;
	uint8_t route[TICKET_ROUTE_BYTES] = { 0 };
	uint64_t no, now = 1000;
	unsigned n = 0;

	(void)state;
	tickets_init(&t, UINT64_MAX - 3); /* numbers wrap past 0 */
	while (tickets_open(&t, now, route, &no) == 0) {
		assert_int_not_equal(no, 0);
		n++;
	}
	assert_int_equal(n, ENROLL_PER_SECOND);
	while (n < TICKETS_MAX) {
		now += 1000;
		while (n < TICKETS_MAX && tickets_open(&t, now, route, &no) == 0)
			n++;
	}
	now += 1000;
	assert_int_equal(tickets_open(&t, now, route, &no), ERR_FULL);
	now += TICKET_LIFE_MS;
	assert_int_equal(tickets_open(&t, now, route, &no), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_finds_its_way_once),
		cmocka_unit_test(ticket_expires),
		cmocka_unit_test(requests_are_limited_by_rate_and_number),
	};

	return cmocka_run_group_tests_name("relay_tickets", tests, NULL, NULL);
}
