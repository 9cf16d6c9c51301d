/* The daemon around the relay's core: one loop, one spool, three sockets.
 *
 * A turn of the loop: messages come in and are verified, become events for the core, whose effects
 * write into the spool's transaction or go out; before the loop sleeps the transaction is
 * committed and the core told. */
#ifndef TRIB_RELAY_RELAYD_H
#define TRIB_RELAY_RELAYD_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "alarms.h"
#include "envelope.h"
#include "http_server.h"
#include "identity.h"
#include "link.h"
#include "peers.h"
#include "relay.h"
#include "settings.h"
#include "spool.h"
#include "tickets.h"

#define SCRATCH_BYTES (3u << 20)
#define ADMIN_TOKEN_BYTES 32

struct relayd {
	struct ev_loop *loop;
	struct settings *settings; /* borrowed */
	struct identity id;
	char admin_token[2 * ADMIN_TOKEN_BYTES + 1];

	struct spool *spool;
	struct relay *core;
	void *core_memory; /* owned */
	struct peers peers;
	uint64_t roster_version;
	struct alarms alarms;
	struct tickets tickets;

	struct link_context *links;
	struct link_server *stores;
	struct link_server *enroll;
	struct link_client *hq;
	struct http_server *http;
	char listen_endpoint[LINK_ENDPOINT_BYTES]; /* as told to HQ */
	char enroll_endpoint[LINK_ENDPOINT_BYTES];

	struct envelope_reader reader; /* of the message in hand */
	void *scratch_memory; /* owned */
	struct arena scratch; /* of the effect in hand */
	struct send_buffer out;

	ev_prepare prepare;
	ev_timer timer;
	ev_timer watchdog;
	ev_signal sigterm, sigint;
	bool is_stopping;
};

/* Set up everything and bind; logs what fails. ERR_*. */
int MUST_CHECK relayd_create(struct ev_loop *loop, struct settings *settings, struct relayd **ret);

/* Commit, say what is due, close. */
void relayd_destroy(struct relayd *d);

uint64_t relayd_now_ms(void); /* monotonic, from 1 */
int64_t relayd_wall_ms(void);

/* ---- step.c ---- */

/* What the writes among the effects of an event need besides the event. */
struct step_input {
	struct peer *peer; /* whose stream it is, or NULL */
	const Trib__V1__Batch *batch; /* *_BATCH */
	const Trib__V1__Signed *booked; /* HQ_RESUME, HQ_ACK */
};

/* Fill in the time, judge, run the effects. in may be NULL. Returns relay_step's. */
int relayd_step(struct relayd *d, struct relay_event *ev, const struct step_input *in);

void relayd_raise(struct relayd *d, enum relay_alarm kind, const struct peer *p);

/* Commit the turn and tell the core. */
void relayd_commit(struct relayd *d);

/* ---- outgoing.c: packing and sending; the errors are those of the links ---- */
int relayd_send_store(struct relayd *d, const struct peer *p, const Trib__V1__Envelope *e);
int relayd_send_hq(struct relayd *d, const Trib__V1__Envelope *e);
void relayd_refuse_store(struct relayd *d, const struct peer *p, const char *code);

/* A small message to HQ must not get lost: where the queue is full the link starts anew. */
void relayd_tell_hq(struct relayd *d, const Trib__V1__Envelope *e);

/* Run one effect other than a write. A SEND fills ret_answer and returns true. */
bool relayd_run_effect(struct relayd *d, const struct relay_effect *fx,
		       struct relay_event *ret_answer);
void relayd_send_hello(struct relayd *d, uint64_t window_bytes);

/* ---- roster.c ---- */

/* Verify a roster and serve by it; from_spool: it is not kept again. ERR_SIGNATURE, ERR_INVALID,
 * ERR_VERSION (not newer). Uses the arena. */
int MUST_CHECK relayd_apply_roster(struct relayd *d, const Trib__V1__Signed *roster,
				   bool from_spool, struct arena *a);

/* Stores that the spool knows, at the start. */
int MUST_CHECK relayd_load_stores(struct relayd *d);

/* ---- one file per side ---- */
enum link_verdict relayd_admit(void *ctx, const uint8_t key[LINK_KEY_BYTES],
			       char ret_user_id[LINK_USER_ID_BYTES]);
void relayd_on_store_message(void *ctx, const struct link_peer *from, const uint8_t *data,
			     size_t len);
void relayd_on_hq_up(void *ctx);
void relayd_on_hq_message(void *ctx, const uint8_t *data, size_t len);
void relayd_on_hq_down(void *ctx, enum link_end why);
void relayd_on_writable(void *ctx);
void relayd_on_enroll_message(void *ctx, const struct link_peer *from, const uint8_t *data,
			      size_t len);
void relayd_on_enroll_reply(struct relayd *d, const Trib__V1__EnrollReply *reply);
void relayd_on_http(void *ctx, struct http_request *req);

/* The signed head of a batch is of this stream, and by pub. ret: its seq and head; in the arena.
 * ERR_SIGNATURE, ERR_INVALID. */
int MUST_CHECK relayd_verify_head(struct relayd *d, const Trib__V1__Batch *b, const uint8_t *pub,
				  struct arena *a, const Trib__V1__SignedHead **ret);

/* A relay_event of a batch; sb and own are the caller's storage. */
void relayd_batch_event(struct relayd *d, struct peer *p, const Trib__V1__Batch *b,
			const Trib__V1__SignedHead *h, struct sync_batch *sb,
			uint8_t own[HEAD_BYTES], struct relay_event *ev);

#endif
