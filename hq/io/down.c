#include "down.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "entry.h"
#include "log.h"
#include "sign.h"

#define EXTRA_MAX (BOOK_OP_STATEMENTS - 2)
#define HEAD_ARENA_BYTES 1024

int64_t hq_wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t hq_mono_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + 1;
}

/* ---- rows ---- */

static void sign_head(const struct hqd *h, int32_t node, uint32_t incarnation,
		      const struct position *at, struct sqltext *ret)
{
	Trib__V1__Stream stream = TRIB__V1__STREAM__INIT;
	Trib__V1__SignedHead head = TRIB__V1__SIGNED_HEAD__INIT;
	_Alignas(16) uint8_t memory[HEAD_ARENA_BYTES];
	uint8_t payload[256], packed[512];
	Trib__V1__Signed *s;
	struct arena a;
	int r;

	stream.direction = TRIB__V1__DIRECTION__DOWN;
	stream.node = node;
	stream.incarnation = incarnation;
	head.chain = (ProtobufCBinaryData){ sizeof(h->chain), (uint8_t *)(uintptr_t)h->chain };
	head.stream = &stream;
	head.seq = at->seq;
	head.head = (ProtobufCBinaryData){ HEAD_BYTES, (uint8_t *)(uintptr_t)at->head };
	assert(trib__v1__signed_head__get_packed_size(&head) <= sizeof(payload));
	arena_init(&a, memory, sizeof(memory));
	r = sign_payload(&a, SIGN_DOMAIN_HEAD, payload, trib__v1__signed_head__pack(&head, payload),
			 h->keys.sign_secret, &s);
	assert(r == 0 && trib__v1__signed__get_packed_size(s) <= sizeof(packed));
	(void)r;
	sqltext_item_bytes(ret, packed, trib__v1__signed__pack(s, packed));
}

int down_rows_add(const struct hqd *h, struct down_rows *r, int32_t node, uint32_t incarnation,
		  struct position *at, Trib__V1__DownMessage *m)
{
	uint8_t *bytes;
	size_t len;

	m->node = node;
	m->incarnation = incarnation;
	m->seq = at->seq + 1;
	m->wall_ms = hq_wall_ms();
	len = trib__v1__down_message__get_packed_size(m);
	if (len > ENTRY_MAX_BYTES)
		return ERR_FULL;
	bytes = malloc(len);
	if (bytes == NULL)
		abort();
	trib__v1__down_message__pack(m, bytes);
	at->seq++;
	chain_next(at->head, bytes, len, at->head);
	sqltext_item_int(&r->store, node);
	sqltext_item_int(&r->incarnation, incarnation);
	sqltext_item_int(&r->seq, (int64_t)at->seq);
	sqltext_item_bytes(&r->bytes, bytes, len);
	sqltext_item_bytes(&r->head, at->head, HEAD_BYTES);
	sign_head(h, node, incarnation, at, &r->signed_head);
	free(bytes);
	return 0;
}

void down_rows_statement(struct down_rows *r, struct book_statement *ret)
{
	struct sqltext *arrays[] = { &r->store, &r->incarnation, &r->seq,
				     &r->bytes, &r->head,        &r->signed_head };

	*ret = (struct book_statement){
		.sql = "INSERT INTO trib.down_log (store, incarnation, seq, bytes, head, signed)"
		       " SELECT * FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bytea[],"
		       " $5::bytea[], $6::bytea[])",
		.n_params = 6,
		.want_rows = -1,
	};
	for (int i = 0; i < 6; i++) {
		sqltext_array_end(arrays[i]);
		ret->values[i] = arrays[i]->data;
	}
}

void down_rows_finish(struct down_rows *r)
{
	sqltext_finish(&r->store);
	sqltext_finish(&r->incarnation);
	sqltext_finish(&r->seq);
	sqltext_finish(&r->bytes);
	sqltext_finish(&r->head);
	sqltext_finish(&r->signed_head);
}

/* ---- the op ---- */

struct moved {
	struct hq_stream *stream;
	uint64_t from_seq;
	struct position to;
};

struct extra {
	struct book_statement statement;
	char *values[BOOK_OP_PARAMS]; /* owned */
};

struct down_op {
	struct book_op op;
	struct hqd *h;
	int (*fill)(void *ctx, struct down_op *op);
	void (*done)(void *ctx, int err, const char *message);
	void *ctx;

	struct down_rows rows;
	struct sqltext store, incarnation, from, to, head; /* of the UPDATE */
	struct moved *moved; /* owned */
	size_t n_moved, cap_moved;
	uint32_t *moved_of; /* by stream: index into moved + 1; owned */
	int n_extra;
	struct extra extra[EXTRA_MAX];
};

static void forget(struct down_op *op)
{
	down_rows_finish(&op->rows);
	sqltext_finish(&op->store);
	sqltext_finish(&op->incarnation);
	sqltext_finish(&op->from);
	sqltext_finish(&op->to);
	sqltext_finish(&op->head);
	free(op->moved);
	free(op->moved_of);
	op->moved = NULL;
	op->moved_of = NULL;
	op->n_moved = op->cap_moved = 0;
	for (int i = 0; i < op->n_extra; i++) {
		for (int k = 0; k < BOOK_OP_PARAMS; k++)
			free(op->extra[i].values[k]);
	}
	op->n_extra = 0;
	op->op.n_statements = 0;
}

static struct moved *moved_at(struct down_op *op, struct hq_stream *s)
{
	if (op->moved_of[s->index] != 0)
		return &op->moved[op->moved_of[s->index] - 1];
	if (op->n_moved == op->cap_moved) {
		op->cap_moved = op->cap_moved == 0 ? 16 : 2 * op->cap_moved;
		op->moved = reallocarray(op->moved, op->cap_moved, sizeof(*op->moved));
		if (op->moved == NULL)
			abort();
	}
	op->moved[op->n_moved] =
		(struct moved){ .stream = s, .from_seq = s->down_end.seq, .to = s->down_end };
	op->moved_of[s->index] = (uint32_t)++op->n_moved;
	return &op->moved[op->n_moved - 1];
}

int down_op_add(struct down_op *op, struct hq_stream *s, Trib__V1__DownMessage *m)
{
	struct moved *at;

	if (!s->is_active)
		return 0;
	at = moved_at(op, s);
	return down_rows_add(op->h, &op->rows, s->node, s->incarnation, &at->to, m);
}

void down_op_statement(struct down_op *op, const struct book_statement *s)
{
	struct extra *x;

	assert(op->n_extra < EXTRA_MAX && s->n_params <= BOOK_OP_PARAMS);
	x = &op->extra[op->n_extra++];
	*x = (struct extra){ .statement = *s };
	for (int i = 0; i < s->n_params; i++) {
		if (s->values[i] == NULL)
			continue;
		x->values[i] = strdup(s->values[i]);
		if (x->values[i] == NULL)
			abort();
		x->statement.values[i] = x->values[i];
	}
}

/* Move the ends, each from where this op found it: nobody else may have written. */
static void add_update(struct down_op *op)
{
	struct sqltext *arrays[] = { &op->store, &op->incarnation, &op->from, &op->to, &op->head };
	struct book_statement *s = &op->op.statements[op->op.n_statements++];

	for (size_t i = 0; i < op->n_moved; i++) {
		const struct moved *m = &op->moved[i];

		sqltext_item_int(&op->store, m->stream->node);
		sqltext_item_int(&op->incarnation, m->stream->incarnation);
		sqltext_item_int(&op->from, (int64_t)m->from_seq);
		sqltext_item_int(&op->to, (int64_t)m->to.seq);
		sqltext_item_bytes(&op->head, m->to.head, HEAD_BYTES);
	}
	*s = (struct book_statement){
		.sql = "UPDATE trib.incarnation i SET down_seq = d.to_seq, down_head = d.head"
		       " FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], $5::bytea[])"
		       " AS d(store, incarnation, from_seq, to_seq, head)"
		       " WHERE i.store = d.store AND i.incarnation = d.incarnation"
		       " AND i.down_seq = d.from_seq",
		.n_params = 5,
		.want_rows = (int)op->n_moved,
	};
	for (int i = 0; i < 5; i++) {
		sqltext_array_end(arrays[i]);
		s->values[i] = arrays[i]->data;
	}
}

static int on_prepare(struct book_op *base)
{
	struct down_op *op = base->ctx;
	int r;

	forget(op);
	op->moved_of = calloc((size_t)op->h->n_streams + 1, sizeof(*op->moved_of));
	if (op->moved_of == NULL)
		abort();
	r = op->fill(op->ctx, op);
	if (r < 0)
		return r;
	for (int i = 0; i < op->n_extra; i++)
		base->statements[base->n_statements++] = op->extra[i].statement;
	if (op->n_moved > 0) {
		down_rows_statement(&op->rows, &base->statements[base->n_statements++]);
		add_update(op);
	}
	return 0;
}

static void on_done(struct book_op *base, int err, const char *message)
{
	struct down_op *op = base->ctx;
	struct log_value v;

	for (size_t i = 0; err == 0 && i < op->n_moved; i++) {
		struct moved *m = &op->moved[i];

		m->stream->down_end = m->to;
		relays_down_extended(op->h, m->stream);
	}
	if (err != 0)
		log_event(LOG_LEVEL_WARNING, "down_append_failed", "err=%d why=%s", err,
			  log_quote(&v, message));
	if (op->done != NULL)
		op->done(op->ctx, err, message);
	forget(op);
	free(op);
}

void down_append_filled(struct hqd *h, int (*fill)(void *ctx, struct down_op *op),
			void (*done)(void *ctx, int err, const char *message), void *ctx)
{
	struct down_op *op = calloc(1, sizeof(*op));

	if (op == NULL)
		abort();
	op->h = h;
	op->fill = fill;
	op->done = done;
	op->ctx = ctx;
	op->op.prepare = on_prepare;
	op->op.done = on_done;
	op->op.ctx = op;
	book_submit(h->book, &op->op);
}

/* ---- messages known beforehand ---- */

struct items {
	void (*done)(void *ctx, int err, const char *message);
	void *ctx;
	size_t n;
	struct {
		struct hq_stream *stream;
		Trib__V1__DownMessage *message; /* owned */
	} * items; /* owned */
	int n_extra;
	struct extra extra[EXTRA_MAX];
};

static int fill_items(void *ctx, struct down_op *op)
{
	struct items *x = ctx;

	for (int i = 0; i < x->n_extra; i++)
		down_op_statement(op, &x->extra[i].statement);
	for (size_t i = 0; i < x->n; i++) {
		int r = down_op_add(op, x->items[i].stream, x->items[i].message);

		if (r < 0)
			return r;
	}
	return 0;
}

static void items_done(void *ctx, int err, const char *message)
{
	struct items *x = ctx;

	if (x->done != NULL)
		x->done(x->ctx, err, message);
	for (size_t i = 0; i < x->n; i++)
		trib__v1__down_message__free_unpacked(x->items[i].message, NULL);
	for (int i = 0; i < x->n_extra; i++) {
		for (int k = 0; k < BOOK_OP_PARAMS; k++)
			free(x->extra[i].values[k]);
	}
	free(x->items);
	free(x);
}

/* A deep copy, by way of its bytes. */
static Trib__V1__DownMessage *copy_message(const Trib__V1__DownMessage *m)
{
	size_t len = trib__v1__down_message__get_packed_size(m);
	uint8_t *bytes = malloc(len + 1);
	Trib__V1__DownMessage *copy;

	if (bytes == NULL)
		abort();
	trib__v1__down_message__pack(m, bytes);
	copy = trib__v1__down_message__unpack(NULL, len, bytes);
	free(bytes);
	if (copy == NULL)
		abort();
	return copy;
}

void down_append(struct hqd *h, const struct down_item *items, size_t n,
		 const struct book_statement *extra, int n_extra,
		 void (*done)(void *ctx, int err, const char *message), void *ctx)
{
	struct items *x = calloc(1, sizeof(*x));

	assert(n_extra <= EXTRA_MAX);
	if (x == NULL)
		abort();
	x->done = done;
	x->ctx = ctx;
	x->n = n;
	x->items = calloc(n + 1, sizeof(*x->items));
	if (x->items == NULL)
		abort();
	for (size_t i = 0; i < n; i++) {
		x->items[i].stream = items[i].stream;
		x->items[i].message = copy_message(&items[i].message);
	}
	for (int i = 0; i < n_extra; i++) {
		struct extra *e = &x->extra[x->n_extra++];

		e->statement = extra[i];
		for (int k = 0; k < extra[i].n_params; k++) {
			if (extra[i].values[k] == NULL)
				continue;
			e->values[k] = strdup(extra[i].values[k]);
			if (e->values[k] == NULL)
				abort();
			e->statement.values[k] = e->values[k];
		}
	}
	down_append_filled(h, fill_items, items_done, x);
}
