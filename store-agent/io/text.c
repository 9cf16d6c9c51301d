#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account.h"

#define DAY_S INT64_C(86400)

static char *reserve(struct text *t, size_t n)
{
	if (t->len + n + 1 > t->cap) {
		size_t cap = t->cap * 2 > t->len + n + 1 ? t->cap * 2 : t->len + n + 1;
		char *data = realloc(t->data, cap < 1024 ? 1024 : cap);

		if (data == NULL)
			abort();
		t->data = data;
		t->cap = cap < 1024 ? 1024 : cap;
	}
	return t->data + t->len;
}

void text_clear(struct text *t)
{
	t->len = 0;
}

void text_finish(struct text *t)
{
	free(t->data);
	*t = (struct text){ 0 };
}

void text_bytes(struct text *t, const char *s, size_t len)
{
	char *p = reserve(t, len);

	memcpy(p, s, len);
	t->len += len;
	t->data[t->len] = '\0';
}

void text_raw(struct text *t, const char *s)
{
	text_bytes(t, s, strlen(s));
}

void text_int(struct text *t, int64_t v)
{
	char digits[24];
	size_t n = sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		digits[--n] = (char)('0' + u % 10);
		u /= 10;
	} while (u != 0);
	if (v < 0)
		digits[--n] = '-';
	text_bytes(t, digits + n, sizeof(digits) - n);
}

void text_string(struct text *t, const char *s)
{
	static const char hex[] = "0123456789abcdef";
	size_t len;
	char *p;

	if (s == NULL) {
		text_raw(t, "null");
		return;
	}
	len = strlen(s);
	p = reserve(t, 6 * len + 2);
	*p++ = '"';
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\') {
			*p++ = '\\';
			*p++ = (char)c;
		} else if (c < 0x20) {
			memcpy(p, "\\u00", 4);
			p[4] = hex[c >> 4];
			p[5] = hex[c & 15];
			p += 6;
		} else {
			*p++ = (char)c;
		}
	}
	*p++ = '"';
	*p = '\0';
	t->len = (size_t)(p - t->data);
}

void text_comma(struct text *t)
{
	if (t->len > 0 && t->data[t->len - 1] != '{' && t->data[t->len - 1] != '[')
		text_bytes(t, ",", 1);
}

void text_key(struct text *t, const char *name)
{
	size_t len = strlen(name);
	char *p;

	text_comma(t);
	p = reserve(t, len + 3);
	*p++ = '"';
	memcpy(p, name, len);
	memcpy(p + len, "\":", 3); /* with the NUL */
	t->len += len + 3;
}

void text_key_int(struct text *t, const char *name, int64_t v)
{
	text_key(t, name);
	text_int(t, v);
}

void text_key_string(struct text *t, const char *name, const char *s)
{
	text_key(t, name);
	text_string(t, s);
}

void text_key_bool(struct text *t, const char *name, bool v)
{
	text_key(t, name);
	text_raw(t, v ? "true" : "false");
}

static void broken_down(int64_t seconds, struct tm *ret)
{
	time_t s = (time_t)seconds;

	if (gmtime_r(&s, ret) == NULL)
		memset(ret, 0, sizeof(*ret));
}

void text_key_time(struct text *t, const char *name, int64_t wall_ms, int32_t utc_offset_min)
{
	int64_t local_ms = wall_ms + utc_offset_min * INT64_C(60000);
	int64_t ms = ((local_ms % 1000) + 1000) % 1000;
	int32_t minutes = utc_offset_min < 0 ? -utc_offset_min : utc_offset_min;
	char out[80];
	struct tm tm;

	broken_down((local_ms - ms) / 1000, &tm);
	snprintf(out, sizeof(out), "\"%04d-%02d-%02dT%02d:%02d:%02d.%03d%c%02d:%02d\"",
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (int)ms, utc_offset_min < 0 ? '-' : '+', minutes / 60, minutes % 60);
	text_key(t, name);
	text_raw(t, out);
}

void text_key_day(struct text *t, const char *name, int32_t day)
{
	char out[48];
	struct tm tm;

	text_key(t, name);
	if (day == LOT_NEVER) {
		text_raw(t, "null");
		return;
	}
	broken_down(day * DAY_S, &tm);
	snprintf(out, sizeof(out), "\"%04d-%02d-%02d\"", tm.tm_year + 1900, tm.tm_mon + 1,
		 tm.tm_mday);
	text_raw(t, out);
}
