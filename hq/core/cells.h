/* Bounded tables of sums: one row a key, found by hash, read in key order.
 *
 * Rows live in the caller's memory: `rows` is row_bytes each, the key first. */
#ifndef TRIB_HQ_CELLS_H
#define TRIB_HQ_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cells {
	uint8_t *rows;
	size_t row_bytes;
	size_t key_bytes; /* leading bytes of a row; compared whole, so padding must be zero */
	size_t cap;
	size_t n;
	uint32_t *slots; /* n_slots, a power of two >= 2 * cap; 0 is empty, else row + 1 */
	size_t n_slots;
	uint32_t *order; /* cap; row numbers in key order after cells_sort */
	uint32_t *scratch; /* cap */
};

/* Forget all rows. */
void cells_clear(struct cells *c);

/* The row of this key, zeroed behind the key when it is new. NULL when the table is full. */
void *cells_at(struct cells *c, const void *key);

/* The row of this key, or NULL. */
void *cells_find(const struct cells *c, const void *key);

/* Fill order[0..n) by `less` over rows. Stable, so equal rows keep the order of coming. */
void cells_sort(struct cells *c, bool (*less)(const void *a, const void *b));

/* The i-th row in that order. */
static inline void *cells_sorted(const struct cells *c, size_t i)
{
	return c->rows + (size_t)c->order[i] * c->row_bytes;
}

#endif
