/* A listener with TLS: records in pieces, requests in heaps, and clients that are none. */
#include "http_fixture.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls_cert.h"

#define STEPS_MAX 2000

struct client {
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	int fd;
	bool is_slow; /* a byte of the wire at a time */
	char text[65536]; /* of the last answer */
};

static struct tls_cert certificate;

static int make_certificate(void **state)
{
	static const char *const names[] = { "store-0107", "127.0.0.1", NULL };
	char dir[64] = "/tmp/trib.XXXXXX", path[128], err[TLS_CERT_ERROR_BYTES];

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(tls_cert_open(dir, names, (int64_t)time(NULL) * 1000, &certificate, err),
			 0);
	snprintf(path, sizeof(path), "%s/" TLS_KEY_FILE, dir);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/" TLS_CERT_FILE, dir);
	(void)unlink(path);
	return rmdir(dir);
}

static int drop_certificate(void **state)
{
	(void)state;
	tls_cert_finish(&certificate);
	return 0;
}

static struct fixture *start_tls(struct http_server_options options)
{
	options.tls_key = certificate.key;
	options.tls_certificate = certificate.certificate;
	return start(&options);
}

static ssize_t push(gnutls_transport_ptr_t at, const void *data, size_t len)
{
	struct client *c = at;

	return send(c->fd, data, c->is_slow && len > 1 ? 1 : len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t pull(gnutls_transport_ptr_t at, void *data, size_t len)
{
	return recv(((struct client *)at)->fd, data, len, MSG_DONTWAIT);
}

static struct client *client_create(struct fixture *f, const char *priorities)
{
	struct client *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->fd = connect_to(f);
	assert_int_equal(gnutls_init(&c->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
	assert_int_equal(gnutls_certificate_allocate_credentials(&c->credentials), 0);
	assert_int_equal(gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->credentials),
			 0);
	assert_int_equal(gnutls_priority_set_direct(c->session, priorities, NULL), 0);
	gnutls_transport_set_ptr(c->session, c);
	gnutls_transport_set_push_function(c->session, push);
	gnutls_transport_set_pull_function(c->session, pull);
	return c;
}

static void client_destroy(struct client *c)
{
	gnutls_deinit(c->session);
	gnutls_certificate_free_credentials(c->credentials);
	close(c->fd);
	free(c);
}

static int handshake(struct fixture *f, struct client *c)
{
	int r = GNUTLS_E_AGAIN;

	for (int i = 0; i < STEPS_MAX && r < 0 && !gnutls_error_is_fatal(r); i++) {
		r = gnutls_handshake(c->session);
		turn(f, 0.001);
	}
	return r;
}

static struct client *connected(struct fixture *f)
{
	struct client *c = client_create(f, "NORMAL");

	assert_int_equal(handshake(f, c), 0);
	return c;
}

static void say(struct fixture *f, struct client *c, const char *text)
{
	ssize_t n = GNUTLS_E_AGAIN;

	for (int i = 0; i < 100 * STEPS_MAX && n == GNUTLS_E_AGAIN; i++) {
		n = gnutls_record_send(c->session, text, strlen(text));
		if (c->is_slow)
			turn(f, 0.);
	}
	assert_int_equal(n, strlen(text));
}

/* What came until `end` of it came so many times, or the connection ended. */
static const char *hear(struct fixture *f, struct client *c, const char *end, int times)
{
	size_t len = 0;

	for (int i = 0; i < STEPS_MAX; i++) {
		const char *at = c->text;
		ssize_t n;
		int seen = 0;

		turn(f, 0.001);
		n = gnutls_record_recv(c->session, c->text + len, sizeof(c->text) - 1 - len);
		if (n > 0)
			len += (size_t)n;
		c->text[len] = '\0';
		while ((at = strstr(at, end)) != NULL) {
			at += strlen(end);
			seen++;
		}
		if (seen >= times || (n <= 0 && n != GNUTLS_E_AGAIN))
			break;
	}
	return c->text;
}

static void requests_are_served_over_tls(void **state)
{
	struct fixture *f = start_tls((struct http_server_options){ 0 });
	struct client *c = connected(f);
	const gnutls_datum_t *peer;
	unsigned n;

	(void)state;
	peer = gnutls_certificate_get_peers(c->session, &n);
	assert_non_null(peer);
	assert_int_equal(n, 1);
	for (int i = 0; i < 3; i++) {
		say(f, c, GET("/a"));
		expect_status(hear(f, c, "}", 1), 201);
	}
	say(f, c, "POST /b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n\r\nab");
	turn(f, 0.02);
	assert_int_equal(f->n_requests, 3);
	say(f, c, "cd");
	expect_status(hear(f, c, "}", 1), 201);
	assert_non_null(strstr(f->seen, "body=4:abcd"));
	client_destroy(c);
	stop(f);
}

static void record_may_come_byte_by_byte(void **state)
{
	struct fixture *f = start_tls((struct http_server_options){ 0 });
	struct client *c = client_create(f, "NORMAL");

	(void)state;
	c->is_slow = true;
	for (int i = 0, r = -1; r != 0; i++) {
		assert_true(i < 100 * STEPS_MAX);
		r = gnutls_handshake(c->session);
		assert_true(r == 0 || !gnutls_error_is_fatal(r));
		turn(f, 0.);
	}
	say(f, c, GET("/a"));
	expect_status(hear(f, c, "}", 1), 201);
	client_destroy(c);
	stop(f);
}

static void request_line_longer_than_one_read_is_answered(void **state)
{
	struct fixture *f = start_tls((struct http_server_options){ 0 });
	struct client *c = connected(f);
	char text[16000] = "GET /";

	(void)state;
	memset(text + 5, 'a', 12000); /* the rest of the record waits inside GnuTLS */
	strcpy(text + 12005, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
	say(f, c, text);
	expect_status(hear(f, c, "\r\n\r\n", 1), 201);
	client_destroy(c);
	stop(f);
}

static void many_requests_in_one_record_are_all_answered(void **state)
{
	struct fixture *f = start_tls((struct http_server_options){ 0 });
	struct client *c = connected(f);
	char text[16 * sizeof(GET("/a"))] = "";

	(void)state;
	f->commit = true; /* each waits, suspended, for the turn's end */
	for (int i = 0; i < 16; i++)
		strcat(text, GET("/a"));
	for (int round = 1; round <= 3; round++) {
		say(f, c, text);
		hear(f, c, "\"}", 16);
		assert_int_equal(f->n_requests, 16 * round);
	}
	client_destroy(c);
	stop(f);
}

static void late_answer_arrives_and_a_client_that_left_is_told(void **state)
{
	struct fixture *f = start_tls((struct http_server_options){ .request_timeout_ms = 600 });
	struct client *waiting = connected(f), *leaving = connected(f);

	(void)state;
	f->later = true;
	say(f, waiting, GET("/a"));
	say(f, leaving, GET("/b"));
	for (int i = 0; i < STEPS_MAX && f->n_pending < 2; i++)
		turn(f, 0.001);
	assert_int_equal(f->n_pending, 2);
	turn(f, 1.); /* no limit for the daemon */
	assert_int_equal(f->n_gone, 0);
	client_destroy(leaving);
	for (int i = 0; i < STEPS_MAX && f->n_gone == 0; i++)
		turn(f, 0.005);
	assert_int_equal(f->n_gone, 1);
	answer_pending(f);
	expect_status(hear(f, waiting, "}", 1), 201);
	client_destroy(waiting);
	stop(f);
}

static void what_is_no_modern_tls_is_refused(void **state)
{
	struct fixture *f = start_tls((struct http_server_options){ 0 });
	struct client *old = client_create(f, "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:"
					      "%COMPAT");
	struct client *tls12 = client_create(f, "NORMAL:-VERS-ALL:+VERS-TLS1.2");
	struct client *tls13 = client_create(f, "NORMAL:-VERS-ALL:+VERS-TLS1.3");
	int plain = connect_to(f);

	(void)state;
	assert_int_not_equal(handshake(f, old), 0);
	assert_int_equal(handshake(f, tls12), 0);
	assert_int_equal(handshake(f, tls13), 0);
	send_text(plain, GET("/a"));
	expect_closed(f, plain);
	assert_int_equal(f->n_requests, 0);
	say(f, tls12, GET("/a"));
	expect_status(hear(f, tls12, "}", 1), 201);
	close(plain);
	client_destroy(old);
	client_destroy(tls12);
	client_destroy(tls13);
	stop(f);
}

static void stalled_handshakes_are_cut(void **state)
{
	struct fixture *f = start_tls((struct http_server_options){ .request_timeout_ms = 200,
								    .idle_timeout_ms = 600000 });
	struct client *half = client_create(f, "NORMAL");
	int silent = connect_to(f), begun = connect_to(f);

	(void)state;
	assert_int_equal(gnutls_handshake(half->session), GNUTLS_E_AGAIN); /* and no more */
	assert_int_equal(send(begun, "\x16\x03\x01\x02", 4, MSG_NOSIGNAL), 4);
	expect_closed(f, silent);
	expect_closed(f, begun);
	expect_closed(f, half->fd);
	close(silent);
	close(begun);
	client_destroy(half);
	stop(f);
}

/* The loop sleeps through whatever a client leaves unfinished. */
static void expect_calm(struct fixture *f, const char *what)
{
	turn(f, 0.05); /* what came is worked off */
	f->n_turns = 0;
	turn(f, 0.3);
	if (f->n_turns > 20)
		fail_msg("%s: %u turns of the loop for nothing", what, f->n_turns);
}

static void unfinished_business_does_not_spin_the_loop(void **state)
{
	struct fixture *f = start_tls((struct http_server_options){ .request_timeout_ms = 600000 });
	struct client *half = client_create(f, "NORMAL"), *idle, *header;
	int silent = connect_to(f), begun;

	(void)state;
	expect_calm(f, "no byte");
	begun = connect_to(f);
	assert_int_equal(send(begun, "\x16\x03\x01\x02", 4, MSG_NOSIGNAL), 4);
	expect_calm(f, "half a record");
	assert_int_equal(gnutls_handshake(half->session), GNUTLS_E_AGAIN);
	expect_calm(f, "a hello");
	idle = connected(f);
	expect_calm(f, "a handshake");
	header = connected(f);
	say(f, header, "GET /a HTTP/1.1\r\nHost: loc");
	expect_calm(f, "half a header");
	say(f, header, "alhost\r\n\r\n");
	expect_status(hear(f, header, "}", 1), 201);
	expect_calm(f, "an answered request");
	say(f, idle, GET("/a"));
	expect_status(hear(f, idle, "}", 1), 201);
	assert_int_equal(handshake(f, half), 0);
	close(silent);
	close(begun);
	client_destroy(half);
	client_destroy(idle);
	client_destroy(header);
	stop(f);
}

static void waiting_answers_do_not_spin_the_loop(void **state)
{
	struct fixture *f = start_tls((struct http_server_options){ .request_timeout_ms = 600000 });
	struct client *heap = connected(f), *lazy = connected(f);
	size_t len = (size_t)32 << 20; /* more than all buffers between */
	char *large = calloc(1, len);

	(void)state;
	assert_non_null(large);
	f->later = true;
	say(f, heap, GET("/a") GET("/b")); /* the second waits inside libmicrohttpd */
	expect_calm(f, "a pending request with another behind it");
	assert_int_equal(f->n_pending, 1);
	answer_pending(f);
	expect_status(hear(f, heap, "}", 1), 201);
	assert_int_equal(f->n_pending, 1);
	answer_pending(f);
	expect_status(hear(f, heap, "}", 1), 201);
	say(f, lazy, GET("/c"));
	for (int i = 0; i < STEPS_MAX && f->n_pending == 0; i++)
		turn(f, 0.001);
	assert_int_equal(f->n_pending, 1);
	f->n_pending = 0;
	http_reply_take(f->pending[0], 200, large, len);
	turn(f, 0.3);
	expect_calm(f, "an answer that nobody takes");
	client_destroy(heap);
	client_destroy(lazy);
	stop(f);
}

static void stalled_handshakes_make_room_for_tills(void **state)
{
	struct fixture *f = start_tls((struct http_server_options){ .connections_max = 8 });
	struct client *till = connected(f);
	int stalled[64];

	(void)state;
	say(f, till, GET_KNOWN("/a"));
	expect_status(hear(f, till, "}", 1), 201);
	for (int i = 0; i < 64; i++) {
		stalled[i] = connect_to(f);
		assert_int_equal(send(stalled[i], "\x16\x03\x01", 3, MSG_NOSIGNAL), 3);
		turn(f, 0.);
	}
	for (int i = 0; i < 3; i++) {
		struct client *fresh = connected(f);

		say(f, fresh, GET_KNOWN("/a"));
		expect_status(hear(f, fresh, "}", 1), 201);
		client_destroy(fresh);
	}
	say(f, till, GET_KNOWN("/a"));
	expect_status(hear(f, till, "}", 1), 201);
	for (int i = 0; i < 64; i++)
		close(stalled[i]);
	client_destroy(till);
	stop(f);
}

static void large_answers_come_whole(void **state)
{
	struct fixture *f = start_tls((struct http_server_options){ 0 });
	struct client *c = connected(f);
	size_t len = 60000;
	char *body = malloc(len);

	(void)state;
	assert_non_null(body);
	memset(body, 'x', len);
	body[len - 1] = '!';
	f->later = true;
	say(f, c, GET("/a"));
	for (int i = 0; i < STEPS_MAX && f->n_pending == 0; i++)
		turn(f, 0.001);
	assert_int_equal(f->n_pending, 1);
	http_reply_take(f->pending[0], 200, body, len);
	f->n_pending = 0;
	expect_status(hear(f, c, "!", 1), 200);
	assert_int_equal(strlen(strstr(c->text, "\r\n\r\n") + 4), len);
	client_destroy(c);
	stop(f);
}

static void server_with_tls_stops_in_the_middle(void **state)
{
	struct fixture *f = start_tls((struct http_server_options){ 0 });
	struct client *pending = connected(f), *half = client_create(f, "NORMAL");

	(void)state;
	f->later = true;
	(void)gnutls_handshake(half->session);
	say(f, pending, GET("/a"));
	for (int i = 0; i < STEPS_MAX && f->n_pending == 0; i++)
		turn(f, 0.001);
	assert_int_equal(f->n_pending, 1);
	stop(f);
	client_destroy(pending);
	client_destroy(half);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_served_over_tls),
		cmocka_unit_test(record_may_come_byte_by_byte),
		cmocka_unit_test(request_line_longer_than_one_read_is_answered),
		cmocka_unit_test(many_requests_in_one_record_are_all_answered),
		cmocka_unit_test(late_answer_arrives_and_a_client_that_left_is_told),
		cmocka_unit_test(what_is_no_modern_tls_is_refused),
		cmocka_unit_test(stalled_handshakes_are_cut),
		cmocka_unit_test(unfinished_business_does_not_spin_the_loop),
		cmocka_unit_test(waiting_answers_do_not_spin_the_loop),
		cmocka_unit_test(stalled_handshakes_make_room_for_tills),
		cmocka_unit_test(large_answers_come_whole),
		cmocka_unit_test(server_with_tls_stops_in_the_middle),
	};

	return cmocka_run_group_tests(tests, make_certificate, drop_certificate);
}
