/* A stream of made-up items whose heads are known, and batches of it. */
#ifndef TRIB_TESTS_STREAM_FIXTURE_H
#define TRIB_TESTS_STREAM_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sync.h"

#define STREAM_MAX 512
#define ITEM_BYTES 24

struct stream {
	uint64_t end;
	uint8_t items[STREAM_MAX + 1][ITEM_BYTES]; /* by seq, from 1 */
	uint8_t heads[STREAM_MAX + 1][HEAD_BYTES]; /* after that seq */
	ProtobufCBinaryData views[STREAM_MAX + 1];
};

/* An empty stream; salt makes its seed and items differ from those of others. */
void stream_init(struct stream *s, uint32_t salt);

/* n more items. */
void stream_grow(struct stream *s, uint64_t n, uint32_t salt);

/* The same first `seq` items, then others. */
void stream_fork(struct stream *to, const struct stream *from, uint64_t seq, uint32_t salt);

/* Items [first, last], signed at last. */
struct sync_batch stream_batch(const struct stream *s, uint64_t first, uint64_t last);

struct position stream_position(const struct stream *s, uint64_t seq);

/* Deterministic random numbers (SplitMix64). */
uint64_t next_random(uint64_t *state);

#endif
