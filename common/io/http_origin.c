#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "http_internal.h"

#define PREFLIGHT_METHODS "GET, POST, DELETE"
#define PREFLIGHT_HEADERS "Authorization, Content-Type, Idempotency-Key, Trib-Witness, traceparent"
#define EXPOSED_HEADERS "Trib-Witness, Idempotent-Replayed, Retry-After"
#define PREFLIGHT_SECONDS "600"

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

	if (req->server->options.socket_path != NULL) {
		snprintf(req->peer, sizeof(req->peer), "unix");
		return;
	}
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
static bool is_own_address(struct http_request *req, const char *host)
{
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);
	unsigned port;

	if (req->own_address[0] == '\0' &&
	    (getsockname(req->fd, (struct sockaddr *)&local, &len) != 0 ||
	     !address_text((struct sockaddr *)&local, req->own_address, sizeof(req->own_address),
			   &port)))
		return false;
	return strcasecmp(req->own_address, host) == 0;
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

static bool is_host_allowed(struct http_request *req, const char *value)
{
	const struct http_server_options *o = &req->server->options;
	char host[256];
	struct in_addr in;

	if (o->socket_path != NULL) /* no browser gets there */
		return true;
	if (!host_part(value, host, sizeof(host)))
		return false;
	if (strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0)
		return true;
	if (inet_pton(AF_INET, host, &in) == 1 && ntohl(in.s_addr) >> 24 == 127)
		return true;
	if (o->advertised_host != NULL && strcasecmp(host, o->advertised_host) == 0)
		return true;
	return strcasecmp(host, o->host) == 0 || is_listed(o->allowed_hosts, host) ||
	       is_own_address(req, host);
}

const char *http_refused_header(struct http_request *req)
{
	const char *host = http_header(req, MHD_HTTP_HEADER_HOST);
	const char *origin = http_header(req, MHD_HTTP_HEADER_ORIGIN);

	if (host != NULL && !is_host_allowed(req, host)) /* HTTP/1.0 has none: no browser */
		return MHD_HTTP_HEADER_HOST;
	if (origin != NULL && !is_listed(req->server->options.allowed_origins, origin))
		return MHD_HTTP_HEADER_ORIGIN;
	req->origin = origin;
	return NULL;
}

bool http_is_preflight(const struct http_request *req)
{
	return req->origin != NULL && strcmp(req->method, MHD_HTTP_METHOD_OPTIONS) == 0 &&
	       http_header(req, "Access-Control-Request-Method") != NULL;
}

void http_answer_preflight(struct http_request *req)
{
	http_reply_header(req, "Access-Control-Allow-Methods", PREFLIGHT_METHODS);
	http_reply_header(req, "Access-Control-Allow-Headers", PREFLIGHT_HEADERS);
	http_reply_header(req, "Access-Control-Max-Age", PREFLIGHT_SECONDS);
	/* A page from the Internet that calls a shop's own network. */
	if (http_header(req, "Access-Control-Request-Private-Network") != NULL)
		http_reply_header(req, "Access-Control-Allow-Private-Network", "true");
}

void http_add_origin(const struct http_request *req, struct MHD_Response *response)
{
	if (req->origin == NULL)
		return;
	(void)MHD_add_response_header(response, "Access-Control-Allow-Origin", req->origin);
	(void)MHD_add_response_header(response, "Access-Control-Expose-Headers", EXPOSED_HEADERS);
	(void)MHD_add_response_header(response, "Vary", "Origin");
}
