/* Requests in and answers out, over real sockets. */
#include "http_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void request_reaches_the_daemon_whole(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ 0 });
	int fd = connect_to(f);
	const char *got;

	(void)state;
	assert_int_not_equal(http_server_port(f->server), 0);
	send_text(fd, "POST /v1/sales%20x?cursor=a%26b HTTP/1.1\r\nHost: 127.0.0.1:7311\r\n"
		      "Authorization: bearer  tok-1\r\nIdempotency-Key: k1\r\n"
		      "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
		      "Content-Length: 10\r\n\r\n{\"a\":");
	assert_string_equal(receive(f, fd), "");
	assert_int_equal(f->n_requests, 0);
	send_text(fd, "\"bc\"}");
	got = receive(f, fd);
	expect_status(got, 201);
	assert_non_null(strstr(got, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(got, "Trib-Witness: w1\r\n"));
	assert_non_null(strstr(got, "\r\n\r\n{\"path\":\"/v1/sales%20x\"}"));
	assert_string_equal(f->seen,
			    "POST /v1/sales%20x cursor=a&b key=k1 token=tok-1 "
			    "trace=0af7651916cd43dd8448eb211c80319c body=10:{\"a\":\"bc\"}");
	send_text(fd, GET("/next")); /* the connection is kept, and nothing of the first remains */
	expect_status(receive(f, fd), 201);
	assert_string_equal(f->seen, "GET /next cursor=- key=- token=- trace=- body=0:");
	close(fd);
	stop(f);
}

static void answers_of_one_turn_share_one_commit(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ 0 });
	int fds[16];

	(void)state;
	f->commit = true;
	for (int i = 0; i < 16; i++) {
		fds[i] = connect_to(f);
		send_text(fds[i], GET("/a"));
	}
	for (int i = 0; i < 16; i++)
		expect_status(receive(f, fds[i]), 201);
	assert_int_equal(f->n_requests, 16);
	assert_true(f->n_commits <= 4);
	for (int round = 0; round < 3; round++) {
		send_text(fds[0], GET("/a") GET("/b") GET("/c")); /* pipelined: never stalls */
		for (int i = 0; i < 3 && f->n_requests < 19 + 3 * (unsigned)round; i++)
			turn(f, 0.02);
		assert_int_equal(f->n_requests, 19 + 3 * round);
		expect_status(receive(f, fds[0]), 201);
	}
	for (int i = 0; i < 16; i++)
		close(fds[i]);
	stop(f);
}

static void late_answer_arrives_and_pending_is_counted(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ .request_timeout_ms = 100 });
	int fd = connect_to(f);

	(void)state;
	f->later = true;
	send_text(fd, GET("/slow"));
	turn(f, 0.6); /* the deadline is the client's, not the daemon's */
	assert_int_equal(f->n_pending, 1);
	assert_int_equal(http_server_pending(f->server), 1);
	assert_int_equal(f->n_gone, 0);
	answer_pending(f);
	assert_int_equal(http_server_pending(f->server), 0);
	expect_status(receive(f, fd), 201);
	close(fd);
	stop(f);
}

static void client_that_left_is_told_once_and_may_be_answered(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ 0 });
	int fd = connect_to(f), other = connect_to(f);

	(void)state;
	f->later = true;
	send_text(fd, GET("/a"));
	send_text(other, GET("/b"));
	turn(f, 0.05);
	assert_int_equal(f->n_pending, 2);
	close(fd);
	turn(f, 0.9);
	assert_int_equal(f->n_gone, 1);
	answer_pending(f);
	expect_status(receive(f, other), 201);
	close(other);
	turn(f, 0.05);
	stop(f);
}

static void server_stops_with_requests_unanswered(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ 0 });
	int fd = connect_to(f);

	(void)state;
	f->later = true;
	send_text(fd, GET("/a"));
	turn(f, 0.05);
	assert_int_equal(f->n_pending, 1);
	stop(f);
	close(fd);
}

static void large_bodies_are_refused(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ .body_max_bytes = 20 });
	int fd = connect_to(f);
	const char *got;

	(void)state;
	send_text(fd, "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n"
		      "01234567890123456789");
	expect_status(receive(f, fd), 201);
	send_text(fd, "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 21\r\n\r\n");
	assert_string_equal(receive(f, fd), ""); /* not before it is sent: it might be lost */
	send_text(fd, "012345678901234567890");
	got = receive(f, fd);
	expect_status(got, 413);
	assert_non_null(strstr(got, "\"code\":\"too_large\""));
	send_text(fd, "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
		      "10\r\n0123456789abcdef\r\n5\r\n01234\r\n1\r\n0\r\n0\r\n\r\n");
	expect_status(receive(f, fd), 413);
	assert_int_equal(f->n_requests, 1);
	send_text(fd, GET("/a"));
	expect_status(receive(f, fd), 201);
	close(fd);
	stop(f);
}

static void bodies_beyond_patience_are_not_read(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ .body_max_bytes = 20 });
	int huge = connect_to(f), polite = connect_to(f), endless = connect_to(f);
	char chunk[65536 + 16];
	ssize_t n = 1;

	(void)state;
	send_text(huge, "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n");
	expect_status(receive(f, huge), 413);
	send_text(polite, "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 21\r\n"
			  "Expect: 100-continue\r\n\r\n");
	expect_status(receive(f, polite), 413);
	send_text(endless, "POST /a HTTP/1.1\r\nHost: localhost\r\n"
			   "Transfer-Encoding: chunked\r\n\r\n");
	memcpy(chunk, "10000\r\n", 7);
	memset(chunk + 7, 'x', 65536);
	memcpy(chunk + 7 + 65536, "\r\n", 2);
	for (int i = 0; i < 64 && n > 0; i++) {
		n = send(endless, chunk, 65536 + 9, MSG_NOSIGNAL | MSG_DONTWAIT);
		turn(f, 0.002);
	}
	expect_closed(f, endless);
	assert_int_equal(f->n_requests, 0);
	close(huge);
	close(polite);
	close(endless);
	stop(f);
}

static void oversized_header_is_refused(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ 0 });
	char *text = calloc(1, 65536);
	int fd = connect_to(f);

	(void)state;
	assert_non_null(text);
	strcpy(text, "GET /a HTTP/1.1\r\nHost: localhost\r\nX: ");
	memset(text + strlen(text), 'x', 60000);
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	expect_status(receive(f, fd), 431);
	assert_int_equal(f->n_requests, 0);
	close(fd);
	free(text);
	stop(f);
}

static void draining_server_finishes_and_closes(void **state)
{
	struct fixture *f = start(&(struct http_server_options){ 0 });
	int busy = connect_to(f), idle = connect_to(f);
	const char *got;

	(void)state;
	f->later = true;
	send_text(busy, GET("/a"));
	turn(f, 0.05);
	http_server_drain(f->server);
	answer_pending(f);
	got = receive(f, busy);
	expect_status(got, 201);
	assert_non_null(strcasestr(got, "Connection: close"));
	turn(f, 0.6);
	assert_string_equal(receive(f, idle), "EOF");
	close(busy);
	close(idle);
	stop(f);
}

static void paths_are_matched_by_segment(void **state)
{
	struct http_match m;

	(void)state;
	assert_true(http_path_match("/v1/orders/A-1/cancel", "/v1/orders/{}/cancel", &m));
	assert_string_equal(m.arg[0], "A-1");
	assert_true(http_path_match("/v1/health", "/v1/health", &m));
	assert_false(http_path_match("/v1/orders//cancel", "/v1/orders/{}/cancel", &m));
	assert_false(http_path_match("/v1/orders/a/b/cancel", "/v1/orders/{}/cancel", &m));
	assert_false(http_path_match("/v1/orders/a", "/v1/orders/{}/cancel", &m));
	assert_false(http_path_match("/v1/healthy", "/v1/health", &m));
	assert_false(http_path_match("/v1/healt", "/v1/health", &m));
	assert_false(http_path_match("", "/v1/health", &m));
}

static void segments_are_decoded_after_the_match(void **state)
{
	static const struct {
		const char *sent, *arg; /* NULL: no match */
	} rows[] = {
		{ "a%2Fb", "a/b" }, { "a%2fb", "a/b" }, { "a%252Fb", "a%2Fb" },
		{ "a+b", "a+b" },   { "%3F%23", "?#" }, { "%E5%8D%A1", "\xe5\x8d\xa1" },
		{ "..", ".." },     { "%2e%2E", ".." }, { "%20", " " },
		{ "%", NULL },      { "a%", NULL },     { "a%2", NULL },
		{ "a%2/b", NULL },  { "a%zz", NULL },   { "a%2g", NULL },
		{ "%%2F", NULL },   { "a%00b", NULL },  { "%2", NULL },
		{ "a%-1", NULL },   { "a% 1", NULL },
	};
	char path[1024], arg[HTTP_SEGMENT_BYTES + 1];
	struct http_match m;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool matches;

		snprintf(path, sizeof(path), "/v1/orders/%s/cancel", rows[i].sent);
		matches = http_path_match(path, "/v1/orders/{}/cancel", &m);
		if (matches != (rows[i].arg != NULL))
			fail_msg("%s", rows[i].sent);
		if (matches)
			assert_string_equal(m.arg[0], rows[i].arg);
	}
	strcpy(path, "/v1/orders/");
	for (size_t i = 0; i < HTTP_SEGMENT_BYTES - 1; i++)
		strcat(path, "%41");
	assert_true(http_path_match(path, "/v1/orders/{}", &m));
	memset(arg, 'A', sizeof(arg));
	assert_memory_equal(m.arg[0], arg, HTTP_SEGMENT_BYTES - 1);
	assert_int_equal(m.arg[0][HTTP_SEGMENT_BYTES - 1], 0);
	strcat(path, "A");
	assert_false(http_path_match(path, "/v1/orders/{}", &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_reaches_the_daemon_whole),
		cmocka_unit_test(answers_of_one_turn_share_one_commit),
		cmocka_unit_test(late_answer_arrives_and_pending_is_counted),
		cmocka_unit_test(client_that_left_is_told_once_and_may_be_answered),
		cmocka_unit_test(server_stops_with_requests_unanswered),
		cmocka_unit_test(large_bodies_are_refused),
		cmocka_unit_test(bodies_beyond_patience_are_not_read),
		cmocka_unit_test(oversized_header_is_refused),
		cmocka_unit_test(draining_server_finishes_and_closes),
		cmocka_unit_test(paths_are_matched_by_segment),
		cmocka_unit_test(segments_are_decoded_after_the_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
