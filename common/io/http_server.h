/* HTTP/1.1 on libmicrohttpd, driven by the daemon's libev loop; no thread of its own. A server is one
 * listener: an address, an address with TLS, or a unix socket. Several may share a handler.
 *
 *             header ok            body whole               http_reply
 *   reading ─────────────> body ─────────────> pending ─────────────────> answering ──> reading
 *      │                     │                    │                            │
 *      └── limit cuts        └── limit cuts       └── client gone: on_gone,    └── limit cuts
 *                                                     still to be answered
 *
 * Limits are absolute: bytes win no time. A connection whose caller is not known (http_set_known)
 * has request_timeout_ms from its start, or its last answer, to the next whole header, the TLS
 * handshake included; one of a known caller has idle_timeout_ms. A body has request_timeout_ms, and
 * so has the taking of an answer. Where connections_max are open the next one takes the place of
 * one that waits: of unknown callers first, by age, then of known ones, by how long they are idle;
 * never of one whose request is pending or being answered.
 *
 * A pending request costs nothing while it waits. The requests of one loop turn may all be answered
 * after one fsync: answers given before the server's prepare watcher (priority EV_MINPRI) runs
 * leave in that turn, and after any request was handed out the loop does not sleep before every
 * prepare watcher ran once more. So a daemon commits and answers in a prepare watcher of default
 * priority.
 *
 * Answered before the daemon sees them: headers over 16 KiB (431), bodies over the limit (413), a
 * Host that is neither loopback nor the bound address nor allowed (403, DNS rebinding; a unix socket
 * takes any), an Origin that is not allowed (403), and the preflight of one that is (204). */
#ifndef TRIB_IO_HTTP_SERVER_H
#define TRIB_IO_HTTP_SERVER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define HTTP_TRACE_ID_BYTES 33 /* 32 hex digits and NUL */
#define HTTP_ERROR_BYTES 320

struct http_server;
struct http_request;

struct http_server_options { /* zero is the default of each */
	const char *host; /* numeric address; NULL: 127.0.0.1 */
	const char *advertised_host; /* by what clients reach it, if not by host; or NULL */
	uint16_t port; /* 0: the kernel chooses; see http_server_port */
	const char *socket_path; /* a unix socket (mode 0660) instead of host and port */
	const char *tls_key, *tls_certificate; /* PEM; NULL: plain HTTP */
	size_t body_max_bytes; /* 64 KiB */
	unsigned connections_max; /* 1024 */
	unsigned request_timeout_ms; /* 10000 */
	unsigned idle_timeout_ms; /* 30000 */
	const char *const *allowed_hosts; /* NULL-ended, besides loopback and `host`; no ports */
	const char *const *allowed_origins; /* NULL-ended, "https://pos.example"; none by default */
};

struct http_handler {
	/* A whole request. Answer it here or at any later time, exactly once. */
	void (*on_request)(void *ctx, struct http_request *req);
	/* The client of a pending request went away (noticed within about 250 ms). The request
	 * stays valid and must still be answered. May be NULL. */
	void (*on_gone)(void *ctx, struct http_request *req);
	void *ctx;
};

/* Bind and start serving on `loop`. Borrows loop and what options point at for the server's life. A
 * socket's file that nobody serves is replaced.
 * ERR_INVALID, ERR_EXISTS, ERR_IO, with one line in err (HTTP_ERROR_BYTES). */
int MUST_CHECK http_server_create(struct ev_loop *loop, const struct http_server_options *options,
				  const struct http_handler *handler, struct http_server **ret,
				  char *err);

/* Whether a server could listen at a numeric address ("*": every one) and port now; nothing stays
 * bound. ERR_IO, with one line in err (HTTP_ERROR_BYTES). */
int MUST_CHECK http_server_try(const char *host, uint16_t port, char *err);

/* Close all connections and remove the socket's file. Pending requests become invalid without being answered. */
void http_server_destroy(struct http_server *s);

/* The port that is really bound; 0: a unix socket. */
uint16_t http_server_port(const struct http_server *s);

/* Stop taking connections and answer "Connection: close" from now on; for a calm shutdown. */
void http_server_drain(struct http_server *s);

/* Requests handed out and not answered yet. */
unsigned http_server_pending(const struct http_server *s);

/* Reading a request; everything is borrowed until it is answered. */
const char *http_method(const struct http_request *req); /* "GET" */
const char *http_path(const struct http_request *req); /* as sent, without the query */
const char *http_query(const struct http_request *req, const char *name); /* decoded or NULL */
const char *http_header(const struct http_request *req, const char *name); /* or NULL */
const char *http_bearer(const struct http_request *req); /* token of Authorization, or NULL */
const char *http_body(const struct http_request *req, size_t *ret_len); /* NUL behind it */
const char *http_peer(const struct http_request *req); /* "127.0.0.1:53422" or "unix", for logs */
bool http_is_gone(const struct http_request *req);

/* Say of a pending request whether its caller proved who he is: his connection is among the last to
 * go where places get short. Holds until the next request says otherwise. */
void http_set_known(struct http_request *req, bool is_known);

/* The trace id of a valid traceparent header, else a random one; the same for the whole request. */
const char *http_trace_id(struct http_request *req);

/* The first query argument that is in none of the NULL-ended names, or NULL. */
const char *http_query_unknown(const struct http_request *req, const char *const *names);

#define HTTP_MATCH_MAX 4
#define HTTP_SEGMENT_BYTES 128

struct http_match {
	char arg[HTTP_MATCH_MAX][HTTP_SEGMENT_BYTES];
};

/* Match a path with a pattern whose "{}" segments each take one whole, not empty segment:
 * "/v1/orders/{}/cancel". The path is as sent: segments end at its '/', and are decoded afterwards
 * ("a%2Fb" is one segment, "a/b" as an argument). Fills ret->arg in order. False where it differs,
 * a segment has a malformed escape or a NUL, or is decoded longer than HTTP_SEGMENT_BYTES - 1. */
bool http_path_match(const char *path, const char *pattern, struct http_match *ret);

/* A pointer of the daemon's own at the request; NULL at first. */
void http_set_data(struct http_request *req, void *data);
void *http_data(const struct http_request *req);

/* Add a header to the answer to come; name and value are copied. A value with control characters
 * or an overlong one is left out. */
void http_reply_header(struct http_request *req, const char *name, const char *value);

/* Answer with a copy of body[0..len). Content-Type is application/json unless a header says
 * otherwise. The request is invalid afterwards. */
void http_reply(struct http_request *req, int status, const char *body, size_t len);

/* The same, but takes a malloc'ed body. */
void http_reply_take(struct http_request *req, int status, char *body, size_t len);

#endif
