#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "book_private.h"
#include "log.h"
#include "settings.h"
#include "utf8.h"

/* The one place where the state changes: each state that awaits the server ends in time. */
void book_set_state(struct book *b, enum book_state to)
{
	b->state = to;
	ev_timer_stop(b->h->loop, &b->watchdog);
	if (to == BOOK_DOWN || to == BOOK_IDLE)
		return;
	ev_timer_set(&b->watchdog, to == BOOK_CONNECTING ? CONNECT_LIMIT_S : ANSWER_LIMIT_S, 0.);
	ev_timer_start(b->h->loop, &b->watchdog);
}

void book_set_events(struct book *b, int events)
{
	int fd = PQsocket(b->conn);

	if (ev_is_active(&b->io) && b->io.fd == fd &&
	    (b->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(b->h->loop, &b->io);
	ev_io_set(&b->io, fd, events);
	ev_io_start(b->h->loop, &b->io);
}

void book_flush(struct book *b)
{
	int r = PQflush(b->conn);

	if (r < 0) {
		book_connection_lost(b, "flush");
		return;
	}
	book_set_events(b, r > 0 ? EV_READ | EV_WRITE : EV_READ);
}

void book_start_retry(struct book *b)
{
	b->backoff_s = b->backoff_s * 2 < RETRY_MIN_S ? RETRY_MIN_S : b->backoff_s * 2;
	if (b->backoff_s > RETRY_MAX_S)
		b->backoff_s = RETRY_MAX_S;
	ev_timer_stop(b->h->loop, &b->retry);
	ev_timer_set(&b->retry, b->backoff_s, 0.);
	ev_timer_start(b->h->loop, &b->retry);
}

void book_copy_detail(struct book *b, const char *message)
{
	size_t n = strcspn(message == NULL ? "" : message, "\n");

	n = utf8_cut(message == NULL ? "" : message,
		     n < sizeof(b->detail) ? n : sizeof(b->detail) - 1);
	memcpy(b->detail, message == NULL ? "" : message, n);
	b->detail[n] = '\0';
}

void book_clear_loaded(struct book *b)
{
	for (size_t i = 0; i < b->n_loaded; i++)
		PQclear(b->loaded[i]);
	b->n_loaded = 0;
}

/* The outcome of what was being written is unknown until the cursors are read again. */
void book_connection_lost(struct book *b, const char *what)
{
	struct log_value v;

	book_copy_detail(b, b->conn != NULL ? PQerrorMessage(b->conn) : "out of memory");
	if (b->detail[0] != '\0') /* else it was our own decision, told already */
		log_event(LOG_LEVEL_ERROR, "books_connection_lost", "at=%s message=%s", what,
			  log_quote(&v, b->detail));
	ev_io_stop(b->h->loop, &b->io);
	PQfinish(b->conn);
	b->conn = NULL;
	book_clear_loaded(b);
	book_set_state(b, BOOK_DOWN);
	book_start_retry(b);
}

void book_connect_step(struct book *b)
{
	switch (PQconnectPoll(b->conn)) {
	case PGRES_POLLING_READING:
		book_set_events(b, EV_READ);
		return;
	case PGRES_POLLING_WRITING:
		book_set_events(b, EV_WRITE);
		return;
	case PGRES_POLLING_OK:
		break;
	case PGRES_POLLING_FAILED:
	case PGRES_POLLING_ACTIVE:
		book_connection_lost(b, "connect");
		return;
	}
	if (PQsetnonblocking(b->conn, 1) != 0 || !PQsendQuery(b->conn, book_session_sql)) {
		book_connection_lost(b, "session");
		return;
	}
	book_set_state(b, BOOK_PREPARING);
	b->result_no = 0;
	b->has_failed = false; /* whatever the last connection ended with */
	book_flush(b);
}

void book_start_connect(struct book *b)
{
	/* what the connection string says comes later and wins */
	const char *const words[] = { "keepalives_idle",
				      "keepalives_interval",
				      "keepalives_count",
				      "tcp_user_timeout",
				      "application_name",
				      "dbname",
				      NULL };
	const char *const values[] = { "10", "5", "3", "30000", "trib-hq", b->h->postgres, NULL };

	b->conn = PQconnectStartParams(words, values, 1);
	if (b->conn == NULL || PQstatus(b->conn) == CONNECTION_BAD) {
		book_connection_lost(b, "connect");
		return;
	}
	book_set_state(b, BOOK_CONNECTING);
	book_set_events(b, EV_WRITE);
}

void book_start_load(struct book *b)
{
	int ok = PQenterPipelineMode(b->conn);

	for (size_t i = 0; ok && i < book_n_sqls; i++)
		ok = PQsendPrepare(b->conn, book_sqls[i].name, book_sqls[i].sql, 0, NULL);
	for (size_t i = 0; ok && i < HQ_LOAD_SQLS; i++)
		ok = PQsendQueryParams(b->conn, hq_load_sqls[i], 0, NULL, NULL, NULL, NULL, 0);
	if (!ok || !PQpipelineSync(b->conn)) {
		book_connection_lost(b, "load");
		return;
	}
	book_set_state(b, BOOK_LOADING);
	b->result_no = 0;
	book_flush(b);
}

/* What was under way when the connection broke: did it commit? The cursors tell. */
static void settle_unknown(struct book *b)
{
	struct hqd *h = b->h;
	struct ingest_batch *released;
	struct book_op *op = b->op;

	if (b->work == WORK_GROUP) {
		/* relays are asked to present their stores again, so nothing needs to be kept */
		ingest_failed(h->ingest, false, "");
	}
	b->work = WORK_NONE;
	b->group = NULL;
	b->op = NULL;
	ingest_reset(h->ingest, &released);
	relays_booked(h, NULL, released);
	if (hq_load(h, b->loaded) < 0) {
		book_clear_loaded(b);
		book_connection_lost(b, "state");
		h->has_failed = true; /* trying again would not help: the reason is in the log */
		ev_break(h->loop, EVBREAK_ALL);
		if (op != NULL)
			op->done(op, ERR_IO, "the database is not in a usable state");
		return;
	}
	book_clear_loaded(b);
	book_set_state(b, BOOK_IDLE);
	if (!h->is_ready) {
		h->is_ready = true;
		hq_on_ready(h);
	}
	log_event(LOG_LEVEL_NOTICE, "books_connected", "streams=%u", h->n_streams);
	relays_reset(h);
	if (op != NULL)
		op->done(op, ERR_IO, "the connection to the database was lost");
	facts_send_due(h);
	settings_announce_due(h);
	book_kick(b);
}

void book_on_load_result(struct book *b, PGresult *r)
{
	struct log_value v;
	ExecStatusType st = PQresultStatus(r);

	if (st == PGRES_PIPELINE_SYNC) {
		PQclear(r);
		if (b->n_loaded != HQ_LOAD_RESULTS || !PQexitPipelineMode(b->conn)) {
			book_connection_lost(b, "load");
			return;
		}
		settle_unknown(b);
		return;
	}
	if (st == PGRES_TUPLES_OK) {
		assert(b->n_loaded < HQ_LOAD_RESULTS);
		b->loaded[b->n_loaded++] = r;
		return;
	}
	if (st != PGRES_COMMAND_OK) {
		book_copy_detail(b, PQresultErrorMessage(r));
		if (st != PGRES_PIPELINE_ABORTED)
			log_event(LOG_LEVEL_ERROR, "books_load_refused", "message=%s hint=\"%s\"",
				  log_quote(&v, b->detail), "has the database been migrated?");
	}
	PQclear(r);
}
