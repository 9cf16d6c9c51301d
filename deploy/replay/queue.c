#include "queue.h"

#include <assert.h>
#include <stdlib.h>

int queue_push(struct queue *q, uint32_t card, uint32_t turn)
{
	size_t at;

	if (q->n == q->room) {
		size_t room = q->room == 0 ? 64 : q->room * 2;
		struct queue_item *bigger = realloc(q->items, room * sizeof(*bigger));

		if (bigger == NULL)
			return -1;
		q->items = bigger;
		q->room = room;
	}
	for (at = q->n++; at > 0 && q->items[(at - 1) / 2].turn > turn; at = (at - 1) / 2)
		q->items[at] = q->items[(at - 1) / 2];
	q->items[at] = (struct queue_item){ .turn = turn, .card = card };
	return 0;
}

uint32_t queue_pop(struct queue *q)
{
	uint32_t card;
	struct queue_item last;
	size_t at = 0;

	assert(q->n > 0);
	card = q->items[0].card;
	last = q->items[--q->n];
	for (;;) {
		size_t child = at * 2 + 1;

		if (child + 1 < q->n && q->items[child + 1].turn < q->items[child].turn)
			child++;
		if (child >= q->n || q->items[child].turn >= last.turn)
			break;
		q->items[at] = q->items[child];
		at = child;
	}
	q->items[at] = last;
	return card;
}

void queue_finish(struct queue *q)
{
	free(q->items);
	*q = (struct queue){ 0 };
}
