/* What the parts of the link share. Used by link*.c only. */
#ifndef TRIB_IO_LINK_INTERNAL_H
#define TRIB_IO_LINK_INTERNAL_H

#include <zmq.h>

#include "link.h"

#define LINK_BUDGET 64 /* messages received per loop turn and socket */
#define LINK_WRITABLE_MS 10
#define LINK_QUEUE_MESSAGES 256
#define LINK_CURVE_OVERHEAD 64 /* ZMQ_MAXMSGSIZE counts ciphertext; CURVE adds 33 bytes */
#define LINK_LABEL_BYTES 96 /* "<slot>.<serial>:<user id>", ZAP's User-Id */

/* Wakes a socket's owner while there is something to receive.
 *
 * ZMQ_FD is edge-triggered, and any call on the socket may swallow the edge. So after each use of
 * the socket the prepare watcher, the last to run before the loop sleeps, asks for ZMQ_EVENTS and
 * keeps the loop from sleeping by an idle watcher; the check watcher then calls on_readable. A
 * socket that nobody touched costs nothing. */
struct link_pump {
	struct ev_loop *loop; /* borrowed; NULL while stopped */
	void *socket; /* borrowed */
	void (*on_readable)(void *ctx); /* receive at most LINK_BUDGET messages */
	void *ctx;
	bool is_touched; /* used since ZMQ_EVENTS was asked for */
	ev_io io;
	ev_prepare prepare;
	ev_check check;
	ev_idle idle;
};

/* Start watching socket. ERR_IO. */
int MUST_CHECK link_pump_start(struct link_pump *p, struct ev_loop *loop, void *socket,
			       void (*on_readable)(void *ctx), void *ctx);

/* Before the socket is closed. May be called in on_readable, and when not started. */
void link_pump_stop(struct link_pump *p);

/* To be called after each zmq call on the socket outside on_readable. */
static inline void link_pump_touch(struct link_pump *p)
{
	p->is_touched = true;
}

struct link_context {
	struct ev_loop *loop; /* borrowed */
	void *zmq;
	void *zap; /* REP socket */
	struct link_pump zap_pump;
	struct link_server *servers; /* list by `next`; the servers unlink themselves */
	uint64_t next_name; /* for domains and monitors */
};

/* Bind the ZAP handler of ctx. ERR_IO. */
int MUST_CHECK link_zap_start(struct link_context *ctx);
void link_zap_stop(struct link_context *ctx);

/* The server of a ZAP domain, or NULL. */
struct link_server *link_server_find(struct link_context *ctx, const char *domain, size_t len);

/* Judge a key for a new connection of s; 200, 300, 400 or 500. On 200 ret_label is the User-Id. */
int link_server_admit(struct link_server *s, const uint8_t key[LINK_KEY_BYTES],
		      char ret_label[LINK_LABEL_BYTES]);

/* Calls that a signal may cut short are made again. */
int link_recv(void *socket, zmq_msg_t *m); /* DONTWAIT; 0, ERR_AGAIN or ERR_IO */
int link_send_frame(void *socket, const void *data, size_t len, int flags); /* DONTWAIT; 0, or the
									     * negative errno */
int link_set_int(void *socket, int option, int value);

/* Options of both kinds of sockets: no linger, keepalive, limits. */
int link_set_common(void *socket, size_t max_message_bytes, int queue_messages);

#endif
