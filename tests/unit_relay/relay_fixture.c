#include "relay_fixture.h"

#include <stdlib.h>
#include <string.h>

int fixture_setup(void **state)
{
	const struct relay_config config = { .max_stores = 64,
					     .store_window_bytes = 4096,
					     .hq_window_bytes = 8192 };
	struct fixture *f = calloc(1, sizeof(*f));

	f->memory = aligned_alloc(16, (relay_size(&config) + 15) & ~(size_t)15);
	f->relay = relay_init(f->memory, &config);
	f->now_ms = 1000000;
	f->send_items = 10;
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	free(f->memory);
	free(f);
	return 0;
}

static void make_item(int32_t node, int branch, uint64_t seq, uint8_t ret[8])
{
	memset(ret, 0, 8);
	ret[0] = (uint8_t)node;
	ret[1] = (uint8_t)(seq > 10 ? branch : 0);
	memcpy(ret + 2, &seq, 4);
}

void stream_head(int direction, int32_t node, int branch, uint64_t seq, uint8_t ret[HEAD_BYTES])
{
	uint8_t item[8];

	chain_seed(direction, &node, sizeof(node), ret);
	for (uint64_t i = 1; i <= seq; i++) {
		make_item(node, branch, i, item);
		chain_next(ret, item, sizeof(item), ret);
	}
}

static void answer(struct fixture *f, const struct relay_effect *e, struct relay_event *ret)
{
	uint64_t n = e->total - e->at.seq + 1;

	if (n > f->send_items)
		n = f->send_items;
	assert_true(e->at.seq <= e->total); /* nothing that is not there is asked for */
	*ret = (struct relay_event){ .kind = f->is_blocked ? RELAY_BLOCKED : RELAY_SENT,
				     .node = e->node,
				     .incarnation = e->incarnation };
	ret->sent.to = e->to;
	ret->sent.last_seq = e->at.seq + n - 1;
	ret->sent.bytes = f->send_bytes != 0 ? f->send_bytes : n * 8;
}

/* One event; its effects into the log. True: `next` must follow. */
static bool step_once(struct fixture *f, struct relay_event *ev, struct relay_event *next)
{
	struct relay_effects fx;
	bool has_next = false;

	ev->now_ms = f->now_ms;
	f->last_err = relay_step(f->relay, ev, &fx);
	assert_false(fx.has_write && fx.has_promise); /* R1 */
	for (size_t i = 0; i < fx.n; i++) {
		assert_true(f->n < LOG_MAX);
		f->log[f->n++] = fx.list[i];
		if (fx.list[i].kind != RELAY_DO_SEND)
			continue;
		assert_false(has_next); /* one at a time */
		answer(f, &fx.list[i], next);
		has_next = true;
	}
	return has_next;
}

void step(struct fixture *f, struct relay_event ev)
{
	struct relay_event next;
	int err;
	bool more;

	f->n = 0;
	more = step_once(f, &ev, &next);
	err = f->last_err;
	while (more) {
		ev = next;
		more = step_once(f, &ev, &next);
	}
	f->last_err = err;
}

void tick(struct fixture *f, uint64_t ms)
{
	f->now_ms += ms;
	step(f, (struct relay_event){ .kind = RELAY_TICK });
}

void commit(struct fixture *f)
{
	step(f, (struct relay_event){ .kind = RELAY_COMMITTED });
}

void know_at(struct fixture *f, int32_t node, uint64_t base, uint64_t end)
{
	struct relay_event ev = { .kind = RELAY_KNOWN, .node = node, .incarnation = 1 };

	ev.known.is_listed = true;
	ev.known.up_base_seq = base;
	ev.known.up_end.seq = end;
	ev.known.booked_seq = base;
	stream_head(UP, node, 0, end, ev.known.up_end.head);
	stream_head(DOWN, node, 0, 0, ev.known.down_end.head);
	step(f, ev);
}

void know(struct fixture *f, int32_t node)
{
	know_at(f, node, 0, 0);
}

void store_hello(struct fixture *f, int32_t node, uint64_t down_seq)
{
	struct relay_event ev = { .kind = RELAY_STORE_HELLO, .node = node, .incarnation = 1 };

	ev.hello.window_bytes = 4096;
	ev.hello.journal_seq = 1000000;
	ev.hello.down_seq = down_seq;
	step(f, ev);
}

static void batch(struct fixture *f, enum relay_event_kind kind, int32_t node, int branch,
		  uint64_t first, uint64_t last)
{
	struct relay_event ev = { .kind = kind, .node = node, .incarnation = 1 };
	int direction = kind == RELAY_STORE_BATCH ? UP : DOWN;
	uint8_t own[HEAD_BYTES];

	assert_true(last - first < BATCH_ITEMS_MAX);
	for (uint64_t seq = first; seq <= last; seq++) {
		make_item(node, branch, seq, f->bytes[seq - first]);
		f->items[seq - first] =
			(ProtobufCBinaryData){ .len = 8, .data = f->bytes[seq - first] };
	}
	stream_head(direction, node, branch, first - 1, f->prev_head);
	stream_head(direction, node, branch, last, f->end_head);
	stream_head(direction, node, 0, last, own);
	f->batch = (struct sync_batch){ .first_seq = first,
					.prev_head = f->prev_head,
					.n = (size_t)(last - first + 1),
					.items = f->items,
					.signed_seq = last,
					.signed_head = f->end_head };
	ev.batch.batch = &f->batch;
	ev.batch.bytes = (size_t)(last - first + 1) * 8 + f->extra_bytes;
	ev.batch.own_head = own;
	step(f, ev);
}

void store_batch(struct fixture *f, int32_t node, int branch, uint64_t first, uint64_t last)
{
	batch(f, RELAY_STORE_BATCH, node, branch, first, last);
}

void hq_batch(struct fixture *f, int32_t node, uint64_t first, uint64_t last)
{
	batch(f, RELAY_HQ_BATCH, node, 0, first, last);
}

void hq_open(struct fixture *f, uint64_t window)
{
	step(f, (struct relay_event){ .kind = RELAY_HQ_UP });
	step(f, (struct relay_event){ .kind = RELAY_HQ_WELCOME, .window_bytes = window });
}

static void booked(struct fixture *f, enum relay_event_kind kind, int32_t node, int branch,
		   uint64_t seq)
{
	struct relay_event ev = { .kind = kind, .node = node, .incarnation = 1 };
	struct relay_store_view v;
	uint8_t own[HEAD_BYTES];

	assert_int_equal(relay_find(f->relay, node, 1, &v), 0);
	ev.booked.at.seq = seq;
	ev.booked.down_seq = 1000;
	stream_head(UP, node, branch, seq, ev.booked.at.head);
	stream_head(UP, node, 0, seq, own);
	if (seq <= v.spooled_seq)
		ev.booked.own_head = own;
	step(f, ev);
}

void hq_resume(struct fixture *f, int32_t node, int branch, uint64_t seq)
{
	booked(f, RELAY_HQ_RESUME, node, branch, seq);
}

void hq_ack(struct fixture *f, int32_t node, int branch, uint64_t seq)
{
	booked(f, RELAY_HQ_ACK, node, branch, seq);
}

void simple(struct fixture *f, enum relay_event_kind kind, int32_t node, uint64_t value)
{
	struct relay_event ev = { .kind = kind, .node = node, .incarnation = 1 };

	ev.seq = value; /* window_bytes lies at the same place */
	step(f, ev);
}

size_t count(const struct fixture *f, enum relay_effect_kind kind, int32_t node)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->log[i].kind == kind && (node == 0 || f->log[i].node == node);
	return n;
}

const struct relay_effect *find(const struct fixture *f, enum relay_effect_kind kind, int32_t node)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->log[i].kind == kind && (node == 0 || f->log[i].node == node))
			return &f->log[i];
	}
	return NULL;
}

bool has_alarm(const struct fixture *f, enum relay_alarm alarm)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->log[i].kind == RELAY_DO_ALARM && f->log[i].alarm == alarm)
			return true;
	}
	return false;
}
