#include <assert.h>
#include <string.h>

#include "spool_sql.h"

#define EVIDENCE_MAX 64

static int64_t stream_no(int direction, int32_t node, uint32_t incarnation)
{
	return (int64_t)node << 11 | (int64_t)incarnation << 1 |
	       (direction == TRIB__V1__DIRECTION__DOWN ? 1 : 0);
}

static void column_position(sqlite3_stmt *q, int i, struct position *ret)
{
	ret->seq = (uint64_t)sqlite3_column_int64(q, i);
	memset(ret->head, 0, HEAD_BYTES);
	if (sqlite3_column_bytes(q, i + 1) == HEAD_BYTES)
		memcpy(ret->head, sqlite3_column_blob(q, i + 1), HEAD_BYTES);
}

static void bind_positions(sqlite3_stmt *q, const struct spool_stream *st)
{
	sqlite3_bind_int64(q, 1, st->no);
	sqlite3_bind_int64(q, 2, (int64_t)st->base.seq);
	sqlite3_bind_blob(q, 3, st->base.head, HEAD_BYTES, SQLITE_STATIC);
	sqlite3_bind_int64(q, 4, (int64_t)st->end.seq);
	sqlite3_bind_blob(q, 5, st->end.head, HEAD_BYTES, SQLITE_STATIC);
}

void spool_stream_load(struct spool *sp, int direction, int32_t node, uint32_t incarnation,
		       const uint8_t seed[HEAD_BYTES], struct spool_stream *ret)
{
	sqlite3_stmt *q = spool_statement(sp, SQL_STREAM);

	*ret = (struct spool_stream){ .no = stream_no(direction, node, incarnation) };
	memcpy(ret->base.head, seed, HEAD_BYTES);
	ret->end = ret->base;
	sqlite3_bind_int64(q, 1, ret->no);
	if (spool_has_row(sp, q)) {
		column_position(q, 0, &ret->base);
		column_position(q, 2, &ret->end);
		ret->is_forked = sqlite3_column_int(q, 4) != 0;
		sqlite3_reset(q);
		return;
	}
	sqlite3_reset(q);
	q = spool_write(sp, SQL_ADD_STREAM);
	if (q == NULL)
		return; /* the writes of this turn fail together */
	bind_positions(q, ret);
	spool_run_write(sp, q);
}

static void move_stream(struct spool *sp, const struct spool_stream *st)
{
	sqlite3_stmt *q = spool_write(sp, SQL_MOVE_STREAM);

	if (q == NULL)
		return;
	bind_positions(q, st);
	spool_run_write(sp, q);
}

void spool_append(struct spool *sp, struct spool_stream *st, const struct sync_batch *b,
		  size_t skip, const void *signed_head, size_t len)
{
	assert(b->first_seq + skip == st->end.seq + 1);
	for (size_t i = skip; i < b->n; i++) {
		sqlite3_stmt *q = spool_write(sp, SQL_APPEND);

		if (q == NULL)
			return;
		chain_next(st->end.head, b->items[i].data, b->items[i].len, st->end.head);
		st->end.seq++;
		sqlite3_bind_int64(q, 1, st->no);
		sqlite3_bind_int64(q, 2, (int64_t)st->end.seq);
		sqlite3_bind_blob(q, 3, st->end.head, HEAD_BYTES, SQLITE_STATIC);
		sqlite3_bind_blob64(q, 4, b->items[i].data, b->items[i].len, SQLITE_STATIC);
		if (i + 1 == b->n)
			sqlite3_bind_blob64(q, 5, signed_head, len, SQLITE_STATIC);
		spool_run_write(sp, q);
	}
	move_stream(sp, st);
}

void spool_rebase(struct spool *sp, struct spool_stream *st, const struct position *at,
		  int64_t wall_ms)
{
	sqlite3_stmt *q = spool_write(sp, SQL_SET_ASIDE);

	if (q == NULL)
		return;
	sqlite3_bind_int64(q, 1, st->no);
	sqlite3_bind_int64(q, 2, (int64_t)at->seq);
	sqlite3_bind_int64(q, 3, wall_ms);
	spool_run_write(sp, q);
	q = spool_write(sp, SQL_DROP_ABOVE);
	if (q == NULL)
		return;
	sqlite3_bind_int64(q, 1, st->no);
	sqlite3_bind_int64(q, 2, (int64_t)at->seq);
	spool_run_write(sp, q);
	st->base = *at;
	st->end = *at;
	move_stream(sp, st);
}

static int64_t count_evidence(struct spool *sp, const struct spool_stream *st)
{
	sqlite3_stmt *q = spool_statement(sp, SQL_EVIDENCE_COUNT);
	int64_t n = 0;

	sqlite3_bind_int64(q, 1, st->no);
	if (spool_has_row(sp, q))
		n = sqlite3_column_int64(q, 0);
	sqlite3_reset(q);
	return n;
}

void spool_keep_evidence(struct spool *sp, struct spool_stream *st, const void *batch, size_t len,
			 int64_t wall_ms)
{
	sqlite3_stmt *q;

	if (count_evidence(sp, st) < EVIDENCE_MAX) {
		q = spool_write(sp, SQL_EVIDENCE);
		if (q == NULL)
			return;
		sqlite3_bind_int64(q, 1, st->no);
		sqlite3_bind_int64(q, 2, wall_ms);
		sqlite3_bind_blob64(q, 3, batch, len, SQLITE_STATIC);
		spool_run_write(sp, q);
	}
	q = spool_write(sp, SQL_FORK_STREAM);
	if (q == NULL)
		return;
	sqlite3_bind_int64(q, 1, st->no);
	spool_run_write(sp, q);
	st->is_forked = true;
}

int spool_head(struct spool *sp, const struct spool_stream *st, uint64_t seq,
	       uint8_t ret_head[HEAD_BYTES])
{
	sqlite3_stmt *q;
	int err = ERR_NOT_FOUND;

	if (seq < st->base.seq || seq > st->end.seq)
		return ERR_NOT_FOUND;
	if (seq == st->base.seq || seq == st->end.seq) {
		memcpy(ret_head, seq == st->base.seq ? st->base.head : st->end.head, HEAD_BYTES);
		return 0;
	}
	q = spool_statement(sp, SQL_HEAD);
	sqlite3_bind_int64(q, 1, st->no);
	sqlite3_bind_int64(q, 2, (int64_t)seq);
	if (spool_has_row(sp, q) && sqlite3_column_bytes(q, 0) == HEAD_BYTES) {
		memcpy(ret_head, sqlite3_column_blob(q, 0), HEAD_BYTES);
		err = 0;
	}
	sqlite3_reset(q);
	return err;
}

/* The row's item fits into the run: add it. False: it does not. */
static int add_item(sqlite3_stmt *q, struct arena *a, struct spool_run *run, size_t *bytes,
		    size_t *n)
{
	size_t len = (size_t)sqlite3_column_bytes(q, 1);

	if (*n == SYNC_BATCH_MAX_ITEMS || *bytes + len > SYNC_BATCH_MAX_BYTES)
		return ERR_NOT_FOUND;
	run->items[*n].data = arena_memdup(a, sqlite3_column_blob(q, 1), len);
	run->items[*n].len = len;
	if (run->items[*n].data == NULL)
		return ERR_FULL;
	*bytes += len;
	++*n;
	if (sqlite3_column_type(q, 2) == SQLITE_NULL)
		return 0;
	len = (size_t)sqlite3_column_bytes(q, 2);
	run->signed_head.data = arena_memdup(a, sqlite3_column_blob(q, 2), len);
	run->signed_head.len = len;
	if (run->signed_head.data == NULL)
		return ERR_FULL;
	run->n = *n;
	run->bytes = *bytes;
	run->last_seq = (uint64_t)sqlite3_column_int64(q, 0);
	return 0;
}

int spool_read(struct spool *sp, const struct spool_stream *st, uint64_t from_seq,
	       uint64_t last_seq, struct arena *a, struct spool_run *ret)
{
	struct spool_run run = { .first_seq = from_seq };
	size_t bytes = 0, n = 0;
	uint64_t max;
	sqlite3_stmt *q;
	int err;

	if (from_seq <= st->base.seq || from_seq > last_seq || last_seq > st->end.seq)
		return ERR_NOT_FOUND;
	err = spool_head(sp, st, from_seq - 1, run.prev_head);
	if (err != 0)
		return err;
	max = last_seq - from_seq < SYNC_BATCH_MAX_ITEMS ? last_seq - from_seq + 1 :
							   SYNC_BATCH_MAX_ITEMS;
	run.items = arena_alloc(a, (size_t)max * sizeof(*run.items));
	if (run.items == NULL)
		return ERR_FULL;
	q = spool_statement(sp, SQL_READ);
	sqlite3_bind_int64(q, 1, st->no);
	sqlite3_bind_int64(q, 2, (int64_t)from_seq);
	while (err == 0 && spool_has_row(sp, q)) {
		uint64_t seq = (uint64_t)sqlite3_column_int64(q, 0);

		if (seq != from_seq + n || seq > last_seq)
			break;
		err = add_item(q, a, &run, &bytes, &n);
	}
	sqlite3_reset(q);
	if (err == ERR_FULL)
		return err;
	if (run.n == 0)
		return ERR_NOT_FOUND;
	*ret = run;
	return 0;
}
