#include "ingest.h"

#include <assert.h>
#include <string.h>

#include "ingest_private.h"

#define ARENA_RESERVE (8u << 20) /* one hostile entry of 64 KiB unpacks to at most 72 times that */
#define OWN_ENTRY_BYTES 1024
#define OWN_ENTRY_RESERVE (OWN_ENTRY_BYTES + sizeof(Trib__V1__Entry) + 32)

size_t ingest_size(void)
{
	return sizeof(struct ingest);
}

static void cells_init(struct cells *c, void *rows, size_t row_bytes, size_t key_bytes, size_t cap,
		       uint32_t *slots, size_t n_slots, uint32_t *order)
{
	*c = (struct cells){ .rows = rows,
			     .row_bytes = row_bytes,
			     .key_bytes = key_bytes,
			     .cap = cap,
			     .slots = slots,
			     .n_slots = n_slots,
			     .order = order,
			     .scratch = order + cap };
}

struct ingest *ingest_init(void *memory, uint32_t hq_epoch, const struct position *hq_journal,
			   const uint8_t account_key[ACCOUNT_KEY_BYTES])
{
	struct ingest *g = memory;
	struct ingest_group *out = &g->group;

	g->hq_epoch = hq_epoch;
	g->hq_journal = *hq_journal;
	memcpy(g->account_key, account_key, ACCOUNT_KEY_BYTES);
	g->limit = INGEST_MAX_ENTRIES;
	g->tail = &g->queue;
	arena_init(&g->arena, g->arena_memory, sizeof(g->arena_memory));
	cells_init(&out->holdings, g->holding_rows, sizeof(struct holding_delta),
		   sizeof(struct holding_key), HOLDING_CELLS, g->holding_slots, 2 * HOLDING_CELLS,
		   g->holding_order);
	cells_init(&out->postings, g->posting_rows, sizeof(struct posting_sum),
		   sizeof(struct posting_key), POSTING_CELLS, g->posting_slots, 2 * POSTING_CELLS,
		   g->posting_order);
	cells_init(&out->totals, g->total_rows, sizeof(struct total_sum), sizeof(struct total_key),
		   TOTAL_CELLS, g->total_slots, 2 * TOTAL_CELLS, g->total_order);
	cells_init(&out->owed, g->owed_rows, sizeof(struct owed_delta), sizeof(struct owed_key),
		   OWED_CELLS, g->owed_slots, 2 * OWED_CELLS, g->owed_order);
	cells_init(&out->receipts, g->receipt_rows, sizeof(struct receipt_sum),
		   sizeof(struct receipt_key), RECEIPT_CELLS, g->receipt_slots, 2 * RECEIPT_CELLS,
		   g->receipt_order);
	cells_init(&g->blocked, g->blocked_rows, sizeof(struct blocked_key),
		   sizeof(struct blocked_key), INGEST_MAX_BLOCKED, g->blocked_slots,
		   2 * INGEST_MAX_BLOCKED, g->blocked_order);
	cells_init(&g->blocked_now, g->blocked_now_rows, sizeof(struct blocked_key),
		   sizeof(struct blocked_key), INGEST_MAX_ENTRIES, g->blocked_now_slots,
		   2 * INGEST_MAX_ENTRIES, g->blocked_now_order);
	return g;
}

int64_t ingest_add_stream(struct ingest *g, int32_t store, uint32_t incarnation,
			  const struct position *booked)
{
	struct ingest_stream *s;

	if (g->n_streams == INGEST_MAX_STREAMS)
		return ERR_FULL;
	s = &g->streams[g->n_streams];
	*s = (struct ingest_stream){ .store = store,
				     .incarnation = incarnation,
				     .booked = *booked };
	return g->n_streams++;
}

const struct ingest_stream *ingest_stream_at(const struct ingest *g, uint32_t stream)
{
	assert(stream < g->n_streams);
	return &g->streams[stream];
}

void ingest_block(struct ingest *g, int32_t store, const uint8_t account[ACCOUNT_ID_BYTES])
{
	struct blocked_key key = ingest_blocked_key(store, account);

	(void)cells_at(&g->blocked, &key);
}

void ingest_push(struct ingest *g, struct ingest_batch *b)
{
	assert(b->stream < g->n_streams && b->n > 0 && b->done == 0);
	b->next = NULL;
	b->planned = 0;
	*g->tail = b;
	g->tail = &b->next;
	g->backlog += b->n;
}

size_t ingest_backlog(const struct ingest *g)
{
	return g->backlog;
}

/* ---- groups ---- */

static struct cursor_row *cursor_of(struct ingest *g, uint32_t stream)
{
	struct ingest_stream *s = &g->streams[stream];
	struct cursor_row *c;

	if (s->cursor_of == g->group_no)
		return &g->group.cursors[s->cursor_index];
	s->cursor_of = g->group_no;
	s->cursor_index = g->group.n_cursors++;
	c = &g->group.cursors[s->cursor_index];
	*c = (struct cursor_row){ .stream = stream,
				  .store = s->store,
				  .incarnation = s->incarnation,
				  .from = s->booked,
				  .to = s->booked };
	return c;
}

/* Plan as much of one batch as fits. False when the group is full. */
static bool add_batch(struct ingest *g, struct ingest_batch *b)
{
	struct ingest_group *out = &g->group;
	struct cursor_row *c;

	b->planned = b->done;
	if (out->n_rows == g->limit)
		return false;
	c = cursor_of(g, b->stream);
	while (b->planned < b->n) {
		const ProtobufCBinaryData *item = &b->items[b->planned];
		struct journal_row *row = &out->rows[out->n_rows];

		if (out->n_rows == g->limit ||
		    g->arena.cap - g->arena.used <
			    ARENA_RESERVE + out->n_quarantined * OWN_ENTRY_RESERVE)
			return false;
		assert(b->first_seq + b->planned == c->to.seq + 1); /* G1, G3 */
		*row = (struct journal_row){ .store = c->store,
					     .incarnation = c->incarnation,
					     .seq = c->to.seq + 1,
					     .bytes = item->data,
					     .len = item->len };
		chain_next(c->to.head, item->data, item->len, row->head);
		if (!ingest_add_entry(g, row))
			return false;
		c->to.seq = row->seq;
		memcpy(c->to.head, row->head, HEAD_BYTES);
		out->n_rows++;
		b->planned++;
	}
	out->signed_heads[out->n_signed++] = (struct signed_row){ .store = c->store,
								  .incarnation = c->incarnation,
								  .seq = c->to.seq,
								  .signed_head = b->signed_head };
	return true;
}

/* G5: HQ's own word on each quarantined entry. */
static void add_own_entries(struct ingest *g, int64_t wall_ms)
{
	struct ingest_group *out = &g->group;

	g->hq_building = g->hq_journal;
	for (size_t i = 0; i < out->n_quarantined; i++) {
		const struct quarantine_row *q = &out->quarantined[i];
		struct journal_row *row = &out->rows[out->n_rows++];
		Trib__V1__Quarantined body = TRIB__V1__QUARANTINED__INIT;
		Trib__V1__Entry *e = arena_alloc(&g->arena, sizeof(*e));
		uint8_t *bytes = arena_alloc(&g->arena, OWN_ENTRY_BYTES);
		size_t len;
		int r;

		assert(e != NULL && bytes != NULL); /* ARENA_RESERVE leaves room for them */
		trib__v1__entry__init(e);
		e->node = 0;
		e->incarnation = g->hq_epoch;
		e->seq = g->hq_building.seq + 1;
		e->wall_ms = wall_ms;
		e->business_day = (int32_t)(wall_ms / 86400000);
		e->has_account = q->has_account;
		e->account = (ProtobufCBinaryData){ q->has_account ? ACCOUNT_ID_BYTES : 0,
						    (uint8_t *)(uintptr_t)q->account };
		body.node = q->store;
		body.incarnation = q->incarnation;
		body.seq = q->seq;
		body.reason = (char *)(uintptr_t)q->reason;
		body.detail = (char *)(uintptr_t)q->detail;
		e->body_case = TRIB__V1__ENTRY__BODY_QUARANTINED;
		e->quarantined = &body;
		r = entry_pack(e, bytes, OWN_ENTRY_BYTES, &len);
		assert(r == 0); /* reason and detail are bounded texts of ours */
		(void)r;
		e->body_case = TRIB__V1__ENTRY__BODY__NOT_SET; /* body leaves the scope */
		*row = (struct journal_row){ .store = 0,
					     .incarnation = g->hq_epoch,
					     .seq = e->seq,
					     .entry = e,
					     .bytes = bytes,
					     .len = len };
		chain_next(g->hq_building.head, bytes, len, row->head);
		g->hq_building.seq = row->seq;
		memcpy(g->hq_building.head, row->head, HEAD_BYTES);
	}
	if (out->n_quarantined > 0)
		out->cursors[out->n_cursors++] = (struct cursor_row){ .stream = UINT32_MAX,
								      .store = 0,
								      .incarnation = g->hq_epoch,
								      .from = g->hq_journal,
								      .to = g->hq_building };
}

static void clear_group(struct ingest *g)
{
	struct ingest_group *out = &g->group;

	g->group_no++;
	out->n_rows = out->n_opened = out->n_cursors = out->n_quarantined = out->n_signed = 0;
	cells_clear(&out->holdings);
	cells_clear(&out->postings);
	cells_clear(&out->totals);
	cells_clear(&out->owed);
	cells_clear(&out->receipts);
	cells_clear(&g->blocked_now);
	arena_reset(&g->arena);
}

const struct ingest_group *ingest_build(struct ingest *g, int64_t wall_ms)
{
	struct ingest_group *out = &g->group;

	if (g->is_out || g->queue == NULL)
		return NULL;
	clear_group(g);
	for (struct ingest_batch *b = g->queue; b != NULL; b = b->next) {
		if (!add_batch(g, b) || out->n_signed == INGEST_MAX_ENTRIES ||
		    out->n_cursors == INGEST_MAX_STREAMS - 1)
			break;
	}
	g->n_store_rows = out->n_rows;
	add_own_entries(g, wall_ms);
	cells_sort(&out->holdings, holding_less);
	cells_sort(&out->postings, posting_less);
	cells_sort(&out->totals, total_less);
	cells_sort(&out->owed, owed_less);
	cells_sort(&out->receipts, receipt_less);
	g->is_out = true;
	return out;
}

static void release(struct ingest *g, bool all, struct ingest_batch **ret_released)
{
	struct ingest_batch **released = ret_released;

	*ret_released = NULL;
	while (g->queue != NULL && (all || g->queue->done == g->queue->n)) {
		struct ingest_batch *b = g->queue;

		g->queue = b->next;
		b->next = NULL;
		*released = b;
		released = &b->next;
	}
	if (g->queue == NULL)
		g->tail = &g->queue;
}

void ingest_booked(struct ingest *g, struct ingest_batch **ret_released)
{
	struct ingest_group *out = &g->group;

	assert(g->is_out);
	g->is_out = false;
	for (size_t i = 0; i < out->n_cursors; i++) {
		if (out->cursors[i].stream != UINT32_MAX)
			g->streams[out->cursors[i].stream].booked = out->cursors[i].to;
	}
	g->hq_journal = g->hq_building;
	for (size_t i = 0; i < g->blocked_now.n; i++)
		(void)cells_at(&g->blocked, g->blocked_now.rows + i * g->blocked_now.row_bytes);
	for (struct ingest_batch *b = g->queue; b != NULL && b->planned > b->done; b = b->next) {
		g->backlog -= b->planned - b->done;
		b->done = b->planned;
	}
	g->must_quarantine = false;
	g->limit = g->limit * 2 < INGEST_MAX_ENTRIES ? g->limit * 2 : INGEST_MAX_ENTRIES;
	release(g, false, ret_released);
}

void ingest_failed(struct ingest *g, bool is_data, const char *detail)
{
	assert(g->is_out);
	g->is_out = false;
	if (!is_data)
		return;
	if (g->n_store_rows > 1) {
		g->limit = g->n_store_rows / 2;
		return;
	}
	g->must_quarantine = true;
	g->limit = 1;
	g->culprit_store = g->group.rows[0].store;
	g->culprit_incarnation = g->group.rows[0].incarnation;
	g->culprit_seq = g->group.rows[0].seq;
	memset(g->detail, 0, sizeof(g->detail));
	memcpy(g->detail, detail, strnlen(detail, sizeof(g->detail) - 1));
}

const struct position *ingest_hq_journal(const struct ingest *g)
{
	return &g->hq_journal;
}

void ingest_reset(struct ingest *g, struct ingest_batch **ret_released)
{
	g->is_out = false;
	g->backlog = 0;
	g->must_quarantine = false; /* what comes next may be of another store */
	g->limit = INGEST_MAX_ENTRIES;
	release(g, true, ret_released);
}

void ingest_set_booked(struct ingest *g, uint32_t stream, const struct position *booked)
{
	assert(stream < g->n_streams && g->queue == NULL);
	g->streams[stream].booked = *booked;
}

void ingest_set_hq_journal(struct ingest *g, const struct position *at)
{
	assert(!g->is_out);
	g->hq_journal = *at;
}
