#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "http_internal.h"
#include "log.h"

#define SWEEP_POLL_MAX 256
#define EVICTED_TOLD_MS 60000

static void queue_leave(struct http_request *req)
{
	struct http_server *s = req->server;

	if (req->queue == HTTP_QUEUE_STRANGERS)
		TAILQ_REMOVE(&s->strangers, req, queued);
	else if (req->queue == HTTP_QUEUE_IDLE)
		TAILQ_REMOVE(&s->idle, req, queued);
	req->queue = HTTP_QUEUE_NONE;
}

/* Put a connection where its state and caller belong (P1 to P3). */
static void queue_choose(struct http_request *req)
{
	struct http_server *s = req->server;
	enum http_queue to = HTTP_QUEUE_NONE;

	if (req->state == HTTP_READING && req->is_known)
		to = HTTP_QUEUE_IDLE;
	else if (req->state == HTTP_READING ||
		 (!req->is_known && (req->state == HTTP_BODY || req->state == HTTP_ANSWERING)))
		to = HTTP_QUEUE_STRANGERS;
	if (req->is_cut || to == req->queue)
		return;
	queue_leave(req);
	req->queue = to;
	if (to == HTTP_QUEUE_IDLE)
		TAILQ_INSERT_TAIL(&s->idle, req, queued);
	else if (to == HTTP_QUEUE_STRANGERS)
		TAILQ_INSERT_HEAD(&s->strangers, req, queued);
}

static uint64_t limit_of(const struct http_request *req)
{
	const struct http_server *s = req->server;
	bool is_idle = req->state == HTTP_READING && req->is_known;

	return s->now_ms + (is_idle ? s->options.idle_timeout_ms : s->options.request_timeout_ms);
}

void http_look_at_clock(struct http_server *s)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	s->now_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void http_request_move(struct http_request *req, enum http_state to)
{
	static const bool allowed[4][4] = {
		[HTTP_READING] = { [HTTP_BODY] = true },
		[HTTP_BODY] = { [HTTP_READING] = true, [HTTP_PENDING] = true, [HTTP_ANSWERING] = true },
		[HTTP_PENDING] = { [HTTP_READING] = true, [HTTP_ANSWERING] = true },
		[HTTP_ANSWERING] = { [HTTP_READING] = true },
	};
	struct http_server *s = req->server;

	assert(allowed[req->state][to]);
	if (req->state == HTTP_PENDING)
		s->n_pending--;
	if (to == HTTP_PENDING)
		s->n_pending++;
	req->state = to;
	req->limit_ms = limit_of(req);
	queue_choose(req);
}

/* libmicrohttpd sees the end of the stream and closes, at its next run. */
static void cut(struct http_request *req)
{
	queue_leave(req);
	if (!req->is_cut)
		req->server->n_open--;
	req->is_cut = true;
	(void)shutdown(req->fd, SHUT_RDWR);
}

/* One more has come and is in no queue yet: one must go where there were connections_max. */
static void make_room(struct http_server *s, struct http_request *newcomer)
{
	struct http_request *victim = TAILQ_FIRST(&s->strangers);

	if (s->n_open <= s->options.connections_max)
		return;
	if (victim == NULL)
		victim = TAILQ_FIRST(&s->idle);
	cut(victim != NULL ? victim : newcomer); /* the others are all at work */
	s->n_evicted++;
}

static struct http_request *connection_create(struct http_server *s,
					      struct MHD_Connection *connection)
{
	struct http_request *req = calloc(1, sizeof(*req));

	if (req == NULL)
		return NULL;
	req->server = s;
	req->mhd = connection;
	req->fd =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	req->limit_ms = limit_of(req);
	http_format_peer(req);
	if (LIST_EMPTY(&s->connections) && !ev_is_active(&s->sweep))
		ev_timer_again(s->loop, &s->sweep);
	LIST_INSERT_HEAD(&s->connections, req, link);
	s->n_open++;
	make_room(s, req);
	if (!req->is_cut) {
		req->queue = HTTP_QUEUE_STRANGERS;
		TAILQ_INSERT_TAIL(&s->strangers, req, queued);
	}
	http_handshake_begin(req);
	return req;
}

static void connection_destroy(struct http_request *req)
{
	http_handshake_end(req);
	queue_leave(req);
	if (!req->is_cut)
		req->server->n_open--;
	LIST_REMOVE(req, link);
	free(req->body);
	free(req);
}

void http_on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
			enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*socket_context = connection_create(cls, connection);
		return;
	}
	if (*socket_context != NULL)
		connection_destroy(*socket_context);
	*socket_context = NULL;
}

void http_set_known(struct http_request *req, bool is_known)
{
	assert(req->state == HTTP_PENDING); /* in no queue */
	req->is_known = is_known;
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

static void tell_evicted(struct http_server *s)
{
	struct log_value v;
	char name[HTTP_ERROR_BYTES];

	if (s->n_evicted == 0 || s->now_ms < s->tell_evicted_ms)
		return;
	log_event(LOG_LEVEL_WARNING, "connections_full", "listener=%s max=%u cut=%u",
		  log_quote(&v, http_listener_name(s, name, sizeof(name))),
		  s->options.connections_max, s->n_evicted);
	s->n_evicted = 0;
	s->tell_evicted_ms = s->now_ms + EVICTED_TOLD_MS;
}

void http_on_sweep(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct http_server *s = w->data;
	struct http_request *req, *reqs[SWEEP_POLL_MAX];
	struct pollfd fds[SWEEP_POLL_MAX];
	nfds_t n = 0;

	(void)revents;
	http_look_at_clock(s);
	tell_evicted(s);
	if (LIST_EMPTY(&s->connections)) {
		ev_timer_stop(loop, w);
		return;
	}
	LIST_FOREACH(req, &s->connections, link)
	{
		if (req->state != HTTP_PENDING) {
			if (req->limit_ms <= s->now_ms ||
			    (s->draining && req->state == HTTP_READING))
				cut(req);
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
