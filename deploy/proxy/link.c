#include "link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

void link_reset_fd(int fd)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

static void link_stop(struct link *l)
{
	for (int end = 0; end < 2; end++) {
		ev_io_stop(l->loop, &l->readable[end]);
		ev_io_stop(l->loop, &l->writable[end]);
		ev_timer_stop(l->loop, &l->due[end]);
	}
}

void link_destroy(struct link *l)
{
	if (l == NULL)
		return;
	link_stop(l);
	for (int end = 0; end < 2; end++) {
		flow_finish(&l->flow[end]);
		if (l->fd[end] < 0)
			continue;
		/* After a proper end in both directions there is nothing to reset. */
		if (l->is_shut[LINK_CLIENT] && l->is_shut[LINK_TARGET])
			close(l->fd[end]);
		else
			link_reset_fd(l->fd[end]);
	}
	free(l);
}

static void link_gone(struct link *l)
{
	l->owner->on_gone(l->owner, l);
	link_destroy(l);
}

/* Let the watchers follow from the state: one place decides what is waited for. */
static void link_watch(struct link *l)
{
	for (int from = 0; from < 2; from++) {
		struct flow *f = &l->flow[from];
		struct iovec iov[2];
		bool reads = l->state == LINK_OPEN && !l->has_ended[from] && flow_room(f, iov) > 0;
		bool writes = l->state == LINK_OPEN && flow_ready(f, ev_now(l->loop), iov) > 0;

		if (l->state == LINK_CONNECTING)
			writes = from == LINK_CLIENT;
		if (reads)
			ev_io_start(l->loop, &l->readable[from]);
		else
			ev_io_stop(l->loop, &l->readable[from]);
		if (writes)
			ev_io_start(l->loop, &l->writable[1 - from]);
		else
			ev_io_stop(l->loop, &l->writable[1 - from]);
		ev_timer_stop(l->loop, &l->due[from]);
		if (l->state == LINK_OPEN && !writes && !flow_is_empty(f)) {
			double wait = flow_next_due(f) - ev_now(l->loop);

			ev_timer_set(&l->due[from], wait > 0 ? wait : 0, 0.);
			ev_timer_start(l->loop, &l->due[from]);
		}
	}
}

/* Write what may leave. Returns -1 when the link is broken. */
static int link_write(struct link *l, int from)
{
	struct flow *f = &l->flow[from];
	struct iovec iov[2];
	int pieces = flow_ready(f, ev_now(l->loop), iov);

	if (pieces > 0) {
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)pieces };
		ssize_t n = sendmsg(l->fd[1 - from], &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		flow_take(f, (size_t)n);
		l->owner->on_moved(l->owner, (enum link_end)from, (size_t)n);
	}
	if (l->has_ended[from] && flow_is_empty(f) && !l->is_shut[from]) {
		l->is_shut[from] = true;
		if (shutdown(l->fd[1 - from], SHUT_WR) < 0)
			return -1;
	}
	return 0;
}

/* Read once. Returns -1 when the link is broken. */
static int link_read(struct link *l, int from)
{
	struct iovec iov[2];
	int pieces = flow_room(&l->flow[from], iov);
	ssize_t n;

	if (pieces == 0)
		return 0;
	n = readv(l->fd[from], iov, pieces);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		l->has_ended[from] = true;
	else
		flow_put(&l->flow[from], (size_t)n, ev_now(l->loop) + l->delay_s);
	return 0;
}

static void link_move(struct link *l, int from)
{
	if (link_write(l, from) < 0 || (l->is_shut[0] && l->is_shut[1]))
		link_gone(l);
	else
		link_watch(l);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	struct link *l = w->data;
	int from = w == &l->readable[LINK_CLIENT] ? LINK_CLIENT : LINK_TARGET;

	(void)loop;
	(void)events;
	if (link_read(l, from) < 0)
		link_gone(l);
	else
		link_move(l, from);
}

static void on_connected(struct link *l)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(l->fd[LINK_TARGET], SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
		link_gone(l);
		return;
	}
	l->state = LINK_OPEN;
	link_watch(l);
}

static void on_writable(struct ev_loop *loop, ev_io *w, int events)
{
	struct link *l = w->data;
	int to = w == &l->writable[LINK_CLIENT] ? LINK_CLIENT : LINK_TARGET;

	(void)loop;
	(void)events;
	if (l->state == LINK_CONNECTING)
		on_connected(l);
	else
		link_move(l, 1 - to);
}

static void on_due(struct ev_loop *loop, ev_timer *w, int events)
{
	struct link *l = w->data;

	(void)loop;
	(void)events;
	link_move(l, w == &l->due[LINK_CLIENT] ? LINK_CLIENT : LINK_TARGET);
}

static void link_set_fd(struct link *l, int end, int fd)
{
	int on = 1;

	l->fd[end] = fd;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ev_io_set(&l->readable[end], fd, EV_READ);
	ev_io_set(&l->writable[end], fd, EV_WRITE);
}

struct link *link_create_held(struct ev_loop *loop, struct link_owner *owner, int client_fd)
{
	struct link *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->loop = loop;
	l->owner = owner;
	l->state = LINK_HELD;
	l->fd[LINK_TARGET] = -1;
	for (int end = 0; end < 2; end++) {
		ev_init(&l->readable[end], on_readable);
		ev_init(&l->writable[end], on_writable);
		ev_init(&l->due[end], on_due);
		l->readable[end].data = l;
		l->writable[end].data = l;
		l->due[end].data = l;
	}
	link_set_fd(l, LINK_CLIENT, client_fd);
	return l;
}

struct link *link_create(struct ev_loop *loop, struct link_owner *owner, int client_fd,
			 const struct sockaddr *target, socklen_t target_len, double delay_s)
{
	struct link *l = link_create_held(loop, owner, client_fd);
	int fd;

	if (l == NULL)
		return NULL;
	l->delay_s = delay_s;
	if (flow_init(&l->flow[LINK_CLIENT]) < 0 || flow_init(&l->flow[LINK_TARGET]) < 0)
		goto fail;
	fd = socket(target->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		goto fail;
	link_set_fd(l, LINK_TARGET, fd);
	if (connect(fd, target, target_len) < 0 && errno != EINPROGRESS)
		goto fail;
	l->state = LINK_CONNECTING;
	link_watch(l);
	return l;
fail:
	l->fd[LINK_CLIENT] = -1;
	link_destroy(l);
	return NULL;
}

void link_hold(struct link *l)
{
	link_stop(l);
	l->state = LINK_HELD;
}

void link_set_delay(struct link *l, double delay_s)
{
	l->delay_s = delay_s;
	if (delay_s > 0)
		return;
	flow_hurry(&l->flow[LINK_CLIENT]);
	flow_hurry(&l->flow[LINK_TARGET]);
	if (l->state != LINK_HELD)
		link_watch(l);
}
