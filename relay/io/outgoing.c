/* The core's effects that leave the process. */
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "log.h"
#include "relayd.h"

#define HEALTH_PER_HEARTBEAT 256u

int relayd_send_store(struct relayd *d, const struct peer *p, const Trib__V1__Envelope *e)
{
	int err = envelope_pack(&d->out, e);

	if (err != 0)
		return err;
	return link_server_send(d->stores, p->user_id, d->out.data, d->out.len);
}

int relayd_send_hq(struct relayd *d, const Trib__V1__Envelope *e)
{
	int err = envelope_pack(&d->out, e);

	if (err != 0)
		return err;
	return link_client_send(d->hq, d->out.data, d->out.len);
}

void relayd_refuse_store(struct relayd *d, const struct peer *p, const char *code)
{
	envelope_pack_refuse(&d->out, code, NULL);
	(void)!link_server_send(d->stores, p->user_id, d->out.data, d->out.len);
}

/* A small message that finds no room means a peer that takes nothing: its link ends. */
static void tell_store(struct relayd *d, const struct peer *p, const Trib__V1__Envelope *e)
{
	int err = relayd_send_store(d, p, e);

	if (err == 0 || err == ERR_NOT_FOUND) /* gone: it says hello when it is back */
		return;
	log_event(LOG_LEVEL_WARNING, "store_stuck", "peer=%s err=%d", p->user_id, err);
	link_server_forget(d->stores, p->user_id);
}

void relayd_tell_hq(struct relayd *d, const Trib__V1__Envelope *e)
{
	int err = relayd_send_hq(d, e);

	if (err == 0 || err == ERR_STATE)
		return;
	link_client_restart(d->hq, "queue full");
}

static void tell(struct relayd *d, const struct relay_effect *fx, const struct peer *p,
		 const Trib__V1__Envelope *e)
{
	if (fx->to == RELAY_TO_HQ)
		relayd_tell_hq(d, e);
	else if (p != NULL)
		tell_store(d, p, e);
}

static Trib__V1__Stream stream_of(const struct relay_effect *fx)
{
	Trib__V1__Stream s = TRIB__V1__STREAM__INIT;

	s.direction = (Trib__V1__Direction)fx->direction;
	s.node = fx->node;
	s.incarnation = fx->incarnation;
	return s;
}

static Trib__V1__Position position_of(const struct position *at)
{
	Trib__V1__Position p = TRIB__V1__POSITION__INIT;

	p.seq = at->seq;
	p.head.data = (uint8_t *)(uintptr_t)at->head;
	p.head.len = HEAD_BYTES;
	return p;
}

/* Stored Signed bytes as a message in the scratch arena; NULL where there are none. */
static Trib__V1__Signed *unpack_signed(struct relayd *d, const void *data, size_t len)
{
	const Trib__V1__Signed *s;

	if (len == 0 || payload_unpack_signed(&d->scratch, data, len, &s) != 0)
		return NULL;
	return (Trib__V1__Signed *)(uintptr_t)s;
}

static Trib__V1__Signed *newest_booked(struct relayd *d, const struct relay_effect *fx)
{
	ProtobufCBinaryData b;

	if (spool_booked(d->spool, fx->node, fx->incarnation, &d->scratch, &b) != 0)
		return NULL;
	return unpack_signed(d, b.data, b.len);
}

static void send_welcome(struct relayd *d, const struct relay_effect *fx, const struct peer *p)
{
	Trib__V1__Envelope e;
	Trib__V1__Welcome w = TRIB__V1__WELCOME__INIT;
	Trib__V1__Position relayed = position_of(&fx->at);

	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_WELCOME;
	e.welcome = &w;
	w.protocol = ENVELOPE_PROTOCOL;
	w.window_bytes = fx->total;
	w.clock_ms = relayd_wall_ms();
	w.relayed = &relayed;
	w.booked = newest_booked(d, fx);
	w.software = (char *)(uintptr_t) "trib-relay/" TRIB_VERSION;
	log_event(LOG_LEVEL_INFO, "store_up", "peer=%s relayed=%llu", p->user_id,
		  (unsigned long long)fx->at.seq);
	tell_store(d, p, &e);
}

static void send_ack(struct relayd *d, const struct relay_effect *fx, const struct peer *p)
{
	Trib__V1__Envelope e;
	Trib__V1__Ack a = TRIB__V1__ACK__INIT;
	Trib__V1__Stream s = stream_of(fx);

	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_ACK;
	e.ack = &a;
	a.stream = &s;
	a.stage = (Trib__V1__Stage)fx->stage;
	a.seq = fx->at.seq;
	tell(d, fx, p, &e);
}

static void pass_booked(struct relayd *d, const struct relay_effect *fx, const struct peer *p)
{
	Trib__V1__Envelope e;
	Trib__V1__Ack a = TRIB__V1__ACK__INIT;
	Trib__V1__Stream s = stream_of(fx);
	const Trib__V1__BookedAck *b;

	s.direction = TRIB__V1__DIRECTION__UP;
	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_ACK;
	e.ack = &a;
	a.stream = &s;
	a.stage = TRIB__V1__STAGE__BOOKED;
	a.booked = newest_booked(d, fx);
	if (a.booked == NULL || payload_unpack_booked_ack(&d->scratch, a.booked->payload.data,
							  a.booked->payload.len, &b) != 0)
		return;
	a.seq = b->seq;
	tell(d, fx, p, &e);
}

static void send_credit(struct relayd *d, const struct relay_effect *fx, const struct peer *p)
{
	Trib__V1__Envelope e;
	Trib__V1__Credit c = TRIB__V1__CREDIT__INIT;

	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_CREDIT;
	e.credit = &c;
	c.total_bytes = fx->total;
	tell(d, fx, p, &e);
}

static void send_pull(struct relayd *d, const struct relay_effect *fx, const struct peer *p)
{
	Trib__V1__Envelope e;
	Trib__V1__Pull pull = TRIB__V1__PULL__INIT;
	Trib__V1__Stream s = stream_of(fx);

	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_PULL;
	e.pull = &pull;
	pull.stream = &s;
	pull.from_seq = fx->at.seq;
	tell(d, fx, p, &e);
}

static void send_refuse(struct relayd *d, const struct relay_effect *fx, const struct peer *p)
{
	Trib__V1__Envelope e;
	Trib__V1__Refuse r = TRIB__V1__REFUSE__INIT;
	Trib__V1__Stream s = stream_of(fx);

	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_REFUSE;
	e.refuse = &r;
	r.code = (char *)(uintptr_t)fx->code;
	if (fx->direction != 0)
		r.stream = &s;
	log_event(LOG_LEVEL_WARNING, "refused", "peer=%s code=%s to=%s",
		  p != NULL ? p->user_id : "hq", fx->code, fx->to == RELAY_TO_HQ ? "hq" : "store");
	tell(d, fx, p, &e);
}

static void send_present(struct relayd *d, const struct relay_effect *fx, const struct peer *p)
{
	Trib__V1__Envelope e;
	Trib__V1__Present m = TRIB__V1__PRESENT__INIT;
	Trib__V1__Position up = position_of(&fx->at), down = position_of(&fx->down);

	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_PRESENT;
	e.present = &m;
	m.certificate = unpack_signed(d, p->certificate, p->certificate_len);
	m.spooled = &up;
	m.down = &down;
	if (m.certificate != NULL)
		relayd_tell_hq(d, &e);
}

/* To HQ with the health of stores that it has not got yet; the rest goes with the next one. */
static void send_heartbeat(struct relayd *d, const struct relay_effect *fx, const struct peer *p)
{
	Trib__V1__Envelope e;
	Trib__V1__Heartbeat h = TRIB__V1__HEARTBEAT__INIT;
	Trib__V1__Signed *health[HEALTH_PER_HEARTBEAT];

	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_HEARTBEAT;
	e.heartbeat = &h;
	h.clock_ms = relayd_wall_ms();
	h.health = health;
	for (size_t i = 0; fx->to == RELAY_TO_HQ && i < d->peers.n; i++) {
		struct peer *x = &d->peers.list[i];

		if (!x->health_is_news || h.n_health == HEALTH_PER_HEARTBEAT)
			continue;
		health[h.n_health] = unpack_signed(d, x->health, x->health_len);
		if (health[h.n_health] != NULL)
			h.n_health++;
		x->health_is_news = false;
	}
	tell(d, fx, p, &e);
}

/* SENT or BLOCKED in ret. */
static void send_batch(struct relayd *d, const struct relay_effect *fx, const struct peer *p,
		       struct relay_event *ret)
{
	Trib__V1__Envelope e;
	Trib__V1__Batch b = TRIB__V1__BATCH__INIT;
	Trib__V1__Stream s = stream_of(fx);
	const struct spool_stream *st = fx->to == RELAY_TO_HQ ? &p->up : &p->down;
	struct spool_run run;
	int err = spool_read(d->spool, st, fx->at.seq, fx->total, &d->scratch, &run);

	*ret = (struct relay_event){ .kind = RELAY_BLOCKED,
				     .node = fx->node,
				     .incarnation = fx->incarnation,
				     .sent = { .to = fx->to } };
	if (err == 0) {
		b.head = unpack_signed(d, run.signed_head.data, run.signed_head.len);
		err = b.head == NULL ? ERR_CHAIN : 0;
	}
	if (err != 0) { /* the spool has lost what it held: only a person can help */
		log_event(LOG_LEVEL_CRITICAL, "spool_unreadable", "peer=%s seq=%llu err=%d",
			  p->user_id, (unsigned long long)fx->at.seq, err);
		_Exit(1);
	}
	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_BATCH;
	e.batch = &b;
	b.stream = &s;
	b.first_seq = run.first_seq;
	b.prev_head = (ProtobufCBinaryData){ .len = HEAD_BYTES, .data = run.prev_head };
	b.n_items = run.n;
	b.items = run.items;
	if (fx->to == RELAY_TO_HQ) {
		FAULT_POINT("relay.before_forward");
		err = relayd_send_hq(d, &e);
	} else {
		err = relayd_send_store(d, p, &e);
	}
	if (err != 0)
		return;
	ret->kind = RELAY_SENT;
	ret->sent.last_seq = run.last_seq;
	ret->sent.bytes = run.bytes;
}

bool relayd_run_effect(struct relayd *d, const struct relay_effect *fx,
		       struct relay_event *ret_answer)
{
	const struct peer *p = peers_find(&d->peers, fx->node, fx->incarnation);

	switch ((int)fx->kind) {
	case RELAY_DO_WELCOME:
		send_welcome(d, fx, p);
		break;
	case RELAY_DO_ACK:
		send_ack(d, fx, p);
		break;
	case RELAY_DO_PASS_BOOKED:
		pass_booked(d, fx, p);
		break;
	case RELAY_DO_CREDIT:
		send_credit(d, fx, p);
		break;
	case RELAY_DO_PULL:
		send_pull(d, fx, p);
		break;
	case RELAY_DO_REFUSE:
		send_refuse(d, fx, p);
		break;
	case RELAY_DO_HEARTBEAT:
		send_heartbeat(d, fx, p);
		break;
	case RELAY_DO_HELLO:
		relayd_send_hello(d, fx->total);
		break;
	case RELAY_DO_PRESENT:
		send_present(d, fx, p);
		break;
	case RELAY_DO_RESTART:
		link_client_restart(d->hq, fx->code);
		break;
	case RELAY_DO_ALARM:
		relayd_raise(d, fx->alarm, p);
		break;
	case RELAY_DO_CALM:
		alarm_calm(&d->alarms, fx->alarm, fx->node, fx->incarnation);
		break;
	case RELAY_DO_SEND:
		send_batch(d, fx, p, ret_answer);
		return true;
	default:
		break;
	}
	return false;
}
