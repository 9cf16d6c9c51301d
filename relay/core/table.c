#include <assert.h>
#include <string.h>

#include "state.h"

static uint32_t slot_of(const struct relay *r, int32_t node, uint32_t incarnation)
{
	uint64_t h = ((uint64_t)(uint32_t)node << 32 | incarnation) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(h >> 32) & (r->n_slots - 1);
}

struct relay_store *relay_table_find(const struct relay *r, int32_t node, uint32_t incarnation)
{
	uint32_t i;

	for (i = slot_of(r, node, incarnation); r->slots[i] != 0; i = (i + 1) & (r->n_slots - 1)) {
		struct relay_store *s = &r->stores[r->slots[i] - 1];

		if (s->node == node && s->incarnation == incarnation)
			return s;
	}
	return NULL;
}

/* A new store, all zero but its name; NULL when the table is full. */
struct relay_store *relay_table_add(struct relay *r, int32_t node, uint32_t incarnation)
{
	uint32_t i = slot_of(r, node, incarnation);
	struct relay_store *s;

	if (r->n_stores == r->config.max_stores)
		return NULL;
	while (r->slots[i] != 0)
		i = (i + 1) & (r->n_slots - 1);
	s = &r->stores[r->n_stores++];
	r->slots[i] = r->n_stores;
	memset(s, 0, sizeof(*s));
	s->node = node;
	s->incarnation = incarnation;
	return s;
}

void relay_queue_push(struct relay *r, enum relay_queue q, struct relay_store *s)
{
	struct queue *l = &r->queues[q];
	uint32_t i = (uint32_t)(s - r->stores);

	if ((s->queued & 1u << q) != 0)
		return;
	s->queued |= 1u << q;
	s->next[q] = NO_STORE;
	if (l->head == NO_STORE)
		l->head = i;
	else
		r->stores[l->tail].next[q] = i;
	l->tail = i;
}

struct relay_store *relay_queue_head(const struct relay *r, enum relay_queue q)
{
	return r->queues[q].head == NO_STORE ? NULL : &r->stores[r->queues[q].head];
}

struct relay_store *relay_queue_pop(struct relay *r, enum relay_queue q)
{
	struct relay_store *s = relay_queue_head(r, q);

	if (s == NULL)
		return NULL;
	assert((s->queued & 1u << q) != 0);
	s->queued &= ~(1u << q);
	r->queues[q].head = s->next[q];
	return s;
}
