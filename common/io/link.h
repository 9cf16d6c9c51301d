/* Authenticated message links: ZeroMQ with CURVE on the daemon's libev loop.
 *
 * A server takes messages of many peers, each named by its key; a client holds one link to one
 * server and makes it anew whenever it ends. A message is delivered whole or not at all, in order
 * within one connection; a connection's end loses what was under way, so acks are the daemon's.
 * Nothing blocks. All calls and callbacks are on the loop's thread.
 *
 * Who a peer is follows from its CURVE key only: `admit` maps the key to a user id when the
 * connection is made. Connections of one user id are numbered in the order in which they were
 * admitted; once a later one has spoken, messages of earlier ones are dropped and counted (the
 * newest wins), and replies to the user id go to the newest that spoke.
 *
 * Callbacks must not destroy the context, server or client that calls them. */
#ifndef TRIB_IO_LINK_H
#define TRIB_IO_LINK_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define LINK_KEY_BYTES 32
#define LINK_USER_ID_BYTES 64 /* with NUL */
#define LINK_ENDPOINT_BYTES 256 /* with NUL */
#define LINK_MAX_BYTES (1u << 20) /* of a message, where the config says 0 */
#define LINK_ENROLL_MAX_BYTES 4096u

struct link_context;
struct link_server;
struct link_client;

/* The ZeroMQ context and its one ZAP handler. Borrows loop. Before any server or client; they must
 * all be destroyed before it. max_sockets 0 is ZeroMQ's 1023 (a client takes three, a server and
 * the context one each). ERR_IO. */
int MUST_CHECK link_context_create(struct ev_loop *loop, unsigned max_sockets,
				   struct link_context **ret);

/* Blocks at most as long as the longest linger given to a destroyed server or client. */
void link_context_destroy(struct link_context *ctx);

/* ---- server ---- */

enum link_verdict { /* ZAP's status codes */
	LINK_ADMIT = 200,
	LINK_NOT_YET = 300, /* not known (yet): the peer is cut or, as it falls out in libzmq, left
			     * to give up the handshake; either way it tries again */
	LINK_REVOKED = 400, /* refused for good; the client is told */
};

/* One connection of a peer, good for replies while it lives. */
struct link_route {
	uint8_t id[16];
	uint8_t len;
};

struct link_peer { /* borrowed for the callback */
	const char *user_id; /* "any" at a server without admit */
	struct link_route route;
};

struct link_server_config { /* zero is the default of each but secret_key */
	const char *endpoint; /* "tcp://127.0.0.1:0"; IPv4. Copied */
	uint8_t secret_key[LINK_KEY_BYTES]; /* CURVE; the public key is derived. Wipe after create */
	size_t max_message_bytes; /* LINK_MAX_BYTES; longer ones cut their connection */
	unsigned max_peers; /* user ids known at a time, 16384; not for a server without admit */
	int queue_messages; /* high-water mark of each connection and direction, 256 */
};

struct link_server_handler {
	/* Judge a key. LINK_ADMIT needs a user id of 1..63 printable ASCII characters without
	 * spaces in ret_user_id, best one that names the key's holder for ever ("s107.1"). It is
	 * asked once per connection; NULL admits any key as "any" and keeps no map (enrolment). */
	enum link_verdict (*admit)(void *ctx, const uint8_t key[LINK_KEY_BYTES],
				   char ret_user_id[LINK_USER_ID_BYTES]);
	/* A message of 1..max_message_bytes; borrowed. */
	void (*on_message)(void *ctx, const struct link_peer *peer, const uint8_t *data,
			   size_t len);
	/* Some sends found a full queue; try again now. Called about 10 ms after ERR_AGAIN, once
	 * for all of them. May be NULL. */
	void (*on_writable)(void *ctx);
	void *ctx;
};

struct link_server_stats { /* since creation */
	uint64_t admitted;
	uint64_t not_yet; /* connections answered 300, table full included */
	uint64_t revoked; /* connections answered 400 */
	uint64_t received;
	uint64_t sent;
	uint64_t again; /* sends that met a full queue */
	uint64_t dropped_stale; /* messages of a connection that a newer one replaced */
	uint64_t dropped_forgotten; /* messages of a user id that was forgotten */
	uint64_t dropped_malformed; /* not one non-empty frame, or without a user id */
};

/* Bind and serve. Borrows ctx; copies config and handler. ERR_EXISTS when the address is in use,
 * ERR_INVALID for a bad endpoint or key, ERR_IO. */
int MUST_CHECK link_server_create(struct link_context *ctx, const struct link_server_config *config,
				  const struct link_server_handler *handler,
				  struct link_server **ret);

/* Unbind and close. What was sent may still leave for linger_ms, in the background. No callbacks. */
void link_server_destroy(struct link_server *s, int linger_ms);

/* The endpoint that is really bound, "tcp://127.0.0.1:41233". */
const char *link_server_endpoint(const struct link_server *s);

void link_server_public_key(const struct link_server *s, uint8_t ret_key[LINK_KEY_BYTES]);

/* Send to the newest connection of user_id that has spoken. ERR_NOT_FOUND: none is known or it is
 * gone. ERR_AGAIN: its queue is full; see on_writable. ERR_INVALID: empty or too long. */
int MUST_CHECK link_server_send(struct link_server *s, const char *user_id, const void *data,
				size_t len);

/* Send to one connection; errors alike. */
int MUST_CHECK link_server_send_to(struct link_server *s, const struct link_route *route,
				   const void *data, size_t len);

/* Revocation: messages of all connections that user_id has had so far are dropped from now on, and
 * nothing is sent to them. A later connection is for admit to judge. Unknown ids are ignored. */
void link_server_forget(struct link_server *s, const char *user_id);

const struct link_server_stats *link_server_stats(const struct link_server *s);

/* ---- client ----
 *
 *            connect            handshake done
 *   waiting ─────────> trying ─────────────────> up
 *      ^                 │ on_failed              │ on_down
 *      └──── backoff ────┴────────────────────────┘
 *
 * The backoff doubles from min to max with jitter, and starts again after a link was up for
 * stable_ms. */

enum link_end {
	LINK_END_TIMEOUT, /* no connection or no handshake in time, also of a key not known yet */
	LINK_END_UNREACHABLE, /* refused by the network, or cut before the handshake was done */
	LINK_END_REFUSED, /* our key is revoked */
	LINK_END_LOST, /* was up, and the connection ended */
	LINK_END_RESTART, /* by link_client_restart */
};

struct link_client_config { /* zero is the default where one is named */
	const char *endpoint; /* "tcp://10.1.0.4:5600"; copied */
	uint8_t server_key[LINK_KEY_BYTES]; /* CURVE, public */
	uint8_t public_key[LINK_KEY_BYTES];
	uint8_t secret_key[LINK_KEY_BYTES]; /* wipe after create */
	size_t max_message_bytes; /* LINK_MAX_BYTES, both directions */
	int queue_messages; /* high-water mark of each direction, 256 */
	unsigned backoff_min_ms; /* 100 */
	unsigned backoff_max_ms; /* 10000 */
	unsigned handshake_ms; /* 5000: for connection and handshake together */
	unsigned stable_ms; /* 10000 */
};

struct link_client_handler { /* each but on_message may be NULL */
	void (*on_up)(void *ctx); /* handshake done; before any message of this connection */
	void (*on_message)(void *ctx, const uint8_t *data, size_t len); /* borrowed; len >= 1 */
	void (*on_writable)(void *ctx); /* about 10 ms after ERR_AGAIN; try again */
	void (*on_down)(void *ctx, enum link_end why); /* once after each on_up */
	void (*on_failed)(void *ctx, enum link_end why); /* an attempt that never came up */
	void *ctx;
};

struct link_client_stats { /* since creation */
	uint64_t attempts;
	uint64_t ups;
	uint64_t received;
	uint64_t sent;
	uint64_t again;
};

/* Start trying at once; callbacks come from the loop only. Borrows ctx; copies config and handler.
 * ERR_INVALID for a bad endpoint or key, ERR_IO. */
int MUST_CHECK link_client_create(struct link_context *ctx, const struct link_client_config *config,
				  const struct link_client_handler *handler,
				  struct link_client **ret);

/* Close; what was sent may still leave for linger_ms, in the background. No callbacks. */
void link_client_destroy(struct link_client *c, int linger_ms);

/* Queue a message. ERR_STATE: not up. ERR_AGAIN: the queue is full; see on_writable.
 * ERR_INVALID: empty or too long. */
int MUST_CHECK link_client_send(struct link_client *c, const void *data, size_t len);

/* Drop the connection, after a peer's protocol error or silence, and try again after the backoff.
 * No message is delivered any more; on_down (or on_failed) follows from the loop, with
 * LINK_END_RESTART. `why` is a word for the log. May be called in callbacks. */
void link_client_restart(struct link_client *c, const char *why);

bool link_client_is_up(const struct link_client *c);

const struct link_client_stats *link_client_stats(const struct link_client *c);

/* "lost" and so on; static. */
const char *link_end_name(enum link_end why);

#endif
