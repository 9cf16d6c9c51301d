#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "fault.h"
#include "journal_internal.h"

#define APPLICATION_ID 0x54524942 /* "TRIB" */
#define SCHEMA_VERSION 2

static const char schema_sql[] =
#include "schema.sql.h"
	;
static const char schema_2_sql[] =
#include "schema_2.sql.h"
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

/* Rows that version 2 keeps beside an entry which version 1 wrote. */
static int put_history(sqlite3_stmt *const put[3], const Trib__V1__Entry *e, int32_t *day)
{
	int64_t seq = (int64_t)e->seq;
	bool wants[3] = { e->has_account, e->body_case == TRIB__V1__ENTRY__BODY_REFUND,
			  e->business_day != *day };

	*day = e->business_day;
	if (wants[0])
		journal_bind_blob(put[0], 1, e->account.data, e->account.len);
	journal_bind_int(put[0], 2, seq);
	journal_bind_int(put[1], 1, seq);
	if (wants[1])
		journal_bind_int(put[1], 2, (int64_t)e->refund->of_seq);
	journal_bind_int(put[2], 1, e->business_day);
	journal_bind_int(put[2], 2, seq);
	for (size_t i = 0; i < 3; i++) {
		if (wants[i] && sqlite3_step(put[i]) != SQLITE_DONE)
			return ERR_IO;
		sqlite3_reset(put[i]);
	}
	return 0;
}

static int each_history(sqlite3_stmt *entries, sqlite3_stmt *const put[3])
{
	int32_t day = INT32_MIN;
	int r = 0, step = SQLITE_DONE;

	while (r == 0 && (step = sqlite3_step(entries)) == SQLITE_ROW) {
		Trib__V1__Entry *e =
			trib__v1__entry__unpack(NULL, (size_t)sqlite3_column_bytes(entries, 0),
						sqlite3_column_blob(entries, 0));

		if (e == NULL)
			return ERR_INVALID;
		r = put_history(put, e, &day);
		trib__v1__entry__free_unpacked(e, NULL);
	}
	return r == 0 && step != SQLITE_DONE ? ERR_IO : r;
}

/* Fill the tables that version 2 added from the entries that are there. */
static int fill_history(struct journal *j, char *err)
{
	static const char *const sql[] = {
		"SELECT bytes FROM entry ORDER BY seq",
		"INSERT INTO account_entry (account, seq) VALUES (?1, ?2)",
		"INSERT INTO refund (seq, of_seq) VALUES (?1, ?2)",
		"INSERT INTO business_day (day, first_seq) VALUES (?1, ?2)",
	};
	sqlite3_stmt *st[4] = { NULL };
	int r = 0;

	for (size_t i = 0; i < 4 && r == 0; i++) {
		if (sqlite3_prepare_v2(j->db, sql[i], -1, &st[i], NULL) != SQLITE_OK)
			r = ERR_IO;
	}
	if (r == 0)
		r = each_history(st[0], st + 1);
	if (r < 0)
		snprintf(err, JOURNAL_ERROR_BYTES, "the journal's entries cannot be listed: %s",
			 r == ERR_INVALID ? "one is damaged" : sqlite3_errmsg(j->db));
	for (size_t i = 0; i < 4; i++)
		sqlite3_finalize(st[i]);
	return r;
}

/* Bring the journal from `version` (0: empty) to the present one, in one transaction. */
static int upgrade(struct journal *j, int64_t version, char *err)
{
	char sql[160];
	int r = exec(j, "BEGIN IMMEDIATE;", err);

	snprintf(sql, sizeof(sql), "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT;",
		 APPLICATION_ID, SCHEMA_VERSION);
	if (r == 0 && version < 1)
		r = exec(j, schema_sql, err);
	if (r == 0 && version < 2)
		r = exec(j, schema_2_sql, err);
	if (r == 0 && version < 2)
		r = fill_history(j, err);
	FAULT_POINT("store.mid_upgrade");
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
	int64_t version;
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
		return creates ? upgrade(j, 0, err) : journal_gone(err);
	version = pragma_int(j, "PRAGMA user_version");
	if (pragma_int(j, "PRAGMA application_id") != APPLICATION_ID || version < 1 ||
	    version > SCHEMA_VERSION) {
		snprintf(err, JOURNAL_ERROR_BYTES,
			 "%.300s is no journal of this version of trib-store", path);
		return ERR_VERSION;
	}
	return version < SCHEMA_VERSION ? upgrade(j, version, err) : 0;
}
