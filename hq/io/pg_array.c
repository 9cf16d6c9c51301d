#include "pg_array.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define DAYS_1970_TO_2000 10957
#define US_1970_TO_2000 (INT64_C(10957) * 86400 * 1000000)

void pg_buffer_free(struct pg_buffer *b)
{
	free(b->data);
	*b = (struct pg_buffer){ 0 };
}

void pg_put(struct pg_buffer *b, const void *p, size_t len)
{
	if (b->cap - b->len < len) {
		size_t cap = b->cap == 0 ? 4096 : b->cap;

		while (cap - b->len < len)
			cap *= 2;
		b->data = realloc(b->data, cap);
		if (b->data == NULL)
			abort();
		b->cap = cap;
	}
	if (len > 0)
		memcpy(b->data + b->len, p, len);
	b->len += len;
}

void pg_put_i16(struct pg_buffer *b, int16_t v)
{
	uint16_t be = htobe16((uint16_t)v);

	pg_put(b, &be, sizeof(be));
}

void pg_put_i32(struct pg_buffer *b, int32_t v)
{
	uint32_t be = htobe32((uint32_t)v);

	pg_put(b, &be, sizeof(be));
}

void pg_put_i64(struct pg_buffer *b, int64_t v)
{
	uint64_t be = htobe64((uint64_t)v);

	pg_put(b, &be, sizeof(be));
}

int32_t pg_date(int32_t days)
{
	return days - DAYS_1970_TO_2000;
}

int64_t pg_timestamp(int64_t ms)
{
	return ms * 1000 - US_1970_TO_2000;
}

void pg_field(struct pg_buffer *b, const void *p, size_t len)
{
	pg_put_i32(b, (int32_t)len);
	pg_put(b, p, len);
}

void pg_field_null(struct pg_buffer *b)
{
	pg_put_i32(b, -1);
}

void pg_field_i16(struct pg_buffer *b, int16_t v)
{
	pg_put_i32(b, 2);
	pg_put_i16(b, v);
}

void pg_field_i32(struct pg_buffer *b, int32_t v)
{
	pg_put_i32(b, 4);
	pg_put_i32(b, v);
}

void pg_field_i64(struct pg_buffer *b, int64_t v)
{
	pg_put_i32(b, 8);
	pg_put_i64(b, v);
}

void pg_params_free(struct pg_params *p)
{
	for (size_t i = 0; i < PG_MAX_PARAMS; i++)
		pg_buffer_free(&p->buffers[i]);
}

static struct pg_buffer *next_param(struct pg_params *p)
{
	struct pg_buffer *b;

	if (p->n == PG_MAX_PARAMS)
		abort(); /* a statement of ours has too many */
	b = &p->buffers[p->n++];
	b->len = 0;
	return b;
}

struct pg_buffer *pg_array(struct pg_params *p, uint32_t oid, size_t n)
{
	struct pg_buffer *b = next_param(p);

	pg_put_i32(b, n > 0); /* dimensions */
	pg_put_i32(b, 1); /* there may be nulls */
	pg_put_i32(b, (int32_t)oid);
	if (n > 0) {
		pg_put_i32(b, (int32_t)n);
		pg_put_i32(b, 1); /* lower bound */
	}
	return b;
}

void pg_value_i64(struct pg_params *p, int64_t v)
{
	pg_put_i64(next_param(p), v);
}

void pg_params_seal(struct pg_params *p)
{
	for (int i = 0; i < p->n; i++) {
		p->values[i] = (const char *)p->buffers[i].data;
		p->lengths[i] = (int)p->buffers[i].len;
		p->formats[i] = 1;
	}
}
