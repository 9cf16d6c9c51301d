#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "http_internal.h"

#define CONNECTION_MEMORY_BYTES ((size_t)16 * 1024) /* a longer header is answered with 431 */
#define BACKLOG 1024
#define CLOSING_MAX 128 /* connections that are cut but not closed yet, in one turn of the loop */

const char *http_listener_name(const struct http_server *s, char *buf, size_t cap)
{
	const struct http_server_options *o = &s->options;
	bool is_v6 = strchr(o->host, ':') != NULL;

	snprintf(buf, cap, is_v6 ? "[%s]:%u" : "%s:%u", o->host,
		 (unsigned)(s->port != 0 ? s->port : o->port));
	return buf;
}

static int start_daemon(struct http_server *s, const struct sockaddr *address, char *err)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO;
	const struct http_server_options *o = &s->options;
	char name[HTTP_ERROR_BYTES / 2];

	if (address->sa_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	errno = 0;
	s->mhd = MHD_start_daemon(flags, o->port, NULL, NULL, http_on_access, s,
				  MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_CONNECTION_LIMIT,
				  o->connections_max + CLOSING_MAX,
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES,
				  MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_LISTEN_BACKLOG_SIZE,
				  (unsigned)BACKLOG, MHD_OPTION_NOTIFY_CONNECTION,
				  http_on_connection, s, MHD_OPTION_NOTIFY_COMPLETED,
				  http_on_completed, NULL, MHD_OPTION_URI_LOG_CALLBACK,
				  http_on_target, NULL, MHD_OPTION_END);
	if (s->mhd != NULL)
		return 0;
	snprintf(err, HTTP_ERROR_BYTES, "cannot listen on %s: %s",
		 http_listener_name(s, name, sizeof(name)),
		 errno != 0 ? strerror(errno) : "libmicrohttpd refused");
	return ERR_IO;
}

int http_listen(struct http_server *s, char *err)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	const char *host = s->options.host;
	struct addrinfo *address;
	char port[8];
	int r;

	snprintf(port, sizeof(port), "%u", (unsigned)s->options.port);
	r = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &hints, &address);
	if (r != 0) {
		snprintf(err, HTTP_ERROR_BYTES, "%s: %s", host, gai_strerror(r));
		return ERR_IO;
	}
	r = start_daemon(s, address->ai_addr, err);
	freeaddrinfo(address);
	return r;
}
