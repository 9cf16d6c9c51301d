#include "sqltext.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *reserve(struct sqltext *t, size_t more)
{
	if (t->cap - t->len <= more) { /* room for a NUL is kept */
		size_t cap = t->cap < 64 ? 64 : t->cap;

		while (cap - t->len <= more) {
			if (cap > SIZE_MAX / 2)
				abort();
			cap *= 2;
		}
		t->data = realloc(t->data, cap);
		if (t->data == NULL)
			abort();
		t->cap = cap;
	}
	return t->data + t->len;
}

void sqltext_add(struct sqltext *t, const char *s)
{
	size_t n = strlen(s);

	memcpy(reserve(t, n), s, n + 1);
	t->len += n;
}

void sqltext_addf(struct sqltext *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	reserve(t, (size_t)n);
	va_start(ap, fmt);
	vsnprintf(t->data + t->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	t->len += (size_t)n;
}

static void add_digits(struct sqltext *t, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = data;
	char *p = reserve(t, 2 * len);

	for (size_t i = 0; i < len; i++) {
		*p++ = digits[b[i] >> 4];
		*p++ = digits[b[i] & 15];
	}
	*p = '\0';
	t->len += 2 * len;
}

void sqltext_add_hex(struct sqltext *t, const void *data, size_t len)
{
	sqltext_add(t, "\\x");
	add_digits(t, data, len);
}

void sqltext_item_int(struct sqltext *t, int64_t v)
{
	sqltext_addf(t, "%c%lld", t->len == 0 ? '{' : ',', (long long)v);
}

void sqltext_item_bytes(struct sqltext *t, const void *data, size_t len)
{
	sqltext_add(t, t->len == 0 ? "{\"\\\\x" : ",\"\\\\x");
	add_digits(t, data, len);
	sqltext_add(t, "\"");
}

void sqltext_array_end(struct sqltext *t)
{
	sqltext_add(t, t->len == 0 ? "{}" : "}");
}

void sqltext_finish(struct sqltext *t)
{
	free(t->data);
	*t = (struct sqltext){ 0 };
}

void sqltext_wipe(struct sqltext *t)
{
	if (t->data != NULL)
		sodium_memzero(t->data, t->cap);
	sqltext_finish(t);
}

int64_t pg_int(const PGresult *r, int row, int col)
{
	return strtoll(PQgetvalue(r, row, col), NULL, 10);
}

bool pg_bool(const PGresult *r, int row, int col)
{
	return PQgetvalue(r, row, col)[0] == 't';
}

const char *pg_text(const PGresult *r, int row, int col)
{
	return PQgetvalue(r, row, col);
}

bool pg_null(const PGresult *r, int row, int col)
{
	return PQgetisnull(r, row, col) != 0;
}

int pg_bytes(const PGresult *r, int row, int col, void *ret, size_t len)
{
	const char *s = PQgetvalue(r, row, col);
	size_t got;

	if (strlen(s) != 2 + 2 * len || s[0] != '\\' || s[1] != 'x')
		return ERR_INVALID;
	if (sodium_hex2bin(ret, len, s + 2, 2 * len, NULL, &got, NULL) != 0 || got != len)
		return ERR_INVALID;
	return 0;
}

int pg_bytes_dup(const PGresult *r, int row, int col, uint8_t **ret, size_t *ret_len)
{
	size_t digits = strlen(PQgetvalue(r, row, col));
	size_t len;
	uint8_t *p;

	if (digits < 2)
		return ERR_INVALID;
	len = (digits - 2) / 2;
	p = malloc(len + 1);
	if (p == NULL)
		abort();
	if (pg_bytes(r, row, col, p, len) != 0) {
		free(p);
		return ERR_INVALID;
	}
	*ret = p;
	*ret_len = len;
	return 0;
}

void pg_wipe(const PGresult *r, int row, int col)
{
	sodium_memzero(PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col));
}
