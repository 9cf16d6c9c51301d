#include <arpa/inet.h>
#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

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

/* Numeric text of an address, without its port. */
static bool address_text(const struct sockaddr *address, char *ret, size_t cap, unsigned *ret_port)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

	if (address->sa_family == AF_INET) {
		*ret_port = ntohs(in->sin_port);
		return inet_ntop(AF_INET, &in->sin_addr, ret, (socklen_t)cap) != NULL;
	}
	if (address->sa_family != AF_INET6)
		return false;
	*ret_port = ntohs(in6->sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], ret, (socklen_t)cap) != NULL;
	return inet_ntop(AF_INET6, &in6->sin6_addr, ret, (socklen_t)cap) != NULL;
}

void http_format_peer(struct http_request *req)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(req->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	char host[INET6_ADDRSTRLEN];
	unsigned port;

	if (info == NULL || !address_text(info->client_addr, host, sizeof(host), &port)) {
		snprintf(req->peer, sizeof(req->peer), "unknown");
		return;
	}
	snprintf(req->peer, sizeof(req->peer), strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u",
		 host, port);
}

static bool is_listed(const char *const *list, const char *s)
{
	for (; list != NULL && *list != NULL; list++)
		if (strcasecmp(*list, s) == 0)
			return true;
	return false;
}

/* Whether the host is the very address at which the client reached us. */
static bool is_own_address(const struct http_request *req, const char *host)
{
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);
	char text[INET6_ADDRSTRLEN];
	unsigned port;

	return getsockname(req->fd, (struct sockaddr *)&local, &len) == 0 &&
	       address_text((struct sockaddr *)&local, text, sizeof(text), &port) &&
	       strcasecmp(text, host) == 0;
}

/* The host of "host[:port]" or "[host][:port]". */
static bool host_part(const char *value, char *ret, size_t cap)
{
	const char *end;
	size_t len;

	if (*value == '[') {
		value++;
		len = strcspn(value, "]");
		end = value + len;
		if (*end++ != ']')
			return false;
	} else {
		len = strcspn(value, ":");
		end = value + len;
	}
	if (len == 0 || len >= cap || (*end != '\0' && *end != ':'))
		return false;
	if (*end == ':' && strspn(end + 1, "0123456789") != strlen(end + 1))
		return false;
	memcpy(ret, value, len);
	ret[len] = '\0';
	return true;
}

static bool is_host_allowed(const struct http_request *req, const char *value)
{
	const struct http_server_options *o = &req->server->options;
	char host[256];
	struct in_addr in;

	if (!host_part(value, host, sizeof(host)))
		return false;
	if (strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0)
		return true;
	if (inet_pton(AF_INET, host, &in) == 1 && ntohl(in.s_addr) >> 24 == 127)
		return true;
	return strcasecmp(host, o->host) == 0 || is_listed(o->allowed_hosts, host) ||
	       is_own_address(req, host);
}

const char *http_refused_header(const struct http_request *req)
{
	const char *host = http_header(req, MHD_HTTP_HEADER_HOST);
	const char *origin = http_header(req, MHD_HTTP_HEADER_ORIGIN);

	if (host != NULL && !is_host_allowed(req, host)) /* HTTP/1.0 has none: no browser */
		return MHD_HTTP_HEADER_HOST;
	if (origin != NULL && !is_listed(req->server->options.allowed_origins, origin))
		return MHD_HTTP_HEADER_ORIGIN;
	return NULL;
}
