#include "proxy.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link.h"

#define LINKS_MAX 400 /* two descriptors each */
#define ACCEPT_BURST 16

struct proxy {
	struct link_owner owner; /* first: the links' view of this */
	struct ev_loop *loop; /* borrowed */
	int listen_fd;
	ev_io acceptable;
	struct sockaddr_storage target;
	socklen_t target_len;
	struct link *links;
	struct proxy_status status;
};

static double delay_s(const struct proxy *p)
{
	return p->status.mode == PROXY_DELAY ? p->status.delay_ms / 1000. : 0;
}

static void proxy_add_link(struct proxy *p, struct link *l)
{
	l->next = p->links;
	if (p->links != NULL)
		p->links->prev = l;
	p->links = l;
	p->status.n_links++;
	if (p->status.n_links == LINKS_MAX)
		ev_io_stop(p->loop, &p->acceptable);
}

static void proxy_forget_link(struct proxy *p, struct link *l)
{
	if (l->prev != NULL)
		l->prev->next = l->next;
	else
		p->links = l->next;
	if (l->next != NULL)
		l->next->prev = l->prev;
	p->status.n_links--;
	ev_io_start(p->loop, &p->acceptable);
}

static void on_moved(struct link_owner *o, enum link_end from, size_t n)
{
	struct proxy *p = (struct proxy *)o;

	if (from == LINK_CLIENT)
		p->status.bytes_up += n;
	else
		p->status.bytes_down += n;
}

static void on_gone(struct link_owner *o, struct link *l)
{
	proxy_forget_link((struct proxy *)o, l);
}

static void proxy_reset_all(struct proxy *p)
{
	while (p->links != NULL) {
		struct link *l = p->links;

		proxy_forget_link(p, l);
		link_destroy(l);
	}
}

static void on_client(struct proxy *p, int fd)
{
	struct link *l = NULL;

	p->status.n_accepted++;
	switch (p->status.mode) {
	case PROXY_PASS:
	case PROXY_DELAY:
		l = link_create(p->loop, &p->owner, fd, (const struct sockaddr *)&p->target,
				p->target_len, delay_s(p));
		break;
	case PROXY_BLACKHOLE:
		l = link_create_held(p->loop, &p->owner, fd);
		break;
	case PROXY_RESET:
		break;
	}
	if (l != NULL)
		proxy_add_link(p, l);
	else
		link_reset_fd(fd);
}

static void on_acceptable(struct ev_loop *loop, ev_io *w, int events)
{
	struct proxy *p = w->data;

	(void)loop;
	(void)events;
	for (int i = 0; i < ACCEPT_BURST && p->status.n_links < LINKS_MAX; i++) {
		int fd = accept4(p->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			on_client(p, fd);
			continue;
		}
		/* Out of descriptors: the next link that goes lets us try again. */
		if ((errno == EMFILE || errno == ENFILE) && p->links != NULL)
			ev_io_stop(p->loop, &p->acceptable);
		return;
	}
}

struct proxy *proxy_create(struct ev_loop *loop, int listen_fd, const struct sockaddr *target,
			   socklen_t target_len)
{
	struct proxy *p = calloc(1, sizeof(*p));

	assert(target_len <= sizeof(p->target));
	if (p == NULL)
		return NULL;
	p->owner.on_moved = on_moved;
	p->owner.on_gone = on_gone;
	p->loop = loop;
	p->listen_fd = listen_fd;
	memcpy(&p->target, target, target_len);
	p->target_len = target_len;
	ev_io_init(&p->acceptable, on_acceptable, listen_fd, EV_READ);
	p->acceptable.data = p;
	ev_io_start(loop, &p->acceptable);
	return p;
}

void proxy_destroy(struct proxy *p)
{
	if (p == NULL)
		return;
	proxy_reset_all(p);
	ev_io_stop(p->loop, &p->acceptable);
	close(p->listen_fd);
	free(p);
}

void proxy_set_mode(struct proxy *p, enum proxy_mode mode, unsigned int delay_ms)
{
	bool was_hole = p->status.mode == PROXY_BLACKHOLE;

	p->status.mode = mode;
	p->status.delay_ms = mode == PROXY_DELAY ? delay_ms : 0;
	if (mode == PROXY_RESET || (was_hole && mode != PROXY_BLACKHOLE))
		proxy_reset_all(p);
	for (struct link *l = p->links; l != NULL; l = l->next) {
		if (mode == PROXY_BLACKHOLE)
			link_hold(l);
		else
			link_set_delay(l, delay_s(p));
	}
}

void proxy_get_status(const struct proxy *p, struct proxy_status *ret_status)
{
	*ret_status = p->status;
}

const char *proxy_mode_name(enum proxy_mode mode)
{
	switch (mode) {
	case PROXY_PASS:
		return "pass";
	case PROXY_BLACKHOLE:
		return "blackhole";
	case PROXY_RESET:
		return "reset";
	case PROXY_DELAY:
		return "delay";
	}
	return "?";
}
