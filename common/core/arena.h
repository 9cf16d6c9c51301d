/* A bump allocator over a caller's buffer, so that unpacking a peer's bytes is bounded.
 *
 * protobuf-c amplifies hostile input up to 72 times; with an arena the amplification ends in
 * ERR_FULL, and freeing everything is a reset. */
#ifndef TRIB_CORE_ARENA_H
#define TRIB_CORE_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
	uint8_t *base; /* borrowed */
	size_t cap;
	size_t used;
	ProtobufCAllocator allocator; /* points back at this arena; do not copy the struct */
};

/* Use buf[0..cap) for allocations. Borrows buf for the arena's life. */
void arena_init(struct arena *a, void *buf, size_t cap);

/* Zeroed memory aligned to 16 bytes, or NULL when the arena is full. */
void *arena_alloc(struct arena *a, size_t size);

/* Copy of a NUL-terminated string, or NULL when the arena is full. */
char *arena_strdup(struct arena *a, const char *s);

/* Copy of len bytes, or NULL when the arena is full. */
void *arena_memdup(struct arena *a, const void *p, size_t len);

/* Forget everything allocated. */
static inline void arena_reset(struct arena *a)
{
	a->used = 0;
}

#endif
