#include "pgcursor.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FETCH_ROWS "1000"
#define EPOCH_DAYS 10957 /* from 1970 to PostgreSQL's 2000 */

void pg_die(PGconn *conn, const char *what)
{
	fprintf(stderr, "trib-hq: books-check: %s: %s\n", what,
		conn != NULL ? PQerrorMessage(conn) : "out of memory");
	exit(1);
}

void pg_run(PGconn *conn, const char *sql)
{
	PGresult *r = PQexec(conn, sql);

	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		pg_die(conn, sql);
	PQclear(r);
}

void pgcursor_open(struct pgcursor *c, PGconn *conn, const char *name, const char *fmt, ...)
{
	char sql[4096];
	va_list ap;
	int n;

	n = snprintf(sql, sizeof(sql), "DECLARE %s NO SCROLL CURSOR FOR ", name);
	va_start(ap, fmt);
	n += vsnprintf(sql + n, sizeof(sql) - (size_t)n, fmt, ap);
	va_end(ap);
	assert((size_t)n < sizeof(sql));
	pg_run(conn, sql);
	*c = (struct pgcursor){ .conn = conn, .name = name, .row = -1 };
}

bool pgcursor_next(struct pgcursor *c)
{
	char sql[64];

	if (c->rows != NULL && ++c->row < PQntuples(c->rows))
		return true;
	PQclear(c->rows);
	snprintf(sql, sizeof(sql), "FETCH " FETCH_ROWS " FROM %s", c->name);
	c->rows = PQexecParams(c->conn, sql, 0, NULL, NULL, NULL, NULL, 1);
	if (PQresultStatus(c->rows) != PGRES_TUPLES_OK)
		pg_die(c->conn, c->name);
	c->row = 0;
	return PQntuples(c->rows) > 0;
}

void pgcursor_close(struct pgcursor *c)
{
	char sql[64];

	PQclear(c->rows);
	c->rows = NULL;
	snprintf(sql, sizeof(sql), "CLOSE %s", c->name);
	pg_run(c->conn, sql);
}

bool pgc_null(const struct pgcursor *c, int col)
{
	return PQgetisnull(c->rows, c->row, col) != 0;
}

int64_t pgc_int(const struct pgcursor *c, int col)
{
	const uint8_t *p = (const uint8_t *)PQgetvalue(c->rows, c->row, col);
	int len = PQgetlength(c->rows, c->row, col);
	uint64_t v = 0;

	for (int i = 0; i < len; i++)
		v = (v << 8) | p[i];
	switch (len) {
	case 2:
		return (int16_t)v;
	case 4:
		return (int32_t)v;
	default:
		return (int64_t)v;
	}
}

const void *pgc_bytes(const struct pgcursor *c, int col, size_t *ret_len)
{
	*ret_len = (size_t)PQgetlength(c->rows, c->row, col);
	return PQgetvalue(c->rows, c->row, col);
}

const char *pgc_text(const struct pgcursor *c, int col)
{
	return PQgetvalue(c->rows, c->row, col);
}

int32_t pgc_date(const struct pgcursor *c, int col)
{
	return (int32_t)pgc_int(c, col) + EPOCH_DAYS;
}

int64_t pgc_us(const struct pgcursor *c, int col)
{
	return pgc_int(c, col) + (int64_t)EPOCH_DAYS * 86400 * 1000000;
}
