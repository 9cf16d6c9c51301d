#include "arena.h"

#include <string.h>

static void *proto_alloc(void *data, size_t size)
{
	return arena_alloc(data, size);
}

static void proto_free(void *data, void *p)
{
	(void)data;
	(void)p;
}

void arena_init(struct arena *a, void *buf, size_t cap)
{
	a->base = buf;
	a->cap = cap;
	a->used = 0;
	a->allocator.alloc = proto_alloc;
	a->allocator.free = proto_free;
	a->allocator.allocator_data = a;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t pad = (16 - ((uintptr_t)(a->base + a->used) & 15)) & 15;
	void *p;

	if (pad > a->cap - a->used || size > a->cap - a->used - pad)
		return NULL;
	p = a->base + a->used + pad;
	a->used += pad + size;
	memset(p, 0, size);
	return p;
}

void *arena_memdup(struct arena *a, const void *src, size_t len)
{
	void *p = arena_alloc(a, len);

	if (p != NULL && len > 0)
		memcpy(p, src, len);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_memdup(a, s, strlen(s) + 1);
}
