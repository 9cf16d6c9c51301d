#include "http_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api_error.h"
#include "http_internal.h"

#define SWEEP_INTERVAL 0.25
#define BODY_KEEP_BYTES 4096 /* a buffer up to this size stays with its connection */
#define CONNECTION_MEMORY_BYTES ((size_t)16 * 1024)
#define SWEEP_POLL_MAX 256

/* The one mutator of a request's state. */
static void request_move(struct http_request *req, enum http_state to)
{
	static const bool allowed[4][4] = {
		[HTTP_READING] = { [HTTP_READING] = true, [HTTP_BODY] = true },
		[HTTP_BODY] = { [HTTP_READING] = true, [HTTP_PENDING] = true, [HTTP_ANSWERING] = true },
		[HTTP_PENDING] = { [HTTP_READING] = true, [HTTP_ANSWERING] = true },
		[HTTP_ANSWERING] = { [HTTP_READING] = true },
	};
	struct http_server *s = req->server;
	unsigned ms = to == HTTP_READING ? s->options.idle_timeout_ms : s->options.deadline_ms;

	assert(allowed[req->state][to]);
	if (req->state == HTTP_PENDING)
		s->n_pending--;
	if (to == HTTP_PENDING)
		s->n_pending++;
	req->state = to;
	req->limit = ev_now(s->loop) + ms / 1e3;
}

static void request_reset(struct http_request *req)
{
	if (req->body_cap > BODY_KEEP_BYTES) {
		free(req->body);
		req->body = NULL;
		req->body_cap = 0;
	}
	req->body_len = 0;
	req->gone = req->too_large = req->answered = false;
	req->method = NULL;
	req->path[0] = '\0';
	req->data = NULL;
	req->reply_headers_len = 0;
	req->trace_id[0] = '\0';
}

static bool body_append(struct http_request *req, const char *data, size_t len)
{
	size_t need = req->body_len + len;

	if (need > req->server->options.body_max_bytes) {
		req->too_large = true;
		return true; /* swallow the rest; answered when it is whole */
	}
	if (need + 1 > req->body_cap) {
		size_t cap = req->body_cap == 0 ? 1024 : req->body_cap * 2;
		char *grown;

		while (cap < need + 1)
			cap *= 2;
		grown = realloc(req->body, cap);
		if (grown == NULL)
			return false;
		req->body = grown;
		req->body_cap = cap;
	}
	memcpy(req->body + req->body_len, data, len);
	req->body_len = need;
	req->body[need] = '\0';
	return true;
}

static struct MHD_Response *make_response(struct http_request *req, char *body, size_t len)
{
	static char empty[1];
	struct MHD_Response *response;
	const char *name, *end = req->reply_headers + req->reply_headers_len;
	bool has_type = false;

	response = MHD_create_response_from_buffer(len, body != NULL ? body : empty,
						   body != NULL ? MHD_RESPMEM_MUST_FREE :
								  MHD_RESPMEM_PERSISTENT);
	if (response == NULL) {
		free(body);
		return NULL;
	}
	for (name = req->reply_headers; name < end;) {
		const char *value = name + strlen(name) + 1;

		if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_TYPE) == 0)
			has_type = true;
		(void)MHD_add_response_header(response, name, value);
		name = value + strlen(value) + 1;
	}
	if (!has_type && len > 0)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
					      "application/json");
	if (req->server->draining)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	return response;
}

void http_reply_take(struct http_request *req, int status, char *body, size_t len)
{
	struct MHD_Response *response;
	bool queued;

	assert(req->state == HTTP_PENDING && status >= 200 && status < 600);
	response = make_response(req, body, len);
	queued = response != NULL &&
		 MHD_queue_response(req->mhd, (unsigned)status, response) == MHD_YES;
	if (response != NULL)
		MHD_destroy_response(response);
	/* Where memory ran out the connection is closed: on_access finds nothing to wait for. */
	req->answered = queued;
	request_move(req, HTTP_ANSWERING);
	if (req->suspended) {
		req->suspended = false;
		req->server->resumed = true;
		MHD_resume_connection(req->mhd);
	}
}

void http_reply(struct http_request *req, int status, const char *body, size_t len)
{
	char *copy = NULL;

	if (len > 0) {
		copy = malloc(len);
		if (copy != NULL)
			memcpy(copy, body, len);
		else
			status = 500;
	}
	http_reply_take(req, status, copy, copy != NULL ? len : 0);
}

/* Answer in the server's own name; the request never reaches the daemon. */
static void refuse(struct http_request *req, int status, enum code code, const char *param)
{
	json_t *error = api_error_json(code, param, NULL, http_trace_id(req));
	char *text = error != NULL ? json_dumps(error, JSON_COMPACT) : NULL;

	json_decref(error);
	request_move(req, HTTP_PENDING);
	http_reply_take(req, status, text, text != NULL ? strlen(text) : 0);
}

static bool length_is_too_large(const struct http_request *req)
{
	const char *length = http_header(req, MHD_HTTP_HEADER_CONTENT_LENGTH);

	/* libmicrohttpd has refused what is no number. */
	return length != NULL && strtoull(length, NULL, 10) > req->server->options.body_max_bytes;
}

static enum MHD_Result on_header(struct http_request *req, const char *method)
{
	const char *refused;

	req->method = method;
	request_move(req, HTTP_BODY);
	refused = http_refused_header(req);
	if (refused != NULL)
		refuse(req, MHD_HTTP_FORBIDDEN, CODE_UNAUTHORIZED, refused);
	else if (length_is_too_large(req))
		refuse(req, code_status(CODE_TOO_LARGE), CODE_TOO_LARGE, NULL);
	else
		return MHD_YES;
	return req->answered ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_whole(struct http_request *req)
{
	struct http_server *s = req->server;

	if (req->too_large) {
		refuse(req, code_status(CODE_TOO_LARGE), CODE_TOO_LARGE, NULL);
		return req->answered ? MHD_YES : MHD_NO;
	}
	if (req->body == NULL && !body_append(req, "", 0))
		return MHD_NO;
	req->body[req->body_len] = '\0';
	request_move(req, HTTP_PENDING);
	s->handed_out = true;
	s->handler.on_request(s->handler.ctx, req);
	if (req->state != HTTP_PENDING)
		return req->answered ? MHD_YES : MHD_NO;
	req->suspended = true;
	MHD_suspend_connection(req->mhd);
	return MHD_YES;
}

/* The request's target before libmicrohttpd decodes it. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_request *req = info != NULL ? info->socket_context : NULL;
	size_t len = strcspn(target, "?");

	(void)cls;
	if (req == NULL)
		return NULL;
	if (len >= sizeof(req->path))
		len = 0;
	memcpy(req->path, target, len);
	req->path[len] = '\0';
	return NULL; /* on_access finds the request by itself */
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url,
				 const char *method, const char *version, const char *upload,
				 size_t *upload_size, void **con_cls)
{
	struct http_request *req = *con_cls;

	(void)cls;
	(void)url; /* decoded: a segment's own '/' would part it */
	(void)version;
	if (req == NULL) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

		req = info != NULL ? info->socket_context : NULL;
		if (req == NULL)
			return MHD_NO;
		*con_cls = req;
		return on_header(req, method);
	}
	if (req->state != HTTP_BODY) /* resumed, but without an answer */
		return req->answered ? MHD_YES : MHD_NO;
	if (*upload_size > 0) {
		if (!body_append(req, upload, *upload_size))
			return MHD_NO;
		*upload_size = 0;
		return MHD_YES;
	}
	return on_whole(req);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
			 enum MHD_RequestTerminationCode code)
{
	struct http_request *req = *con_cls;

	(void)cls;
	(void)connection;
	(void)code;
	if (req == NULL)
		return;
	*con_cls = NULL;
	request_move(req, HTTP_READING);
	request_reset(req);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http_server *s = cls;
	struct http_request *req;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		req = *socket_context;
		if (req == NULL)
			return;
		LIST_REMOVE(req, link);
		free(req->body);
		free(req);
		*socket_context = NULL;
		return;
	}
	req = calloc(1, sizeof(*req));
	*socket_context = req;
	if (req == NULL)
		return;
	req->server = s;
	req->mhd = connection;
	req->fd =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	http_format_peer(req);
	request_move(req, HTTP_READING);
	if (LIST_EMPTY(&s->connections) && !ev_is_active(&s->sweep))
		ev_timer_again(s->loop, &s->sweep);
	LIST_INSERT_HEAD(&s->connections, req, link);
}

/* Tell of pending clients that hung up, so many at a time. */
static void tell_gone(struct http_server *s, struct http_request **reqs, struct pollfd *fds,
		      nfds_t n)
{
	if (n == 0 || poll(fds, n, 0) <= 0)
		return;
	for (nfds_t i = 0; i < n; i++) {
		if ((fds[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0)
			continue;
		/* An earlier on_gone may have answered this one too. */
		if (reqs[i]->state != HTTP_PENDING)
			continue;
		reqs[i]->gone = true;
		if (s->handler.on_gone != NULL)
			s->handler.on_gone(s->handler.ctx, reqs[i]);
	}
}

static void on_sweep(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct http_server *s = w->data;
	struct http_request *req, *reqs[SWEEP_POLL_MAX];
	struct pollfd fds[SWEEP_POLL_MAX];
	nfds_t n = 0;

	(void)revents;
	if (LIST_EMPTY(&s->connections)) {
		ev_timer_stop(loop, w);
		return;
	}
	LIST_FOREACH(req, &s->connections, link)
	{
		if (req->state != HTTP_PENDING) {
			/* libmicrohttpd sees the end of the stream and closes. */
			if (req->limit <= ev_now(loop) ||
			    (s->draining && req->state == HTTP_READING))
				(void)shutdown(req->fd, SHUT_RDWR);
			continue;
		}
		if (req->gone)
			continue;
		reqs[n] = req;
		fds[n++] = (struct pollfd){ .fd = req->fd, .events = POLLRDHUP };
		if (n == SWEEP_POLL_MAX) {
			tell_gone(s, reqs, fds, n);
			n = 0;
		}
	}
	tell_gone(s, reqs, fds, n);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct http_server *s = w->data;

	(void)loop;
	(void)revents;
	s->resumed = false;
	(void)MHD_run(s->mhd);
}

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct http_server *s = w->data;

	(void)loop;
	(void)revents;
	s->resumed = false;
	(void)MHD_run(s->mhd);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct http_server *s = w->data;
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	(void)revents;
	s->handed_out = false;
	if (s->resumed) {
		s->resumed = false;
		(void)MHD_run(s->mhd);
	}
	/* Requests handed out just now: the daemon's prepare watchers must see them first. */
	if (s->handed_out || s->resumed ||
	    (MHD_get_timeout(s->mhd, &timeout_ms) == MHD_YES && timeout_ms == 0)) {
		if (!ev_is_active(&s->again)) {
			ev_timer_set(&s->again, 0., 0.);
			ev_timer_start(loop, &s->again);
		}
	}
}

static int start_listening(struct http_server *s, char *err)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO;
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
	if (address->ai_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	errno = 0;
	s->mhd = MHD_start_daemon(flags, s->options.port, NULL, NULL, on_access, s,
				  MHD_OPTION_SOCK_ADDR, address->ai_addr,
				  MHD_OPTION_CONNECTION_LIMIT, s->options.connections_max,
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES,
				  MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_LISTEN_BACKLOG_SIZE,
				  1024U, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
				  MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
				  MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL, MHD_OPTION_END);
	freeaddrinfo(address);
	if (s->mhd != NULL)
		return 0;
	snprintf(err, HTTP_ERROR_BYTES, "cannot listen on %s port %s: %s", host, port,
		 errno != 0 ? strerror(errno) : "libmicrohttpd refused");
	return ERR_IO;
}

static void fill_defaults(struct http_server_options *o)
{
	if (o->host == NULL)
		o->host = "127.0.0.1";
	if (o->body_max_bytes == 0)
		o->body_max_bytes = (size_t)64 * 1024;
	if (o->connections_max == 0)
		o->connections_max = 1024;
	if (o->idle_timeout_ms == 0)
		o->idle_timeout_ms = 30000;
	if (o->deadline_ms == 0)
		o->deadline_ms = 10000;
}

int http_server_create(struct ev_loop *loop, const struct http_server_options *options,
		       const struct http_handler *handler, struct http_server **ret, char *err)
{
	const union MHD_DaemonInfo *info;
	struct http_server *s = calloc(1, sizeof(*s));
	int r = ERR_IO;

	if (s == NULL) {
		snprintf(err, HTTP_ERROR_BYTES, "out of memory");
		return ERR_IO;
	}
	s->loop = loop;
	s->handler = *handler;
	s->options = *options;
	fill_defaults(&s->options);
	LIST_INIT(&s->connections);
	ev_init(&s->sweep, on_sweep);
	s->sweep.repeat = SWEEP_INTERVAL;
	s->sweep.data = s;
	ev_timer_init(&s->again, on_again, 0., 0.);
	s->again.data = s;
	r = start_listening(s, err);
	if (r != 0)
		goto fail;
	info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_BIND_PORT);
	s->port = info != NULL ? info->port : s->options.port;
	info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	assert(info != NULL);
	ev_io_init(&s->readable, on_readable, info->epoll_fd, EV_READ);
	s->readable.data = s;
	ev_io_start(loop, &s->readable);
	ev_prepare_init(&s->prepare, on_prepare);
	ev_set_priority(&s->prepare, EV_MINPRI);
	s->prepare.data = s;
	ev_prepare_start(loop, &s->prepare);
	*ret = s;
	return 0;
fail:
	free(s);
	return r;
}

void http_server_destroy(struct http_server *s)
{
	struct http_request *req;

	if (s == NULL)
		return;
	ev_io_stop(s->loop, &s->readable);
	ev_prepare_stop(s->loop, &s->prepare);
	ev_timer_stop(s->loop, &s->again);
	ev_timer_stop(s->loop, &s->sweep);
	/* libmicrohttpd panics when it is stopped with suspended connections. */
	LIST_FOREACH(req, &s->connections, link)
	{
		if (req->suspended)
			MHD_resume_connection(req->mhd);
		req->suspended = false;
	}
	MHD_stop_daemon(s->mhd);
	assert(LIST_EMPTY(&s->connections));
	free(s);
}

uint16_t http_server_port(const struct http_server *s)
{
	return s->port;
}

unsigned http_server_pending(const struct http_server *s)
{
	return s->n_pending;
}

void http_server_drain(struct http_server *s)
{
	MHD_socket fd;

	if (s->draining)
		return;
	s->draining = true;
	fd = MHD_quiesce_daemon(s->mhd);
	if (fd != MHD_INVALID_SOCKET)
		close(fd);
}
