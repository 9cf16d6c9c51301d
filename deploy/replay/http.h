/* HTTP calls side by side on the event loop: libcurl's multi interface with its sockets and timer
 * handed to libev. */
#ifndef TRIB_REPLAY_HTTP_H
#define TRIB_REPLAY_HTTP_H

#include <curl/curl.h>
#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#define HTTP_ANSWER_MAX 65536

struct http;

/* One call at a time; used again for the next. */
struct http_call {
	struct http *http; /* borrowed */
	CURL *easy; /* owned */
	struct curl_slist *headers; /* owned */
	char *answer; /* owned; NUL-terminated */
	size_t answer_bytes, answer_room;
	bool is_replayed; /* the answer says Idempotent-Replayed: true */
	/* `status` is 0 where no answer came. May start the next call. */
	void (*on_done)(struct http_call *c, long status);
	void *data; /* the caller's */
};

/* NULL without memory. Keeps up to n_kept idle connections. */
struct http *http_create(struct ev_loop *loop, long n_kept);

/* All calls are finished before. */
void http_destroy(struct http *h);

int http_call_init(struct http_call *c, struct http *h, long timeout_ms)
	__attribute__((warn_unused_result));

/* Also in the middle of a call, of which nothing is heard again. */
void http_call_finish(struct http_call *c);

/* Post the JSON body (copied) to url; on_done is called later, never from within. -1 without
 * memory. */
int http_post(struct http_call *c, const char *url, const char *token, const char *key,
	      const char *body) __attribute__((warn_unused_result));

#endif
