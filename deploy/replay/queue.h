/* Cards that wait for one shop, the one whose turn comes first in front: a binary heap. */
#ifndef TRIB_REPLAY_QUEUE_H
#define TRIB_REPLAY_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct queue_item {
	uint32_t turn;
	uint32_t card;
};

struct queue {
	struct queue_item *items; /* owned */
	size_t n, room;
};

/* 0, or -1 without memory. */
int queue_push(struct queue *q, uint32_t card, uint32_t turn) __attribute__((warn_unused_result));

/* Take the front card out; the queue is not empty. */
uint32_t queue_pop(struct queue *q);

void queue_finish(struct queue *q);

#endif
