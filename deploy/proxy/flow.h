/* Bytes on their way in one direction: a bounded ring, with the time from which they may leave. */
#ifndef TRIB_PROXY_FLOW_H
#define TRIB_PROXY_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define FLOW_BYTES 262144
#define FLOW_MARKS 128

/* The bytes before `end` that no earlier mark covers may leave from `due` on. */
struct flow_mark {
	uint64_t end; /* counted from the first byte ever */
	double due; /* seconds */
};

struct flow {
	uint8_t *ring; /* owned, FLOW_BYTES */
	uint64_t in; /* bytes ever put */
	uint64_t out; /* bytes ever taken */
	struct flow_mark marks[FLOW_MARKS];
	unsigned int first_mark;
	unsigned int n_marks;
};

/* 0, or -1 without memory. */
int flow_init(struct flow *f) __attribute__((warn_unused_result));

/* Fine on a zeroed flow. */
void flow_finish(struct flow *f);

/* Lend the free room as at most two pieces; returns how many, 0 when the ring is full. */
int flow_room(const struct flow *f, struct iovec ret_iov[2]);

/* The first n bytes of the room were filled; they may leave from `due` on. */
void flow_put(struct flow *f, size_t n, double due);

/* Lend the bytes that may leave now as at most two pieces; returns how many. */
int flow_ready(const struct flow *f, double now, struct iovec ret_iov[2]);

/* The first n of the ready bytes left. */
void flow_take(struct flow *f, size_t n);

bool flow_is_empty(const struct flow *f);

/* When the next bytes may leave; only for a flow that is not empty. */
double flow_next_due(const struct flow *f);

/* Let everything leave at once. */
void flow_hurry(struct flow *f);

#endif
