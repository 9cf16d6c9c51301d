#include "state.h"

void relay_grant_open(struct grant *g, uint64_t window_bytes)
{
	*g = (struct grant){ .total = window_bytes };
}

/* Bytes came in. False when the peer had no right to start this batch (R6). */
bool relay_grant_take(struct grant *g, size_t bytes)
{
	bool was_open = g->received < g->total;

	g->received += bytes;
	return was_open;
}

/* A quarter of the window can be given back. */
bool relay_grant_is_due(const struct grant *g, uint64_t window_bytes)
{
	uint64_t total = g->received - g->pending + window_bytes;

	return total > g->total && total - g->total >= window_bytes / 4;
}

/* The new running total for the peer. */
uint64_t relay_grant_renew(struct grant *g, uint64_t window_bytes)
{
	uint64_t total = g->received - g->pending + window_bytes;

	if (total > g->total)
		g->total = total;
	return g->total;
}
