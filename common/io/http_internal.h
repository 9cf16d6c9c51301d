/* What http_server.c and http_request.c share: one connection and the request that it carries. */
#ifndef TRIB_IO_HTTP_INTERNAL_H
#define TRIB_IO_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <sys/queue.h>

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

/* A connection; it carries one request at a time, so the request is embedded for good. */
struct http_request {
	struct http_server *server; /* not owned */
	struct MHD_Connection *mhd; /* libmicrohttpd's */
	LIST_ENTRY(http_request) link; /* in server->connections */
	enum http_state state;
	bool suspended;
	bool gone; /* told to on_gone */
	bool too_large;
	bool answered; /* a response was made: what follows is libmicrohttpd's */
	int fd;
	ev_tstamp limit; /* cut the connection then, except while pending */
	const char *method; /* libmicrohttpd's, until completed */
	char path[HTTP_PATH_BYTES]; /* as sent, still encoded; "" where it is longer */
	char *body; /* owned; body_len bytes and a NUL, or NULL */
	size_t body_len, body_cap;
	void *data; /* the daemon's */
	size_t reply_headers_len;
	char reply_headers[REPLY_HEADERS_BYTES]; /* name NUL value NUL ... */
	char trace_id[HTTP_TRACE_ID_BYTES]; /* "" until asked for */
	char peer[PEER_BYTES];
};

LIST_HEAD(http_connections, http_request);

struct http_server {
	struct ev_loop *loop; /* borrowed */
	struct MHD_Daemon *mhd;
	struct http_handler handler;
	struct http_server_options options; /* defaults filled in */
	ev_io readable;
	ev_prepare prepare;
	ev_timer again; /* zero: the loop must not sleep */
	ev_timer sweep;
	struct http_connections connections;
	unsigned n_pending;
	uint16_t port;
	bool resumed; /* answers wait for MHD_run */
	bool handed_out; /* since the last prepare */
	bool draining;
};

/* Whether the request's Host and Origin are allowed; else the offending header's name. */
const char *http_refused_header(const struct http_request *req);

/* Write the connection's peer to req->peer. */
void http_format_peer(struct http_request *req);

#endif
