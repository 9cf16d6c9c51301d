/* Limits of time and number: who is cut, and who goes first. */
#include "http_fixture.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void slow_clients_are_cut(void **state)
{
	struct fixture *f = start(
		&(struct http_server_options){ .idle_timeout_ms = 600, .request_timeout_ms = 600 });
	int silent = connect_to(f), drip = connect_to(f), body = connect_to(f),
	    good = connect_to(f);

	(void)state;
	send_text(body, "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n");
	send_text(drip, "GET /a HTTP/1.1\r\nHost: localhost\r\n");
	for (int i = 0; i < 10; i++) { /* bytes alone win no time */
		turn(f, 0.1);
		(void)send(drip, "X", 1, MSG_NOSIGNAL);
		(void)send(body, "X", 1, MSG_NOSIGNAL);
		send_text(good, GET("/ok"));
		expect_status(receive(f, good), 201);
	}
	assert_string_equal(receive(f, silent), "EOF");
	assert_string_not_equal(receive(f, drip), "");
	assert_string_not_equal(receive(f, body), "");
	close(silent);
	close(drip);
	close(body);
	close(good);
	stop(f);
}

static void known_callers_may_be_idle_for_longer(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ .idle_timeout_ms = 600000,
								 .request_timeout_ms = 600 });
	int stranger = connect_to(f), known = connect_to(f);

	(void)state;
	for (int i = 0; i < 2; i++) {
		send_text(stranger, GET("/a"));
		expect_status(receive(f, stranger), 201);
		send_text(known, GET_KNOWN("/b"));
		expect_status(receive(f, known), 201);
	}
	expect_closed(f, stranger);
	send_text(known, GET_KNOWN("/b"));
	expect_status(receive(f, known), 201);
	send_text(known, "GET /a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer bad\r\n\r\n");
	expect_status(receive(f, known), 201);
	expect_closed(f, known); /* no longer known */
	close(stranger);
	close(known);
	stop(f);
}

static void unread_answers_are_cut(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ .request_timeout_ms = 600,
								 .idle_timeout_ms = 600000 });
	size_t len = (size_t)64 << 20, got = 0; /* more than all buffers between */
	int fd = connect_to(f);
	char *large = calloc(1, len), heap[65536];
	ssize_t n;

	(void)state;
	assert_non_null(large);
	f->later = true;
	send_text(fd, GET_KNOWN("/a"));
	for (int i = 0; i < 1000 && f->n_pending == 0; i++)
		turn(f, 0.005);
	assert_int_equal(f->n_pending, 1);
	f->n_pending = 0;
	http_reply_take(f->pending[0], 200, large, len);
	turn(f, 1.5);
	while ((n = recv(fd, heap, sizeof(heap), 0)) > 0) /* blocks for ever where it was not cut */
		got += (size_t)n;
	assert_true(got < len);
	close(fd);
	stop(f);
}

/* A connection that the server has accepted: the order of accepting is that of the calls. */
static int accepted(struct fixture *f)
{
	int fd = connect_to(f);

	turn(f, 0.02);
	return fd;
}

static int known(struct fixture *f)
{
	int fd = accepted(f);

	send_text(fd, GET_KNOWN("/known"));
	expect_status(receive(f, fd), 201);
	return fd;
}

static void expect_served(struct fixture *f, int fd)
{
	send_text(fd, GET_KNOWN("/served"));
	expect_status(receive(f, fd), 201);
}

static void oldest_stranger_makes_room(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ .connections_max = 4 });
	int till = known(f), a = accepted(f), b = accepted(f), c = accepted(f), d = accepted(f);

	(void)state;
	expect_closed(f, a);
	send_text(b, "GET /dripping HTTP/1.1\r\n");
	expect_served(f, d);
	expect_served(f, till);
	close(accepted(f));
	expect_closed(f, b); /* a header under way does not help it */
	expect_served(f, c);
	close(a);
	close(b);
	close(c);
	close(d);
	close(till);
	stop(f);
}

static void answered_stranger_goes_before_a_silent_one(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ .connections_max = 3 });
	int silent = accepted(f), answered = accepted(f), c = accepted(f), d;

	(void)state;
	send_text(answered, GET("/unknown"));
	expect_status(receive(f, answered), 201);
	d = accepted(f);
	expect_closed(f, answered);
	expect_served(f, silent);
	expect_served(f, c);
	expect_served(f, d);
	close(silent);
	close(answered);
	close(c);
	close(d);
	stop(f);
}

static void longest_idle_till_makes_room_where_no_stranger_is(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ .connections_max = 3 });
	int a = known(f), b = known(f), c = known(f), d;

	(void)state;
	expect_served(f, a);
	d = accepted(f);
	expect_closed(f, b);
	expect_served(f, d);
	expect_served(f, a);
	expect_served(f, c);
	close(a);
	close(b);
	close(c);
	close(d);
	stop(f);
}

static void requests_at_work_never_make_room(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ .connections_max = 3 });
	int pending = accepted(f), body = known(f), idle = known(f), a, b;

	(void)state;
	f->later = true;
	send_text(pending, GET("/slow"));
	send_text(body, "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{");
	turn(f, 0.02);
	assert_int_equal(f->n_pending, 1);
	a = accepted(f); /* in the place of `idle` */
	expect_closed(f, idle);
	send_text(a, GET("/slow"));
	turn(f, 0.02);
	assert_int_equal(f->n_pending, 2);
	b = accepted(f); /* all others are at work */
	expect_closed(f, b);
	answer_pending(f);
	f->later = false;
	expect_status(receive(f, pending), 201);
	expect_status(receive(f, a), 201);
	send_text(body, "}");
	expect_status(receive(f, body), 201);
	close(pending);
	close(body);
	close(idle);
	close(a);
	close(b);
	stop(f);
}

static void till_is_served_through_a_flood_of_connections(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ .connections_max = 16 });
	int till = known(f), flood[400];

	(void)state;
	for (int i = 0; i < 400; i++) {
		flood[i] = connect_from(f, "127.0.0.2");
		if (i % 40 == 0) {
			int fresh = connect_to(f);

			expect_served(f, fresh);
			expect_served(f, till);
			close(fresh);
		}
	}
	for (int i = 0; i < 400 - 17; i++)
		expect_closed(f, flood[i]);
	for (int i = 0; i < 400; i++)
		close(flood[i]);
	expect_served(f, till);
	close(till);
	stop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slow_clients_are_cut),
		cmocka_unit_test(known_callers_may_be_idle_for_longer),
		cmocka_unit_test(unread_answers_are_cut),
		cmocka_unit_test(oldest_stranger_makes_room),
		cmocka_unit_test(answered_stranger_goes_before_a_silent_one),
		cmocka_unit_test(longest_idle_till_makes_room_where_no_stranger_is),
		cmocka_unit_test(requests_at_work_never_make_room),
		cmocka_unit_test(till_is_served_through_a_flood_of_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
