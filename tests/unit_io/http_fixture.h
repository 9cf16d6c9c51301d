/* A server and its clients in one loop and thread: each step turns the loop a little. */
#ifndef TRIB_TEST_HTTP_FIXTURE_H
#define TRIB_TEST_HTTP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api_error.h"
#include "http_server.h"

#define PENDING_MAX 64
#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define GET_KNOWN(path) \
	"GET " path " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n\r\n"

struct fixture {
	struct ev_loop *loop;
	struct http_server *server;
	struct http_request *pending[PENDING_MAX];
	size_t n_pending;
	unsigned n_gone, n_requests, n_commits;
	unsigned n_turns; /* of the loop */
	bool later; /* keep requests instead of answering */
	bool commit; /* answer all of a loop turn in one prepare watcher */
	ev_prepare prepare;
	char seen[512]; /* the last request, described */
	char peer[64];
};

/* Start a server; the token "good" is a known caller's. */
struct fixture *start(const struct http_server_options *options);
void stop(struct fixture *f);

/* Answer all pending requests. */
void answer_pending(struct fixture *f);

/* Turn the loop for so long. */
void turn(struct fixture *f, double seconds);

/* A connection to the server; from another loopback address where source is not NULL. */
int connect_from(struct fixture *f, const char *source);
int connect_to(struct fixture *f);
int connect_unix(const char *path);

void send_text(int fd, const char *text);

/* What arrived, after some turns; "" where nothing did, "EOF" where the server closed, "reset". */
const char *receive(struct fixture *f, int fd);

/* Turn the loop until the server closed the connection; fails when it does not. */
void expect_closed(struct fixture *f, int fd);

void expect_status(const char *answer_text, int status);

#endif
