#include "http_answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The value of a header in the head [p, end), which a NUL or a line's end follows; NULL: none. */
static const char *header(const char *p, const char *end, const char *name)
{
	size_t n = strlen(name);

	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		p++;
		if ((size_t)(end - p) > n && strncasecmp(p, name, n) == 0 && p[n] == ':')
			return p + n + 1;
	}
	return NULL;
}

/* INCARNATION.SEQ.PREFIX */
static uint64_t witness_seq(const char *value)
{
	const char *dot = value != NULL ? strchr(value, '.') : NULL;

	return dot != NULL ? strtoull(dot + 1, NULL, 10) : 0;
}

int http_answer_read(const char *data, size_t len, struct http_answer *ret)
{
	const char *end = memmem(data, len, "\r\n\r\n", 4);
	const char *length;
	size_t head;

	if (end == NULL)
		return 0;
	if (strncmp(data, "HTTP/1.1 ", 9) != 0)
		return -1;
	length = header(data, end, "Content-Length");
	if (length == NULL)
		return -1;
	head = (size_t)(end + 4 - data);
	ret->status = (int)strtol(data + 9, NULL, 10);
	ret->len = head + strtoull(length, NULL, 10);
	ret->witness_seq = witness_seq(header(data, end, "Trib-Witness"));
	return len >= ret->len;
}
