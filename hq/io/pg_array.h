/* One-dimensional arrays in PostgreSQL's binary format, as parameters of unnest(). */
#ifndef TRIB_HQ_PG_ARRAY_H
#define TRIB_HQ_PG_ARRAY_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>

/* Type numbers of PostgreSQL's catalog. */
#define PG_BYTEA 17
#define PG_INT8 20
#define PG_INT2 21
#define PG_INT4 23
#define PG_TEXT 25
#define PG_DATE 1082
#define PG_TIMESTAMPTZ 1184
#define PG_UUID 2950

/* A growable byte buffer; aborts when out of memory. */
struct pg_buffer {
	uint8_t *data;
	size_t len, cap;
};

void pg_buffer_free(struct pg_buffer *b);
void pg_put(struct pg_buffer *b, const void *p, size_t len);
void pg_put_i16(struct pg_buffer *b, int16_t v);
void pg_put_i32(struct pg_buffer *b, int32_t v);
void pg_put_i64(struct pg_buffer *b, int64_t v);

/* Days since 1970-01-01, and milliseconds since then, in PostgreSQL's epoch of 2000-01-01. */
int32_t pg_date(int32_t days);
int64_t pg_timestamp(int64_t ms);

/* Fields with their length in front: elements of arrays, and columns of binary COPY alike. */
void pg_field(struct pg_buffer *b, const void *p, size_t len);
void pg_field_null(struct pg_buffer *b);
void pg_field_i16(struct pg_buffer *b, int16_t v);
void pg_field_i32(struct pg_buffer *b, int32_t v);
void pg_field_i64(struct pg_buffer *b, int64_t v);

/* Parameters of one statement, all binary. Reused from statement to statement. */
#define PG_MAX_PARAMS 16
struct pg_params {
	int n;
	struct pg_buffer buffers[PG_MAX_PARAMS];
	const char *values[PG_MAX_PARAMS];
	int lengths[PG_MAX_PARAMS];
	int formats[PG_MAX_PARAMS];
};

void pg_params_free(struct pg_params *p);

/* Start a new parameter: an array of n elements of type oid (then add n fields), or one value. */
struct pg_buffer *pg_array(struct pg_params *p, uint32_t oid, size_t n);
void pg_value_i64(struct pg_params *p, int64_t v);

/* Point values[] at the buffers; call when all parameters are filled. */
void pg_params_seal(struct pg_params *p);

#endif
