#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "relays.h"
#include "roster.h"
#include "sign.h"

int relays_send(struct hq_region *r, const Trib__V1__Envelope *e)
{
	char user_id[LINK_USER_ID_BYTES];
	int err = envelope_pack(&relays.out, e);

	if (err < 0)
		return err;
	snprintf(user_id, sizeof(user_id), "r%d", r->region);
	return link_server_send(relays.h->relay_server, user_id, relays.out.data, relays.out.len);
}

static Trib__V1__Stream stream_of(const struct hq_stream *s, Trib__V1__Direction direction)
{
	Trib__V1__Stream stream = TRIB__V1__STREAM__INIT;

	stream.direction = direction;
	stream.node = s->node;
	stream.incarnation = s->incarnation;
	return stream;
}

void relays_refuse(struct hq_region *r, const struct hq_stream *s, const char *code,
		   const char *detail)
{
	Trib__V1__Envelope e;
	Trib__V1__Refuse m = TRIB__V1__REFUSE__INIT;
	Trib__V1__Stream stream;

	log_event(LOG_LEVEL_ERROR, "relay_refused", "region=%d store=%s code=%s detail=\"%s\"",
		  r->region, s != NULL ? s->code : "-", code, detail != NULL ? detail : "");
	envelope_init(&e);
	m.code = (char *)(uintptr_t)code;
	m.detail = (char *)(uintptr_t)detail;
	if (s != NULL) {
		stream = stream_of(s, TRIB__V1__DIRECTION__UP);
		m.stream = &stream;
	}
	e.body_case = TRIB__V1__ENVELOPE__BODY_REFUSE;
	e.refuse = &m;
	(void)!relays_send(r, &e); /* a courtesy: nothing depends on it */
}

/* HQ's signed word on where the books of a stream end. */
static int build_ack(const struct hq_stream *s, struct arena *a, Trib__V1__Signed **ret)
{
	struct hqd *h = relays.h;
	Trib__V1__BookedAck ack = TRIB__V1__BOOKED_ACK__INIT;
	uint8_t bytes[256];

	ack.chain = (ProtobufCBinaryData){ sizeof(h->chain), h->chain };
	ack.node = s->node;
	ack.incarnation = s->incarnation;
	ack.seq = s->up.durable.seq;
	ack.head = (ProtobufCBinaryData){ HEAD_BYTES, (uint8_t *)(uintptr_t)s->up.durable.head };
	ack.hq_epoch = h->hq_epoch;
	ack.at_ms = (int64_t)(ev_now(h->loop) * 1000);
	return sign_payload(a, SIGN_DOMAIN_ACK, bytes, trib__v1__booked_ack__pack(&ack, bytes),
			    h->keys.sign_secret, ret);
}

static int send_resume(struct hq_region *r, struct hq_stream *s, struct arena *a)
{
	Trib__V1__Envelope e;
	Trib__V1__Resume m = TRIB__V1__RESUME__INIT;
	int err = build_ack(s, a, &m.booked);

	if (err < 0)
		return err;
	envelope_init(&e);
	m.node = s->node;
	m.incarnation = s->incarnation;
	m.down_seq = s->down_end.seq;
	e.body_case = TRIB__V1__ENVELOPE__BODY_RESUME;
	e.resume = &m;
	return relays_send(r, &e);
}

static int send_ack(struct hq_region *r, struct hq_stream *s, struct arena *a)
{
	Trib__V1__Envelope e;
	Trib__V1__Ack m = TRIB__V1__ACK__INIT;
	Trib__V1__Stream stream = stream_of(s, TRIB__V1__DIRECTION__UP);
	int err = build_ack(s, a, &m.booked);

	if (err < 0)
		return err;
	envelope_init(&e);
	m.stream = &stream;
	m.stage = TRIB__V1__STAGE__BOOKED;
	m.seq = s->up.durable.seq;
	e.body_case = TRIB__V1__ENVELOPE__BODY_ACK;
	e.ack = &m;
	return relays_send(r, &e);
}

static int send_pull(struct hq_region *r, struct hq_stream *s)
{
	Trib__V1__Envelope e;
	Trib__V1__Pull m = TRIB__V1__PULL__INIT;
	Trib__V1__Stream stream = stream_of(s, TRIB__V1__DIRECTION__UP);

	envelope_init(&e);
	m.stream = &stream;
	m.from_seq = s->up.accepted.seq + 1;
	e.body_case = TRIB__V1__ENVELOPE__BODY_PULL;
	e.pull = &m;
	return relays_send(r, &e);
}

/* Send what is due for one stream. False when the relay's queue is full. */
static bool flush_stream(struct hq_region *r, struct hq_stream *s, struct arena *a)
{
	int64_t now = (int64_t)(ev_now(relays.h->loop) * 1000);

	arena_reset(a);
	if (s->due & HQ_DUE_RESUME) {
		if (send_resume(r, s, a) == ERR_AGAIN)
			return false;
		s->due = 0; /* a Resume is an ack, and the relay starts sending from there */
		s->acked_ms = now;
	}
	if ((s->due & HQ_DUE_ACK) && now - s->acked_ms >= ACK_INTERVAL_MS) { /* L3 */
		if (send_ack(r, s, a) == ERR_AGAIN)
			return false;
		s->due &= ~(unsigned)HQ_DUE_ACK;
		s->acked_ms = now;
	}
	if (s->due & HQ_DUE_PULL) {
		if (send_pull(r, s) == ERR_AGAIN)
			return false;
		s->due &= ~(unsigned)HQ_DUE_PULL;
	}
	return true;
}

static void flush_region(struct hq_region *r, struct arena *a)
{
	Trib__V1__Envelope e;

	envelope_init(&e);
	if (r->is_roster_due) {
		arena_reset(a);
		e.body_case = TRIB__V1__ENVELOPE__BODY_ROSTER;
		if (roster_build(relays.h, r->region, a, &e.roster) < 0)
			log_event(LOG_LEVEL_CRITICAL, "roster_too_large", "region=%d", r->region);
		else if (relays_send(r, &e) == ERR_AGAIN)
			return;
		r->is_roster_due = false;
	}
	if (r->is_credit_due) {
		Trib__V1__Credit m = TRIB__V1__CREDIT__INIT;

		m.total_bytes = r->in.granted;
		e.body_case = TRIB__V1__ENVELOPE__BODY_CREDIT;
		e.credit = &m;
		if (relays_send(r, &e) == ERR_AGAIN)
			return;
		r->is_credit_due = false;
	}
}

void relays_due(struct hq_stream *s, unsigned due)
{
	if (s->is_presented)
		s->due |= due;
}

void relays_flush(void)
{
	static uint8_t memory[1 << 20];
	struct hqd *h = relays.h;
	struct arena a;
	bool is_waiting = false;

	if (h == NULL)
		return; /* nobody can be linked yet */
	arena_init(&a, memory, sizeof(memory));
	for (size_t i = 0; i < HQ_MAX_REGIONS; i++) {
		if (h->regions[i].region != 0 && h->regions[i].is_up)
			flush_region(&h->regions[i], &a);
	}
	for (uint32_t i = 0; i < h->n_streams; i++) {
		struct hq_stream *s = h->streams[i];
		struct hq_region *r;

		if (s->due == 0)
			continue;
		r = hq_find_region(h, s->region);
		if (r == NULL || !r->is_up)
			s->due = 0; /* it is told anew after the next hello */
		else if (flush_stream(r, s, &a))
			is_waiting = is_waiting || s->due != 0;
	}
	if (is_waiting && !ev_is_active(&relays.flush_timer)) {
		ev_timer_set(&relays.flush_timer, ACK_INTERVAL_MS / 1000., 0.);
		ev_timer_start(h->loop, &relays.flush_timer);
	}
}

void relays_booked(struct hqd *h, const struct ingest_group *g, struct ingest_batch *released)
{
	for (size_t i = 0; g != NULL && i < g->n_cursors; i++) {
		const struct cursor_row *c = &g->cursors[i];
		struct hq_stream *s;

		if (c->stream == UINT32_MAX || c->to.seq == c->from.seq)
			continue;
		s = h->streams[c->stream];
		sync_in_persisted(&s->up, c->to.seq, c->to.head);
		relays_due(s, HQ_DUE_ACK);
	}
	while (released != NULL) {
		struct ingest_batch *b = released;
		struct hq_region *r = hq_find_region(h, h->streams[b->stream]->region);

		released = b->next;
		if (r != NULL && r->connection == b->link) {
			sync_window_credit(&r->in, r->in.granted + b->bytes);
			r->is_credit_due = true;
		}
		free(b);
	}
	relays_flush();
}

void relays_reset(struct hqd *h)
{
	for (uint32_t i = 0; i < h->n_streams; i++) {
		struct hq_stream *s = h->streams[i];

		if (!s->is_presented)
			continue;
		relays_due(s, HQ_DUE_RESUME);
		relays_send_down(s);
	}
	relays_flush();
}

void relays_roster_changed(struct hqd *h, int32_t region)
{
	struct hq_region *r = hq_find_region(h, region);

	if (r == NULL)
		return;
	r->is_roster_due = true;
	relays_flush();
}

void relays_down_extended(struct hqd *h, struct hq_stream *s)
{
	(void)h;
	sync_out_extend(&s->down, s->down_end.seq);
	relays_send_down(s);
}

/* ---- down logs ---- */

static void on_down_rows(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct hq_stream *s = ctx;
	struct hq_region *r = hq_find_region(relays.h, s->region);
	Trib__V1__Envelope e;
	Trib__V1__Batch m = TRIB__V1__BATCH__INIT;
	Trib__V1__Stream stream = stream_of(s, TRIB__V1__DIRECTION__DOWN);
	Trib__V1__Signed head = TRIB__V1__SIGNED__INIT, *signed_head = NULL;
	ProtobufCBinaryData items[RELAY_DOWN_BATCH];
	size_t n = 0, bytes = 0, n_bytes;
	unsigned char *fields[RELAY_DOWN_BATCH + 2] = { 0 };
	int last = 0;

	s->is_reading = false;
	(void)head;
	if (err < 0) {
		log_event(LOG_LEVEL_ERROR, "down_log_unreadable", "store=%s message=\"%s\"",
			  s->code, message);
		return;
	}
	if (r == NULL || !r->is_up || PQntuples(rows) < 2 ||
	    sync_out_next(&s->down) != (uint64_t)atoll(PQgetvalue(rows, 1, 0)))
		return; /* the link changed meanwhile; the next event asks again */
	/* row 0 is the message before: its head is the batch's previous one */
	for (int i = 1; i < PQntuples(rows) && n < RELAY_DOWN_BATCH; i++) {
		fields[n] =
			PQunescapeBytea((const unsigned char *)PQgetvalue(rows, i, 1), &n_bytes);
		if (fields[n] == NULL)
			abort();
		if (n > 0 && bytes + n_bytes > SYNC_BATCH_MAX_BYTES) {
			PQfreemem(fields[n]);
			fields[n] = NULL;
			break;
		}
		items[n] = (ProtobufCBinaryData){ n_bytes, fields[n] };
		bytes += n_bytes;
		n++;
		last = i;
	}
	fields[n] = PQunescapeBytea((const unsigned char *)PQgetvalue(rows, last, 3), &n_bytes);
	signed_head = trib__v1__signed__unpack(NULL, n_bytes, fields[n]);
	fields[n + 1] = PQunescapeBytea((const unsigned char *)PQgetvalue(rows, 0, 2), &n_bytes);
	if (signed_head == NULL || n_bytes != HEAD_BYTES)
		abort(); /* our own row is no signed head: the database is not ours */
	envelope_init(&e);
	m.stream = &stream;
	m.first_seq = sync_out_next(&s->down);
	m.prev_head = (ProtobufCBinaryData){ HEAD_BYTES, fields[n + 1] };
	m.n_items = n;
	m.items = items;
	m.head = signed_head;
	e.body_case = TRIB__V1__ENVELOPE__BODY_BATCH;
	e.batch = &m;
	if (relays_send(r, &e) == 0) {
		r->out.used += bytes;
		sync_out_sent(&s->down, m.first_seq + n - 1);
	}
	trib__v1__signed__free_unpacked(signed_head, NULL);
	for (size_t i = 0; i < n + 2; i++)
		PQfreemem(fields[i]);
	relays_send_down(s);
}

void relays_send_down(struct hq_stream *s)
{
	struct hqd *h = relays.h;
	struct hq_region *r = hq_find_region(h, s->region);
	char store[16], incarnation[16], from[24], limit[16], seed[2 * HEAD_BYTES + 3];
	const char *values[5] = { store, incarnation, from, limit, seed };
	uint64_t next = sync_out_next(&s->down);
	uint8_t head[HEAD_BYTES];
	const Trib__V1__Signed *c;
	uint8_t memory[2048];
	struct arena a;

	if (next == 0 || s->is_reading || !s->is_presented || r == NULL || !r->is_up ||
	    !sync_window_is_open(&r->out))
		return;
	arena_init(&a, memory, sizeof(memory));
	if (payload_unpack_signed(&a, s->certificate, s->certificate_len, &c) < 0)
		abort(); /* it was checked when it was loaded */
	chain_seed(TRIB__V1__DIRECTION__DOWN, c->payload.data, c->payload.len, head);
	snprintf(store, sizeof(store), "%d", s->node);
	snprintf(incarnation, sizeof(incarnation), "%u", s->incarnation);
	snprintf(from, sizeof(from), "%llu", (unsigned long long)next);
	snprintf(limit, sizeof(limit), "%d", RELAY_DOWN_BATCH);
	memcpy(seed, "\\x", 2);
	sodium_bin2hex(seed + 2, sizeof(seed) - 2, head, sizeof(head));
	s->is_reading = true;
	db_query(h->db,
		 "SELECT 0 AS seq, NULL AS bytes, $5::bytea AS head, NULL AS signed"
		 " WHERE $3::int8 = 1 UNION ALL"
		 " (SELECT seq, bytes, head, signed FROM trib.down_log WHERE store = $1::int4"
		 " AND incarnation = $2::int4 AND seq >= $3::int8 - 1 ORDER BY seq"
		 " LIMIT $4::int8 + 1)",
		 5, values, on_down_rows, s);
}
