#include "relays.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "down.h"
#include "log.h"
#include "sign.h"

struct relays relays;

static int64_t now_ms(void)
{
	return (int64_t)(ev_now(relays.h->loop) * 1000);
}

static enum link_verdict admit(void *ctx, const uint8_t key[LINK_KEY_BYTES],
			       char ret_user_id[LINK_USER_ID_BYTES])
{
	struct hqd *h = ctx;

	if (!h->is_ready)
		return LINK_NOT_YET;
	for (size_t i = 0; i < HQ_MAX_REGIONS; i++) {
		const struct hq_region *r = &h->regions[i];

		if (r->region != 0 && r->is_enrolled && memcmp(r->curve_key, key, 32) == 0) {
			snprintf(ret_user_id, LINK_USER_ID_BYTES, "r%d", r->region);
			return LINK_ADMIT;
		}
	}
	return LINK_NOT_YET;
}

static struct hq_region *region_of(struct hqd *h, const struct link_peer *peer)
{
	return peer->user_id[0] == 'r' ? hq_find_region(h, atoi(peer->user_id + 1)) : NULL;
}

/* ---- hello ---- */

static void on_hello(struct hqd *h, struct hq_region *r, const Trib__V1__Hello *m)
{
	Trib__V1__Envelope e;
	Trib__V1__Welcome w = TRIB__V1__WELCOME__INIT;
	const Trib__V1__HelloPayload *p;

	if (verify_signed(m->hello, SIGN_DOMAIN_HELLO, r->sign_key) < 0 ||
	    payload_unpack_hello(&relays.reader.arena, m->hello->payload.data,
				 m->hello->payload.len, &p) < 0) {
		relays_refuse(r, NULL, "signature", "hello");
		return;
	}
	if (p->chain.len != sizeof(h->chain) || memcmp(p->chain.data, h->chain, 16) != 0 ||
	    !p->has_region || p->region != r->region) {
		relays_refuse(r, NULL, "identity", "the hello is of another chain or region");
		return;
	}
	r->connection = ++relays.connections;
	r->is_up = true;
	r->last_seen_ms = now_ms();
	r->heard_ms = hq_mono_ms();
	r->in = (struct sync_window){ .granted = RELAY_WINDOW_BYTES };
	r->out = (struct sync_window){ .granted = m->window_bytes };
	snprintf(r->software, sizeof(r->software), "%s", p->software);
	if (p->listen_endpoint != NULL)
		snprintf(r->listen_endpoint, sizeof(r->listen_endpoint), "%s", p->listen_endpoint);
	if (p->enroll_endpoint != NULL)
		snprintf(r->enroll_endpoint, sizeof(r->enroll_endpoint), "%s", p->enroll_endpoint);
	r->is_status_dirty = true;
	for (uint32_t i = 0; i < h->n_streams; i++) {
		struct hq_stream *s = h->streams[i];

		if (s->region != r->region)
			continue;
		s->is_presented = false;
		s->due = 0;
		sync_out_close(&s->down);
	}
	envelope_init(&e);
	w.protocol = ENVELOPE_PROTOCOL;
	w.window_bytes = RELAY_WINDOW_BYTES;
	w.clock_ms = now_ms();
	w.software = (char *)(uintptr_t)TRIB_VERSION;
	if (h->rules_version > 0) {
		w.has_rules_version = 1;
		w.rules_version = h->rules_version;
	}
	e.body_case = TRIB__V1__ENVELOPE__BODY_WELCOME;
	e.welcome = &w;
	if (relays_send(r, &e) < 0) {
		r->is_up = false; /* it says hello again after its own time-out */
		return;
	}
	log_event(LOG_LEVEL_NOTICE, "relay_up", "region=%d software=%s", r->region, r->software);
	r->is_roster_due = true;
	relays_flush();
}

static void on_present(struct hqd *h, struct hq_region *r, const Trib__V1__Present *m)
{
	const Trib__V1__Certificate *c;
	struct hq_stream *s;

	if (verify_signed(m->certificate, SIGN_DOMAIN_CERT, h->keys.sign_pub) < 0 ||
	    payload_unpack_certificate(&relays.reader.arena, m->certificate->payload.data,
				       m->certificate->payload.len, &c) < 0 ||
	    !c->has_node || !c->has_incarnation) {
		relays_refuse(r, NULL, "certificate", "present");
		return;
	}
	s = hq_find_stream(h, c->node, c->incarnation);
	if (s == NULL || s->region != r->region) {
		relays_refuse(r, NULL, "not_listed", c->store);
		return;
	}
	s->is_presented = true;
	sync_out_close(&s->down);
	if (sync_out_open(&s->down, m->down->seq) < 0) {
		log_event(LOG_LEVEL_CRITICAL, "down_log_behind",
			  "store=%s incarnation=%u relay_has=%llu end=%llu", s->code,
			  s->incarnation, (unsigned long long)m->down->seq,
			  (unsigned long long)s->down_end.seq);
	}
	if (m->spooled->seq > s->relayed_seq)
		s->relayed_seq = m->spooled->seq;
	relays_due(s, HQ_DUE_RESUME);
	relays_flush();
	relays_send_down(s);
}

/* ---- the rest ---- */

static void on_ack(struct hqd *h, struct hq_region *r, const Trib__V1__Ack *m)
{
	struct hq_stream *s = hq_find_stream(h, m->stream->node, m->stream->incarnation);

	if (s == NULL || s->region != r->region ||
	    m->stream->direction != TRIB__V1__DIRECTION__DOWN)
		return;
	if (m->stage == TRIB__V1__STAGE__RELAYED)
		(void)sync_out_ack(&s->down, m->seq);
	if (m->stage == TRIB__V1__STAGE__APPLIED && m->seq > s->down_applied &&
	    m->seq <= s->down_end.seq) {
		s->down_applied = m->seq;
		s->is_status_dirty = true;
	}
	relays_send_down(s);
}

static void on_pull(struct hqd *h, struct hq_region *r, const Trib__V1__Pull *m)
{
	struct hq_stream *s = hq_find_stream(h, m->stream->node, m->stream->incarnation);

	if (s == NULL || s->region != r->region ||
	    m->stream->direction != TRIB__V1__DIRECTION__DOWN)
		return;
	if (sync_out_pull(&s->down, m->from_seq))
		relays_send_down(s);
}

static void on_health(struct hqd *h, struct hq_region *r, const Trib__V1__Signed *signed_health)
{
	const Trib__V1__Health *p;
	struct hq_stream *s;
	uint8_t hash[32];

	if (payload_unpack_health(&relays.reader.arena, signed_health->payload.data,
				  signed_health->payload.len, &p) < 0)
		return;
	s = hq_find_stream(h, p->node, p->incarnation);
	if (s == NULL || s->region != r->region ||
	    verify_signed(signed_health, SIGN_DOMAIN_HEALTH, s->sign_key) < 0) {
		log_event(LOG_LEVEL_WARNING, "health_refused", "region=%d node=%d", r->region,
			  p->node);
		return;
	}
	crypto_generichash(hash, sizeof(hash), signed_health->payload.data,
			   signed_health->payload.len, NULL, 0);
	if (memcmp(hash, s->health_hash, sizeof(hash)) == 0)
		return; /* the same word again: the store is silent since then */
	memcpy(s->health_hash, hash, sizeof(hash));
	s->last_seen_ms = now_ms();
	s->heard_ms = hq_mono_ms();
	s->stored_seq = p->stored_seq;
	s->relayed_seq = p->relayed_seq;
	s->rules_version = p->rules_version;
	snprintf(s->software, sizeof(s->software), "%s", p->software);
	s->is_status_dirty = true;
}

static void on_heartbeat(struct hqd *h, struct hq_region *r, const Trib__V1__Heartbeat *m)
{
	Trib__V1__Envelope e;
	Trib__V1__Heartbeat reply = TRIB__V1__HEARTBEAT__INIT;

	for (size_t i = 0; i < m->n_health; i++)
		on_health(h, r, m->health[i]);
	envelope_init(&e);
	reply.clock_ms = now_ms();
	e.body_case = TRIB__V1__ENVELOPE__BODY_HEARTBEAT;
	e.heartbeat = &reply;
	(void)!relays_send(r, &e); /* the next one does */
	relays_flush();
}

struct enroll_reply_to {
	int32_t region;
	uint32_t connection;
};

static void on_enroll_reply(void *ctx, const Trib__V1__EnrollReply *reply)
{
	struct enroll_reply_to *to = ctx;
	struct hq_region *r = hq_find_region(relays.h, to->region);
	Trib__V1__Envelope e;

	if (r != NULL && r->is_up && r->connection == to->connection) {
		envelope_init(&e);
		e.body_case = TRIB__V1__ENVELOPE__BODY_ENROLL_REPLY;
		e.enroll_reply = (Trib__V1__EnrollReply *)(uintptr_t)reply;
		if (relays_send(r, &e) < 0)
			log_event(LOG_LEVEL_WARNING, "enroll_reply_lost", "region=%d", r->region);
	}
	free(to);
}

static void on_enroll(struct hqd *h, struct hq_region *r, const Trib__V1__Enroll *m)
{
	struct enroll_reply_to *to = malloc(sizeof(*to));

	if (to == NULL)
		abort();
	*to = (struct enroll_reply_to){ r->region, r->connection };
	enroll_request(h, &r->enrolments, m, on_enroll_reply, to);
}

static void on_refuse(struct hq_region *r, const Trib__V1__Refuse *m)
{
	struct log_value code, detail;

	log_event(LOG_LEVEL_ERROR, "relay_refuses", "region=%d node=%d code=%s detail=%s",
		  r->region, m->stream != NULL ? m->stream->node : 0, log_quote(&code, m->code),
		  log_quote(&detail, m->detail));
}

static void dispatch(struct hqd *h, struct hq_region *r, const Trib__V1__Envelope *e,
		     const uint8_t *data, size_t len)
{
	if (e->body_case == TRIB__V1__ENVELOPE__BODY_HELLO) {
		on_hello(h, r, e->hello);
		return;
	}
	if (!r->is_up) {
		relays_refuse(r, NULL, "hello_first", NULL);
		return;
	}
	r->last_seen_ms = now_ms();
	r->heard_ms = hq_mono_ms();
	switch ((int)e->body_case) {
	case TRIB__V1__ENVELOPE__BODY_PRESENT:
		on_present(h, r, e->present);
		break;
	case TRIB__V1__ENVELOPE__BODY_BATCH:
		relays_on_batch(h, r, e->batch, data, len);
		break;
	case TRIB__V1__ENVELOPE__BODY_ACK:
		on_ack(h, r, e->ack);
		break;
	case TRIB__V1__ENVELOPE__BODY_PULL:
		on_pull(h, r, e->pull);
		break;
	case TRIB__V1__ENVELOPE__BODY_CREDIT:
		sync_window_credit(&r->out, e->credit->total_bytes);
		relays_send_all_down();
		break;
	case TRIB__V1__ENVELOPE__BODY_HEARTBEAT:
		on_heartbeat(h, r, e->heartbeat);
		break;
	case TRIB__V1__ENVELOPE__BODY_ENROLL:
		on_enroll(h, r, e->enroll);
		break;
	case TRIB__V1__ENVELOPE__BODY_REFUSE:
		on_refuse(r, e->refuse);
		break;
	default:
		relays_refuse(r, NULL, "unexpected", "no message for HQ");
		break;
	}
}

static void on_message(void *ctx, const struct link_peer *peer, const uint8_t *data, size_t len)
{
	struct hqd *h = ctx;
	struct hq_region *r = region_of(h, peer);
	const Trib__V1__Envelope *e;
	int err;

	if (r == NULL || !h->is_ready || h->is_stopping)
		return;
	err = envelope_unpack(&relays.reader, data, len, &e);
	if (err == ERR_VERSION) {
		envelope_pack_version_refusal(&relays.out);
		(void)!link_server_send(h->relay_server, peer->user_id, relays.out.data,
					relays.out.len);
		log_event(LOG_LEVEL_ERROR, "protocol_refused", "region=%d", r->region);
		return;
	}
	if (err < 0) {
		relays_refuse(r, NULL, "malformed", NULL);
		return;
	}
	dispatch(h, r, e, data, len);
}

static void on_writable(void *ctx)
{
	(void)ctx;
	relays_flush();
	relays_send_all_down();
}

/* ---- enrolment's open socket ---- */

static void on_open_reply(void *ctx, const Trib__V1__EnrollReply *reply)
{
	struct link_route *route = ctx;
	Trib__V1__Envelope e;

	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_ENROLL_REPLY;
	e.enroll_reply = (Trib__V1__EnrollReply *)(uintptr_t)reply;
	if (envelope_pack(&relays.out, &e) < 0 ||
	    link_server_send_to(relays.h->enroll_server, route, relays.out.data, relays.out.len) <
		    0)
		log_event(LOG_LEVEL_WARNING, "enroll_reply_lost", "peer=direct");
	free(route);
}

static void on_open_message(void *ctx, const struct link_peer *peer, const uint8_t *data,
			    size_t len)
{
	struct hqd *h = ctx;
	const Trib__V1__Envelope *e;
	struct link_route *route;

	if (envelope_unpack(&relays.reader, data, len, &e) < 0 ||
	    e->body_case != TRIB__V1__ENVELOPE__BODY_ENROLL || !h->is_ready)
		return;
	route = malloc(sizeof(*route));
	if (route == NULL)
		abort();
	*route = peer->route;
	enroll_request(h, &relays.open_enrolments, e->enroll, on_open_reply, route);
}

/* ---- life ---- */

static void on_flush(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	relays_flush();
}

static void on_tick(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct hqd *h = relays.h;

	(void)loop;
	(void)w;
	(void)revents;
	for (size_t i = 0; i < HQ_MAX_REGIONS; i++) {
		struct hq_region *r = &h->regions[i];

		if (r->is_up && hq_mono_ms() - r->heard_ms > RELAY_SILENCE_MS) {
			r->is_up = false;
			log_event(LOG_LEVEL_WARNING, "relay_silent", "region=%d", r->region);
		}
	}
	relays_send_all_down(); /* what a failed read left */
	hq_write_status(h);
}

int relays_create(struct hqd *h)
{
	struct link_server_config config = { .endpoint = h->listen, .queue_messages = 8192 };
	struct link_server_config open = { .endpoint = h->enroll_listen,
					   .max_message_bytes = 4096 };
	const struct link_server_handler handler = {
		.admit = admit, .on_message = on_message, .on_writable = on_writable, .ctx = h
	};
	const struct link_server_handler open_handler = { .on_message = on_open_message, .ctx = h };
	int r;

	relays.h = h;
	envelope_reader_init(&relays.reader);
	memcpy(config.secret_key, h->keys.curve_secret, sizeof(config.secret_key));
	memcpy(open.secret_key, h->keys.curve_secret, sizeof(open.secret_key));
	r = link_server_create(h->links, &config, &handler, &h->relay_server);
	if (r == 0)
		r = link_server_create(h->links, &open, &open_handler, &h->enroll_server);
	sodium_memzero(&config, sizeof(config));
	sodium_memzero(&open, sizeof(open));
	ev_timer_init(&relays.flush_timer, on_flush, 0., 0.);
	ev_timer_init(&relays.tick_timer, on_tick, 1., 1.);
	ev_timer_start(h->loop, &relays.tick_timer);
	return r;
}

void relays_destroy(struct hqd *h)
{
	ev_timer_stop(h->loop, &relays.flush_timer);
	ev_timer_stop(h->loop, &relays.tick_timer);
	link_server_destroy(h->relay_server, 500);
	link_server_destroy(h->enroll_server, 500);
	send_buffer_finish(&relays.out);
	envelope_reader_finish(&relays.reader);
}
