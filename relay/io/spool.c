#include "spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "spool_sql.h"

#define SPOOL_APPLICATION_ID 0x5452524c /* "TRRL" */
#define SPOOL_VERSION 1

static const char schema[] =
#include "relay_schema.inc"
	;

static const char *const texts[SQL_COUNT] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_STORES] = "SELECT node, incarnation, booked_seq, certificate FROM store "
		       "ORDER BY node, incarnation",
	[SQL_ADD_STORE] = "INSERT INTO store(node, incarnation, certificate) VALUES(?1, ?2, ?3) "
			  "ON CONFLICT DO NOTHING",
	[SQL_KEEP_BOOKED] = "UPDATE store SET booked_seq = ?3, booked = ?4 "
			    "WHERE node = ?1 AND incarnation = ?2",
	[SQL_BOOKED] = "SELECT booked FROM store WHERE node = ?1 AND incarnation = ?2",
	[SQL_KEEP_ROSTER] = "INSERT INTO roster(id, version, roster) VALUES(1, ?1, ?2) "
			    "ON CONFLICT(id) DO UPDATE SET version = ?1, roster = ?2",
	[SQL_ROSTER] = "SELECT roster FROM roster",
	[SQL_STREAM] = "SELECT base_seq, base_head, end_seq, end_head, is_forked FROM stream "
		       "WHERE no = ?1",
	[SQL_ADD_STREAM] = "INSERT INTO stream(no, base_seq, base_head, end_seq, end_head) "
			   "VALUES(?1, ?2, ?3, ?4, ?5)",
	[SQL_MOVE_STREAM] = "UPDATE stream SET base_seq = ?2, base_head = ?3, end_seq = ?4, "
			    "end_head = ?5 WHERE no = ?1",
	[SQL_FORK_STREAM] = "UPDATE stream SET is_forked = 1 WHERE no = ?1",
	[SQL_APPEND] = "INSERT INTO item(stream, seq, head, item, signed) "
		       "VALUES(?1, ?2, ?3, ?4, ?5)",
	[SQL_HEAD] = "SELECT head FROM item WHERE stream = ?1 AND seq = ?2",
	[SQL_READ] = "SELECT seq, item, signed FROM item WHERE stream = ?1 AND seq >= ?2 "
		     "ORDER BY seq",
	[SQL_SET_ASIDE] = "INSERT INTO left_item SELECT stream, ?3, seq, head, item, signed "
			  "FROM item WHERE stream = ?1 AND seq > ?2",
	[SQL_DROP_ABOVE] = "DELETE FROM item WHERE stream = ?1 AND seq > ?2",
	[SQL_EVIDENCE] = "INSERT INTO evidence(stream, at_ms, batch) VALUES(?1, ?2, ?3)",
	[SQL_EVIDENCE_COUNT] = "SELECT count(*) FROM evidence WHERE stream = ?1",
};

__attribute__((noreturn)) static void die(struct spool *sp, const char *where)
{
	struct log_value v;

	log_event(LOG_LEVEL_CRITICAL, "spool_failed", "where=%s code=%d why=%s", where,
		  sqlite3_extended_errcode(sp->db), log_quote(&v, sqlite3_errmsg(sp->db)));
	_exit(1);
}

sqlite3_stmt *spool_statement(struct spool *sp, enum spool_statement q)
{
	sqlite3_reset(sp->statements[q]);
	return sp->statements[q];
}

static bool is_full(struct spool *sp)
{
	return sqlite3_errcode(sp->db) == SQLITE_FULL;
}

sqlite3_stmt *spool_write(struct spool *sp, enum spool_statement q)
{
	if (sp->is_full)
		return NULL;
	if (!sp->is_dirty) {
		if (sqlite3_step(spool_statement(sp, SQL_BEGIN)) != SQLITE_DONE)
			die(sp, "begin");
		sqlite3_reset(sp->statements[SQL_BEGIN]);
		sp->is_dirty = true;
	}
	return spool_statement(sp, q);
}

void spool_run_write(struct spool *sp, sqlite3_stmt *q)
{
	if (sqlite3_step(q) != SQLITE_DONE) {
		if (!is_full(sp))
			die(sp, sqlite3_sql(q));
		sp->is_full = true;
	}
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
}

bool spool_has_row(struct spool *sp, sqlite3_stmt *q)
{
	int r = sqlite3_step(q);

	if (r != SQLITE_ROW && r != SQLITE_DONE)
		die(sp, sqlite3_sql(q));
	return r == SQLITE_ROW;
}

bool spool_is_dirty(const struct spool *sp)
{
	return sp->is_dirty;
}

static void roll_back(struct spool *sp)
{
	if (!sqlite3_get_autocommit(sp->db)) { /* a full disk may have rolled back by itself */
		if (sqlite3_step(spool_statement(sp, SQL_ROLLBACK)) != SQLITE_DONE)
			die(sp, "rollback");
		sqlite3_reset(sp->statements[SQL_ROLLBACK]);
	}
	sp->is_dirty = false;
	sp->is_full = false;
}

int spool_commit(struct spool *sp)
{
	int r;

	if (!sp->is_dirty)
		return 0;
	if (sp->is_full) {
		roll_back(sp);
		return ERR_FULL;
	}
	r = sqlite3_step(spool_statement(sp, SQL_COMMIT));
	if (r != SQLITE_DONE && !is_full(sp))
		die(sp, "commit");
	sqlite3_reset(sp->statements[SQL_COMMIT]);
	if (r != SQLITE_DONE) {
		roll_back(sp);
		return ERR_FULL;
	}
	sp->is_dirty = false;
	return 0;
}

/* ---- opening ---- */

static int64_t pragma_int(struct spool *sp, const char *sql)
{
	sqlite3_stmt *q;
	int64_t v = -1;

	if (sqlite3_prepare_v2(sp->db, sql, -1, &q, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(q) == SQLITE_ROW)
		v = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return v;
}

/* An empty file gets the schema, in one transaction. */
static int create(struct spool *sp)
{
	char end[128];

	snprintf(end, sizeof(end), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		 SPOOL_APPLICATION_ID, SPOOL_VERSION);
	if (sqlite3_exec(sp->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(sp->db, schema, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(sp->db, end, NULL, NULL, NULL) != SQLITE_OK)
		return ERR_IO;
	return 0;
}

static int set_up(struct spool *sp, const char *path, char *why)
{
	int64_t id, version;

	/* journal_mode takes the exclusive lock, so a second process fails here. */
	if (sqlite3_exec(sp->db,
			 "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; "
			 "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; "
			 "BEGIN IMMEDIATE; COMMIT",
			 NULL, NULL, NULL) != SQLITE_OK) {
		if (sqlite3_errcode(sp->db) == SQLITE_BUSY) {
			snprintf(why, SPOOL_WHY_BYTES, "%s: another trib-relay uses this folder",
				 path);
			return ERR_EXISTS;
		}
		if (sqlite3_errcode(sp->db) == SQLITE_NOTADB) {
			snprintf(why, SPOOL_WHY_BYTES, "%s: not a spool", path);
			return ERR_INVALID;
		}
		return ERR_IO;
	}
	id = pragma_int(sp, "PRAGMA application_id");
	version = pragma_int(sp, "PRAGMA user_version");
	if (id == 0 && version == 0 && pragma_int(sp, "SELECT count(*) FROM sqlite_schema") == 0) {
		return create(sp);
	}
	if (id != SPOOL_APPLICATION_ID || version < 1 || version > SPOOL_VERSION) {
		snprintf(why, SPOOL_WHY_BYTES, "%s: %s", path,
			 id != SPOOL_APPLICATION_ID ? "not a spool" :
						      "written by a later version of trib-relay");
		return ERR_INVALID;
	}
	return 0;
}

int spool_open(const char *dir, struct spool **ret, char *why)
{
	struct spool *sp = calloc(1, sizeof(*sp));
	char path[4096];
	int err = ERR_IO;

	if (sp == NULL)
		abort();
	why[0] = '\0';
	snprintf(path, sizeof(path), "%s/%s", dir, SPOOL_FILE);
	if (sqlite3_open_v2(path, &sp->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK)
		goto fail;
	sqlite3_busy_timeout(sp->db, 500);
	err = set_up(sp, path, why);
	if (err != 0)
		goto fail;
	err = ERR_IO;
	for (int q = 0; q < SQL_COUNT; q++) {
		if (sqlite3_prepare_v3(sp->db, texts[q], -1, SQLITE_PREPARE_PERSISTENT,
				       &sp->statements[q], NULL) != SQLITE_OK)
			goto fail;
	}
	*ret = sp;
	return 0;
fail:
	if (why[0] == '\0')
		snprintf(why, SPOOL_WHY_BYTES, "%s: %s", path,
			 sp->db != NULL ? sqlite3_errmsg(sp->db) : strerror(errno));
	spool_close(sp);
	return err;
}

void spool_close(struct spool *sp)
{
	if (sp == NULL)
		return;
	for (int q = 0; q < SQL_COUNT; q++)
		sqlite3_finalize(sp->statements[q]);
	sqlite3_close(sp->db);
	free(sp);
}

/* ---- stores ---- */

void spool_each_store(struct spool *sp, void (*fn)(void *ctx, const struct spool_store *s),
		      void *ctx)
{
	sqlite3_stmt *q = spool_statement(sp, SQL_STORES);

	while (spool_has_row(sp, q)) {
		const struct spool_store s = {
			.node = sqlite3_column_int(q, 0),
			.incarnation = (uint32_t)sqlite3_column_int(q, 1),
			.booked_seq = (uint64_t)sqlite3_column_int64(q, 2),
			.certificate = sqlite3_column_blob(q, 3),
			.certificate_len = (size_t)sqlite3_column_bytes(q, 3),
		};

		fn(ctx, &s);
	}
	sqlite3_reset(q);
}

void spool_add_store(struct spool *sp, int32_t node, uint32_t incarnation, const void *certificate,
		     size_t len)
{
	sqlite3_stmt *q = spool_write(sp, SQL_ADD_STORE);

	if (q == NULL)
		return;
	sqlite3_bind_int(q, 1, node);
	sqlite3_bind_int64(q, 2, incarnation);
	sqlite3_bind_blob64(q, 3, certificate, len, SQLITE_STATIC);
	spool_run_write(sp, q);
}

void spool_keep_booked(struct spool *sp, int32_t node, uint32_t incarnation, uint64_t seq,
		       const void *booked, size_t len)
{
	sqlite3_stmt *q = spool_write(sp, SQL_KEEP_BOOKED);

	if (q == NULL)
		return;
	sqlite3_bind_int(q, 1, node);
	sqlite3_bind_int64(q, 2, incarnation);
	sqlite3_bind_int64(q, 3, (int64_t)seq);
	sqlite3_bind_blob64(q, 4, booked, len, SQLITE_STATIC);
	spool_run_write(sp, q);
}

/* Copy the first column of the one row; resets q. */
static int copy_blob(struct spool *sp, sqlite3_stmt *q, struct arena *a, ProtobufCBinaryData *ret)
{
	int err = ERR_NOT_FOUND;

	if (spool_has_row(sp, q) && sqlite3_column_type(q, 0) != SQLITE_NULL) {
		size_t len = (size_t)sqlite3_column_bytes(q, 0);
		uint8_t *p = arena_memdup(a, sqlite3_column_blob(q, 0), len);

		err = p == NULL ? ERR_FULL : 0;
		if (err == 0)
			*ret = (ProtobufCBinaryData){ .len = len, .data = p };
	}
	sqlite3_reset(q);
	return err;
}

int spool_booked(struct spool *sp, int32_t node, uint32_t incarnation, struct arena *a,
		 ProtobufCBinaryData *ret)
{
	sqlite3_stmt *q = spool_statement(sp, SQL_BOOKED);

	sqlite3_bind_int(q, 1, node);
	sqlite3_bind_int64(q, 2, incarnation);
	return copy_blob(sp, q, a, ret);
}

void spool_keep_roster(struct spool *sp, uint64_t version, const void *roster, size_t len)
{
	sqlite3_stmt *q = spool_write(sp, SQL_KEEP_ROSTER);

	if (q == NULL)
		return;
	sqlite3_bind_int64(q, 1, (int64_t)version);
	sqlite3_bind_blob64(q, 2, roster, len, SQLITE_STATIC);
	spool_run_write(sp, q);
}

int spool_roster(struct spool *sp, struct arena *a, ProtobufCBinaryData *ret)
{
	return copy_blob(sp, spool_statement(sp, SQL_ROSTER), a, ret);
}
