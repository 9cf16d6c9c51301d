#include "verify.h"

#include <string.h>

#include "answer.h"
#include "api_error.h"
#include "http_server.h"
#include "journal_verify.h"
#include "store.h"

#define STEP_ENTRIES 2000

static void reply_all(struct store *s, const struct text *t)
{
	struct verify *v = &s->verify;

	for (size_t i = 0; i < v->n_waiting; i++)
		answer_text(s, v->waiting[i], 200, t);
	v->n_waiting = 0;
}

static void put_difference(void *ctx, const char *what, const char *where)
{
	struct text *t = ctx;

	text_comma(t);
	text_raw(t, "{");
	text_key_string(t, "what", what);
	text_key_string(t, "where", where);
	text_raw(t, "}");
}

static void conclude(struct store *s)
{
	struct verify *v = &s->verify;
	struct text t = { 0 };
	struct text list = { 0 };
	uint64_t entries;
	size_t n;

	n = journal_verify_finish(v->run, VERIFY_MAX_DIFFERENCES, put_difference, &list, &entries);
	v->run = NULL;
	text_raw(&t, "{");
	text_key_int(&t, "entries", (int64_t)entries);
	text_key_bool(&t, "ok", n == 0);
	text_key(&t, "differences");
	text_raw(&t, "[");
	if (list.len > 0)
		text_bytes(&t, list.data, list.len);
	text_raw(&t, "]}");
	reply_all(s, &t);
	text_finish(&t);
	text_finish(&list);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct store *s = w->data;
	(void)revents;

	if (journal_has_writes(s->journal)) /* not amid a turn */
		turn_end(s);
	if (journal_verify_step(s->verify.run, STEP_ENTRIES))
		conclude(s);
	else
		ev_timer_start(loop, w);
}

void verify_init(struct store *s)
{
	ev_timer_init(&s->verify.timer, on_timer, 0., 0.);
	s->verify.timer.data = s;
}

void verify_request(struct store *s, struct http_request *http)
{
	struct verify *v = &s->verify;

	if (v->n_waiting == VERIFY_MAX_WAITING) {
		answer_error(s, http, CODE_RATE_LIMITED, NULL, NULL);
		return;
	}
	v->waiting[v->n_waiting++] = http;
	if (v->run != NULL)
		return;
	turn_end(s);
	v->run = journal_verify_start(s->journal, &s->identity.agent);
	ev_timer_start(s->loop, &v->timer);
}

void verify_finish(struct store *s)
{
	struct verify *v = &s->verify;

	ev_timer_stop(s->loop, &v->timer);
	journal_verify_cancel(v->run);
	v->run = NULL;
}
