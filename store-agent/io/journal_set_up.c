#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "journal_internal.h"

#define APPLICATION_ID 0x54524942 /* "TRIB" */
#define SCHEMA_VERSION 1

static const char schema_sql[] =
#include "schema.sql.h"
	;

static int exec(struct journal *j, const char *sql, char *err)
{
	if (sqlite3_exec(j->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	snprintf(err, JOURNAL_ERROR_BYTES, "%s", sqlite3_errmsg(j->db));
	return ERR_IO;
}

static int64_t pragma_int(struct journal *j, const char *sql)
{
	sqlite3_stmt *st;
	int64_t v = -1;

	if (sqlite3_prepare_v2(j->db, sql, -1, &st, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

static int create_tables(struct journal *j, char *err)
{
	char sql[160];
	int r = exec(j, "BEGIN IMMEDIATE;", err);

	snprintf(sql, sizeof(sql), "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT;",
		 APPLICATION_ID, SCHEMA_VERSION);
	if (r == 0)
		r = exec(j, schema_sql, err);
	return r == 0 ? exec(j, sql, err) : r;
}

int journal_gone(char *err)
{
	snprintf(
		err, JOURNAL_ERROR_BYTES,
		"the journal is gone: %s is missing or empty. Its entries cannot be made again, and a "
		"new one under the same certificate would be another history; this box must be "
		"replaced (tribctl store replace)",
		JOURNAL_FILE);
	return ERR_NOT_FOUND;
}

int journal_set_up(struct journal *j, const char *dir, bool creates, char *err)
{
	char path[4096];
	int r;

	if (snprintf(path, sizeof(path), "%s/%s", dir, JOURNAL_FILE) >= (int)sizeof(path)) {
		snprintf(err, JOURNAL_ERROR_BYTES, "the data directory's name is too long");
		return ERR_INVALID;
	}
	if (!creates && access(path, F_OK) != 0 && errno == ENOENT)
		return journal_gone(err);
	r = sqlite3_open_v2(path, &j->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
				    (creates ? SQLITE_OPEN_CREATE : 0),
			    NULL);
	if (r != SQLITE_OK) {
		snprintf(err, JOURNAL_ERROR_BYTES, "cannot open %.400s: %s", path,
			 sqlite3_errmsg(j->db));
		return ERR_IO;
	}
	sqlite3_extended_result_codes(j->db, 1);
	r = sqlite3_exec(j->db,
			 "PRAGMA locking_mode=EXCLUSIVE;"
			 "PRAGMA journal_mode=WAL;"
			 "PRAGMA synchronous=FULL;"
			 "PRAGMA foreign_keys=ON;"
			 "PRAGMA temp_store=MEMORY;"
			 "PRAGMA trusted_schema=OFF;"
			 "BEGIN IMMEDIATE;"
			 "COMMIT;",
			 NULL, NULL, NULL);
	if (r != SQLITE_OK && ((r & 0xff) == SQLITE_BUSY || (r & 0xff) == SQLITE_LOCKED)) {
		snprintf(err, JOURNAL_ERROR_BYTES, "another trib-store uses %.400s", dir);
		return ERR_EXISTS;
	}
	if (r != SQLITE_OK) {
		snprintf(err, JOURNAL_ERROR_BYTES, "cannot use %.300s: %s", path,
			 sqlite3_errmsg(j->db));
		return ERR_IO;
	}
	if (pragma_int(j, "PRAGMA application_id") == 0 &&
	    pragma_int(j, "PRAGMA user_version") == 0 &&
	    pragma_int(j, "SELECT count(*) FROM sqlite_schema") == 0)
		return creates ? create_tables(j, err) : journal_gone(err);
	if (pragma_int(j, "PRAGMA application_id") != APPLICATION_ID ||
	    pragma_int(j, "PRAGMA user_version") != SCHEMA_VERSION) {
		snprintf(err, JOURNAL_ERROR_BYTES,
			 "%.300s is no journal of this version of trib-store", path);
		return ERR_VERSION;
	}
	return 0;
}
