/* What HQ says. Everything that counts is under its signature. */
#include <string.h>

#include "log.h"
#include "relayd.h"
#include "sign.h"

void relayd_send_hello(struct relayd *d, uint64_t window_bytes)
{
	Trib__V1__HelloPayload h = TRIB__V1__HELLO_PAYLOAD__INIT;
	Trib__V1__Envelope e;
	Trib__V1__Hello m = TRIB__V1__HELLO__INIT;
	const Trib__V1__Signed *certificate;
	uint8_t *payload;
	size_t len;

	h.chain = (ProtobufCBinaryData){ .len = CHAIN_ID_BYTES, .data = d->id.chain };
	h.has_region = 1;
	h.region = d->id.region;
	h.protocol_min = ENVELOPE_PROTOCOL_MIN;
	h.protocol_max = ENVELOPE_PROTOCOL_MAX;
	h.software = (char *)(uintptr_t) "trib-relay/" TRIB_VERSION;
	h.clock_ms = relayd_wall_ms();
	h.has_roster_version = d->roster_version != 0;
	h.roster_version = d->roster_version;
	h.listen_endpoint = d->listen_endpoint;
	h.enroll_endpoint = d->enroll_endpoint;
	len = trib__v1__hello_payload__get_packed_size(&h);
	payload = arena_alloc(&d->scratch, len);
	if (payload == NULL || payload_unpack_signed(&d->scratch, d->id.certificate,
						     d->id.certificate_len, &certificate) != 0)
		return;
	trib__v1__hello_payload__pack(&h, payload);
	if (sign_payload(&d->scratch, SIGN_DOMAIN_HELLO, payload, len, d->id.keys.sign_secret,
			 &m.hello) != 0)
		return;
	m.certificate = (Trib__V1__Signed *)(uintptr_t)certificate;
	m.window_bytes = window_bytes;
	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_HELLO;
	e.hello = &m;
	relayd_tell_hq(d, &e);
}

void relayd_on_hq_up(void *ctx)
{
	struct relay_event ev = { .kind = RELAY_HQ_UP };

	log_event(LOG_LEVEL_INFO, "uplink_connected", NULL);
	(void)!relayd_step(ctx, &ev, NULL);
}

void relayd_on_hq_down(void *ctx, enum link_end why)
{
	struct relayd *d = ctx;
	struct relay_event ev = { .kind = RELAY_HQ_GONE };

	if (relay_hq(d->core) != RELAY_HQ_DOWN)
		log_event(LOG_LEVEL_WARNING, "uplink_down", "why=%s", link_end_name(why));
	(void)!relayd_step(d, &ev, NULL);
}

void relayd_on_writable(void *ctx)
{
	struct relay_event ev = { .kind = RELAY_WRITABLE };

	(void)!relayd_step(ctx, &ev, NULL);
}

static void heard(struct relayd *d)
{
	struct relay_event ev = { .kind = RELAY_HQ_HEARD };

	(void)!relayd_step(d, &ev, NULL);
}

/* A BookedAck of HQ's for this store; fills the event's position and the own head there. */
static int open_booked(struct relayd *d, struct peer *p, const Trib__V1__Signed *s,
		       uint8_t own[HEAD_BYTES], struct relay_event *ev)
{
	const Trib__V1__BookedAck *b;

	if (verify_signed(s, SIGN_DOMAIN_ACK, d->id.hq_sign_pub) != 0)
		return ERR_SIGNATURE;
	if (payload_unpack_booked_ack(&d->reader.arena, s->payload.data, s->payload.len, &b) != 0)
		return ERR_INVALID;
	if (memcmp(b->chain.data, d->id.chain, CHAIN_ID_BYTES) != 0 || b->node != p->node ||
	    b->incarnation != p->incarnation)
		return ERR_SIGNATURE;
	ev->node = p->node;
	ev->incarnation = p->incarnation;
	ev->booked.at.seq = b->seq;
	memcpy(ev->booked.at.head, b->head.data, HEAD_BYTES);
	if (spool_head(d->spool, &p->up, b->seq, own) == 0)
		ev->booked.own_head = own;
	return 0;
}

static void on_resume(struct relayd *d, const Trib__V1__Resume *m)
{
	struct peer *p = peers_find(&d->peers, m->node, m->incarnation);
	struct relay_event ev = { .kind = RELAY_HQ_RESUME };
	uint8_t own[HEAD_BYTES];

	if (p == NULL)
		return;
	if (open_booked(d, p, m->booked, own, &ev) != 0) {
		relayd_raise(d, RELAY_ALARM_BAD_SIGNATURE, p);
		return;
	}
	ev.booked.down_seq = m->down_seq;
	(void)!relayd_step(d, &ev, &(struct step_input){ .peer = p, .booked = m->booked });
}

static void on_ack(struct relayd *d, const Trib__V1__Ack *m)
{
	struct peer *p = peers_find(&d->peers, m->stream->node, m->stream->incarnation);
	struct relay_event ev = { .kind = RELAY_HQ_ACK };
	uint8_t own[HEAD_BYTES];

	heard(d);
	if (p == NULL || m->stage != TRIB__V1__STAGE__BOOKED || m->booked == NULL)
		return;
	if (open_booked(d, p, m->booked, own, &ev) != 0) {
		relayd_raise(d, RELAY_ALARM_BAD_SIGNATURE, p);
		return;
	}
	(void)!relayd_step(d, &ev, &(struct step_input){ .peer = p, .booked = m->booked });
}

static void on_batch(struct relayd *d, const Trib__V1__Batch *b)
{
	struct peer *p = peers_find(&d->peers, b->stream->node, b->stream->incarnation);
	const Trib__V1__SignedHead *h;
	struct sync_batch sb;
	uint8_t own[HEAD_BYTES];
	struct relay_event ev;

	heard(d);
	if (p == NULL || b->stream->direction != TRIB__V1__DIRECTION__DOWN) {
		log_event(LOG_LEVEL_WARNING, "hq_batch_ignored", "peer=%d.%u", b->stream->node,
			  b->stream->incarnation);
		return;
	}
	if (relayd_verify_head(d, b, d->id.hq_sign_pub, &d->reader.arena, &h) != 0) {
		relayd_raise(d, RELAY_ALARM_BAD_SIGNATURE, p);
		return;
	}
	relayd_batch_event(d, p, b, h, &sb, own, &ev);
	(void)!relayd_step(d, &ev, &(struct step_input){ .peer = p, .batch = b });
}

static void on_pull(struct relayd *d, const Trib__V1__Pull *m)
{
	struct relay_event ev = { .kind = RELAY_HQ_PULL,
				  .node = m->stream->node,
				  .incarnation = m->stream->incarnation,
				  .seq = m->from_seq };

	if (m->stream->direction == TRIB__V1__DIRECTION__UP)
		(void)!relayd_step(d, &ev, NULL);
}

static void on_roster(struct relayd *d, const Trib__V1__Signed *m)
{
	int err;

	heard(d);
	err = relayd_apply_roster(d, m, false, &d->reader.arena);
	if (err != 0 && err != ERR_VERSION) {
		log_event(LOG_LEVEL_WARNING, "roster_refused", "err=%d", err);
		relayd_raise(d, RELAY_ALARM_BAD_SIGNATURE, NULL);
	}
}

/* After these HQ hears nothing more of us on this connection. Others concern one message. */
static bool ends_link(const char *code)
{
	static const char *const codes[] = { "hello_first", "protocol", "window", "identity" };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (strcmp(code, codes[i]) == 0)
			return true;
	}
	return false;
}

static void on_refuse(struct relayd *d, const Trib__V1__Refuse *m)
{
	struct log_value code, detail;

	log_event(LOG_LEVEL_WARNING, "hq_refused", "code=%s detail=%s peer=%d.%u",
		  log_quote(&code, m->code), log_quote(&detail, m->detail),
		  m->stream != NULL ? m->stream->node : 0,
		  m->stream != NULL ? m->stream->incarnation : 0);
	heard(d);
	if (ends_link(m->code))
		link_client_restart(d->hq, "refused");
}

void relayd_on_hq_message(void *ctx, const uint8_t *data, size_t len)
{
	struct relayd *d = ctx;
	const Trib__V1__Envelope *e;
	struct relay_event ev = { .kind = RELAY_HQ_HEARD };

	if (envelope_unpack(&d->reader, data, len, &e) != 0) {
		log_event(LOG_LEVEL_WARNING, "hq_malformed", "len=%zu", len);
		link_client_restart(d->hq, "malformed");
		return;
	}
	switch ((int)e->body_case) {
	case TRIB__V1__ENVELOPE__BODY_WELCOME:
		log_event(LOG_LEVEL_NOTICE, "uplink_up", "clock_off_ms=%lld",
			  (long long)(e->welcome->clock_ms - relayd_wall_ms()));
		ev.kind = RELAY_HQ_WELCOME;
		ev.window_bytes = e->welcome->window_bytes;
		(void)!relayd_step(d, &ev, NULL);
		break;
	case TRIB__V1__ENVELOPE__BODY_ROSTER:
		on_roster(d, e->roster);
		break;
	case TRIB__V1__ENVELOPE__BODY_RESUME:
		on_resume(d, e->resume);
		break;
	case TRIB__V1__ENVELOPE__BODY_BATCH:
		on_batch(d, e->batch);
		break;
	case TRIB__V1__ENVELOPE__BODY_ACK:
		on_ack(d, e->ack);
		break;
	case TRIB__V1__ENVELOPE__BODY_PULL:
		on_pull(d, e->pull);
		break;
	case TRIB__V1__ENVELOPE__BODY_CREDIT:
		ev.kind = RELAY_HQ_CREDIT;
		ev.window_bytes = e->credit->total_bytes;
		(void)!relayd_step(d, &ev, NULL);
		break;
	case TRIB__V1__ENVELOPE__BODY_ENROLL_REPLY:
		relayd_on_enroll_reply(d, e->enroll_reply);
		break;
	case TRIB__V1__ENVELOPE__BODY_REFUSE:
		on_refuse(d, e->refuse);
		break;
	default:
		heard(d);
		break;
	}
}
