/* Rows of a large query, some thousand at a time, in binary. For a process that may block. */
#ifndef TRIB_HQ_PGCURSOR_H
#define TRIB_HQ_PGCURSOR_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pgcursor {
	PGconn *conn; /* borrowed, in a transaction */
	const char *name; /* static */
	PGresult *rows;
	int row;
};

/* Print what and the connection's message to stderr, and exit with status 1: the check is a
 * process of its own with nothing to undo. */
void pg_die(PGconn *conn, const char *what) __attribute__((noreturn));

/* Run a statement without result. */
void pg_run(PGconn *conn, const char *sql);

/* Declare the cursor and stand before its first row. fmt is the query, with integers only. */
void pgcursor_open(struct pgcursor *c, PGconn *conn, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Go to the next row; false after the last. */
bool pgcursor_next(struct pgcursor *c);
void pgcursor_close(struct pgcursor *c);

/* Columns of the row at hand, by their type on the server. */
bool pgc_null(const struct pgcursor *c, int col);
int64_t pgc_int(const struct pgcursor *c, int col); /* int2, int4, int8, bool */
const void *pgc_bytes(const struct pgcursor *c, int col, size_t *ret_len); /* bytea, uuid */
const char *pgc_text(const struct pgcursor *c, int col); /* NUL-terminated */
int32_t pgc_date(const struct pgcursor *c, int col); /* days since 1970-01-01 */
int64_t pgc_us(const struct pgcursor *c, int col); /* timestamptz, microseconds since 1970 */

#endif
