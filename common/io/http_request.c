#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "http_internal.h"

const char *http_method(const struct http_request *req)
{
	return req->method;
}

const char *http_path(const struct http_request *req)
{
	return req->path;
}

const char *http_query(const struct http_request *req, const char *name)
{
	return MHD_lookup_connection_value(req->mhd, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_header(const struct http_request *req, const char *name)
{
	return MHD_lookup_connection_value(req->mhd, MHD_HEADER_KIND, name);
}

const char *http_bearer(const struct http_request *req)
{
	const char *value = http_header(req, MHD_HTTP_HEADER_AUTHORIZATION);

	if (value == NULL || strncasecmp(value, "Bearer ", 7) != 0)
		return NULL;
	value += 7;
	value += strspn(value, " ");
	return *value != '\0' ? value : NULL;
}

const char *http_body(const struct http_request *req, size_t *ret_len)
{
	*ret_len = req->body_len;
	return req->body;
}

const char *http_peer(const struct http_request *req)
{
	return req->peer;
}

bool http_is_gone(const struct http_request *req)
{
	return req->gone;
}

void http_set_data(struct http_request *req, void *data)
{
	req->data = data;
}

void *http_data(const struct http_request *req)
{
	return req->data;
}

/* traceparent: VERSION(2)-TRACE(32)-PARENT(16)-FLAGS(2), lower-case hex, ids not all zero. */
static bool traceparent_id(const char *s, char *ret)
{
	static const char hex[] = "0123456789abcdef";

	if (s == NULL || strlen(s) < 55 || strspn(s, hex) != 2 || s[2] != '-' ||
	    strncmp(s, "ff", 2) == 0)
		return false;
	if (strspn(s + 3, hex) != 32 || s[35] != '-' || strspn(s + 3, "0") >= 32)
		return false;
	if (strspn(s + 36, hex) != 16 || s[52] != '-' || strspn(s + 36, "0") >= 16)
		return false;
	if (strspn(s + 53, hex) != 2 || (s[55] != '\0' && s[55] != '-'))
		return false;
	memcpy(ret, s + 3, 32);
	ret[32] = '\0';
	return true;
}

const char *http_trace_id(struct http_request *req)
{
	if (req->trace_id[0] == '\0' &&
	    !traceparent_id(http_header(req, "traceparent"), req->trace_id)) {
		unsigned char bytes[16];

		randombytes_buf(bytes, sizeof(bytes));
		sodium_bin2hex(req->trace_id, sizeof(req->trace_id), bytes, sizeof(bytes));
	}
	return req->trace_id;
}

struct unknown_search {
	const char *const *names;
	const char *unknown;
};

static enum MHD_Result on_argument(void *cls, enum MHD_ValueKind kind, const char *key,
				   const char *value)
{
	struct unknown_search *u = cls;

	(void)kind;
	(void)value;
	for (const char *const *name = u->names; *name != NULL; name++)
		if (strcmp(key, *name) == 0)
			return MHD_YES;
	u->unknown = key;
	return MHD_NO;
}

const char *http_query_unknown(const struct http_request *req, const char *const *names)
{
	struct unknown_search u = { .names = names };

	(void)MHD_get_connection_values(req->mhd, MHD_GET_ARGUMENT_KIND, on_argument, &u);
	return u.unknown;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decode one segment of len bytes. False: malformed, a NUL, or too long. */
static bool decode_segment(const char *s, size_t len, char ret[HTTP_SEGMENT_BYTES])
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (c == '%') {
			int high = len - i > 2 ? hex_value(s[i + 1]) : -1;
			int low = len - i > 2 ? hex_value(s[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0' || n == HTTP_SEGMENT_BYTES - 1)
			return false;
		ret[n++] = c;
	}
	ret[n] = '\0';
	return true;
}

bool http_path_match(const char *path, const char *pattern, struct http_match *ret)
{
	size_t n = 0;

	while (*pattern != '\0') {
		size_t len;

		if (*pattern != '{') {
			if (*path++ != *pattern++)
				return false;
			continue;
		}
		len = strcspn(path, "/");
		assert(n < HTTP_MATCH_MAX);
		if (len == 0 || !decode_segment(path, len, ret->arg[n++]))
			return false;
		path += len;
		pattern += strcspn(pattern, "}") + 1;
	}
	return *path == '\0';
}

static bool is_header_text(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

void http_reply_header(struct http_request *req, const char *name, const char *value)
{
	size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
	char *at = req->reply_headers + req->reply_headers_len;

	assert(req->state == HTTP_PENDING);
	if (!is_header_text(value) ||
	    req->reply_headers_len + name_size + value_size > sizeof(req->reply_headers))
		return;
	memcpy(at, name, name_size);
	memcpy(at + name_size, value, value_size);
	req->reply_headers_len += name_size + value_size;
}
