/* db migrate: bring HQ's database to this version, file by file. */
#include <errno.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "migrations.h"
#include "output.h"
#include "text.h"

#define LOCK_KEY "7310570061" /* any number that no other program locks */

/* Say what PostgreSQL said, without its newline. */
static int tell_sql(PGconn *pg, const PGresult *res, const char *what)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *message = PQerrorMessage(pg);

	say("%s: %.*s", what, (int)strcspn(message, "\n"), message);
	if (PQstatus(pg) == CONNECTION_BAD)
		return EXIT_UNREACHABLE;
	return state != NULL && strcmp(state, "42501") == 0 ? EXIT_DENIED : EXIT_FAILED;
}

/* Run statements without parameters or results. */
static int run_sql(PGconn *pg, const char *sql, const char *what)
{
	PGresult *res = PQexec(pg, sql);
	ExecStatusType status = PQresultStatus(res);
	int r = EXIT_OK;

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY)
		r = tell_sql(pg, res, what);
	PQclear(res);
	return r;
}

/* One migrator at a time; the lock ends with the connection. */
static int take_lock(PGconn *pg)
{
	PGresult *res = PQexec(pg, "SELECT pg_try_advisory_lock(" LOCK_KEY ")");
	bool taken = PQresultStatus(res) == PGRES_TUPLES_OK && *PQgetvalue(res, 0, 0) == 't';
	int r = EXIT_OK;

	if (PQresultStatus(res) != PGRES_TUPLES_OK) {
		r = tell_sql(pg, res, T("advisory lock", "咨询锁"));
	} else if (!taken) {
		say(T("waiting for another migration to end", "等待另一个迁移结束"));
		r = run_sql(pg, "SELECT pg_advisory_lock(" LOCK_KEY ")",
			    T("advisory lock", "咨询锁"));
	}
	PQclear(res);
	return r;
}

/* What the database has applied must be what the files are. The number of applied in *ret. */
static int compare_applied(PGconn *pg, const struct migrations *m, size_t *ret)
{
	PGresult *res;
	size_t n;
	int r = EXIT_FAILED;

	*ret = 0;
	res = PQexec(pg, "SELECT to_regclass('trib.schema_migration') IS NOT NULL");
	if (PQresultStatus(res) != PGRES_TUPLES_OK) {
		r = tell_sql(pg, res, "schema_migration");
		PQclear(res);
		return r;
	}
	n = *PQgetvalue(res, 0, 0) == 't';
	PQclear(res);
	if (n == 0)
		return EXIT_OK;
	res = PQexec(pg, "SELECT version, name, hash FROM trib.schema_migration ORDER BY version");
	if (PQresultStatus(res) != PGRES_TUPLES_OK) {
		r = tell_sql(pg, res, "schema_migration");
		goto done;
	}
	n = (size_t)PQntuples(res);
	for (size_t i = 0; i < n; i++) {
		const char *version = PQgetvalue(res, (int)i, 0),
			   *name = PQgetvalue(res, (int)i, 1);

		if (i >= m->n || atoi(version) != m->list[i].version) {
			say(T("the database has migration %s (%s), which this version does not know",
			      "数据库中的迁移 %s（%s）是当前版本所没有的"),
			    version, name);
			goto done;
		}
		if (strcmp(PQgetvalue(res, (int)i, 2), m->list[i].hash) != 0) {
			say(T("%s was applied, but has changed since; nothing was done",
			      "%s 在执行之后被改动，未做任何操作"),
			    m->list[i].file);
			goto done;
		}
	}
	*ret = n;
	r = EXIT_OK;
done:
	PQclear(res);
	return r;
}

/* The migration's own row; the first migration creates the schema that the table lives in. */
static int record(PGconn *pg, const struct migration *m)
{
	const char *params[3];
	char version[16];
	PGresult *res;
	int r = run_sql(pg,
			"CREATE SCHEMA IF NOT EXISTS trib;"
			"CREATE TABLE IF NOT EXISTS trib.schema_migration ("
			"version int PRIMARY KEY, name text NOT NULL, hash text NOT NULL, "
			"applied_at timestamptz NOT NULL DEFAULT now())",
			"schema_migration");

	if (r != EXIT_OK)
		return r;
	snprintf(version, sizeof(version), "%d", m->version);
	params[0] = version;
	params[1] = m->name;
	params[2] = m->hash;
	res = PQexecParams(pg,
			   "INSERT INTO trib.schema_migration (version, name, hash) "
			   "VALUES ($1, $2, $3)",
			   3, NULL, params, NULL, NULL, 0);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		r = tell_sql(pg, res, "schema_migration");
	PQclear(res);
	return r;
}

static int apply(PGconn *pg, const struct migration *m)
{
	int r = run_sql(pg, "BEGIN; SET LOCAL client_min_messages = warning", m->file);

	if (r == EXIT_OK)
		r = run_sql(pg, m->text, m->file);
	if (r == EXIT_OK && PQtransactionStatus(pg) != PQTRANS_INTRANS) {
		say(T("%s ends its own transaction", "%s 自行结束了事务"), m->file);
		return EXIT_FAILED;
	}
	if (r == EXIT_OK)
		r = record(pg, m);
	if (r == EXIT_OK)
		return run_sql(pg, "COMMIT", m->file);
	if (PQtransactionStatus(pg) != PQTRANS_IDLE)
		PQclear(PQexec(pg, "ROLLBACK"));
	return r;
}

/* Apply what is pending; prints what is in the database afterwards, also after a failure. */
static int migrate(struct ctl *ctl, PGconn *pg, const struct migrations *m)
{
	json_t *rows = json_array();
	size_t n_applied = 0;
	int r = take_lock(pg), printed;

	if (r == EXIT_OK)
		r = compare_applied(pg, m, &n_applied);
	if (r != EXIT_OK) {
		json_decref(rows);
		return r;
	}
	for (size_t i = 0; i < m->n && r == EXIT_OK; i++) {
		if (i >= n_applied)
			r = apply(pg, &m->list[i]);
		if (r == EXIT_OK)
			(void)json_array_append_new(
				rows, json_pack("{s:i, s:s, s:s}", "version", m->list[i].version,
						"name", m->list[i].name, "state",
						i < n_applied ? "present" : "applied"));
	}
	printed = output_print(ctl, rows);
	json_decref(rows);
	return r != EXIT_OK ? r : printed;
}

int db_migrate(struct ctl *ctl, const struct args *args)
{
	const char *conninfo = args_value(args, "postgres");
	struct migrations m = { .n = 0 };
	PGconn *pg;
	int r;

	if (conninfo == NULL)
		conninfo = getenv("TRIB_POSTGRES");
	if (conninfo == NULL || *conninfo == '\0')
		return say_usage("db migrate",
				 T("give --postgres CONNINFO or set TRIB_POSTGRES",
				   "请使用 --postgres CONNINFO 或设置 TRIB_POSTGRES"));
	r = migrations_load(args_value(args, "dir"), &m);
	if (r != EXIT_OK)
		return r;
	pg = PQconnectdb(conninfo);
	if (pg == NULL || PQstatus(pg) != CONNECTION_OK) {
		const char *why = pg != NULL ? PQerrorMessage(pg) : "";

		say(T("PostgreSQL cannot be reached: %.*s", "无法连接 PostgreSQL：%.*s"),
		    (int)strcspn(why, "\n"), why);
		r = EXIT_UNREACHABLE;
	} else {
		r = migrate(ctl, pg, &m);
	}
	PQfinish(pg);
	migrations_finish(&m);
	return r;
}
