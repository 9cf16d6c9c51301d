/* A table of cells without a bound: memory comes from the caller's allocator. */
#ifndef TRIB_HQ_GROWING_H
#define TRIB_HQ_GROWING_H

#include "cells.h"

/* Zeroed memory that never fails, and its release; given by io. */
struct grower {
	void *(*alloc)(size_t bytes);
	void (*release)(void *p);
};

struct growing {
	struct cells cells;
	const struct grower *grower; /* borrowed */
};

/* An empty table; the key is the first key_bytes of a row. */
void growing_init(struct growing *g, const struct grower *grower, size_t row_bytes,
		  size_t key_bytes);
void growing_finish(struct growing *g);

/* Forget all rows and keep the memory. */
void growing_clear(struct growing *g);

/* The row of this key, zeroed behind the key when it is new. Earlier rows may have moved. */
void *growing_at(struct growing *g, const void *key);

void *growing_find(const struct growing *g, const void *key);

static inline size_t growing_n(const struct growing *g)
{
	return g->cells.n;
}

/* The i-th row in the order of coming. */
static inline void *growing_row(const struct growing *g, size_t i)
{
	return g->cells.rows + i * g->cells.row_bytes;
}

#endif
