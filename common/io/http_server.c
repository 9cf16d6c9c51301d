#include "http_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "http_internal.h"

#define SWEEP_INTERVAL 0.25

static void run(struct http_server *s)
{
	s->resumed = false;
	http_look_at_clock(s);
	(void)MHD_run(s->mhd);
	http_handshake_sleep(s);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	run(w->data);
}

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	run(w->data);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct http_server *s = w->data;
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	(void)revents;
	s->handed_out = false;
	if (s->resumed)
		run(s);
	/* Requests handed out just now: the daemon's prepare watchers must see them first. */
	if (s->handed_out || s->resumed ||
	    (MHD_get_timeout(s->mhd, &timeout_ms) == MHD_YES && timeout_ms == 0)) {
		if (!ev_is_active(&s->again)) {
			ev_timer_set(&s->again, 0., 0.);
			ev_timer_start(loop, &s->again);
		}
	}
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
	if (o->request_timeout_ms == 0)
		o->request_timeout_ms = 10000;
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
	TAILQ_INIT(&s->strangers);
	TAILQ_INIT(&s->idle);
	TAILQ_INIT(&s->shaking);
	ev_init(&s->sweep, http_on_sweep);
	s->sweep.repeat = SWEEP_INTERVAL;
	s->sweep.data = s;
	ev_timer_init(&s->again, on_again, 0., 0.);
	s->again.data = s;
	r = http_listen(s, err);
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
		if (req->suspended || req->is_asleep)
			MHD_resume_connection(req->mhd);
		req->suspended = false;
		http_handshake_end(req);
	}
	MHD_stop_daemon(s->mhd);
	http_remove_socket(s);
	assert(LIST_EMPTY(&s->connections) && s->n_open == 0);
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
	http_remove_socket(s);
	fd = MHD_quiesce_daemon(s->mhd);
	if (fd != MHD_INVALID_SOCKET)
		close(fd);
}
