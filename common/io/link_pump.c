#include "link_internal.h"

#include <errno.h>

static bool is_readable(struct link_pump *p)
{
	int events = 0;
	size_t len = sizeof(events);

	while (zmq_getsockopt(p->socket, ZMQ_EVENTS, &events, &len) != 0) {
		if (errno != EINTR)
			return false;
	}
	return (events & ZMQ_POLLIN) != 0;
}

static void on_io(struct ev_loop *loop, ev_io *w, int revents)
{
	/* The check watcher has taken care of it, and cleared this event, or comes next turn. */
	(void)loop;
	(void)revents;
	link_pump_touch(w->data);
}

static void on_idle(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct link_pump *p = w->data;

	(void)revents;
	if (!p->is_touched)
		return;
	p->is_touched = false;
	if (is_readable(p))
		ev_idle_start(loop, &p->idle);
}

static void on_check(struct ev_loop *loop, ev_check *w, int revents)
{
	struct link_pump *p = w->data;

	(void)revents;
	if (!ev_is_active(&p->idle) && !ev_is_pending(&p->io))
		return;
	ev_idle_stop(loop, &p->idle);
	ev_clear_pending(loop, &p->io);
	p->is_touched = true;
	p->on_readable(p->ctx);
}

int link_pump_start(struct link_pump *p, struct ev_loop *loop, void *socket,
		    void (*on_readable)(void *ctx), void *ctx)
{
	int fd;
	size_t len = sizeof(fd);

	if (zmq_getsockopt(socket, ZMQ_FD, &fd, &len) != 0)
		return ERR_IO;
	p->loop = loop;
	p->socket = socket;
	p->on_readable = on_readable;
	p->ctx = ctx;
	p->is_touched = true;
	ev_io_init(&p->io, on_io, fd, EV_READ);
	ev_prepare_init(&p->prepare, on_prepare);
	ev_check_init(&p->check, on_check);
	ev_idle_init(&p->idle, on_idle);
	/* Last before sleeping, so that a send in another prepare watcher is seen; first after. */
	ev_set_priority(&p->prepare, EV_MINPRI);
	ev_set_priority(&p->check, EV_MAXPRI);
	p->io.data = p->prepare.data = p->check.data = p->idle.data = p;
	ev_io_start(loop, &p->io);
	ev_prepare_start(loop, &p->prepare);
	ev_check_start(loop, &p->check);
	return 0;
}

void link_pump_stop(struct link_pump *p)
{
	if (p->loop == NULL)
		return;
	ev_io_stop(p->loop, &p->io);
	ev_prepare_stop(p->loop, &p->prepare);
	ev_check_stop(p->loop, &p->check);
	ev_idle_stop(p->loop, &p->idle);
	p->loop = NULL;
	p->socket = NULL;
}
