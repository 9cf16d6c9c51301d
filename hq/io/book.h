/* The one connection that writes the books: one transaction at a time, never blocking the loop.
 *
 *   IDLE ──group or op──> COPYING ──> PIPELINE ──commit seen──> IDLE
 *     ^                      │            │
 *     │                      └─ refused ──┴──> ROLLING BACK ──> failed(data | retry)
 *     └── RELOADING <── CONNECTING <── connection lost (commit outcome unknown: read the cursors)
 *
 * All that moves a cursor, HQ's own journal or a down log goes through here, so each has one
 * writer. */
#ifndef TRIB_HQ_BOOK_H
#define TRIB_HQ_BOOK_H

#include <ev.h>
#include <libpq-fe.h>
#include <stdbool.h>

#include "ingest.h"

struct hqd;
struct book;

#define BOOK_OP_STATEMENTS 8
#define BOOK_OP_PARAMS 12

struct book_statement {
	const char *sql; /* static; $1.. */
	int n_params;
	const char *values[BOOK_OP_PARAMS]; /* text format; NULL is NULL */
	int want_rows; /* returned or affected rows that it must have, else all is undone; -1: any */
};

/* A transaction of HQ's own, put in between two groups.
 *
 * prepare() runs when its turn has come: it fills the statements from the state of that moment
 * (down log ends, say). done() runs once: err 0 after the commit; ERR_STATE when prepare refused or
 * a want_rows failed, ERR_INVALID when the database refused the values, ERR_AGAIN when it refused for
 * a reason of the moment (a deadlock, a shutdown), ERR_IO when the outcome is
 * unknown (the connection was lost; state was read anew). Both may submit further ops. */
struct book_op {
	struct book_op *next;
	int (*prepare)(struct book_op *op);
	void (*done)(struct book_op *op, int err, const char *message);
	void *ctx;
	int n_statements;
	struct book_statement statements[BOOK_OP_STATEMENTS];
};

/* Queue an op; takes it until done(). */
void book_submit(struct book *b, struct book_op *op);

/* Connect to h->postgres, and again whenever the connection is lost; after each connect the state
 * is read through hq_load() before anything is written. */
int MUST_CHECK book_create(struct hqd *h, struct book **ret);

/* Close; what was not committed is as if it never came. Ops still queued get no done(). */
void book_destroy(struct book *b);

/* There may be something to write: start it when idle. */
void book_kick(struct book *b);

/* Nothing is being written and nothing waits. */
bool book_is_idle(const struct book *b);

#endif
