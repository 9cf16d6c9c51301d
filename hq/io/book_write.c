#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "book_private.h"
#include "fault.h"
#include "log.h"

static int op_result(const struct book *b)
{
	if (b->is_committed)
		return 0;
	return b->is_data_failure ? ERR_INVALID : b->is_passing ? ERR_AGAIN : ERR_STATE;
}

void book_finish_work(struct book *b)
{
	struct hqd *h = b->h;
	enum book_work work = b->work;
	struct book_op *op = b->op;
	struct log_value v;

	b->work = WORK_NONE;
	book_set_state(b, BOOK_IDLE);
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
			book_connection_lost(b, "cursor");
			return;
		}
		ingest_failed(h->ingest, b->is_data_failure, b->detail);
		if (b->group->n_quarantined > 0 && b->is_data_failure && b->group->n_rows <= 2) {
			/* nothing can be booked before this is mended */
			log_event(LOG_LEVEL_CRITICAL, "quarantine_refused", "message=%s",
				  log_quote(&v, b->detail));
			book_start_retry(b);
			return;
		}
		if (!b->is_data_failure) {
			book_start_retry(b); /* the timer kicks */
			return;
		}
	}
	book_kick(b);
}

void book_roll_back(struct book *b)
{
	if (!PQsendQuery(b->conn, "ROLLBACK")) {
		book_connection_lost(b, "rollback");
		return;
	}
	book_set_state(b, BOOK_ROLLING_BACK);
	book_flush(b);
}

static void commit_op(struct book *b)
{
	if (!PQsendQuery(b->conn, "COMMIT")) {
		book_connection_lost(b, "commit");
		return;
	}
	book_set_state(b, BOOK_COMMITTING);
	book_flush(b);
}

void book_note_failure(struct book *b, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	if (b->has_failed)
		return;
	b->has_failed = true;
	book_copy_detail(b, PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
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

void book_start_pipeline(struct book *b)
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
		book_connection_lost(b, "pipeline");
		return;
	}
	book_set_state(b, BOOK_PIPELINE);
	b->result_no = 0;
	book_flush(b);
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
		book_copy_detail(b, "a statement touched another number of rows than it must");
	}
}

static void on_pipeline_end(struct book *b)
{
	if (!PQexitPipelineMode(b->conn))
		book_connection_lost(b, "pipeline");
	else if (b->is_committed)
		book_finish_work(b);
	else if (b->work == WORK_OP && !b->has_failed)
		commit_op(b);
	else
		book_roll_back(b);
}

void book_on_pipeline_result(struct book *b, PGresult *r)
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
		book_note_failure(b, r);
	}
	b->result_no++;
	PQclear(r);
}

void book_on_copy_result(struct book *b, PGresult *r)
{
	ExecStatusType st = PQresultStatus(r);

	PQclear(r);
	if (st == PGRES_COPY_IN) {
		if (PQputCopyData(b->conn, (const char *)b->copy.data, (int)b->copy.len) != 1 ||
		    PQputCopyEnd(b->conn, NULL) != 1) {
			book_connection_lost(b, "copy");
			return;
		}
		book_set_state(b, BOOK_COPYING);
		book_flush(b);
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
		book_connection_lost(b, "begin");
		return;
	}
	book_set_state(b, BOOK_BEGINNING);
	book_flush(b);
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
	book_start_pipeline(b);
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
