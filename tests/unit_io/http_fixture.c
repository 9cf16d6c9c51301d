#include "http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_BYTES 4096

static void answer(struct http_request *req)
{
	http_reply_header(req, "Trib-Witness", "w1");
	api_reply(req, 201, json_pack("{s:s}", "path", http_path(req)));
}

static void describe(struct fixture *f, struct http_request *req)
{
	const char *key = http_header(req, "idempotency-key"), *token = http_bearer(req);
	const char *cursor = http_query(req, "cursor");
	size_t len;
	const char *body = http_body(req, &len);

	snprintf(f->seen, sizeof(f->seen),
		 "%s %s cursor=%s key=%s token=%s trace=%s body=%zu:%.40s", http_method(req),
		 http_path(req), cursor ? cursor : "-", key ? key : "-", token ? token : "-",
		 http_header(req, "traceparent") ? http_trace_id(req) : "-", len, body);
	assert_int_equal(strlen(http_trace_id(req)), 32);
	snprintf(f->peer, sizeof(f->peer), "%s", http_peer(req));
	http_set_known(req, token != NULL && strcmp(token, "good") == 0);
}

static void on_request(void *ctx, struct http_request *req)
{
	struct fixture *f = ctx;

	f->n_requests++;
	describe(f, req);
	if (!f->later && !f->commit) {
		answer(req);
		return;
	}
	assert_true(f->n_pending < PENDING_MAX);
	http_set_data(req, f);
	f->pending[f->n_pending++] = req;
}

static void on_gone(void *ctx, struct http_request *req)
{
	struct fixture *f = ctx;

	assert_ptr_equal(http_data(req), f);
	assert_true(http_is_gone(req));
	f->n_gone++;
}

void answer_pending(struct fixture *f)
{
	for (size_t i = 0; i < f->n_pending; i++)
		answer(f->pending[i]);
	f->n_pending = 0;
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct fixture *f = w->data;

	(void)loop;
	(void)revents;
	f->n_turns++;
	if (!f->commit || f->n_pending == 0)
		return;
	f->n_commits++;
	answer_pending(f);
}

struct fixture *start(const struct http_server_options *options)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct http_handler handler = { .on_request = on_request, .on_gone = on_gone, .ctx = f };
	char err[HTTP_ERROR_BYTES];

	assert_non_null(f);
	f->loop = ev_loop_new(EVFLAG_AUTO);
	if (http_server_create(f->loop, options, &handler, &f->server, err) != 0)
		fail_msg("%s", err);
	ev_prepare_init(&f->prepare, on_prepare);
	f->prepare.data = f;
	ev_prepare_start(f->loop, &f->prepare);
	return f;
}

void stop(struct fixture *f)
{
	http_server_destroy(f->server);
	ev_loop_destroy(f->loop);
	free(f);
}

static void on_time(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

void turn(struct fixture *f, double seconds)
{
	ev_timer t;

	ev_timer_init(&t, on_time, 0., 0.);
	ev_now_update(f->loop);
	ev_timer_set(&t, seconds, 0.);
	ev_timer_start(f->loop, &t);
	ev_run(f->loop, 0);
	ev_timer_stop(f->loop, &t);
}

int connect_from(struct fixture *f, const char *source)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(http_server_port(f->server)),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	if (source != NULL) {
		assert_int_equal(inet_pton(AF_INET, source, &from.sin_addr), 1);
		assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	}
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

int connect_to(struct fixture *f)
{
	return connect_from(f, NULL);
}

int connect_unix(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	strcpy(at.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

void send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

const char *receive(struct fixture *f, int fd)
{
	static char text[ANSWER_BYTES];
	size_t len = 0;

	for (int i = 0; i < 20; i++) {
		ssize_t n;

		turn(f, 0.005);
		n = recv(fd, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT);
		if (n > 0)
			len += (size_t)n;
		else if (len > 0)
			break;
		else if (n == 0)
			return "EOF";
		else if (errno != EAGAIN)
			return "reset";
	}
	text[len] = '\0';
	return text;
}

void expect_status(const char *answer_text, int status)
{
	char want[32];

	snprintf(want, sizeof(want), "HTTP/1.1 %d ", status);
	if (strncmp(answer_text, want, strlen(want)) != 0)
		fail_msg("%s instead of %d", answer_text, status);
}

void expect_closed(struct fixture *f, int fd)
{
	for (int i = 0; i < 1000; i++) {
		char heap[65536];
		ssize_t n = recv(fd, heap, sizeof(heap), MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			return;
		turn(f, n > 0 ? 0. : 0.005);
	}
	fail_msg("the server keeps the connection");
}
