/* A library to preload into trib-store: records each writing statement that it runs, with the values
 * bound to it, into the file named by BENCH_RECORD. See record.h.
 *
 * So the bare loop runs the very statements of the journal, whatever its tables are. A way of
 * binding that is not known here would be recorded as NULL, so it ends the program. For one
 * connection, used by one thread. */
#include <dlfcn.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "record.h"

#define MAX_STATEMENTS 256
#define MAX_PARAMETERS 32

struct value {
	uint8_t type; /* 0: SQLITE_NULL */
	int64_t number;
	const void *data; /* borrowed, as SQLite borrows it */
	uint32_t len;
};

struct statement {
	sqlite3_stmt *st;
	uint32_t number; /* in the file */
	int is_written; /* its text is there */
	struct value values[MAX_PARAMETERS];
};

static struct statement statements[MAX_STATEMENTS];
static uint32_t n_written;
static FILE *out;
static int is_inside; /* SQLite's functions call one another by way of us */

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "bench-record: %s\n", what);
	abort();
}

static void *next(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (p == NULL)
		fail(name);
	return p;
}

/* The function that would have been called but for us, in `real`. */
#define REAL(name)                     \
	static __typeof__(&name) real; \
	if (real == NULL)              \
	real = (__typeof__(&name))(uintptr_t)next(#name)

static void put(const void *p, size_t len)
{
	if (fwrite(p, 1, len, out) != len)
		fail("cannot write");
}

static void put_u32(uint32_t v)
{
	put(&v, sizeof(v));
}

static void put_kind(enum record_kind kind)
{
	const char *path = getenv("BENCH_RECORD");
	uint8_t byte = (uint8_t)kind;

	if (out == NULL)
		out = path != NULL ? fopen(path, "we") : NULL;
	if (out == NULL)
		fail("BENCH_RECORD names no file that can be written");
	put(&byte, 1);
}

static void put_text(enum record_kind kind, const char *text)
{
	put_kind(kind);
	put_u32((uint32_t)strlen(text));
	put(text, strlen(text));
}

static struct statement *find(sqlite3_stmt *st)
{
	struct statement *unused = NULL;

	for (size_t i = 0; i < MAX_STATEMENTS; i++) {
		if (statements[i].st == st)
			return &statements[i];
		if (statements[i].st == NULL && unused == NULL)
			unused = &statements[i];
	}
	if (unused == NULL)
		fail("too many statements");
	memset(unused, 0, sizeof(*unused));
	unused->st = st;
	return unused;
}

static struct value *value_at(sqlite3_stmt *st, int at)
{
	if (at < 1 || at > MAX_PARAMETERS)
		fail("too many parameters");
	return &find(st)->values[at - 1];
}

static void put_value(const struct value *v)
{
	uint8_t type = v->type != 0 ? v->type : SQLITE_NULL;

	put(&type, 1);
	if (type == SQLITE_INTEGER)
		put(&v->number, sizeof(v->number));
	if (type == SQLITE_TEXT || type == SQLITE_BLOB) {
		put_u32(v->len);
		put(v->data, v->len);
	}
}

static void record_run(sqlite3_stmt *st)
{
	int n = sqlite3_bind_parameter_count(st);
	struct statement *s;

	s = find(st);
	if (n > MAX_PARAMETERS)
		fail("too many parameters");
	if (!s->is_written) {
		put_text(RECORD_STATEMENT, sqlite3_sql(st));
		s->number = n_written++;
		s->is_written = 1;
	}
	put_kind(RECORD_RUN);
	put_u32(s->number);
	put_u32((uint32_t)n);
	for (int i = 0; i < n; i++)
		put_value(&s->values[i]);
}

int sqlite3_step(sqlite3_stmt *st)
{
	REAL(sqlite3_step);
	const char *sql = sqlite3_sql(st); /* NULL: of SQLite's own */
	int is_commit, r;

	if (is_inside || sql == NULL)
		return real(st);
	is_commit = strncasecmp(sql, "COMMIT", 6) == 0;
	if (!sqlite3_stmt_readonly(st) && strncasecmp(sql, "BEGIN", 5) != 0)
		record_run(st);
	r = real(st);
	if (is_commit && r == SQLITE_DONE)
		put_kind(RECORD_COMMIT);
	return r;
}

int sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **), void *ctx,
		 char **ret_error)
{
	REAL(sqlite3_exec);
	int r;

	if (is_inside)
		return real(db, sql, row, ctx, ret_error);
	put_text(RECORD_EXEC, sql);
	is_inside = 1;
	r = real(db, sql, row, ctx, ret_error);
	is_inside = 0;
	return r;
}

int sqlite3_close(sqlite3 *db)
{
	REAL(sqlite3_close);
	if (out != NULL && fflush(out) != 0)
		fail("cannot write");
	return real(db);
}

int sqlite3_finalize(sqlite3_stmt *st)
{
	REAL(sqlite3_finalize);
	if (st != NULL)
		find(st)->st = NULL;
	return real(st);
}

int sqlite3_clear_bindings(sqlite3_stmt *st)
{
	REAL(sqlite3_clear_bindings);
	memset(find(st)->values, 0, sizeof(find(st)->values));
	return real(st);
}

int sqlite3_bind_int64(sqlite3_stmt *st, int at, sqlite3_int64 v)
{
	REAL(sqlite3_bind_int64);
	*value_at(st, at) = (struct value){ .type = SQLITE_INTEGER, .number = v };
	return real(st, at, v);
}

int sqlite3_bind_int(sqlite3_stmt *st, int at, int v)
{
	return sqlite3_bind_int64(st, at, v);
}

int sqlite3_bind_null(sqlite3_stmt *st, int at)
{
	REAL(sqlite3_bind_null);
	*value_at(st, at) = (struct value){ 0 };
	return real(st, at);
}

static void keep(sqlite3_stmt *st, int at, uint8_t type, const void *p, sqlite3_uint64 len)
{
	if (p == NULL)
		type = SQLITE_NULL;
	*value_at(st, at) = (struct value){ .type = type, .data = p, .len = (uint32_t)len };
}

int sqlite3_bind_text(sqlite3_stmt *st, int at, const char *s, int len, void (*free_it)(void *))
{
	REAL(sqlite3_bind_text);
	keep(st, at, SQLITE_TEXT, s, len >= 0 ? (sqlite3_uint64)len : s != NULL ? strlen(s) : 0);
	return real(st, at, s, len, free_it);
}

int sqlite3_bind_text64(sqlite3_stmt *st, int at, const char *s, sqlite3_uint64 len,
			void (*free_it)(void *), unsigned char encoding)
{
	REAL(sqlite3_bind_text64);
	keep(st, at, SQLITE_TEXT, s, len);
	return real(st, at, s, len, free_it, encoding);
}

int sqlite3_bind_blob(sqlite3_stmt *st, int at, const void *p, int len, void (*free_it)(void *))
{
	REAL(sqlite3_bind_blob);
	keep(st, at, SQLITE_BLOB, p, (sqlite3_uint64)len);
	return real(st, at, p, len, free_it);
}

int sqlite3_bind_blob64(sqlite3_stmt *st, int at, const void *p, sqlite3_uint64 len,
			void (*free_it)(void *))
{
	REAL(sqlite3_bind_blob64);
	keep(st, at, SQLITE_BLOB, p, len);
	return real(st, at, p, len, free_it);
}

#define UNKNOWN(name, ...)                      \
	int name(__VA_ARGS__)                   \
	{                                       \
		(void)st;                       \
		fail(#name " is not recorded"); \
	}

UNKNOWN(sqlite3_bind_double, sqlite3_stmt *st, int at __attribute__((unused)),
	double v __attribute__((unused)))
UNKNOWN(sqlite3_bind_zeroblob, sqlite3_stmt *st, int at __attribute__((unused)),
	int n __attribute__((unused)))
UNKNOWN(sqlite3_bind_value, sqlite3_stmt *st, int at __attribute__((unused)),
	const sqlite3_value *v __attribute__((unused)))
UNKNOWN(sqlite3_bind_pointer, sqlite3_stmt *st, int at __attribute__((unused)),
	void *p __attribute__((unused)), const char *name __attribute__((unused)),
	void (*free_it)(void *) __attribute__((unused)))
