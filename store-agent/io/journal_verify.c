#include "journal_verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal_internal.h"
#include "journal_verify_day.h"

#define ARENA_BYTES (1024u * 1024)
#define MAX_CHAIN_DIFFERENCES 100
#define WHERE_BYTES 160

/* The entries' effects, added up in temporary tables. */
static const char tables_sql[] =
	"CREATE TEMP TABLE IF NOT EXISTS v_slice (account BLOB, unit INTEGER, lot INTEGER, "
	"principal INTEGER, bonus INTEGER, PRIMARY KEY (account, unit, lot)) WITHOUT ROWID;"
	"CREATE TEMP TABLE IF NOT EXISTS v_account (account BLOB PRIMARY KEY, owed INTEGER) "
	"WITHOUT ROWID;"
	"CREATE TEMP TABLE IF NOT EXISTS v_receipt (seq INTEGER PRIMARY KEY, refunded INTEGER);"
	"CREATE TEMP TABLE IF NOT EXISTS v_order (verb INTEGER, order_no TEXT, seq INTEGER, "
	"cancel_seq INTEGER, PRIMARY KEY (verb, order_no)) WITHOUT ROWID;"
	"CREATE TEMP TABLE IF NOT EXISTS v_refund (seq INTEGER PRIMARY KEY, of_seq INTEGER, "
	"is_undone INTEGER);"
	"CREATE TEMP TABLE IF NOT EXISTS v_history (account BLOB, seq INTEGER, "
	"PRIMARY KEY (account, seq)) WITHOUT ROWID;"
	"CREATE TEMP TABLE IF NOT EXISTS v_day (day INTEGER PRIMARY KEY, seq INTEGER);"
	"DELETE FROM v_slice; DELETE FROM v_account; DELETE FROM v_receipt; DELETE FROM v_order;"
	"DELETE FROM v_refund; DELETE FROM v_history; DELETE FROM v_day;";

static const char drop_sql[] =
	"DROP TABLE IF EXISTS temp.v_slice; DROP TABLE IF EXISTS temp.v_account;"
	"DROP TABLE IF EXISTS temp.v_receipt; DROP TABLE IF EXISTS temp.v_order;"
	"DROP TABLE IF EXISTS temp.v_refund; DROP TABLE IF EXISTS temp.v_history;"
	"DROP TABLE IF EXISTS temp.v_day;";

static const char *const adding_sql[] = {
	"INSERT INTO v_slice VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE "
	"SET principal = principal + excluded.principal, bonus = bonus + excluded.bonus",
	"INSERT INTO v_account VALUES (?1, ?2) ON CONFLICT DO UPDATE SET owed = owed + excluded.owed",
	"INSERT INTO v_receipt VALUES (?1, ?2) ON CONFLICT DO UPDATE "
	"SET refunded = refunded + excluded.refunded",
	"INSERT OR IGNORE INTO v_order VALUES (?1, ?2, ?3, 0)",
	"INSERT INTO v_order VALUES (?1, ?2, ?3, ?3) ON CONFLICT DO UPDATE "
	"SET cancel_seq = excluded.cancel_seq",
	"INSERT INTO v_refund VALUES (?1, ?2, 0) ON CONFLICT DO UPDATE SET is_undone = 1",
	"INSERT INTO v_history VALUES (?1, ?2)",
	"INSERT OR IGNORE INTO v_day VALUES (?1, ?2)",
};
enum adding {
	ADD_SLICE,
	ADD_ACCOUNT,
	ADD_RECEIPT,
	ADD_ORDER,
	ADD_CANCEL,
	ADD_REFUND,
	ADD_HISTORY,
	ADD_DAY,
	N_ADDING
};

/* Each lists the places where a table differs from the entries. */
static const struct {
	const char *what, *sql;
} comparisons[] = {
	{ "slice", "SELECT hex(account) || ' unit ' || unit || ' lot ' || lot FROM ("
		   "SELECT * FROM (SELECT account, unit, lot, principal, bonus FROM v_slice "
		   "WHERE principal <> 0 OR bonus <> 0 "
		   "EXCEPT SELECT account, unit, lot, principal, bonus FROM slice) UNION "
		   "SELECT * FROM (SELECT account, unit, lot, principal, bonus FROM slice "
		   "EXCEPT SELECT account, unit, lot, principal, bonus FROM v_slice))" },
	{ "account", "SELECT hex(account) FROM (SELECT * FROM (SELECT account, owed FROM v_account "
		     "EXCEPT SELECT account, points_owed FROM account) UNION "
		     "SELECT * FROM (SELECT account, points_owed FROM account "
		     "EXCEPT SELECT account, owed FROM v_account))" },
	{ "receipt",
	  "SELECT 'seq ' || seq FROM (SELECT * FROM (SELECT seq, refunded FROM v_receipt "
	  "EXCEPT SELECT seq, refunded FROM receipt) UNION "
	  "SELECT * FROM (SELECT seq, refunded FROM receipt "
	  "EXCEPT SELECT seq, refunded FROM v_receipt))" },
	{ "order_record", "SELECT 'verb ' || verb || ' seq ' || seq FROM ("
			  "SELECT * FROM (SELECT verb, order_no, seq, cancel_seq FROM v_order "
			  "EXCEPT SELECT verb, order_no, seq, coalesce(cancel_seq, 0) "
			  "FROM order_record) UNION "
			  "SELECT * FROM (SELECT verb, order_no, seq, coalesce(cancel_seq, 0) "
			  "FROM order_record EXCEPT SELECT verb, order_no, seq, cancel_seq "
			  "FROM v_order))" },
	{ "refund", "SELECT 'seq ' || seq FROM (SELECT * FROM (SELECT * FROM v_refund "
		    "EXCEPT SELECT seq, of_seq, is_undone FROM refund) UNION "
		    "SELECT * FROM (SELECT seq, of_seq, is_undone FROM refund "
		    "EXCEPT SELECT * FROM v_refund))" },
	{ "account_entry", "SELECT hex(account) || ' seq ' || seq FROM ("
			   "SELECT * FROM (SELECT * FROM v_history "
			   "EXCEPT SELECT account, seq FROM account_entry) UNION "
			   "SELECT * FROM (SELECT account, seq FROM account_entry "
			   "EXCEPT SELECT * FROM v_history))" },
	{ "business_day", "SELECT 'day ' || day FROM (SELECT * FROM (SELECT * FROM v_day "
			  "EXCEPT SELECT day, first_seq FROM business_day) UNION "
			  "SELECT * FROM (SELECT day, first_seq FROM business_day "
			  "EXCEPT SELECT * FROM v_day))" },
	{ "day_seal", "SELECT 'seq ' || seq FROM (SELECT seq FROM v_day_fault UNION "
		      "SELECT seq FROM (SELECT * FROM v_seal "
		      "EXCEPT SELECT day, seq, fingerprint FROM day_seal) UNION "
		      "SELECT seq FROM (SELECT day, seq, fingerprint FROM day_seal "
		      "EXCEPT SELECT * FROM v_seal))" },
};

struct journal_verify {
	struct journal *journal; /* borrowed */
	struct agent_identity id;
	struct position at;
	sqlite3_stmt *adding[N_ADDING];
	struct verify_days *days; /* owned */
	struct arena arena;
	void *memory; /* owned */
	size_t n_chain; /* entries that break the chain or can't be read */
	uint64_t chain[MAX_CHAIN_DIFFERENCES];
	uint64_t end_seq;
};

static void run(struct journal_verify *v, sqlite3_stmt *st)
{
	if (sqlite3_step(st) != SQLITE_DONE)
		journal_die(v->journal, "verify");
	journal_reset(st);
}

static void exec(struct journal_verify *v, const char *sql)
{
	if (sqlite3_exec(v->journal->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		journal_die(v->journal, "verify");
}

struct journal_verify *journal_verify_start(struct journal *j, const struct agent_identity *id)
{
	struct journal_verify *v = calloc(1, sizeof(*v));

	if (v == NULL || (v->memory = malloc(ARENA_BYTES)) == NULL)
		abort();
	v->journal = j;
	v->id = *id;
	memcpy(v->at.head, j->seed_up, HEAD_BYTES);
	arena_init(&v->arena, v->memory, ARENA_BYTES);
	exec(v, tables_sql);
	exec(v, verify_days_tables_sql);
	for (size_t i = 0; i < N_ADDING; i++) {
		if (sqlite3_prepare_v2(j->db, adding_sql[i], -1, &v->adding[i], NULL) != SQLITE_OK)
			journal_die(j, "verify");
	}
	v->days = verify_days_start(j, id);
	return v;
}

static void add_pair(struct journal_verify *v, enum adding what, int64_t x, int64_t y)
{
	sqlite3_stmt *st = v->adding[what];

	journal_bind_int(st, 1, x);
	journal_bind_int(st, 2, y);
	run(v, st);
}

static void add_receipt(struct journal_verify *v, const Trib__V1__Entry *e)
{
	struct agent_receipt_change c;

	agent_receipt_change_of(e, &c);
	if (c.seq == 0)
		return;
	add_pair(v, ADD_RECEIPT, (int64_t)c.seq, c.refunded);
	add_pair(v, ADD_REFUND, (int64_t)(c.undone_seq != 0 ? c.undone_seq : e->seq),
		 (int64_t)c.seq);
}

static void add_order(struct journal_verify *v, const Trib__V1__Entry *e)
{
	int verb = e->has_cancels ? (int)e->cancels : entry_order_verb(e);
	sqlite3_stmt *st = v->adding[e->has_cancels ? ADD_CANCEL : ADD_ORDER];

	if (e->order_no == NULL || verb == 0)
		return;
	journal_bind_int(st, 1, verb);
	journal_bind_text(st, 2, e->order_no);
	journal_bind_int(st, 3, (int64_t)e->seq);
	run(v, st);
}

static void add_account(struct journal_verify *v, const Trib__V1__Entry *e)
{
	sqlite3_stmt *st = v->adding[ADD_ACCOUNT];

	journal_bind_blob(st, 1, e->account.data, e->account.len);
	journal_bind_int(st, 2, e->points_owed);
	run(v, st);
	st = v->adding[ADD_HISTORY];
	journal_bind_blob(st, 1, e->account.data, e->account.len);
	journal_bind_int(st, 2, (int64_t)e->seq);
	run(v, st);
}

static void add_entry(struct journal_verify *v, const struct position *before,
		      const Trib__V1__Entry *e)
{
	sqlite3_stmt *st;

	for (size_t i = 0; i < e->n_effects; i++) {
		st = v->adding[ADD_SLICE];
		journal_bind_blob(st, 1, e->account.data, e->account.len);
		journal_bind_int(st, 2, e->effects[i]->unit);
		journal_bind_int(st, 3, e->effects[i]->lot);
		journal_bind_int(st, 4, e->effects[i]->principal);
		journal_bind_int(st, 5, e->effects[i]->bonus);
		run(v, st);
	}
	if (e->has_account)
		add_account(v, e);
	add_receipt(v, e);
	add_order(v, e);
	add_pair(v, ADD_DAY, e->business_day, (int64_t)e->seq);
	verify_days_take(v->days, before, e);
}

static void chain_differs(struct journal_verify *v, uint64_t seq)
{
	if (v->n_chain < MAX_CHAIN_DIFFERENCES)
		v->chain[v->n_chain] = seq;
	v->n_chain++;
}

static bool take(void *ctx, const struct position *at, const uint8_t *bytes, size_t len)
{
	struct journal_verify *v = ctx;
	struct position before = v->at;
	uint8_t head[HEAD_BYTES];
	const char *why = "";
	Trib__V1__Entry *e;

	chain_next(v->at.head, bytes, len, head);
	if (at->seq != v->at.seq + 1 || !head_equal(head, at->head))
		chain_differs(v, at->seq);
	v->at = *at; /* go on from what is kept: one difference is told once */
	arena_reset(&v->arena);
	if (entry_unpack(bytes, len, v->id.node, v->id.incarnation, at->seq, &v->arena, &e, &why) <
	    0)
		chain_differs(v, at->seq);
	else
		add_entry(v, &before, e);
	return true;
}

bool journal_verify_step(struct journal_verify *v, size_t n)
{
	uint64_t last = v->at.seq + n;

	v->end_seq = v->journal->end.seq;
	exec(v, "SAVEPOINT verify"); /* of temporary tables only: no fsync */
	journal_each_entry(v->journal, v->at.seq + 1, last, take, v);
	exec(v, "RELEASE verify");
	return last >= v->end_seq || v->at.seq >= v->end_seq;
}

static size_t compare(struct journal_verify *v, size_t i, size_t max,
		      void (*each)(void *ctx, const char *what, const char *where), void *ctx)
{
	sqlite3_stmt *st;
	size_t n = 0;

	if (sqlite3_prepare_v2(v->journal->db, comparisons[i].sql, -1, &st, NULL) != SQLITE_OK)
		journal_die(v->journal, "verify");
	while (journal_row(v->journal, st)) {
		if (n++ < max)
			each(ctx, comparisons[i].what, (const char *)sqlite3_column_text(st, 0));
	}
	sqlite3_finalize(st);
	return n;
}

size_t journal_verify_finish(struct journal_verify *v, size_t max,
			     void (*each)(void *ctx, const char *what, const char *where),
			     void *ctx, uint64_t *ret_entries)
{
	char where[WHERE_BYTES];
	size_t n = v->n_chain;

	for (size_t i = 0; i < v->n_chain && i < max && i < MAX_CHAIN_DIFFERENCES; i++) {
		snprintf(where, sizeof(where), "seq %llu", (unsigned long long)v->chain[i]);
		each(ctx, "chain", where);
	}
	for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++)
		n += compare(v, i, n < max ? max - n : 0, each, ctx);
	*ret_entries = v->at.seq;
	journal_verify_cancel(v);
	return n;
}

void journal_verify_cancel(struct journal_verify *v)
{
	if (v == NULL)
		return;
	for (size_t i = 0; i < N_ADDING; i++)
		sqlite3_finalize(v->adding[i]);
	verify_days_finish(v->days);
	exec(v, drop_sql);
	exec(v, verify_days_drop_sql);
	free(v->memory);
	free(v);
}
