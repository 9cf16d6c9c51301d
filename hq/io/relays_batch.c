#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "relays.h"
#include "sign.h"

#define MAX_COMPARES 64

/* One allocation holds the batch, its items' table and all bytes. */
static struct ingest_batch *copy_batch(const Trib__V1__Batch *m, size_t skip)
{
	size_t n = m->n_items - skip, bytes = 0, head_len;
	struct ingest_batch *b;
	ProtobufCBinaryData *items;
	uint8_t *p;

	for (size_t i = 0; i < n; i++)
		bytes += m->items[skip + i].len;
	head_len = trib__v1__signed__get_packed_size(m->head);
	b = malloc(sizeof(*b) + n * sizeof(*items) + bytes + head_len);
	if (b == NULL)
		abort(); /* the service manager restarts us; nothing was promised */
	items = (void *)(b + 1);
	p = (uint8_t *)(items + n);
	for (size_t i = 0; i < n; i++) {
		const ProtobufCBinaryData *item = &m->items[skip + i];

		memcpy(p, item->data, item->len);
		items[i] = (ProtobufCBinaryData){ item->len, p };
		p += item->len;
	}
	trib__v1__signed__pack(m->head, p);
	*b = (struct ingest_batch){ .first_seq = m->first_seq + skip,
				    .n = n,
				    .items = items,
				    .signed_head = { head_len, p } };
	return b;
}

static size_t item_bytes(const Trib__V1__Batch *m)
{
	size_t bytes = 0;

	for (size_t i = 0; i < m->n_items; i++)
		bytes += m->items[i].len;
	return bytes;
}

/* Nothing of a batch is kept: the relay may send as much again. */
static void give_back(struct hq_region *r, const Trib__V1__Batch *m)
{
	sync_window_credit(&r->in, r->in.granted + item_bytes(m));
	r->is_credit_due = true;
	relays_flush();
}

/* The signed head is this stream's own. */
static const Trib__V1__SignedHead *verified_head(struct hqd *h, const struct hq_stream *s,
						 const Trib__V1__Batch *m)
{
	const Trib__V1__SignedHead *head;

	if (verify_signed(m->head, SIGN_DOMAIN_HEAD, s->sign_key) < 0 ||
	    payload_unpack_head(&relays.reader.arena, m->head->payload.data, m->head->payload.len,
				&head) < 0)
		return NULL;
	if (memcmp(head->chain.data, h->chain, sizeof(h->chain)) != 0 ||
	    head->stream->direction != TRIB__V1__DIRECTION__UP || head->stream->node != s->node ||
	    head->stream->incarnation != s->incarnation)
		return NULL;
	return head;
}

static void on_exception_written(void *ctx, int err, const PGresult *rows, const char *message)
{
	(void)ctx;
	(void)rows;
	if (err < 0)
		log_event(LOG_LEVEL_ERROR, "exception_not_written", "message=\"%s\"", message);
}

static void open_exception(struct hqd *h, const char *kind, const struct hq_stream *s,
			   const Trib__V1__Batch *m)
{
	char store[16], evidence[256];
	const char *values[3] = { kind, store, evidence };

	snprintf(store, sizeof(store), "%d", s->node);
	snprintf(evidence, sizeof(evidence),
		 "{\"incarnation\":%u,\"first_seq\":%llu,\"items\":%zu,\"region\":%d}",
		 s->incarnation, (unsigned long long)m->first_seq, m->n_items, s->region);
	log_event(LOG_LEVEL_CRITICAL, kind, "store=%s incarnation=%u first_seq=%llu region=%d",
		  s->code, s->incarnation, (unsigned long long)m->first_seq, s->region);
	db_query(h->db,
		 "INSERT INTO trib.exception (kind, store, evidence) SELECT $1, $2::int4, $3::jsonb"
		 " WHERE NOT EXISTS (SELECT 1 FROM trib.exception WHERE kind = $1 AND"
		 " store = $2::int4 AND state = 'open')",
		 3, values, on_exception_written, NULL);
}

/* The store has signed two histories: keep the one that lost, and take nothing more of it, also after
 * a restart. */
static void keep_fork(struct hqd *h, const struct hq_stream *s, const Trib__V1__Batch *m)
{
	size_t len = trib__v1__batch__get_packed_size(m);
	char store[16], incarnation[16], first[24], region[16];
	uint8_t *bytes = malloc(len);
	char *hex = malloc(2 * len + 3);
	const char *values[5] = { store, incarnation, first, region, hex };

	if (bytes == NULL || hex == NULL)
		abort();
	trib__v1__batch__pack(m, bytes);
	memcpy(hex, "\\x", 2);
	sodium_bin2hex(hex + 2, 2 * len + 1, bytes, len);
	snprintf(store, sizeof(store), "%d", s->node);
	snprintf(incarnation, sizeof(incarnation), "%u", s->incarnation);
	snprintf(first, sizeof(first), "%llu", (unsigned long long)m->first_seq);
	snprintf(region, sizeof(region), "%d", s->region);
	db_query(
		h->db,
		"WITH f AS (UPDATE trib.incarnation SET is_forked = true WHERE store = $1::int4"
		" AND incarnation = $2::int4) INSERT INTO trib.evidence (kind, store, incarnation,"
		" first_seq, region, batch) VALUES ('fork', $1::int4, $2::int4, $3::int8, $4::int4,"
		" $5::bytea)",
		5, values, on_exception_written, NULL);
	free(hex);
	free(bytes);
}

static void act(struct hqd *h, struct hq_region *r, struct hq_stream *s, const Trib__V1__Batch *m,
		const struct sync_judged *j)
{
	struct ingest_batch *b;

	switch (j->verdict) {
	case SYNC_PERSIST:
		b = copy_batch(m, j->skip);
		b->stream = s->index;
		b->bytes = item_bytes(m);
		b->link = r->connection;
		ingest_push(h->ingest, b);
		book_kick(h->book);
		return;
	case SYNC_DUPLICATE:
		relays_due(s, HQ_DUE_ACK);
		break;
	case SYNC_GAP:
		relays_due(s, HQ_DUE_PULL);
		break;
	case SYNC_FORK:
		open_exception(h, "fork", s, m);
		keep_fork(h, s, m);
		relays_refuse(r, s, "fork", NULL);
		break;
	case SYNC_TAMPERED:
		open_exception(h, "tampered", s, m);
		relays_refuse(r, s, "tampered", NULL);
		break;
	case SYNC_STOPPED:
		relays_refuse(r, s, "fork", NULL);
		break;
	case SYNC_COMPARE:
		break;
	}
	give_back(r, m);
}

/* A known part of the journal was sent again: is it the same? Looked up, as heads are not kept in
 * memory. The message is kept until the answer comes. */
struct compare {
	struct hq_stream *s;
	int32_t region;
	uint32_t connection;
	uint8_t *data;
	size_t len;
};

static void on_compared(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct compare *c = ctx;
	struct hqd *h = relays.h;
	struct hq_region *r = hq_find_region(h, c->region);
	const Trib__V1__Envelope *e;
	uint8_t own[HEAD_BYTES];
	bool has_own = false;

	(void)message;
	relays.n_compares--;
	if (err == 0 && PQntuples(rows) == 1 && PQgetlength(rows, 0, 0) == 2 + 2 * HEAD_BYTES) {
		const char *hex = PQgetvalue(rows, 0, 0) + 2;

		has_own = sodium_hex2bin(own, sizeof(own), hex, 2 * HEAD_BYTES, NULL, NULL, NULL) ==
			  0;
	}
	if (r != NULL && r->is_up && r->connection == c->connection &&
	    envelope_unpack(&relays.reader, c->data, c->len, &e) == 0) {
		const Trib__V1__Batch *m = e->batch;
		const Trib__V1__SignedHead *head = verified_head(h, c->s, m);

		if (head != NULL) {
			struct sync_batch b = { m->first_seq, m->prev_head.data, m->n_items,
						m->items,     head->seq,         head->head.data };
			struct sync_judged j = { 0 };

			j.verdict = sync_in_compared(&c->s->up, &b, has_own ? own : NULL);
			act(h, r, c->s, m, &j);
		} else {
			give_back(r, m);
		}
	}
	free(c->data);
	free(c);
}

static void start_compare(struct hqd *h, struct hq_region *r, struct hq_stream *s, uint64_t seq,
			  const uint8_t *data, size_t len)
{
	char store[16], incarnation[16], text[24];
	const char *values[3] = { store, incarnation, text };
	struct compare *c = malloc(sizeof(*c));

	if (c == NULL || (c->data = malloc(len)) == NULL)
		abort();
	memcpy(c->data, data, len);
	c->len = len;
	c->s = s;
	c->region = r->region;
	c->connection = r->connection;
	relays.n_compares++;
	snprintf(store, sizeof(store), "%d", s->node);
	snprintf(incarnation, sizeof(incarnation), "%u", s->incarnation);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)seq);
	db_query(h->db,
		 "SELECT head FROM trib.journal WHERE store = $1::int4 AND"
		 " incarnation = $2::int4 AND seq = $3::int8",
		 3, values, on_compared, c);
}

void relays_on_batch(struct hqd *h, struct hq_region *r, const Trib__V1__Batch *m,
		     const uint8_t *data, size_t len)
{
	const Trib__V1__SignedHead *head;
	struct sync_judged j;
	struct hq_stream *s;

	r->in.used += item_bytes(m);
	if (r->in.used > r->in.granted + SYNC_BATCH_MAX_BYTES) { /* L4 */
		relays_refuse(r, NULL, "window", "more was sent than granted");
		r->is_up = false;
		return;
	}
	s = m->stream->direction == TRIB__V1__DIRECTION__UP ?
		    hq_find_stream(h, m->stream->node, m->stream->incarnation) :
		    NULL;
	if (s == NULL || s->region != r->region) {
		relays_refuse(r, NULL, "not_listed", "batch");
		give_back(r, m);
		return;
	}
	head = verified_head(h, s, m);
	if (head == NULL) {
		open_exception(h, "bad_signature", s, m);
		relays_refuse(r, s, "signature", "batch");
		give_back(r, m);
		return;
	}
	struct sync_batch b = { m->first_seq, m->prev_head.data, m->n_items,
				m->items,     head->seq,         head->head.data };

	sync_in_batch(&s->up, &b, &j);
	if (j.verdict == SYNC_COMPARE && relays.n_compares < MAX_COMPARES) {
		start_compare(h, r, s, j.compare_seq, data, len);
		return;
	}
	if (j.verdict == SYNC_COMPARE)
		j.verdict = SYNC_DUPLICATE;
	act(h, r, s, m, &j);
}
