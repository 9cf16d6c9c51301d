#include "relay.h"

#include <assert.h>
#include <string.h>

#include "state.h"

static uint32_t slots_for(uint32_t max_stores)
{
	uint32_t n = 16;

	while (n < 2 * max_stores)
		n *= 2;
	return n;
}

static size_t align16(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

size_t relay_size(const struct relay_config *config)
{
	return align16(sizeof(struct relay)) +
	       align16(config->max_stores * sizeof(struct relay_store)) +
	       slots_for(config->max_stores) * sizeof(uint32_t);
}

struct relay *relay_init(void *memory, const struct relay_config *config)
{
	struct relay *r = memory;
	uint8_t *at = memory;

	assert(config->max_stores > 0 && config->max_stores < (1u << 24));
	memset(memory, 0, relay_size(config));
	r->config = *config;
	at += align16(sizeof(*r));
	r->stores = (void *)at;
	at += align16(config->max_stores * sizeof(struct relay_store));
	r->slots = (void *)at;
	r->n_slots = slots_for(config->max_stores);
	for (int q = 0; q < QUEUE_COUNT; q++)
		r->queues[q] = (struct queue){ NO_STORE, NO_STORE };
	r->sweep_at = UINT32_MAX;
	return r;
}

static int on_known(struct relay *r, const struct relay_event *ev, struct relay_effects *fx)
{
	struct relay_store *s = relay_table_find(r, ev->node, ev->incarnation);
	const struct relay_known *k = &ev->known;
	struct position base = { .seq = k->up_base_seq };

	if (s != NULL) { /* only the listing can have changed */
		s->is_listed = k->is_listed;
		if (!s->is_listed) {
			relay_store_go_offline(s);
			relay_effect_calm(fx, s, RELAY_ALARM_STORE_SILENT);
		}
		return 0;
	}
	s = relay_table_add(r, ev->node, ev->incarnation);
	if (s == NULL) {
		relay_effect_alarm(fx, NULL, RELAY_ALARM_TABLE_FULL);
		return ERR_FULL;
	}
	s->is_listed = k->is_listed;
	s->base_seq = base.seq;
	s->booked_seq = k->booked_seq;
	s->moved_ms = ev->now_ms;
	sync_in_init(&s->up_in, &k->up_end);
	s->up_in.is_forked = k->up_is_forked;
	sync_out_init(&s->up_out, k->up_end.seq);
	sync_in_init(&s->down_in, &k->down_end);
	s->down_in.is_forked = k->down_is_forked;
	sync_out_init(&s->down_out, k->down_end.seq);
	if (r->hq == RELAY_HQ_OPEN)
		relay_queue_push(r, QUEUE_PRESENT, s);
	return 0;
}

static int dispatch(struct relay *r, const struct relay_event *ev, struct relay_effects *fx)
{
	switch (ev->kind) {
	case RELAY_TICK:
		return 0;
	case RELAY_COMMITTED:
		relay_on_committed(r, ev->now_ms);
		return 0;
	case RELAY_COMMIT_FAILED:
		relay_on_commit_failed(r, ev->now_ms);
		return 0;
	case RELAY_KNOWN:
		return on_known(r, ev, fx);
	case RELAY_STORE_HELLO:
	case RELAY_STORE_BATCH:
	case RELAY_STORE_ACK:
	case RELAY_STORE_PULL:
	case RELAY_STORE_CREDIT:
	case RELAY_STORE_HEARD:
	case RELAY_STORE_GONE:
		return relay_on_store_event(r, ev, fx);
	case RELAY_HQ_UP:
	case RELAY_HQ_WELCOME:
	case RELAY_HQ_RESUME:
	case RELAY_HQ_BATCH:
	case RELAY_HQ_ACK:
	case RELAY_HQ_PULL:
	case RELAY_HQ_CREDIT:
	case RELAY_HQ_HEARD:
	case RELAY_HQ_GONE:
		return relay_on_hq_event(r, ev, fx);
	case RELAY_SENT:
		relay_on_sent(r, ev);
		return 0;
	case RELAY_BLOCKED:
		relay_on_blocked(r, ev);
		return 0;
	case RELAY_WRITABLE:
		relay_on_writable(r);
		return 0;
	}
	return ERR_INVALID;
}

int relay_step(struct relay *r, const struct relay_event *ev, struct relay_effects *ret_fx)
{
	int err;

	ret_fx->n = 0;
	ret_fx->has_write = false;
	ret_fx->has_promise = false;
	if (ev->kind != RELAY_SENT && ev->kind != RELAY_BLOCKED)
		r->sends_left = RELAY_SENDS_PER_EVENT;
	err = dispatch(r, ev, ret_fx);
	if (!ret_fx->has_write)
		relay_work(r, ev->now_ms, ret_fx);
	return err;
}

static uint64_t min_ms(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t relay_deadline_ms(const struct relay *r)
{
	uint64_t at = r->sweep_ms;
	const struct relay_store *s;

	if (r->sweep_at != UINT32_MAX || relay_work_is_ready(r))
		return 0;
	s = relay_queue_head(r, QUEUE_DUE);
	if (s != NULL)
		at = min_ms(at, s->due_ms);
	s = relay_queue_head(r, QUEUE_HQ_DUE);
	if (s != NULL && r->hq == RELAY_HQ_OPEN)
		at = min_ms(at, s->hq_due_ms);
	return at;
}

enum relay_hq_link relay_hq(const struct relay *r)
{
	return r->hq;
}

uint32_t relay_n_stores(const struct relay *r)
{
	return r->n_stores;
}

static void view(const struct relay_store *s, struct relay_store_view *ret)
{
	*ret = (struct relay_store_view){
		.node = s->node,
		.incarnation = s->incarnation,
		.link = s->link,
		.is_listed = s->is_listed,
		.spooled_seq = s->up_in.durable.seq,
		.booked_seq = s->booked_seq,
		.down_seq = s->down_in.durable.seq,
		.applied_seq = s->applied_seq,
		.is_forked = s->up_in.is_forked || s->down_in.is_forked,
	};
}

void relay_view(const struct relay *r, uint32_t i, struct relay_store_view *ret)
{
	assert(i < r->n_stores);
	view(&r->stores[i], ret);
}

int relay_find(const struct relay *r, int32_t node, uint32_t incarnation,
	       struct relay_store_view *ret)
{
	const struct relay_store *s = relay_table_find(r, node, incarnation);

	if (s == NULL)
		return ERR_NOT_FOUND;
	view(s, ret);
	return 0;
}
