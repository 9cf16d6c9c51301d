#include "growing.h"

#include <string.h>

#define FIRST_ROWS 256u

static void allocate(struct growing *g, size_t cap)
{
	struct cells *c = &g->cells;

	c->cap = cap;
	c->n = 0;
	c->rows = g->grower->alloc(cap * c->row_bytes);
	c->n_slots = 2 * cap;
	c->slots = g->grower->alloc(c->n_slots * sizeof(*c->slots));
}

void growing_init(struct growing *g, const struct grower *grower, size_t row_bytes,
		  size_t key_bytes)
{
	memset(g, 0, sizeof(*g));
	g->grower = grower;
	g->cells.row_bytes = row_bytes;
	g->cells.key_bytes = key_bytes;
	allocate(g, FIRST_ROWS);
}

void growing_finish(struct growing *g)
{
	g->grower->release(g->cells.rows);
	g->grower->release(g->cells.slots);
	memset(&g->cells, 0, sizeof(g->cells));
}

void growing_clear(struct growing *g)
{
	cells_clear(&g->cells);
}

/* Twice the room: every key is hashed anew. */
static void grow(struct growing *g)
{
	struct cells old = g->cells;

	allocate(g, 2 * old.cap);
	for (size_t i = 0; i < old.n; i++) {
		const uint8_t *from = old.rows + i * old.row_bytes;

		memcpy(cells_at(&g->cells, from), from, old.row_bytes);
	}
	g->grower->release(old.rows);
	g->grower->release(old.slots);
}

void *growing_at(struct growing *g, const void *key)
{
	void *row = cells_at(&g->cells, key);

	if (row != NULL)
		return row;
	grow(g);
	return cells_at(&g->cells, key);
}

void *growing_find(const struct growing *g, const void *key)
{
	return cells_find(&g->cells, key);
}
