#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "down.h"
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
	int64_t now = hq_mono_ms();

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
	int err;

	envelope_init(&e);
	if (r->is_roster_due) {
		arena_reset(a);
		e.body_case = TRIB__V1__ENVELOPE__BODY_ROSTER;
		err = roster_build(relays.h, r->region, a, &e.roster);
		if (err == 0)
			err = relays_send(r, &e);
		if (err == ERR_AGAIN)
			return;
		if (err == ERR_FULL)
			log_event(LOG_LEVEL_CRITICAL, "roster_too_large", "region=%d", r->region);
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
	static uint8_t memory[ROSTER_ARENA_BYTES];
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
	/* An enrolment whose outcome was unknown may have been read now. */
	for (size_t i = 0; i < HQ_MAX_REGIONS; i++)
		h->regions[i].is_roster_due |= h->regions[i].is_up;
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

/* The items of one batch, out of the database's text. */
struct down_batch {
	uint64_t first_seq;
	size_t n, bytes;
	ProtobufCBinaryData items[RELAY_DOWN_BATCH]; /* each owned */
	uint8_t *prev_head; /* owned */
	Trib__V1__Signed *head; /* owned */
};

static uint8_t *unescape(const PGresult *rows, int row, int col, size_t *ret_len)
{
	uint8_t *bytes =
		PQunescapeBytea((const unsigned char *)PQgetvalue(rows, row, col), ret_len);

	if (bytes == NULL)
		abort();
	return bytes;
}

/* Row 0 is the message before: its head is the batch's previous one. */
static void down_batch_fill(struct down_batch *b, const PGresult *rows)
{
	uint8_t *head;
	size_t len;

	b->first_seq = strtoull(PQgetvalue(rows, 1, 0), NULL, 10);
	for (int i = 1; i < PQntuples(rows) && b->n < RELAY_DOWN_BATCH; i++) {
		uint8_t *item = unescape(rows, i, 1, &len);

		if (b->n > 0 && b->bytes + len > SYNC_BATCH_MAX_BYTES) {
			PQfreemem(item);
			break;
		}
		b->items[b->n++] = (ProtobufCBinaryData){ len, item };
		b->bytes += len;
	}
	head = unescape(rows, (int)b->n, 3, &len);
	b->head = trib__v1__signed__unpack(NULL, len, head);
	PQfreemem(head);
	b->prev_head = unescape(rows, 0, 2, &len);
	if (b->head == NULL || len != HEAD_BYTES)
		abort(); /* our own row is no signed head: the database is not ours */
}

static void down_batch_finish(struct down_batch *b)
{
	trib__v1__signed__free_unpacked(b->head, NULL);
	PQfreemem(b->prev_head);
	for (size_t i = 0; i < b->n; i++)
		PQfreemem(b->items[i].data);
}

/* False when the link does not take it: then on_writable or the tick asks again. */
static bool send_down_rows(struct hq_region *r, struct hq_stream *s, const PGresult *rows)
{
	Trib__V1__Envelope e;
	Trib__V1__Batch m = TRIB__V1__BATCH__INIT;
	Trib__V1__Stream stream = stream_of(s, TRIB__V1__DIRECTION__DOWN);
	struct down_batch b = { 0 };
	int err;

	down_batch_fill(&b, rows);
	envelope_init(&e);
	m.stream = &stream;
	m.first_seq = b.first_seq;
	m.prev_head = (ProtobufCBinaryData){ HEAD_BYTES, b.prev_head };
	m.n_items = b.n;
	m.items = b.items;
	m.head = b.head;
	e.body_case = TRIB__V1__ENVELOPE__BODY_BATCH;
	e.batch = &m;
	err = relays_send(r, &e);
	if (err == 0) {
		r->out.used += b.bytes;
		sync_out_sent(&s->down, b.first_seq + b.n - 1);
	} else if (err == ERR_FULL) {
		log_event(LOG_LEVEL_CRITICAL, "down_batch_too_large", "store=%s first_seq=%llu",
			  s->code, (unsigned long long)b.first_seq);
	}
	down_batch_finish(&b);
	return err == 0;
}

static void on_down_rows(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct hq_stream *s = ctx;
	struct hq_region *r = hq_find_region(relays.h, s->region);
	uint64_t next = sync_out_next(&s->down);
	struct log_value v;

	s->is_reading = false;
	relays.n_reads--;
	if (err < 0) { /* not at once again: the tick does */
		log_event(LOG_LEVEL_ERROR, "down_log_unreadable", "store=%s message=%s", s->code,
			  log_quote(&v, message));
		return;
	}
	if (r != NULL && r->is_up && next == s->read_from) {
		if (PQntuples(rows) < 2 || strtoull(PQgetvalue(rows, 1, 0), NULL, 10) != next) {
			log_event(LOG_LEVEL_CRITICAL, "down_log_incomplete", "store=%s seq=%llu",
				  s->code, (unsigned long long)next);
			return; /* the tick looks again */
		}
		if (!send_down_rows(r, s, rows))
			return;
	}
	/* Else the relay was asked, or asked, for another place meanwhile: read again. */
	if (relays.is_read_due)
		relays_send_all_down();
	relays_send_down(s);
}

static void start_read(struct hq_stream *s, uint64_t from_seq)
{
	char store[16], incarnation[16], from[24], limit[16], seed[2 * HEAD_BYTES + 3];
	const char *values[5] = { store, incarnation, from, limit, seed };
	uint8_t head[HEAD_BYTES];
	const Trib__V1__Signed *c;
	uint8_t memory[2048];
	struct arena a;

	arena_init(&a, memory, sizeof(memory));
	if (payload_unpack_signed(&a, s->certificate, s->certificate_len, &c) < 0)
		abort(); /* it was checked when it was loaded */
	chain_seed(TRIB__V1__DIRECTION__DOWN, c->payload.data, c->payload.len, head);
	snprintf(store, sizeof(store), "%d", s->node);
	snprintf(incarnation, sizeof(incarnation), "%u", s->incarnation);
	snprintf(from, sizeof(from), "%llu", (unsigned long long)from_seq);
	snprintf(limit, sizeof(limit), "%d", RELAY_DOWN_BATCH);
	memcpy(seed, "\\x", 2);
	sodium_bin2hex(seed + 2, sizeof(seed) - 2, head, sizeof(head));
	s->is_reading = true;
	s->read_from = from_seq;
	relays.n_reads++;
	db_query(relays.h->db,
		 "SELECT 0 AS seq, NULL AS bytes, $5::bytea AS head, NULL AS signed"
		 " WHERE $3::int8 = 1 UNION ALL"
		 " (SELECT seq, bytes, head, signed FROM trib.down_log WHERE store = $1::int4"
		 " AND incarnation = $2::int4 AND seq >= $3::int8 - 1 ORDER BY seq"
		 " LIMIT $4::int8 + 1)",
		 5, values, on_down_rows, s);
}

void relays_send_down(struct hq_stream *s)
{
	uint64_t next = sync_out_next(&s->down);
	struct hq_region *r;

	if (next == 0 || s->is_reading || !s->is_presented)
		return;
	r = hq_find_region(relays.h, s->region);
	if (r == NULL || !r->is_up || !sync_window_is_open(&r->out))
		return;
	if (relays.n_reads >= RELAY_READS_MAX)
		relays.is_read_due = true; /* the end of a read looks for it */
	else
		start_read(s, next);
}

void relays_send_all_down(void)
{
	struct hqd *h = relays.h;

	relays.is_read_due = false;
	for (uint32_t n = 0; n < h->n_streams && !relays.is_read_due; n++) {
		if (relays.next_read >= h->n_streams)
			relays.next_read = 0;
		relays_send_down(h->streams[relays.next_read]);
		if (!relays.is_read_due) /* it keeps its turn */
			relays.next_read++;
	}
}
