#include "book.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "book_sql.h"
#include "fault.h"
#include "hqd.h"
#include "log.h"
#include "utf8.h"

enum book_state {
	BOOK_DOWN, /* waits for the backoff timer */
	BOOK_CONNECTING,
	BOOK_PREPARING, /* session settings, statements */
	BOOK_LOADING, /* the state is being read */
	BOOK_IDLE,
	BOOK_BEGINNING, /* BEGIN and COPY were sent */
	BOOK_COPYING, /* rows were sent; the COPY's end is awaited */
	BOOK_PIPELINE, /* statements were sent, and a group's COMMIT */
	BOOK_COMMITTING, /* an op's COMMIT was sent, after its row counts were seen */
	BOOK_ROLLING_BACK,
};

enum book_work {
	WORK_NONE,
	WORK_GROUP,
	WORK_OP,
};

#define RETRY_MIN_S 0.1
#define RETRY_MAX_S 5.0
#define CONNECT_LIMIT_S 10.0
#define ANSWER_LIMIT_S 60.0 /* a group takes milliseconds */

struct book {
	struct hqd *h;
	PGconn *conn;
	enum book_state state;
	enum book_work work;
	struct ev_io io; /* active while there is a connection */
	struct ev_timer retry;
	struct ev_timer watchdog; /* runs while an answer is awaited */
	double backoff_s;
	const struct ingest_group *group; /* WORK_GROUP */
	struct book_op *op; /* WORK_OP */
	struct book_op *ops, **ops_tail;
	struct pg_buffer copy;
	struct pg_params params;
	/* of the pipeline under way */
	bool runs[16]; /* book_sqls that the group runs */
	size_t result_no; /* results seen */
	bool has_failed;
	bool is_data_failure;
	bool is_stale; /* the books are not where we think */
	bool is_passing; /* the server refused for a reason of the moment */
	bool is_committed;
	bool are_facts_due;
	char detail[200];
	PGresult *loaded[HQ_LOAD_RESULTS];
	size_t n_loaded;
};

static void connection_lost(struct book *b, const char *what);

/* The one place where the state changes: each state that awaits the server ends in time. */
static void set_state(struct book *b, enum book_state to)
{
	b->state = to;
	ev_timer_stop(b->h->loop, &b->watchdog);
	if (to == BOOK_DOWN || to == BOOK_IDLE)
		return;
	ev_timer_set(&b->watchdog, to == BOOK_CONNECTING ? CONNECT_LIMIT_S : ANSWER_LIMIT_S, 0.);
	ev_timer_start(b->h->loop, &b->watchdog);
}

static void set_events(struct book *b, int events)
{
	int fd = PQsocket(b->conn);

	if (ev_is_active(&b->io) && b->io.fd == fd &&
	    (b->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(b->h->loop, &b->io);
	ev_io_set(&b->io, fd, events);
	ev_io_start(b->h->loop, &b->io);
}

static void flush(struct book *b)
{
	int r = PQflush(b->conn);

	if (r < 0) {
		connection_lost(b, "flush");
		return;
	}
	set_events(b, r > 0 ? EV_READ | EV_WRITE : EV_READ);
}

static void start_retry(struct book *b)
{
	b->backoff_s = b->backoff_s * 2 < RETRY_MIN_S ? RETRY_MIN_S : b->backoff_s * 2;
	if (b->backoff_s > RETRY_MAX_S)
		b->backoff_s = RETRY_MAX_S;
	ev_timer_stop(b->h->loop, &b->retry);
	ev_timer_set(&b->retry, b->backoff_s, 0.);
	ev_timer_start(b->h->loop, &b->retry);
}

static void copy_detail(struct book *b, const char *message)
{
	size_t n = strcspn(message == NULL ? "" : message, "\n");

	n = utf8_cut(message == NULL ? "" : message,
		     n < sizeof(b->detail) ? n : sizeof(b->detail) - 1);
	memcpy(b->detail, message == NULL ? "" : message, n);
	b->detail[n] = '\0';
}

static void clear_loaded(struct book *b)
{
	for (size_t i = 0; i < b->n_loaded; i++)
		PQclear(b->loaded[i]);
	b->n_loaded = 0;
}

/* The outcome of what was being written is unknown until the cursors are read again. */
static void connection_lost(struct book *b, const char *what)
{
	struct log_value v;

	copy_detail(b, b->conn != NULL ? PQerrorMessage(b->conn) : "out of memory");
	if (b->detail[0] != '\0') /* else it was our own decision, told already */
		log_event(LOG_LEVEL_ERROR, "books_connection_lost", "at=%s message=%s", what,
			  log_quote(&v, b->detail));
	ev_io_stop(b->h->loop, &b->io);
	PQfinish(b->conn);
	b->conn = NULL;
	clear_loaded(b);
	set_state(b, BOOK_DOWN);
	start_retry(b);
}

/* ---- connecting ---- */

static void connect_step(struct book *b)
{
	switch (PQconnectPoll(b->conn)) {
	case PGRES_POLLING_READING:
		set_events(b, EV_READ);
		return;
	case PGRES_POLLING_WRITING:
		set_events(b, EV_WRITE);
		return;
	case PGRES_POLLING_OK:
		break;
	case PGRES_POLLING_FAILED:
	case PGRES_POLLING_ACTIVE:
		connection_lost(b, "connect");
		return;
	}
	if (PQsetnonblocking(b->conn, 1) != 0 || !PQsendQuery(b->conn, book_session_sql)) {
		connection_lost(b, "session");
		return;
	}
	set_state(b, BOOK_PREPARING);
	b->result_no = 0;
	b->has_failed = false; /* whatever the last connection ended with */
	flush(b);
}

static void start_connect(struct book *b)
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
		connection_lost(b, "connect");
		return;
	}
	set_state(b, BOOK_CONNECTING);
	set_events(b, EV_WRITE);
}

static void start_load(struct book *b)
{
	int ok = PQenterPipelineMode(b->conn);

	for (size_t i = 0; ok && i < book_n_sqls; i++)
		ok = PQsendPrepare(b->conn, book_sqls[i].name, book_sqls[i].sql, 0, NULL);
	for (size_t i = 0; ok && i < HQ_LOAD_SQLS; i++)
		ok = PQsendQueryParams(b->conn, hq_load_sqls[i], 0, NULL, NULL, NULL, NULL, 0);
	if (!ok || !PQpipelineSync(b->conn)) {
		connection_lost(b, "load");
		return;
	}
	set_state(b, BOOK_LOADING);
	b->result_no = 0;
	flush(b);
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
		clear_loaded(b);
		connection_lost(b, "state");
		h->has_failed = true; /* trying again would not help: the reason is in the log */
		ev_break(h->loop, EVBREAK_ALL);
		if (op != NULL)
			op->done(op, ERR_IO, "the database is not in a usable state");
		return;
	}
	clear_loaded(b);
	set_state(b, BOOK_IDLE);
	if (!h->is_ready) {
		h->is_ready = true;
		hq_on_ready(h);
	}
	log_event(LOG_LEVEL_NOTICE, "books_connected", "streams=%u", h->n_streams);
	relays_reset(h);
	if (op != NULL)
		op->done(op, ERR_IO, "the connection to the database was lost");
	facts_send_due(h);
	book_kick(b);
}

static void on_load_result(struct book *b, PGresult *r)
{
	struct log_value v;
	ExecStatusType st = PQresultStatus(r);

	if (st == PGRES_PIPELINE_SYNC) {
		PQclear(r);
		if (b->n_loaded != HQ_LOAD_RESULTS || !PQexitPipelineMode(b->conn)) {
			connection_lost(b, "load");
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
		copy_detail(b, PQresultErrorMessage(r));
		if (st != PGRES_PIPELINE_ABORTED)
			log_event(LOG_LEVEL_ERROR, "books_load_refused", "message=%s hint=\"%s\"",
				  log_quote(&v, b->detail), "has the database been migrated?");
	}
	PQclear(r);
}

/* ---- writing ---- */

static int op_result(const struct book *b)
{
	if (b->is_committed)
		return 0;
	return b->is_data_failure ? ERR_INVALID : b->is_passing ? ERR_AGAIN : ERR_STATE;
}

static void finish_work(struct book *b)
{
	struct hqd *h = b->h;
	enum book_work work = b->work;
	struct book_op *op = b->op;
	struct log_value v;

	b->work = WORK_NONE;
	set_state(b, BOOK_IDLE);
	if (b->is_committed) {
		b->backoff_s = 0;
		FAULT_POINT("hq.after_commit");
	}
	if (work == WORK_OP) {
		b->op = NULL;
		op->done(op, op_result(b), b->detail);
	} else if (b->is_committed) {
		struct ingest_batch *released;

		ingest_booked(h->ingest, &released);
		relays_booked(h, b->group, released);
		if (b->are_facts_due)
			facts_send_due(h);
	} else {
		log_event(LOG_LEVEL_ERROR, "books_group_refused", "rows=%zu data=%d message=%s",
			  b->group->n_rows, b->is_data_failure, log_quote(&v, b->detail));
		if (b->is_stale) {
			b->work = WORK_GROUP; /* settled after the state was read */
			connection_lost(b, "cursor");
			return;
		}
		ingest_failed(h->ingest, b->is_data_failure, b->detail);
		if (b->group->n_quarantined > 0 && b->is_data_failure && b->group->n_rows <= 2) {
			log_event(
				LOG_LEVEL_CRITICAL, "quarantine_refused", "message=%s",
				log_quote(
					&v,
					b->detail)); /* nothing can be booked before this is mended */
			start_retry(b);
			return;
		}
		if (!b->is_data_failure) {
			start_retry(b); /* the timer kicks */
			return;
		}
	}
	book_kick(b);
}

static void roll_back(struct book *b)
{
	if (!PQsendQuery(b->conn, "ROLLBACK")) {
		connection_lost(b, "rollback");
		return;
	}
	set_state(b, BOOK_ROLLING_BACK);
	flush(b);
}

static void commit_op(struct book *b)
{
	if (!PQsendQuery(b->conn, "COMMIT")) {
		connection_lost(b, "commit");
		return;
	}
	set_state(b, BOOK_COMMITTING);
	flush(b);
}

static void note_failure(struct book *b, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	if (b->has_failed)
		return;
	b->has_failed = true;
	copy_detail(b, PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
	b->is_data_failure = state != NULL &&
			     (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0 ||
			      strncmp(state, "TB00", 4) == 0);
	/* A cursor that moved, or a journal row that is there already: another writer. What we know
	 * must be read anew. */
	b->is_stale = state != NULL && (strcmp(state, "TB001") == 0 ||
					(strcmp(state, "23505") == 0 &&
					 (b->state == BOOK_COPYING || b->state == BOOK_BEGINNING)));
	b->is_passing = state != NULL &&
			(strncmp(state, "40", 2) == 0 || strncmp(state, "53", 2) == 0 ||
			 strncmp(state, "55", 2) == 0 || strncmp(state, "57", 2) == 0);
	if (b->is_stale)
		b->is_data_failure = false;
}

static int send_group_statements(struct book *b)
{
	int ok = 1;

	for (size_t i = 0; ok && i < book_n_sqls; i++) {
		b->params.n = 0;
		b->runs[i] = book_sqls[i].fill(b->group, &b->params);
		if (!b->runs[i])
			continue;
		pg_params_seal(&b->params);
		ok = PQsendQueryPrepared(b->conn, book_sqls[i].name, b->params.n, b->params.values,
					 b->params.lengths, b->params.formats, 0);
	}
	return ok;
}

static int send_op_statements(struct book *b)
{
	int ok = PQsendQueryParams(b->conn, "BEGIN", 0, NULL, NULL, NULL, NULL, 0);

	for (int i = 0; ok && i < b->op->n_statements; i++) {
		const struct book_statement *s = &b->op->statements[i];

		ok = PQsendQueryParams(b->conn, s->sql, s->n_params, NULL, s->values, NULL, NULL,
				       0);
	}
	return ok;
}

static void start_pipeline(struct book *b)
{
	int ok = PQenterPipelineMode(b->conn);

	if (ok && b->work == WORK_GROUP)
		ok = send_group_statements(b);
	else if (ok)
		ok = send_op_statements(b);
	if (b->work == WORK_GROUP)
		FAULT_POINT("hq.before_commit");
	if (ok && b->work == WORK_GROUP)
		ok = PQsendQueryParams(b->conn, "COMMIT", 0, NULL, NULL, NULL, NULL, 0);
	if (!ok || !PQpipelineSync(b->conn)) {
		connection_lost(b, "pipeline");
		return;
	}
	set_state(b, BOOK_PIPELINE);
	b->result_no = 0;
	flush(b);
}

/* The index in book_sqls of the n-th statement that the group runs. */
static size_t sql_of_result(const struct book *b, size_t n)
{
	for (size_t i = 0; i < book_n_sqls; i++) {
		if (b->runs[i] && n-- == 0)
			return i;
	}
	return book_n_sqls;
}

static void check_rows(struct book *b, const PGresult *r)
{
	size_t i = b->result_no;
	int want, got;

	if (b->work == WORK_GROUP) {
		if (sql_of_result(b, i) == book_facts_sql &&
		    atoi(PQcmdTuples((PGresult *)(uintptr_t)r)) > 0)
			b->are_facts_due = true;
		return;
	}
	if (i == 0 || i > (size_t)b->op->n_statements)
		return; /* BEGIN, COMMIT */
	want = b->op->statements[i - 1].want_rows;
	got = PQresultStatus(r) == PGRES_TUPLES_OK ? PQntuples(r) :
						     atoi(PQcmdTuples((PGresult *)(uintptr_t)r));
	if (want >= 0 && got != want && !b->has_failed) {
		b->has_failed = true;
		copy_detail(b, "a statement touched another number of rows than it must");
	}
}

static void on_pipeline_end(struct book *b)
{
	if (!PQexitPipelineMode(b->conn))
		connection_lost(b, "pipeline");
	else if (b->is_committed)
		finish_work(b);
	else if (b->work == WORK_OP && !b->has_failed)
		commit_op(b);
	else
		roll_back(b);
}

static void on_pipeline_result(struct book *b, PGresult *r)
{
	ExecStatusType st = PQresultStatus(r);

	if (st == PGRES_PIPELINE_SYNC) {
		PQclear(r);
		on_pipeline_end(b);
		return;
	}
	if (st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK) {
		if (strcmp(PQcmdStatus(r), "COMMIT") == 0)
			b->is_committed = true;
		else
			check_rows(b, r);
	} else if (st != PGRES_PIPELINE_ABORTED) {
		note_failure(b, r);
	}
	b->result_no++;
	PQclear(r);
}

static void on_copy_result(struct book *b, PGresult *r)
{
	ExecStatusType st = PQresultStatus(r);

	PQclear(r);
	if (st == PGRES_COPY_IN) {
		if (PQputCopyData(b->conn, (const char *)b->copy.data, (int)b->copy.len) != 1 ||
		    PQputCopyEnd(b->conn, NULL) != 1) {
			connection_lost(b, "copy");
			return;
		}
		set_state(b, BOOK_COPYING);
		flush(b);
	}
}

static void start_group(struct book *b)
{
	b->work = WORK_GROUP;
	b->has_failed = b->is_data_failure = b->is_stale = b->is_passing = false;
	b->is_committed = b->are_facts_due = false;
	book_copy_data(b->group, &b->copy);
	FAULT_POINT("hq.before_copy");
	if (!PQsendQuery(b->conn, book_copy_sql)) {
		connection_lost(b, "begin");
		return;
	}
	set_state(b, BOOK_BEGINNING);
	flush(b);
}

static void start_op(struct book *b)
{
	struct book_op *op = b->ops;

	b->ops = op->next;
	if (b->ops == NULL)
		b->ops_tail = &b->ops;
	op->next = NULL;
	if (op->prepare != NULL && op->prepare(op) < 0) {
		op->done(op, ERR_STATE, "not possible in the state of this moment");
		return;
	}
	b->work = WORK_OP;
	b->op = op;
	b->has_failed = b->is_data_failure = b->is_stale = b->is_passing = b->is_committed = false;
	start_pipeline(b);
}

void book_kick(struct book *b)
{
	while (b->state == BOOK_IDLE && b->ops != NULL)
		start_op(b);
	if (b->state != BOOK_IDLE || ev_is_active(&b->retry))
		return; /* busy, or the database just refused */
	b->group = ingest_build(b->h->ingest, (int64_t)(ev_now(b->h->loop) * 1000));
	if (b->group != NULL)
		start_group(b);
}

bool book_is_idle(const struct book *b)
{
	if (b->state < BOOK_IDLE)
		return true; /* without a connection nothing can be finished, and nothing was acked */
	return b->state == BOOK_IDLE && b->ops == NULL && ingest_backlog(b->h->ingest) == 0;
}

void book_submit(struct book *b, struct book_op *op)
{
	op->next = NULL;
	*b->ops_tail = op;
	b->ops_tail = &op->next;
	book_kick(b);
}

/* ---- results ---- */

static void on_simple_result(struct book *b, PGresult *r)
{
	ExecStatusType st = PQresultStatus(r);

	if (st != PGRES_COMMAND_OK && st != PGRES_TUPLES_OK && st != PGRES_COPY_IN)
		note_failure(b, r);
	if (b->state == BOOK_COMMITTING && strcmp(PQcmdStatus(r), "COMMIT") == 0)
		b->is_committed = true;
	if (b->state == BOOK_BEGINNING)
		on_copy_result(b, r);
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
			connection_lost(b, "session");
		} else {
			start_load(b);
		}
		break;
	case BOOK_BEGINNING: /* refused before the COPY began */
		b->has_failed = true;
		roll_back(b);
		break;
	case BOOK_COPYING:
		if (b->has_failed)
			roll_back(b);
		else
			start_pipeline(b);
		break;
	case BOOK_COMMITTING: /* a COMMIT that did not commit has rolled back */
	case BOOK_ROLLING_BACK:
		finish_work(b);
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
			on_load_result(b, r);
		} else if (b->state == BOOK_PIPELINE) {
			on_pipeline_result(b, r);
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
		connect_step(b);
		return;
	}
	if ((revents & EV_READ) && !PQconsumeInput(b->conn)) {
		connection_lost(b, "read");
		return;
	}
	pump(b);
	if (b->conn != NULL && b->state != BOOK_CONNECTING)
		flush(b);
}

static void on_watchdog(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	connection_lost(w->data, "no_answer");
}

static void on_retry(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct book *b = w->data;

	(void)loop;
	(void)revents;
	if (b->state == BOOK_DOWN)
		start_connect(b);
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
	start_connect(b);
	return 0;
}

void book_destroy(struct book *b)
{
	if (b == NULL)
		return;
	ev_io_stop(b->h->loop, &b->io);
	ev_timer_stop(b->h->loop, &b->retry);
	ev_timer_stop(b->h->loop, &b->watchdog);
	clear_loaded(b);
	PQfinish(b->conn);
	pg_buffer_free(&b->copy);
	pg_params_free(&b->params);
	free(b);
}
