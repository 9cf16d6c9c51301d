#include "rate.h"

#define ONE 1000
#define FULL_MS 2000 /* an empty bucket is full after that */

void rate_init(struct rate_bucket *b, unsigned per_second, uint64_t now_ms)
{
	b->level = (int64_t)per_second * FULL_MS;
	b->at_ms = now_ms;
}

bool rate_take(struct rate_bucket *b, unsigned per_second, uint64_t now_ms)
{
	int64_t full = (int64_t)per_second * FULL_MS;
	uint64_t passed_ms = now_ms - b->at_ms;

	if (passed_ms >= FULL_MS)
		b->level = full;
	else
		b->level += (int64_t)passed_ms * per_second;
	if (b->level > full)
		b->level = full;
	b->at_ms = now_ms;
	if (b->level < ONE)
		return false;
	b->level -= ONE;
	return true;
}
