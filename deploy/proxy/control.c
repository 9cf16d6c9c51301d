#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX 8
#define LINE_MAX_BYTES 128
#define DELAY_MAX_MS 60000

struct control_client {
	struct control *control;
	int fd; /* -1: free */
	ev_io readable;
	char line[LINE_MAX_BYTES];
	size_t n;
};

struct control {
	struct ev_loop *loop; /* borrowed */
	struct proxy *proxy; /* borrowed */
	struct sockaddr_un addr;
	int listen_fd;
	ev_io acceptable;
	struct control_client clients[CLIENTS_MAX];
};

static void client_close(struct control_client *cl)
{
	ev_io_stop(cl->control->loop, &cl->readable);
	close(cl->fd);
	cl->fd = -1;
	ev_io_start(cl->control->loop, &cl->control->acceptable);
}

/* An answer is far smaller than a socket's buffer: who lets it fill is cut off. */
static void client_answer(struct control_client *cl, const char *error)
{
	struct proxy_status s;
	char text[256];
	int n;

	proxy_get_status(cl->control->proxy, &s);
	if (error != NULL)
		n = snprintf(text, sizeof(text), "error %s\n", error);
	else
		n = snprintf(text, sizeof(text),
			     "ok mode=%s delay_ms=%u links=%u accepted=%" PRIu64
			     " bytes_up=%" PRIu64 " bytes_down=%" PRIu64 "\n",
			     proxy_mode_name(s.mode), s.delay_ms, s.n_links, s.n_accepted,
			     s.bytes_up, s.bytes_down);
	if (send(cl->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
		client_close(cl);
}

static int parse_delay(const char *text, unsigned int *ret_ms)
{
	char *end;
	unsigned long ms;

	if (*text < '0' || *text > '9')
		return -1;
	ms = strtoul(text, &end, 10);
	if (*end != '\0' || ms > DELAY_MAX_MS)
		return -1;
	*ret_ms = (unsigned int)ms;
	return 0;
}

static void on_line(struct control_client *cl, const char *line)
{
	struct proxy *p = cl->control->proxy;
	unsigned int delay_ms;

	if (strcmp(line, "mode pass") == 0) {
		proxy_set_mode(p, PROXY_PASS, 0);
	} else if (strcmp(line, "mode blackhole") == 0) {
		proxy_set_mode(p, PROXY_BLACKHOLE, 0);
	} else if (strcmp(line, "mode reset") == 0) {
		proxy_set_mode(p, PROXY_RESET, 0);
	} else if (strncmp(line, "mode delay ", 11) == 0) {
		if (parse_delay(line + 11, &delay_ms) < 0) {
			client_answer(cl, "a delay is a number of milliseconds up to 60000");
			return;
		}
		proxy_set_mode(p, PROXY_DELAY, delay_ms);
	} else if (strcmp(line, "status") != 0) {
		client_answer(cl, "expected: mode pass|blackhole|reset|delay MS, or status");
		return;
	}
	client_answer(cl, NULL);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	struct control_client *cl = w->data;
	ssize_t n = recv(cl->fd, cl->line + cl->n, sizeof(cl->line) - cl->n, MSG_DONTWAIT);
	char *end;

	(void)loop;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(cl);
		return;
	}
	cl->n += (size_t)n;
	while (cl->fd >= 0 && (end = memchr(cl->line, '\n', cl->n)) != NULL) {
		size_t used = (size_t)(end - cl->line) + 1;

		*end = '\0';
		on_line(cl, cl->line);
		cl->n -= used;
		memmove(cl->line, cl->line + used, cl->n);
	}
	if (cl->fd >= 0 && cl->n == sizeof(cl->line)) {
		client_answer(cl, "the line is too long");
		if (cl->fd >= 0)
			client_close(cl);
	}
}

static void on_acceptable(struct ev_loop *loop, ev_io *w, int events)
{
	struct control *c = w->data;
	struct control_client *cl = c->clients;
	int fd;

	(void)events;
	while (cl < c->clients + CLIENTS_MAX && cl->fd >= 0)
		cl++;
	if (cl == c->clients + CLIENTS_MAX) {
		ev_io_stop(loop, w); /* until a client goes */
		return;
	}
	fd = accept4(c->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	cl->fd = fd;
	cl->n = 0;
	ev_io_set(&cl->readable, fd, EV_READ);
	ev_io_start(loop, &cl->readable);
}

struct control *control_create(struct ev_loop *loop, const char *path, struct proxy *p)
{
	struct control *c = NULL;
	mode_t mask;
	int r;

	if (strlen(path) >= sizeof(c->addr.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->loop = loop;
	c->proxy = p;
	c->addr.sun_family = AF_UNIX;
	memcpy(c->addr.sun_path, path, strlen(path));
	for (struct control_client *cl = c->clients; cl < c->clients + CLIENTS_MAX; cl++) {
		cl->control = c;
		cl->fd = -1;
		ev_init(&cl->readable, on_readable);
		cl->readable.data = cl;
	}
	c->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->listen_fd < 0)
		goto fail;
	(void)unlink(path);
	mask = umask(0177);
	r = bind(c->listen_fd, (const struct sockaddr *)&c->addr, sizeof(c->addr));
	umask(mask);
	if (r < 0 || listen(c->listen_fd, CLIENTS_MAX) < 0)
		goto fail;
	ev_io_init(&c->acceptable, on_acceptable, c->listen_fd, EV_READ);
	c->acceptable.data = c;
	ev_io_start(loop, &c->acceptable);
	return c;
fail:
	r = errno;
	if (c->listen_fd >= 0)
		close(c->listen_fd);
	free(c);
	errno = r;
	return NULL;
}

void control_destroy(struct control *c)
{
	if (c == NULL)
		return;
	for (struct control_client *cl = c->clients; cl < c->clients + CLIENTS_MAX; cl++)
		if (cl->fd >= 0)
			client_close(cl);
	ev_io_stop(c->loop, &c->acceptable);
	close(c->listen_fd);
	(void)unlink(c->addr.sun_path);
	free(c);
}
