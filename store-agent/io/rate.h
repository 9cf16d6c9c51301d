/* A token bucket: so many a second, and at most two seconds' worth at once.
 *
 * Levels are in thousandths of a request, so that a rate a second is a rate a millisecond. */
#ifndef TRIB_STORE_RATE_H
#define TRIB_STORE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_MAX 1000000 /* a second */

struct rate_bucket {
	int64_t level; /* in thousandths */
	uint64_t at_ms; /* monotonic; when it had that level */
};

/* A full bucket. */
void rate_init(struct rate_bucket *b, unsigned per_second, uint64_t now_ms);

/* Take one; false: too many. per_second is 1 to RATE_MAX. */
bool rate_take(struct rate_bucket *b, unsigned per_second, uint64_t now_ms);

#endif
