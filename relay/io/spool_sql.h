/* The spool's connection and statements; for spool.c and spool_stream.c only. */
#ifndef TRIB_RELAY_SPOOL_SQL_H
#define TRIB_RELAY_SPOOL_SQL_H

#include <sqlite3.h>

#include "spool.h"

enum spool_statement {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_STORES,
	SQL_ADD_STORE,
	SQL_KEEP_BOOKED,
	SQL_BOOKED,
	SQL_KEEP_ROSTER,
	SQL_ROSTER,
	SQL_STREAM,
	SQL_ADD_STREAM,
	SQL_MOVE_STREAM,
	SQL_FORK_STREAM,
	SQL_APPEND,
	SQL_HEAD,
	SQL_READ,
	SQL_SET_ASIDE,
	SQL_DROP_ABOVE,
	SQL_EVIDENCE,
	SQL_EVIDENCE_COUNT,
	SQL_COUNT,
};

struct spool {
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_COUNT];
	bool is_dirty; /* a transaction is open */
	bool is_full; /* it met a full disk and takes nothing more */
};

/* The prepared statement, reset. */
sqlite3_stmt *spool_statement(struct spool *sp, enum spool_statement q);

/* The same for a write: opens the turn's transaction. NULL when the transaction is full. */
sqlite3_stmt *spool_write(struct spool *sp, enum spool_statement q);

/* Run a write to its end and reset it. */
void spool_run_write(struct spool *sp, sqlite3_stmt *q);

/* One row more? Ends the process on an error. Reset the statement when done. */
bool spool_has_row(struct spool *sp, sqlite3_stmt *q);

#endif
