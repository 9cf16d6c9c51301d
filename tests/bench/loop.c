/* bench-loop RECORD DATABASE OPERATIONS BATCH: the bare SQLite loop.
 *
 * Runs the statements of RECORD (record.h) on DATABASE as they were run when they were recorded, and
 * nothing else, in transactions of BATCH operations; OPERATIONS is how many there are in all. On
 * stdout a line of JSON. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "record.h"

#define MAX_STATEMENTS 256

struct value {
	int type;
	int64_t number;
	const char *data; /* into the mapped file */
	uint32_t len;
};

struct run {
	uint32_t statement, n_values;
	size_t first_value; /* of values[] */
};

static sqlite3 *db;
static sqlite3_stmt *statements[MAX_STATEMENTS], *begin, *commit;
static uint32_t n_statements;
static struct run *runs;
static struct value *values;
static size_t n_runs, n_values, n_commits_recorded;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "bench-loop: %s: %s\n", what,
		db != NULL ? sqlite3_errmsg(db) : strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Room for one more of an array that doubles. */
static void *grow(void *array, size_t n, size_t size)
{
	if ((n & (n - 1)) != 0)
		return array;
	array = realloc(array, (n == 0 ? 1 : 2 * n) * size);
	if (array == NULL)
		fail("memory");
	return array;
}

static sqlite3_stmt *prepare(const char *sql, size_t len)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v3(db, sql, (int)len, SQLITE_PREPARE_PERSISTENT, &st, NULL) !=
	    SQLITE_OK)
		fail("prepare");
	return st;
}

static uint32_t get_u32(const char **p)
{
	uint32_t v;

	memcpy(&v, *p, sizeof(v));
	*p += sizeof(v);
	return v;
}

static void get_value(const char **p, struct value *ret)
{
	ret->type = *(*p)++;
	if (ret->type == SQLITE_INTEGER) {
		memcpy(&ret->number, *p, sizeof(ret->number));
		*p += sizeof(ret->number);
	} else if (ret->type != SQLITE_NULL) {
		ret->len = get_u32(p);
		ret->data = *p;
		*p += ret->len;
	}
}

static void get_run(const char **p)
{
	struct run *r;

	runs = grow(runs, n_runs, sizeof(*runs));
	r = &runs[n_runs++];
	r->statement = get_u32(p);
	r->n_values = get_u32(p);
	r->first_value = n_values;
	for (uint32_t i = 0; i < r->n_values; i++) {
		values = grow(values, n_values, sizeof(*values));
		memset(&values[n_values], 0, sizeof(*values));
		get_value(p, &values[n_values++]);
	}
}

static void run_text(const char *sql, size_t len)
{
	char *copy = strndup(sql, len);

	if (copy == NULL || sqlite3_exec(db, copy, NULL, NULL, NULL) != SQLITE_OK)
		fail("exec");
	free(copy);
}

/* Pragmas are run and statements prepared as they come; runs are kept for later. */
static void read_record(const char *p, const char *end)
{
	while (p < end) {
		enum record_kind kind = (enum record_kind) * p++;
		uint32_t len;

		switch (kind) {
		case RECORD_EXEC:
			len = get_u32(&p);
			run_text(p, len);
			p += len;
			break;
		case RECORD_STATEMENT:
			len = get_u32(&p);
			if (n_statements == MAX_STATEMENTS)
				fail("too many statements");
			statements[n_statements++] = prepare(p, len);
			p += len;
			break;
		case RECORD_RUN:
			get_run(&p);
			break;
		case RECORD_COMMIT:
			n_commits_recorded++;
			break;
		}
	}
}

static void map_record(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *p;

	if (fd < 0 || fstat(fd, &st) != 0)
		fail(path);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		fail(path);
	read_record(p, p + st.st_size);
	close(fd);
}

static void bind(sqlite3_stmt *st, int at, const struct value *v)
{
	int r = SQLITE_OK;

	switch (v->type) {
	case SQLITE_INTEGER:
		r = sqlite3_bind_int64(st, at, v->number);
		break;
	case SQLITE_TEXT:
		r = sqlite3_bind_text64(st, at, v->data, v->len, SQLITE_STATIC, SQLITE_UTF8);
		break;
	case SQLITE_BLOB:
		r = sqlite3_bind_blob64(st, at, v->data, v->len, SQLITE_STATIC);
		break;
	default:
		r = sqlite3_bind_null(st, at);
	}
	if (r != SQLITE_OK)
		fail("bind");
}

static void step(sqlite3_stmt *st)
{
	if (sqlite3_step(st) != SQLITE_DONE)
		fail(sqlite3_sql(st));
	sqlite3_reset(st);
}

static void run_one(const struct run *r)
{
	sqlite3_stmt *st = statements[r->statement];

	for (uint32_t i = 0; i < r->n_values; i++)
		bind(st, (int)i + 1, &values[r->first_value + i]);
	step(st);
}

/* All runs in n transactions of about as many statements. */
static void play(size_t n)
{
	for (size_t i = 0, at = 0; i < n; i++) {
		size_t end = n_runs * (i + 1) / n;

		step(begin);
		for (; at < end; at++)
			run_one(&runs[at]);
		step(commit);
	}
}

int main(int argc, char **argv)
{
	size_t operations, transactions;
	double seconds, cpu;

	if (argc != 5) {
		fputs("usage: bench-loop RECORD DATABASE OPERATIONS BATCH\n", stderr);
		return 2;
	}
	operations = strtoul(argv[3], NULL, 10);
	transactions = operations / strtoul(argv[4], NULL, 10);
	if (transactions == 0)
		fail("too few operations");
	if (sqlite3_open_v2(argv[2], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK)
		fail(argv[2]);
	map_record(argv[1]);
	begin = prepare("BEGIN IMMEDIATE", 15);
	commit = prepare("COMMIT", 6);
	cpu = cpu_seconds();
	seconds = now();
	play(transactions);
	seconds = now() - seconds;
	cpu = cpu_seconds() - cpu;
	printf("{\"operations\":%zu,\"statements\":%zu,\"commits\":%zu,\"commits_recorded\":%zu,"
	       "\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n",
	       operations, n_runs, transactions, n_commits_recorded, seconds, cpu);
	for (uint32_t i = 0; i < n_statements; i++)
		sqlite3_finalize(statements[i]);
	sqlite3_finalize(begin);
	sqlite3_finalize(commit);
	return sqlite3_close(db) == SQLITE_OK ? 0 : 1;
}
