/* Building JSON text into one reused buffer: the hot path's answers, without a tree. */
#ifndef TRIB_STORE_TEXT_H
#define TRIB_STORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *data; /* owned; NUL behind len */
	size_t len, cap;
};

/* All of these abort when out of memory. */
void text_clear(struct text *t);
void text_finish(struct text *t);
void text_raw(struct text *t, const char *s);
void text_bytes(struct text *t, const char *s, size_t len);
void text_int(struct text *t, int64_t v);

/* In double quotes, escaped; NULL is null. */
void text_string(struct text *t, const char *s);

/* ,"name": with the comma where the last byte is no opening bracket. */
void text_key(struct text *t, const char *name);
void text_key_int(struct text *t, const char *name, int64_t v);
void text_key_string(struct text *t, const char *name, const char *s);
void text_key_bool(struct text *t, const char *name, bool v);

/* A comma where the last byte is no opening bracket. */
void text_comma(struct text *t);

/* RFC 3339 with offset and milliseconds, quoted. */
void text_key_time(struct text *t, const char *name, int64_t wall_ms, int32_t utc_offset_min);

/* "2027-01-31" of days since 1970-01-01, quoted; LOT_NEVER is null. */
void text_key_day(struct text *t, const char *name, int32_t day);

#endif
