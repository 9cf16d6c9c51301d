#include "journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal_internal.h"
#include "log.h"
#include "wire.pb-c.h"

#define FORGET_BATCH 1000
#define FORGET_BATCHES 16
#define REFUSALS_KEPT_MS (INT64_C(90) * 24 * 3600 * 1000)

static const char *const statement_sql[] = {
#define X(name, sql) sql,
	JOURNAL_STATEMENTS(X)
#undef X
};

void journal_die(struct journal *j, const char *doing)
{
	struct log_value v;

	log_event(LOG_LEVEL_CRITICAL, "journal_failed", "doing=%s sqlite=%d error=%s", doing,
		  sqlite3_extended_errcode(j->db), log_quote(&v, sqlite3_errmsg(j->db)));
	_Exit(EXIT_FAILURE);
}

sqlite3_stmt *journal_statement(struct journal *j, enum journal_statement s)
{
	return j->statements[s];
}

void journal_reset(sqlite3_stmt *st)
{
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
}

bool journal_row(struct journal *j, sqlite3_stmt *st)
{
	int r = sqlite3_step(st);

	if (r == SQLITE_ROW)
		return true;
	if (r != SQLITE_DONE)
		journal_die(j, "read");
	journal_reset(st);
	return false;
}

/* Why the last write to the log failed. */
static int log_errno(struct journal *j)
{
	sqlite3_file *file = NULL;
	int ret = 0;

	if (sqlite3_file_control(j->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) == SQLITE_OK &&
	    file != NULL && file->pMethods != NULL)
		(void)file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &ret);
	return ret;
}

/* A quota's end is a full disk; SQLite calls only ENOSPC so. */
static bool is_full(struct journal *j, int code)
{
	return (code & 0xff) == SQLITE_FULL ||
	       (code == SQLITE_IOERR_WRITE && log_errno(j) == EDQUOT);
}

/* ERR_FULL, or the end. */
static int full_or_die(struct journal *j, int code, const char *doing)
{
	if (!is_full(j, code))
		journal_die(j, doing);
	return ERR_FULL;
}

int journal_write(struct journal *j, sqlite3_stmt *st)
{
	int r;

	if (j->is_broken) {
		journal_reset(st);
		return ERR_FULL;
	}
	if (!j->has_writes) {
		sqlite3_stmt *begin = j->statements[JOURNAL_BEGIN];

		r = sqlite3_step(begin);
		sqlite3_reset(begin);
		if (r != SQLITE_DONE)
			journal_die(j, "begin");
		j->has_writes = true;
	}
	r = sqlite3_step(st);
	if (r != SQLITE_DONE) {
		int code = sqlite3_extended_errcode(j->db);

		journal_reset(st);
		j->is_broken = true;
		return full_or_die(j, code, "write");
	}
	journal_reset(st);
	return 0;
}

void journal_bind_int(sqlite3_stmt *st, int at, int64_t v)
{
	(void)sqlite3_bind_int64(st, at,
				 v); /* fails only on a wrong index or a running statement */
}

void journal_bind_text(sqlite3_stmt *st, int at, const char *s)
{
	(void)sqlite3_bind_text(st, at, s, -1, SQLITE_STATIC);
}

void journal_bind_blob(sqlite3_stmt *st, int at, const void *p, size_t len)
{
	(void)sqlite3_bind_blob64(st, at, p, len, SQLITE_STATIC);
}

bool journal_has_writes(const struct journal *j)
{
	return j->has_writes;
}

static void read_end(struct journal *j, enum journal_statement last, const uint8_t *seed,
		     struct position *ret)
{
	sqlite3_stmt *st = j->statements[last];

	ret->seq = 0;
	memcpy(ret->head, seed, HEAD_BYTES);
	if (journal_row(j, st)) {
		ret->seq = (uint64_t)sqlite3_column_int64(st, 0);
		memcpy(ret->head, sqlite3_column_blob(st, 2), HEAD_BYTES);
		journal_reset(st);
	}
}

void journal_rollback(struct journal *j)
{
	sqlite3_stmt *st = j->statements[JOURNAL_ROLLBACK];

	if (!j->has_writes)
		return;
	if (!sqlite3_get_autocommit(j->db)) { /* a full disk may have rolled back by itself */
		if (sqlite3_step(st) != SQLITE_DONE)
			journal_die(j, "rollback");
		sqlite3_reset(st);
	}
	j->has_writes = false;
	j->is_broken = false;
	read_end(j, JOURNAL_ENTRY_LAST, j->seed_up, &j->end);
	read_end(j, JOURNAL_DOWN_LAST, j->seed_down, &j->down_end);
}

int journal_commit(struct journal *j)
{
	sqlite3_stmt *st = j->statements[JOURNAL_COMMIT];
	int r, code;

	if (!j->has_writes)
		return 0;
	if (j->is_broken) {
		journal_rollback(j);
		return ERR_FULL;
	}
	r = sqlite3_step(st);
	code = sqlite3_extended_errcode(j->db);
	sqlite3_reset(st);
	if (r != SQLITE_DONE) {
		r = full_or_die(j, code, "commit");
		journal_rollback(j);
		return r;
	}
	j->has_writes = false;
	return 0;
}

int journal_maintain(struct journal *j, int64_t wall_ms)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_KEY_FORGET);
	int r = ERR_AGAIN;

	if (j->has_writes)
		return ERR_AGAIN;
	for (int i = 0; i < FORGET_BATCHES && r == ERR_AGAIN; i++) {
		journal_bind_int(st, 1, wall_ms - REFUSALS_KEPT_MS);
		journal_bind_int(st, 2, FORGET_BATCH);
		r = journal_write(j, st);
		if (r == 0 && sqlite3_changes(j->db) == FORGET_BATCH)
			r = ERR_AGAIN;
		if ((r < 0 && r != ERR_AGAIN) || journal_commit(j) < 0) {
			journal_rollback(j);
			return ERR_FULL;
		}
	}
	(void)sqlite3_wal_checkpoint_v2(j->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return r;
}

static int prepare_all(struct journal *j, char *err)
{
	for (size_t i = 0; i < JOURNAL_N_STATEMENTS; i++) {
		if (sqlite3_prepare_v3(j->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &j->statements[i], NULL) != SQLITE_OK) {
			snprintf(err, JOURNAL_ERROR_BYTES,
				 "the journal's tables are not as expected: %s",
				 sqlite3_errmsg(j->db));
			return ERR_IO;
		}
	}
	return 0;
}

/* The journal of an enrolment that was not completed becomes this one's, as long as it is empty. */
static int take_over(struct journal *j, const void *certificate, size_t len, char *err)
{
	struct position end, down_end;

	read_end(j, JOURNAL_ENTRY_LAST, j->seed_up, &end);
	read_end(j, JOURNAL_DOWN_LAST, j->seed_down, &down_end);
	if (end.seq != 0 || down_end.seq != 0) {
		snprintf(err, JOURNAL_ERROR_BYTES, "%s holds the entries of another enrolment",
			 JOURNAL_FILE);
		return ERR_DENIED;
	}
	if (journal_put(j, "certificate", certificate, len) == 0 && journal_commit(j) == 0)
		return 0;
	snprintf(err, JOURNAL_ERROR_BYTES, "the disk is full");
	return ERR_FULL;
}

/* The database is of this certificate; or becomes so, where it is created. */
static int check_owner(struct journal *j, bool creates, const void *certificate, size_t len,
		       char *err)
{
	uint8_t kept[4096];
	size_t kept_len;
	bool is_owned = journal_get(j, "certificate", kept, sizeof(kept), &kept_len);

	if (is_owned && kept_len == len && memcmp(kept, certificate, len) == 0)
		return 0;
	if (creates)
		return take_over(j, certificate, len, err);
	if (!is_owned)
		return journal_gone(err);
	snprintf(err, JOURNAL_ERROR_BYTES,
		 "%s belongs to another enrolment than certificate.bin beside it", JOURNAL_FILE);
	return ERR_DENIED;
}

/* The last item's head follows from the head before it. */
static int check_end(struct journal *j, enum journal_statement last, const char *what,
		     bool (*head_at)(struct journal *, uint64_t, uint8_t *), char *err)
{
	sqlite3_stmt *st = j->statements[last];
	uint8_t before[HEAD_BYTES], head[HEAD_BYTES];
	uint64_t seq = 0;
	bool holds = true;

	if (!journal_row(j, st))
		return 0;
	seq = (uint64_t)sqlite3_column_int64(st, 0);
	if (head_at(j, seq - 1, before)) {
		chain_next(before, sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1),
			   head);
		holds = head_equal(head, sqlite3_column_blob(st, 2));
	} else {
		holds = false;
	}
	journal_reset(st);
	if (holds)
		return 0;
	snprintf(
		err, JOURNAL_ERROR_BYTES,
		"%s is damaged: the hash of its last %s (seq %llu) does not follow from the one before; "
		"the store must be replaced (tribctl store replace)",
		JOURNAL_FILE, what, (unsigned long long)seq);
	return ERR_CHAIN;
}

static int open_journal(const char *dir, bool creates, const void *certificate,
			size_t certificate_len, struct journal **ret, char *err)
{
	struct journal *j = calloc(1, sizeof(*j));
	int r;

	if (j == NULL || (j->memory = malloc(JOURNAL_ARENA_BYTES)) == NULL) {
		snprintf(err, JOURNAL_ERROR_BYTES, "out of memory");
		free(j);
		return ERR_IO;
	}
	arena_init(&j->arena, j->memory, JOURNAL_ARENA_BYTES);
	chain_seed(TRIB__V1__DIRECTION__UP, certificate, certificate_len, j->seed_up);
	chain_seed(TRIB__V1__DIRECTION__DOWN, certificate, certificate_len, j->seed_down);
	r = journal_set_up(j, dir, creates, err);
	if (r == 0)
		r = prepare_all(j, err);
	if (r == 0)
		r = check_owner(j, creates, certificate, certificate_len, err);
	if (r == 0)
		r = check_end(j, JOURNAL_ENTRY_LAST, "entry", journal_head_at, err);
	if (r == 0)
		r = check_end(j, JOURNAL_DOWN_LAST, "down message", journal_down_head_at, err);
	if (r < 0) {
		journal_close(j);
		return r;
	}
	read_end(j, JOURNAL_ENTRY_LAST, j->seed_up, &j->end);
	read_end(j, JOURNAL_DOWN_LAST, j->seed_down, &j->down_end);
	*ret = j;
	return 0;
}

int journal_open(const char *dir, const void *certificate, size_t certificate_len,
		 struct journal **ret, char *err)
{
	return open_journal(dir, false, certificate, certificate_len, ret, err);
}

int journal_create(const char *dir, const void *certificate, size_t certificate_len, char *err)
{
	struct journal *j;
	int r = open_journal(dir, true, certificate, certificate_len, &j, err);

	if (r == 0)
		journal_close(j);
	return r;
}

void journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	for (size_t i = 0; i < JOURNAL_N_STATEMENTS; i++)
		sqlite3_finalize(j->statements[i]);
	sqlite3_close(j->db);
	free(j->memory);
	free(j);
}

void journal_end(struct journal *j, struct position *ret)
{
	*ret = j->end;
}

void journal_down_end(struct journal *j, struct position *ret)
{
	*ret = j->down_end;
}

static bool head_at(struct journal *j, enum journal_statement s, const uint8_t *seed, uint64_t seq,
		    uint8_t *ret_head)
{
	sqlite3_stmt *st = j->statements[s];

	if (seq == 0) {
		memcpy(ret_head, seed, HEAD_BYTES);
		return true;
	}
	if (seq > LOT_SEQ_MAX)
		return false;
	journal_bind_int(st, 1, (int64_t)seq);
	if (!journal_row(j, st))
		return false;
	memcpy(ret_head, sqlite3_column_blob(st, 0), HEAD_BYTES);
	journal_reset(st);
	return true;
}

bool journal_head_at(struct journal *j, uint64_t seq, uint8_t ret_head[HEAD_BYTES])
{
	return head_at(j, JOURNAL_ENTRY_HEAD, j->seed_up, seq, ret_head);
}

bool journal_down_head_at(struct journal *j, uint64_t seq, uint8_t ret_head[HEAD_BYTES])
{
	return head_at(j, JOURNAL_DOWN_HEAD, j->seed_down, seq, ret_head);
}
