#include "db.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "down.h"
#include "log.h"

#define PATIENCE_MS 5000 /* that a query waits for a connection */
#define BACKOFF_MIN_S 0.1
#define BACKOFF_MAX_S 5.0
#define QUEUE_MAX 4096

/* What one query waits for; freed after its callback. */
struct query {
	struct query *next;
	db_callback cb;
	void *ctx;
	int64_t due_ms; /* fails then, by hq_mono_ms(), while there is no connection */
	int n_params;
	const char **values; /* point into this allocation */
	char *sql;
};

/*   CLOSED ──query──> CONNECTING ──> READY <──> BUSY
 *      ^                  │            │          │ lost: the query fails with ERR_IO
 *      └──── backoff ─────┴────────────┴──────────┘ */
enum db_state {
	DB_CLOSED,
	DB_CONNECTING,
	DB_READY,
	DB_BUSY
};

struct db {
	struct ev_loop *loop;
	char *conninfo;
	PGconn *conn;
	enum db_state state;
	ev_io io;
	ev_timer kick; /* runs pump() from the loop */
	ev_timer retry;
	ev_timer patience;
	ev_tstamp backoff;
	struct query *head, **tail; /* head is the one that runs, in DB_BUSY */
	unsigned n_queued;
	struct query *rejected, **rejected_tail; /* the queue was full */
	PGresult *result; /* of the query that runs: its last */
};

static void pump(struct db *d);

static void query_fail(struct query *q, int err, const char *message)
{
	q->cb(q->ctx, err, NULL, message);
	free(q);
}

static struct query *queue_take(struct db *d)
{
	struct query *q = d->head;

	d->head = q->next;
	if (d->head == NULL)
		d->tail = &d->head;
	d->n_queued--;
	return q;
}

static void watch(struct db *d, int events)
{
	int fd = PQsocket(d->conn);

	if (ev_is_active(&d->io) && d->io.fd == fd &&
	    (d->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(d->loop, &d->io);
	if (fd < 0)
		return;
	ev_io_set(&d->io, fd, events);
	ev_io_start(d->loop, &d->io);
}

static void arm_patience(struct db *d)
{
	int64_t left_ms;

	ev_timer_stop(d->loop, &d->patience);
	if (d->head == NULL || d->state == DB_READY || d->state == DB_BUSY)
		return;
	left_ms = d->head->due_ms - hq_mono_ms();
	ev_timer_set(&d->patience, left_ms > 0 ? (double)left_ms / 1000 : 0, 0);
	ev_timer_start(d->loop, &d->patience);
}

static void kick(struct db *d)
{
	if (!ev_is_active(&d->kick)) {
		ev_timer_set(&d->kick, 0, 0);
		ev_timer_start(d->loop, &d->kick);
	}
}

/* The connection is of no use any more: fail what ran on it, and try anew later. */
static void disconnect(struct db *d, const char *why)
{
	struct query *running = d->state == DB_BUSY ? queue_take(d) : NULL;
	struct log_value v;

	log_event(LOG_LEVEL_WARNING, "db_lost", "why=%s", log_quote(&v, why));
	ev_io_stop(d->loop, &d->io);
	if (running != NULL)
		query_fail(running, ERR_IO, "the connection to the database was lost");
	PQclear(d->result);
	d->result = NULL;
	PQfinish(d->conn);
	d->conn = NULL;
	d->state = DB_CLOSED;
	ev_timer_stop(d->loop, &d->retry);
	ev_timer_set(&d->retry, d->backoff, 0);
	ev_timer_start(d->loop, &d->retry);
	d->backoff = d->backoff * 2 < BACKOFF_MAX_S ? d->backoff * 2 : BACKOFF_MAX_S;
	arm_patience(d);
}

static void connect_step(struct db *d)
{
	switch (PQconnectPoll(d->conn)) {
	case PGRES_POLLING_READING:
		watch(d, EV_READ);
		return;
	case PGRES_POLLING_WRITING:
		watch(d, EV_WRITE);
		return;
	case PGRES_POLLING_OK:
		if (PQsetnonblocking(d->conn, 1) != 0) {
			disconnect(d, PQerrorMessage(d->conn));
			return;
		}
		d->state = DB_READY;
		d->backoff = BACKOFF_MIN_S;
		ev_timer_stop(d->loop, &d->patience);
		watch(d, EV_READ);
		kick(d);
		return;
	case PGRES_POLLING_FAILED:
	case PGRES_POLLING_ACTIVE:
	default: /* libpq's enum, not ours */
		disconnect(d, PQerrorMessage(d->conn));
	}
}

static void connect_start(struct db *d)
{
	/* What comes before dbname, the connection string, is overridden by it. */
	static const char *const names[] = { "keepalives_idle",  "keepalives_interval",
					     "keepalives_count", "tcp_user_timeout",
					     "dbname",           "options",
					     "application_name", NULL };
	const char *const values[] = {
		"10", "5", "3", "30000", d->conninfo, "-c statement_timeout=60s", "trib-hq reads",
		NULL
	};

	d->conn = PQconnectStartParams(names, values, 1);
	if (d->conn == NULL)
		abort();
	d->state = DB_CONNECTING;
	if (PQstatus(d->conn) == CONNECTION_BAD)
		disconnect(d, PQerrorMessage(d->conn));
	else
		watch(d, EV_WRITE);
}

static void flush(struct db *d)
{
	int r = PQflush(d->conn);

	if (r < 0)
		disconnect(d, PQerrorMessage(d->conn));
	else
		watch(d, r > 0 ? EV_READ | EV_WRITE : EV_READ);
}

static void deliver(struct db *d)
{
	struct query *q = queue_take(d);
	PGresult *r = d->result;
	ExecStatusType status = PQresultStatus(r);

	d->result = NULL;
	d->state = DB_READY;
	kick(d);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
		q->cb(q->ctx, 0, r, NULL);
		free(q);
	} else {
		query_fail(q, PQstatus(d->conn) == CONNECTION_BAD ? ERR_IO : ERR_INVALID,
			   r != NULL ? PQresultErrorMessage(r) : "no answer");
	}
	PQclear(r);
}

static void on_io(struct ev_loop *loop, ev_io *w, int revents)
{
	struct db *d = w->data;

	(void)loop;
	if (d->state == DB_CONNECTING) {
		connect_step(d);
		return;
	}
	if ((revents & EV_READ) && PQconsumeInput(d->conn) == 0) {
		disconnect(d, PQerrorMessage(d->conn));
		return;
	}
	while (d->state == DB_BUSY && !PQisBusy(d->conn)) {
		PGresult *r = PQgetResult(d->conn);

		if (r == NULL) {
			deliver(d);
			break;
		}
		PQclear(d->result);
		d->result = r;
	}
	if (PQstatus(d->conn) == CONNECTION_BAD)
		disconnect(d, PQerrorMessage(d->conn));
	else
		flush(d);
}

static void pump(struct db *d)
{
	struct query *q = d->rejected;

	d->rejected = NULL;
	d->rejected_tail = &d->rejected;
	while (q != NULL) {
		struct query *next = q->next;

		query_fail(q, ERR_IO, "too many queries wait for the database");
		q = next;
	}
	if (d->head == NULL)
		return;
	if (d->state == DB_CLOSED && !ev_is_active(&d->retry))
		connect_start(d);
	if (d->state == DB_READY) {
		q = d->head;
		d->state = DB_BUSY;
		if (PQsendQueryParams(d->conn, q->sql, q->n_params, NULL, q->values, NULL, NULL,
				      0) == 1)
			flush(d);
		else
			disconnect(d, PQerrorMessage(d->conn));
	}
	arm_patience(d);
}

static void on_kick(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	pump(w->data);
}

/* Also what ends an attempt to connect that hangs: each was begun for a query. */
static void on_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct db *d = w->data;
	bool is_late = false;

	(void)loop;
	(void)revents;
	for (; d->head != NULL && d->state != DB_BUSY && d->head->due_ms <= hq_mono_ms();
	     is_late = true)
		query_fail(queue_take(d), ERR_IO, "no connection to the database");
	if (d->state == DB_CONNECTING && is_late)
		disconnect(d, "no connection in time");
	arm_patience(d);
}

int db_create(struct ev_loop *loop, const char *conninfo, struct db **ret)
{
	struct db *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ERR_FULL;
	d->conninfo = strdup(conninfo);
	if (d->conninfo == NULL) {
		free(d);
		return ERR_FULL;
	}
	d->loop = loop;
	d->tail = &d->head;
	d->rejected_tail = &d->rejected;
	d->backoff = BACKOFF_MIN_S;
	ev_init(&d->io, on_io);
	ev_init(&d->kick, on_kick);
	ev_init(&d->retry, on_kick);
	ev_init(&d->patience, on_patience);
	d->io.data = d->kick.data = d->retry.data = d->patience.data = d;
	*ret = d;
	return 0;
}

void db_destroy(struct db *d)
{
	if (d == NULL)
		return;
	ev_io_stop(d->loop, &d->io);
	ev_timer_stop(d->loop, &d->kick);
	ev_timer_stop(d->loop, &d->retry);
	ev_timer_stop(d->loop, &d->patience);
	*d->tail = d->rejected;
	while (d->head != NULL) {
		struct query *q = d->head;

		d->head = q->next;
		query_fail(q, ERR_IO, "shutting down");
	}
	PQclear(d->result);
	PQfinish(d->conn);
	free(d->conninfo);
	free(d);
}

/* The query with its texts behind it, in one allocation. */
static struct query *query_create(const char *sql, int n_params, const char *const *values)
{
	size_t size = sizeof(struct query) + (size_t)n_params * sizeof(char *) + strlen(sql) + 1;
	struct query *q;
	char *p;

	for (int i = 0; i < n_params; i++)
		size += values[i] != NULL ? strlen(values[i]) + 1 : 0;
	q = calloc(1, size);
	if (q == NULL)
		abort();
	q->values = (const char **)(void *)(q + 1);
	q->n_params = n_params;
	p = (char *)(q->values + n_params);
	q->sql = p;
	p = stpcpy(p, sql) + 1;
	for (int i = 0; i < n_params; i++) {
		if (values[i] == NULL)
			continue;
		q->values[i] = p;
		p = stpcpy(p, values[i]) + 1;
	}
	return q;
}

void db_query(struct db *d, const char *sql, int n_params, const char *const *values,
	      db_callback cb, void *ctx)
{
	struct query *q = query_create(sql, n_params, values);

	q->cb = cb;
	q->ctx = ctx;
	q->due_ms = hq_mono_ms() + PATIENCE_MS;
	if (d->n_queued >= QUEUE_MAX) {
		*d->rejected_tail = q;
		d->rejected_tail = &q->next;
	} else {
		*d->tail = q;
		d->tail = &q->next;
		d->n_queued++;
	}
	kick(d);
}
