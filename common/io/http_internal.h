/* What the server's files share: one listener, its connections, and the request that each carries.
 *
 *   http_server.c      a server's life, and its place in the loop
 *   http_listen.c      sockets, and libmicrohttpd's options
 *   http_connection.c  states, limits of time and number
 *   http_handshake.c   what sleeps in a TLS handshake
 *   http_exchange.c    a request in, an answer out
 *   http_origin.c      Host and Origin
 *   http_request.c     what the daemon asks of a request */
#ifndef TRIB_IO_HTTP_INTERNAL_H
#define TRIB_IO_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "http_server.h"

#define REPLY_HEADERS_BYTES 1024
#define PEER_BYTES 64
#define HTTP_PATH_BYTES 2048 /* four encoded segments fit */

enum http_state {
	HTTP_READING, /* between requests, or in a header */
	HTTP_BODY,
	HTTP_PENDING, /* handed out */
	HTTP_ANSWERING,
};

/* Who goes first when connections_max are open and one more comes:
 *
 *   accepted ──> strangers ──> PENDING, ANSWERING ──┬─ caller unknown ──> head of strangers
 *                                (in no queue)      └─ caller known ────> tail of idle
 *
 * P1 In `strangers` are those of callers not known yet, while a request is read or answered: one
 *    who asks and never reads must not keep a place. The head goes first: one that was answered
 *    without proving who it is, then by age.
 * P2 In `idle` are those of known callers between two requests, the longest idle first. They go
 *    when there is no stranger.
 * P3 What is pending, and a known caller's body and answer, is in no queue and never goes.
 * P4 n_open counts the connections that are not cut, and is at most connections_max. */
enum http_queue {
	HTTP_QUEUE_NONE,
	HTTP_QUEUE_STRANGERS,
	HTTP_QUEUE_IDLE,
};

/* A connection; it carries one request at a time, so the request is embedded for good. */
struct http_request {
	struct http_server *server; /* not owned */
	struct MHD_Connection *mhd; /* libmicrohttpd's */
	LIST_ENTRY(http_request) link; /* in server->connections */
	TAILQ_ENTRY(http_request) queued; /* in the one that `queue` says */
	enum http_queue queue;
	enum http_state state;
	TAILQ_ENTRY(http_request) shaking; /* in server->shaking, while is_shaking */
	bool is_shaking, is_asleep;
	ev_io wake; /* runs while is_asleep */
	bool is_known; /* the last request's caller was */
	bool is_cut; /* shut down by us: libmicrohttpd will close it */
	bool suspended;
	bool gone; /* told to on_gone */
	bool too_large; /* its body: to be refused */
	const char *refused; /* a header for which it is to be refused, or NULL */
	size_t dropped; /* bytes of the body that nobody wants */
	bool answered; /* a response was made: what follows is libmicrohttpd's */
	int fd;
	uint64_t limit_ms; /* cut the connection then, except while pending */
	const char *method; /* libmicrohttpd's, until completed */
	const char *origin; /* libmicrohttpd's: an allowed Origin, or NULL */
	char path[HTTP_PATH_BYTES]; /* as sent, still encoded; "" where it is longer */
	char *body; /* owned; body_len bytes and a NUL, or NULL */
	size_t body_len, body_cap;
	void *data; /* the daemon's */
	size_t reply_headers_len;
	char reply_headers[REPLY_HEADERS_BYTES]; /* name NUL value NUL ... */
	char trace_id[HTTP_TRACE_ID_BYTES]; /* "" until asked for */
	char peer[PEER_BYTES];
	char own_address[INET6_ADDRSTRLEN]; /* "" until asked for */
};

LIST_HEAD(http_connections, http_request);
TAILQ_HEAD(http_requests, http_request);

struct http_server {
	struct ev_loop *loop; /* borrowed */
	struct MHD_Daemon *mhd;
	struct http_handler handler;
	struct http_server_options options; /* defaults filled in */
	ev_io readable;
	ev_prepare prepare;
	ev_timer again; /* zero: the loop must not sleep */
	ev_timer sweep;
	uint64_t now_ms; /* monotonic, as last looked at: a box's wall clock may be set */
	struct http_connections connections;
	struct http_requests strangers, idle;
	struct http_requests shaking; /* TLS: no request line yet, and awake */
	unsigned n_open;
	unsigned n_evicted; /* not told in the log yet */
	uint64_t tell_evicted_ms; /* not before */
	unsigned n_pending;
	uint16_t port;
	struct stat socket_file; /* as we made it; st_ino 0: none */
	bool resumed; /* answers wait for MHD_run */
	bool handed_out; /* since the last prepare */
	bool draining;
};

/* ---- http_listen.c ---- */

/* Bind and start s->mhd. ERR_INVALID, ERR_IO, with one line in err. */
int MUST_CHECK http_listen(struct http_server *s, char *err);

/* Remove the unix socket's file, where it is still the one that we made. */
void http_remove_socket(struct http_server *s);

/* "127.0.0.1:7311" or a path, for logs. */
const char *http_listener_name(const struct http_server *s, char *buf, size_t cap);

/* ---- http_connection.c ---- */

/* The one mutator of a request's state; its time limit counts from s->now_ms. */
void http_request_move(struct http_request *req, enum http_state to);

/* Before libmicrohttpd runs, and wherever else a limit begins. */
void http_look_at_clock(struct http_server *s);

/* libmicrohttpd's, at a connection's start and end; cls is the server. */
void http_on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
			enum MHD_ConnectionNotificationCode code);

void http_on_sweep(struct ev_loop *loop, ev_timer *w, int revents);

/* ---- http_handshake.c ----
 *
 * libmicrohttpd 0.9.75 with epoll believes a connection in its TLS handshake readable for ever: one
 * client that stalls there would keep the loop spinning. So from its start to its first request line
 * such a connection sleeps, suspended, and wakes by a watcher of ours:
 *
 *   accepted ──> shaking ──── ran, and nothing is left to read ───> asleep
 *                 │   ^                                               │
 *                 │   └───────── the socket is ready: resumed ────────┘
 *                 └── first request line: libmicrohttpd's alone from now on */

void http_handshake_begin(struct http_request *req);
void http_handshake_end(struct http_request *req);

/* After each run of libmicrohttpd: let those sleep that got no further. */
void http_handshake_sleep(struct http_server *s);

/* ---- http_exchange.c ---- */

/* libmicrohttpd's. */
void *http_on_target(void *cls, const char *target, struct MHD_Connection *connection);
enum MHD_Result http_on_access(void *cls, struct MHD_Connection *connection, const char *url,
			       const char *method, const char *version, const char *upload,
			       size_t *upload_size, void **con_cls);
void http_on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
		       enum MHD_RequestTerminationCode code);

/* ---- http_origin.c ---- */

/* Whether the request's Host and Origin are allowed; else the offending header's name. Keeps an
 * allowed Origin in req->origin. */
const char *http_refused_header(struct http_request *req);

/* Whether a browser asks what the origin may do. */
bool http_is_preflight(const struct http_request *req);

/* Add the headers that answer a preflight. */
void http_answer_preflight(struct http_request *req);

/* Add what lets the allowed origin read an answer. */
void http_add_origin(const struct http_request *req, struct MHD_Response *response);

/* Write the connection's peer to req->peer. */
void http_format_peer(struct http_request *req);

#endif
