#include "uplink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "sign.h"
#include "store.h"
#include "uplink_internal.h"

#define ARENA_BYTES (256u * 1024)
#define BATCHES_PER_TURN 8

void uplink_send(struct store *s, Trib__V1__Envelope *e)
{
	struct uplink *u = &s->uplink;
	int r;

	if (envelope_pack(&u->buffer, e) < 0)
		return;
	r = link_client_send(u->client, u->buffer.data, u->buffer.len);
	if (r == ERR_AGAIN) /* small messages are repeated by their cause; a batch asks itself */
		log_event(LOG_LEVEL_DEBUG, "uplink_full", NULL);
}

Trib__V1__Signed *uplink_sign(struct store *s, const char *domain, const ProtobufCMessage *m)
{
	struct arena *a = &s->uplink.arena;
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *payload = arena_alloc(a, len);
	Trib__V1__Signed *ret;

	if (payload == NULL)
		abort(); /* our own messages are small */
	protobuf_c_message_pack(m, payload);
	if (sign_payload(a, domain, payload, len, s->identity.keys.sign_secret, &ret) < 0)
		abort();
	return ret;
}

ProtobufCBinaryData uplink_bytes(const void *p, size_t len)
{
	return (ProtobufCBinaryData){ .len = len, .data = (uint8_t *)(uintptr_t)p };
}

void uplink_stream(struct store *s, Trib__V1__Direction d, Trib__V1__Stream *ret)
{
	trib__v1__stream__init(ret);
	ret->direction = d;
	ret->node = s->identity.agent.node;
	ret->incarnation = s->identity.agent.incarnation;
}

static void position_set(Trib__V1__Position *to, const struct position *from)
{
	trib__v1__position__init(to);
	to->seq = from->seq;
	to->head = uplink_bytes(from->head, HEAD_BYTES);
}

void uplink_hello(struct store *s)
{
	struct uplink *u = &s->uplink;
	Trib__V1__HelloPayload p = TRIB__V1__HELLO_PAYLOAD__INIT;
	Trib__V1__Hello h = TRIB__V1__HELLO__INIT;
	Trib__V1__Position journal, down;
	Trib__V1__Envelope e;

	arena_reset(&u->arena);
	position_set(&journal, &s->agent->durable);
	position_set(&down, &s->agent->down.durable);
	p.chain = uplink_bytes(s->identity.chain, sizeof(s->identity.chain));
	p.has_node = 1;
	p.node = s->identity.agent.node;
	p.has_incarnation = 1;
	p.incarnation = s->identity.agent.incarnation;
	p.journal = &journal;
	p.down = &down;
	p.protocol_min = ENVELOPE_PROTOCOL_MIN;
	p.protocol_max = ENVELOPE_PROTOCOL_MAX;
	p.software = (char *)(uintptr_t) "trib-store " TRIB_VERSION;
	p.clock_ms = clock_wall_ms();
	h.hello = uplink_sign(s, SIGN_DOMAIN_HELLO, &p.base);
	h.certificate = trib__v1__signed__unpack(&u->arena.allocator, s->identity.certificate_len,
						 s->identity.certificate);
	h.window_bytes = AGENT_DOWN_WINDOW_BYTES;
	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_HELLO;
	e.hello = &h;
	if (h.certificate != NULL)
		uplink_send(s, &e);
}

void uplink_heartbeat(struct store *s)
{
	const struct agent *a = s->agent;
	const Trib__V1__RuleSet *rules = agent_rules_at(a, store_time_ms(s));
	Trib__V1__Health p = TRIB__V1__HEALTH__INIT;
	Trib__V1__Heartbeat b = TRIB__V1__HEARTBEAT__INIT;
	Trib__V1__Signed *health;
	Trib__V1__Envelope e;

	arena_reset(&s->uplink.arena);
	p.chain = uplink_bytes(s->identity.chain, sizeof(s->identity.chain));
	p.node = s->identity.agent.node;
	p.incarnation = s->identity.agent.incarnation;
	p.clock_ms = clock_wall_ms();
	p.stored_seq = a->durable.seq;
	p.relayed_seq = a->relayed_seq;
	p.booked_seq = a->booked_seq;
	p.down_seq = a->down.durable.seq;
	p.rules_version = rules != NULL ? rules->version : 0;
	p.software = (char *)(uintptr_t) "trib-store " TRIB_VERSION;
	p.mode = (char *)(uintptr_t)agent_mode(a);
	health = uplink_sign(s, SIGN_DOMAIN_HEALTH, &p.base);
	b.clock_ms = p.clock_ms;
	b.n_health = 1;
	b.health = &health;
	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_HEARTBEAT;
	e.heartbeat = &b;
	uplink_send(s, &e);
}

/* Take entries into the batch until it is full. */
static bool collect(void *ctx, const struct position *at, const uint8_t *bytes, size_t len)
{
	struct uplink *u = ctx;

	if (u->n_items == SYNC_BATCH_MAX_ITEMS || u->items_len + len > SYNC_BATCH_MAX_BYTES)
		return false;
	memcpy(u->items + u->items_len, bytes, len);
	u->item[u->n_items++] = uplink_bytes(u->items + u->items_len, len);
	u->items_len += len;
	u->last = *at;
	return true;
}

static int send_batch(struct store *s, uint64_t first_seq, uint64_t end_seq)
{
	struct uplink *u = &s->uplink;
	Trib__V1__SignedHead p = TRIB__V1__SIGNED_HEAD__INIT;
	Trib__V1__Batch b = TRIB__V1__BATCH__INIT;
	Trib__V1__Stream stream;
	Trib__V1__Envelope e;
	uint8_t prev_head[HEAD_BYTES];

	if (!journal_head_at(s->journal, first_seq - 1, prev_head))
		return ERR_NOT_FOUND;
	arena_reset(&u->arena);
	u->n_items = 0;
	u->items_len = 0;
	journal_each_entry(s->journal, first_seq, end_seq, collect, u);
	if (u->n_items == 0)
		return ERR_NOT_FOUND;
	uplink_stream(s, TRIB__V1__DIRECTION__UP, &stream);
	p.chain = uplink_bytes(s->identity.chain, sizeof(s->identity.chain));
	p.stream = &stream;
	p.seq = u->last.seq;
	p.head = uplink_bytes(u->last.head, HEAD_BYTES);
	b.stream = &stream;
	b.first_seq = first_seq;
	b.prev_head = uplink_bytes(prev_head, HEAD_BYTES);
	b.n_items = u->n_items;
	b.items = u->item;
	b.head = uplink_sign(s, SIGN_DOMAIN_HEAD, &p.base);
	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_BATCH;
	e.batch = &b;
	if (envelope_pack(&u->buffer, &e) < 0)
		return ERR_FULL;
	return link_client_send(u->client, u->buffer.data, u->buffer.len);
}

bool uplink_pump(struct store *s)
{
	struct uplink *u = &s->uplink;

	if (s->agent->link != AGENT_LINK_OPEN) /* it closed or halted since */
		u->has_send = false;
	for (int i = 0; i < BATCHES_PER_TURN && u->has_send; i++) {
		struct agent_event ev = { .kind = AGENT_BATCH_SENT };
		int r;

		u->has_send = false;
		r = send_batch(s, u->send_first, u->send_end);
		if (r == 0) {
			ev.sent.last_seq = u->last.seq;
			ev.sent.bytes = u->items_len;
		} else {
			ev.kind = AGENT_BLOCKED;
		}
		if (r < 0 && r != ERR_AGAIN && r != ERR_STATE)
			log_event(LOG_LEVEL_ERROR, "batch_not_sent", "seq=%llu error=%d",
				  (unsigned long long)u->send_first, r);
		(void)store_step(s, &ev);
	}
	return u->has_send;
}

static void send_credit(struct store *s, uint64_t total)
{
	Trib__V1__Credit c = TRIB__V1__CREDIT__INIT;
	Trib__V1__Envelope e;

	c.total_bytes = total;
	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_CREDIT;
	e.credit = &c;
	uplink_send(s, &e);
}

void uplink_down_ack(struct store *s, uint64_t seq, uint64_t credit_total)
{
	Trib__V1__Ack a = TRIB__V1__ACK__INIT;
	Trib__V1__Stream stream;
	Trib__V1__Envelope e;

	uplink_stream(s, TRIB__V1__DIRECTION__DOWN, &stream);
	a.stream = &stream;
	a.stage = TRIB__V1__STAGE__APPLIED;
	a.seq = seq;
	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_ACK;
	e.ack = &a;
	uplink_send(s, &e);
	send_credit(s, credit_total);
}

void uplink_down_pull(struct store *s, uint64_t from_seq, uint64_t credit_total)
{
	Trib__V1__Pull p = TRIB__V1__PULL__INIT;
	Trib__V1__Stream stream;
	Trib__V1__Envelope e;

	uplink_stream(s, TRIB__V1__DIRECTION__DOWN, &stream);
	p.stream = &stream;
	p.from_seq = from_seq;
	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_PULL;
	e.pull = &p;
	uplink_send(s, &e);
	send_credit(s, credit_total);
}

static void on_up(void *ctx)
{
	struct store *s = ctx;
	struct agent_event ev = { .kind = AGENT_LINK_UP };

	(void)store_step(s, &ev);
}

static void on_down(void *ctx, enum link_end why)
{
	struct store *s = ctx;
	struct agent_event ev = { .kind = AGENT_LINK_LOST };

	log_event(LOG_LEVEL_NOTICE, "uplink_down", "why=%s", link_end_name(why));
	s->uplink.has_send = false;
	(void)store_step(s, &ev);
}

static void on_writable(void *ctx)
{
	struct store *s = ctx;
	struct agent_event ev = { .kind = AGENT_WRITABLE };

	(void)store_step(s, &ev);
}

static void on_failed(void *ctx, enum link_end why)
{
	(void)ctx;
	log_event(LOG_LEVEL_DEBUG, "uplink_failed", "why=%s", link_end_name(why));
}

int uplink_open(struct store *s, const char *endpoint, char *err)
{
	const struct link_client_handler handler = {
		.on_up = on_up,
		.on_message = uplink_on_message,
		.on_writable = on_writable,
		.on_down = on_down,
		.on_failed = on_failed,
		.ctx = s,
	};
	struct link_client_config config = { .endpoint = endpoint };
	struct uplink *u = &s->uplink;
	int r;

	u->memory = malloc(ARENA_BYTES);
	u->items = malloc(SYNC_BATCH_MAX_BYTES);
	if (u->memory == NULL || u->items == NULL)
		abort();
	arena_init(&u->arena, u->memory, ARENA_BYTES);
	r = link_context_create(s->loop, 0, &u->context);
	if (r < 0) {
		snprintf(err, STORE_ERROR_BYTES, "cannot start ZeroMQ");
		return r;
	}
	memcpy(config.server_key, s->identity.relay_key, LINK_KEY_BYTES);
	memcpy(config.public_key, s->identity.keys.curve_pub, LINK_KEY_BYTES);
	memcpy(config.secret_key, s->identity.keys.curve_secret, LINK_KEY_BYTES);
	r = link_client_create(u->context, &config, &handler, &u->client);
	memset(config.secret_key, 0, sizeof(config.secret_key));
	if (r < 0)
		snprintf(err, STORE_ERROR_BYTES, "the relay's endpoint %s cannot be used",
			 endpoint);
	return r;
}

void uplink_close(struct store *s)
{
	struct uplink *u = &s->uplink;

	if (u->client != NULL)
		link_client_destroy(u->client, 200);
	if (u->context != NULL)
		link_context_destroy(u->context);
	if (u->reader.memory != NULL)
		envelope_reader_finish(&u->reader);
	send_buffer_finish(&u->buffer);
	free(u->memory);
	free(u->items);
	memset(u, 0, sizeof(*u));
}
