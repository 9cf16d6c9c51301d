#include "book.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "book_private.h"
#include "log.h"

static void on_simple_result(struct book *b, PGresult *r)
{
	ExecStatusType st = PQresultStatus(r);

	if (st != PGRES_COMMAND_OK && st != PGRES_TUPLES_OK && st != PGRES_COPY_IN)
		book_note_failure(b, r);
	if (b->state == BOOK_COMMITTING && strcmp(PQcmdStatus(r), "COMMIT") == 0)
		b->is_committed = true;
	if (b->state == BOOK_BEGINNING)
		book_on_copy_result(b, r);
	else
		PQclear(r);
}

/* All results of a simple query were seen. */
static void on_simple_end(struct book *b)
{
	struct log_value v;

	switch (b->state) {
	case BOOK_PREPARING:
		if (b->has_failed) {
			log_event(LOG_LEVEL_CRITICAL, "books_not_opened",
				  "message=%s hint=\"another trib-hq has these books open, or"
				  " tribctl db migrate was not run\"",
				  log_quote(&v, b->detail));
			book_connection_lost(b, "session");
		} else {
			book_start_load(b);
		}
		break;
	case BOOK_BEGINNING: /* refused before the COPY began */
		b->has_failed = true;
		book_roll_back(b);
		break;
	case BOOK_COPYING:
		if (b->has_failed)
			book_roll_back(b);
		else
			book_start_pipeline(b);
		break;
	case BOOK_COMMITTING: /* a COMMIT that did not commit has rolled back */
	case BOOK_ROLLING_BACK:
		book_finish_work(b);
		break;
	case BOOK_DOWN:
	case BOOK_CONNECTING:
	case BOOK_LOADING:
	case BOOK_IDLE:
	case BOOK_PIPELINE:
		break;
	}
}

static bool in_pipeline(const struct book *b)
{
	return b->state == BOOK_LOADING || b->state == BOOK_PIPELINE;
}

static void pump(struct book *b)
{
	while (b->conn != NULL && !PQisBusy(b->conn)) {
		enum book_state before = b->state;
		PGresult *r = PQgetResult(b->conn);

		if (r == NULL) {
			if (in_pipeline(b))
				continue; /* the end of one statement's results */
			if (before == BOOK_IDLE || before == BOOK_DOWN)
				return;
			on_simple_end(b);
			if (b->state == before)
				return;
		} else if (b->state == BOOK_LOADING) {
			book_on_load_result(b, r);
		} else if (b->state == BOOK_PIPELINE) {
			book_on_pipeline_result(b, r);
		} else {
			on_simple_result(b, r);
		}
		if (b->state == BOOK_IDLE || b->state == BOOK_DOWN)
			return;
	}
}

static void on_io(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct book *b = w->data;

	(void)loop;
	if (b->state == BOOK_CONNECTING) {
		book_connect_step(b);
		return;
	}
	if ((revents & EV_READ) && !PQconsumeInput(b->conn)) {
		book_connection_lost(b, "read");
		return;
	}
	pump(b);
	if (b->conn != NULL && b->state != BOOK_CONNECTING)
		book_flush(b);
}

static void on_watchdog(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	book_connection_lost(w->data, "no_answer");
}

static void on_retry(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct book *b = w->data;

	(void)loop;
	(void)revents;
	if (b->state == BOOK_DOWN)
		book_start_connect(b);
	else
		book_kick(b);
}

int book_create(struct hqd *h, struct book **ret)
{
	struct book *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return ERR_FULL;
	assert(book_n_sqls <= sizeof(b->runs));
	b->h = h;
	b->ops_tail = &b->ops;
	ev_init(&b->io, on_io);
	b->io.data = b;
	ev_init(&b->watchdog, on_watchdog);
	b->watchdog.data = b;
	ev_init(&b->retry, on_retry);
	b->retry.data = b;
	*ret = b;
	book_start_connect(b);
	return 0;
}

void book_destroy(struct book *b)
{
	if (b == NULL)
		return;
	ev_io_stop(b->h->loop, &b->io);
	ev_timer_stop(b->h->loop, &b->retry);
	ev_timer_stop(b->h->loop, &b->watchdog);
	book_clear_loaded(b);
	PQfinish(b->conn);
	pg_buffer_free(&b->copy);
	pg_params_free(&b->params);
	free(b);
}
