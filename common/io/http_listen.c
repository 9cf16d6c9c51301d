#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http_internal.h"

#define CONNECTION_MEMORY_BYTES ((size_t)16 * 1024) /* a longer header is answered with 431 */
#define BACKLOG 1024
#define CLOSING_MAX 128 /* connections that are cut but not closed yet, in one turn of the loop */
#define OPTIONS_MAX 16

/* TLS 1.2 and 1.3, strong suites only; the certificate's key is ECDSA. X25519 comes first because most
 * clients guess it: another choice of ours would cost them a round trip. */
#define TLS_PRIORITIES                                                      \
	"SECURE128:%SERVER_PRECEDENCE:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:" \
	"-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1"

struct option_list {
	struct MHD_OptionItem items[OPTIONS_MAX];
	size_t n;
};

static void add_option(struct option_list *l, enum MHD_OPTION option, intptr_t value, void *pointer)
{
	assert(l->n < OPTIONS_MAX - 1); /* the last one ends the list */
	l->items[l->n++] = (struct MHD_OptionItem){ option, value, pointer };
}

const char *http_listener_name(const struct http_server *s, char *buf, size_t cap)
{
	const struct http_server_options *o = &s->options;
	bool is_v6 = strchr(o->host, ':') != NULL;

	if (o->socket_path != NULL)
		snprintf(buf, cap, "%s", o->socket_path);
	else
		snprintf(buf, cap, is_v6 ? "[%s]:%u" : "%s:%u", o->host,
			 (unsigned)(s->port != 0 ? s->port : o->port));
	return buf;
}

/* Start the daemon on a bound socket, or on an address (fd < 0). */
static int start_daemon(struct http_server *s, int fd, const struct sockaddr *address, char *err)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO;
	const struct http_server_options *o = &s->options;
	struct option_list l = { .items[OPTIONS_MAX - 1] = { MHD_OPTION_END, 0, NULL } };
	char name[HTTP_ERROR_BYTES / 2];

	for (size_t i = 0; i < OPTIONS_MAX; i++)
		l.items[i].option = MHD_OPTION_END;
	if (fd >= 0)
		add_option(&l, MHD_OPTION_LISTEN_SOCKET, fd, NULL);
	else
		add_option(&l, MHD_OPTION_SOCK_ADDR, 0, (void *)(uintptr_t)address);
	if (fd < 0 && address->sa_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	if (o->tls_key != NULL) {
		flags |= MHD_USE_TLS;
		add_option(&l, MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)o->tls_key);
		add_option(&l, MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)o->tls_certificate);
		add_option(&l, MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES);
	}
	errno = 0;
	s->mhd = MHD_start_daemon(flags, o->port, NULL, NULL, http_on_access, s, MHD_OPTION_ARRAY,
				  l.items, MHD_OPTION_CONNECTION_LIMIT,
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

/* Free *ret with freeaddrinfo. */
static int resolve(const char *host, uint16_t port, struct addrinfo **ret, char *err)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	char text[8];
	int r;

	snprintf(text, sizeof(text), "%u", (unsigned)port);
	r = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, text, &hints, ret);
	if (r == 0)
		return 0;
	snprintf(err, HTTP_ERROR_BYTES, "%s: %s", host, gai_strerror(r));
	return ERR_IO;
}

static int listen_tcp(struct http_server *s, char *err)
{
	struct addrinfo *address;
	int r = resolve(s->options.host, s->options.port, &address, err);

	if (r < 0)
		return r;
	r = start_daemon(s, -1, address->ai_addr, err);
	freeaddrinfo(address);
	return r;
}

int http_server_try(const char *host, uint16_t port, char *err)
{
	struct addrinfo *address;
	int r = resolve(host, port, &address, err), on = 1, fd;

	if (r < 0)
		return r;
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, address->ai_addr, address->ai_addrlen) != 0) {
		snprintf(err, HTTP_ERROR_BYTES, "cannot listen on %s port %u: %s", host,
			 (unsigned)port, strerror(errno));
		r = ERR_IO;
	}
	if (fd >= 0)
		close(fd);
	freeaddrinfo(address);
	return r;
}

/* Whether somebody serves at the socket. */
static bool is_served(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool is = fd >= 0 && (connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 ||
			      errno != ECONNREFUSED);

	if (fd >= 0)
		close(fd);
	return is;
}

/* Remove the socket that an earlier life left; nothing else is ever removed. */
static int remove_stale(const struct sockaddr_un *at, char *err)
{
	struct stat st;

	if (lstat(at->sun_path, &st) != 0) {
		if (errno == ENOENT)
			return 0;
		snprintf(err, HTTP_ERROR_BYTES, "%s: %s", at->sun_path, strerror(errno));
		return ERR_IO;
	}
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(err, HTTP_ERROR_BYTES, "%s is there and is not a socket", at->sun_path);
		return ERR_EXISTS;
	}
	if (is_served(at)) {
		snprintf(err, HTTP_ERROR_BYTES, "another process serves %s", at->sun_path);
		return ERR_EXISTS;
	}
	if (unlink(at->sun_path) != 0 && errno != ENOENT) {
		snprintf(err, HTTP_ERROR_BYTES, "cannot remove the old socket %s: %s", at->sun_path,
			 strerror(errno));
		return ERR_IO;
	}
	return 0;
}

/* Owner and group may connect. */
static int bind_unix(const struct sockaddr_un *at, int fd)
{
	mode_t mask = umask(0117);
	int r = bind(fd, (const struct sockaddr *)at, sizeof(*at));

	umask(mask);
	return r == 0 ? listen(fd, BACKLOG) : r;
}

static int listen_unix(struct http_server *s, char *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const char *path = s->options.socket_path;
	int fd, r;

	if (strlen(path) >= sizeof(at.sun_path)) {
		snprintf(err, HTTP_ERROR_BYTES,
			 "the socket's path has %zu bytes; at most %zu are possible", strlen(path),
			 sizeof(at.sun_path) - 1);
		return ERR_INVALID;
	}
	memcpy(at.sun_path, path, strlen(path) + 1);
	r = remove_stale(&at, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind_unix(&at, fd) != 0 || lstat(path, &s->socket_file) != 0) {
		snprintf(err, HTTP_ERROR_BYTES, "cannot listen on %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	r = start_daemon(s, fd, NULL, err); /* some of its failures close fd, some do not */
	if (r < 0)
		http_remove_socket(s);
	return r;
}

void http_remove_socket(struct http_server *s)
{
	struct stat st;

	if (s->socket_file.st_ino != 0 && lstat(s->options.socket_path, &st) == 0 &&
	    st.st_ino == s->socket_file.st_ino && st.st_dev == s->socket_file.st_dev)
		(void)unlink(s->options.socket_path);
	s->socket_file.st_ino = 0;
}

int http_listen(struct http_server *s, char *err)
{
	return s->options.socket_path != NULL ? listen_unix(s, err) : listen_tcp(s, err);
}
