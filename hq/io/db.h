/* The connection that reads: queued queries with callbacks, never blocking the loop. */
#ifndef TRIB_HQ_DB_H
#define TRIB_HQ_DB_H

#include <ev.h>
#include <libpq-fe.h>

#include "err.h"

struct db;

/* rows is NULL when the query failed: then message says why and err is ERR_IO (no connection, or
 * lost) or ERR_INVALID (refused). Borrows rows. */
typedef void (*db_callback)(void *ctx, int err, const PGresult *rows, const char *message);

/* Connect lazily, reconnect with backoff. Copies conninfo. */
int MUST_CHECK db_create(struct ev_loop *loop, const char *conninfo, struct db **ret);
void db_destroy(struct db *d);

/* Queue one parametrised query, in text format both ways. Copies sql and values. The callback runs
 * exactly once, from the loop; while there is no connection for 5 s, with ERR_IO. */
void db_query(struct db *d, const char *sql, int n_params, const char *const *values,
	      db_callback cb, void *ctx);

#endif
