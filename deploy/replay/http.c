#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct http {
	struct ev_loop *loop; /* borrowed */
	CURLM *multi;
	ev_timer timer;
};

/* Watches one of libcurl's sockets. */
struct http_socket {
	struct http *http;
	ev_io io;
};

static void http_collect(struct http *h)
{
	CURLMsg *msg;
	int n;

	while ((msg = curl_multi_info_read(h->multi, &n)) != NULL) {
		CURL *easy = msg->easy_handle;
		CURLcode result = msg->data.result;
		struct http_call *c = NULL;
		long status = 0;

		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &c);
		if (result == CURLE_OK)
			curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		curl_multi_remove_handle(h->multi, easy);
		c->on_done(c, status);
	}
}

static void http_act(struct http *h, curl_socket_t fd, int what)
{
	int n_running;

	curl_multi_socket_action(h->multi, fd, what, &n_running);
	http_collect(h);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	http_act(w->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_socket(struct ev_loop *loop, ev_io *w, int events)
{
	struct http_socket *s = w->data;
	int what = (events & EV_READ ? CURL_CSELECT_IN : 0) |
		   (events & EV_WRITE ? CURL_CSELECT_OUT : 0);

	(void)loop;
	http_act(s->http, w->fd, what);
}

/* libcurl wants its timer set, or with -1 stopped. */
static int want_timer(CURLM *multi, long timeout_ms, void *data)
{
	struct http *h = data;

	(void)multi;
	ev_timer_stop(h->loop, &h->timer);
	if (timeout_ms >= 0) {
		ev_timer_set(&h->timer, (double)timeout_ms / 1000., 0.);
		ev_timer_start(h->loop, &h->timer);
	}
	return 0;
}

/* libcurl wants a socket watched, or no longer. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
	struct http *h = data;
	struct http_socket *s = socket_data;
	int events = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL) {
			ev_io_stop(h->loop, &s->io);
			free(s);
		}
		return 0;
	}
	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return -1;
		s->http = h;
		ev_init(&s->io, on_socket);
		s->io.data = s;
		curl_multi_assign(h->multi, fd, s);
	}
	ev_io_stop(h->loop, &s->io);
	ev_io_set(&s->io, fd, events);
	ev_io_start(h->loop, &s->io);
	return 0;
}

struct http *http_create(struct ev_loop *loop, long n_kept)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		goto fail;
	h->loop = loop;
	h->multi = curl_multi_init();
	if (h->multi == NULL)
		goto fail;
	ev_init(&h->timer, on_timer);
	h->timer.data = h;
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, n_kept);
	return h;
fail:
	free(h);
	return NULL;
}

void http_destroy(struct http *h)
{
	if (h == NULL)
		return;
	curl_multi_cleanup(h->multi);
	ev_timer_stop(h->loop, &h->timer);
	free(h);
	curl_global_cleanup();
}

static size_t on_bytes(char *bytes, size_t one, size_t n, void *data)
{
	struct http_call *c = data;

	(void)one;
	if (c->answer_bytes + n + 1 > HTTP_ANSWER_MAX)
		return 0;
	if (c->answer_bytes + n + 1 > c->answer_room) {
		size_t room = c->answer_bytes + n + 1024;
		char *bigger = realloc(c->answer, room);

		if (bigger == NULL)
			return 0;
		c->answer = bigger;
		c->answer_room = room;
	}
	memcpy(c->answer + c->answer_bytes, bytes, n);
	c->answer_bytes += n;
	c->answer[c->answer_bytes] = '\0';
	return n;
}

static size_t on_header(char *bytes, size_t one, size_t n, void *data)
{
	static const char replayed[] = "Idempotent-Replayed: true";
	struct http_call *c = data;

	(void)one;
	if (n >= sizeof(replayed) - 1 && strncasecmp(bytes, replayed, sizeof(replayed) - 1) == 0)
		c->is_replayed = true;
	return n;
}

int http_call_init(struct http_call *c, struct http *h, long timeout_ms)
{
	*c = (struct http_call){ .http = h, .easy = curl_easy_init() };
	if (c->easy == NULL)
		return -1;
	curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
	curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c->easy, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
	/* A till speaks to its own shop: not through a proxy of the environment. */
	curl_easy_setopt(c->easy, CURLOPT_PROXY, "");
	return 0;
}

void http_call_finish(struct http_call *c)
{
	if (c->easy == NULL)
		return;
	curl_multi_remove_handle(c->http->multi, c->easy);
	curl_easy_cleanup(c->easy);
	curl_slist_free_all(c->headers);
	free(c->answer);
	*c = (struct http_call){ 0 };
}

static int add_header(struct curl_slist **list, const char *name, const char *value)
{
	struct curl_slist *longer = NULL;
	char *line;

	if (asprintf(&line, "%s: %s", name, value) < 0)
		return -1;
	longer = curl_slist_append(*list, line);
	free(line);
	if (longer == NULL)
		return -1;
	*list = longer;
	return 0;
}

int http_post(struct http_call *c, const char *url, const char *token, const char *key,
	      const char *body)
{
	char *bearer = NULL;
	int r;

	curl_slist_free_all(c->headers);
	c->headers = NULL;
	c->answer_bytes = 0;
	if (c->answer != NULL)
		c->answer[0] = '\0';
	c->is_replayed = false;
	if (asprintf(&bearer, "Bearer %s", token) < 0)
		return -1;
	r = add_header(&c->headers, "Authorization", bearer);
	free(bearer);
	if (r < 0 || add_header(&c->headers, "Content-Type", "application/json") < 0 ||
	    add_header(&c->headers, "Idempotency-Key", key) < 0)
		return -1;
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
	if (curl_easy_setopt(c->easy, CURLOPT_URL, url) != CURLE_OK ||
	    curl_easy_setopt(c->easy, CURLOPT_COPYPOSTFIELDS, body) != CURLE_OK)
		return -1;
	return curl_multi_add_handle(c->http->multi, c->easy) == CURLM_OK ? 0 : -1;
}
