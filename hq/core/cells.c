#include "cells.h"

#include <string.h>

void cells_clear(struct cells *c)
{
	c->n = 0;
	memset(c->slots, 0, c->n_slots * sizeof(*c->slots));
}

static uint64_t hash_bytes(const uint8_t *p, size_t n)
{
	uint64_t h = UINT64_C(0x9e3779b97f4a7c15);

	for (; n >= 8; p += 8, n -= 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	for (; n > 0; p++, n--)
		h = (h ^ *p) * UINT64_C(0x100000001b3);
	return h ^ (h >> 29);
}

static size_t slot_of(const struct cells *c, const void *key)
{
	size_t i = (size_t)hash_bytes(key, c->key_bytes) & (c->n_slots - 1);

	while (c->slots[i] != 0 &&
	       memcmp(c->rows + (c->slots[i] - 1) * c->row_bytes, key, c->key_bytes) != 0)
		i = (i + 1) & (c->n_slots - 1);
	return i;
}

void *cells_at(struct cells *c, const void *key)
{
	size_t i = slot_of(c, key);
	uint8_t *row;

	if (c->slots[i] != 0)
		return c->rows + (c->slots[i] - 1) * c->row_bytes;
	if (c->n == c->cap)
		return NULL;
	row = c->rows + c->n * c->row_bytes;
	memcpy(row, key, c->key_bytes);
	memset(row + c->key_bytes, 0, c->row_bytes - c->key_bytes);
	c->slots[i] = (uint32_t)++c->n;
	return row;
}

void *cells_find(const struct cells *c, const void *key)
{
	size_t i = slot_of(c, key);

	return c->slots[i] != 0 ? c->rows + (c->slots[i] - 1) * c->row_bytes : NULL;
}

void cells_sort(struct cells *c, bool (*less)(const void *a, const void *b))
{
	uint32_t *from = c->order, *to = c->scratch;

	for (size_t i = 0; i < c->n; i++)
		from[i] = (uint32_t)i;
	for (size_t width = 1; width < c->n; width *= 2) {
		for (size_t lo = 0; lo < c->n; lo += 2 * width) {
			size_t mid = lo + width < c->n ? lo + width : c->n;
			size_t hi = lo + 2 * width < c->n ? lo + 2 * width : c->n;
			size_t a = lo, b = mid;

			for (size_t k = lo; k < hi; k++) {
				bool second = a == mid ||
					      (b < hi && less(c->rows + from[b] * c->row_bytes,
							      c->rows + from[a] * c->row_bytes));

				to[k] = second ? from[b++] : from[a++];
			}
		}
		uint32_t *swap = from;

		from = to;
		to = swap;
	}
	if (from != c->order)
		memcpy(c->order, from, c->n * sizeof(*from));
}
