#include "journal_verify_day.h"

#include <stdlib.h>
#include <string.h>

#include "day_sum.h"

#define ARENA_BYTES (1024u * 1024)

const char verify_days_tables_sql[] =
	"CREATE TEMP TABLE IF NOT EXISTS v_seal (day INTEGER, seq INTEGER PRIMARY KEY, "
	"fingerprint BLOB);"
	"CREATE TEMP TABLE IF NOT EXISTS v_day_fault (seq INTEGER PRIMARY KEY);"
	"CREATE TEMP TABLE IF NOT EXISTS v_run (day INTEGER PRIMARY KEY, first_seq INTEGER, "
	"seal BLOB, stored_value INTEGER, orders INTEGER);"
	"DELETE FROM v_seal; DELETE FROM v_day_fault; DELETE FROM v_run;";

const char verify_days_drop_sql[] =
	"DROP TABLE IF EXISTS temp.v_seal; DROP TABLE IF EXISTS temp.v_day_fault;"
	"DROP TABLE IF EXISTS temp.v_run;";

static const char *const statement_sql[] = {
	"INSERT INTO v_seal VALUES (?1, ?2, ?3)",
	"INSERT OR IGNORE INTO v_day_fault VALUES (?1)",
	"INSERT OR REPLACE INTO v_run VALUES (?1, ?2, ?3, ?4, ?5)",
	"SELECT seal, stored_value, orders FROM v_run WHERE day = ?1",
	"SELECT first_seq FROM v_run WHERE day > ?1 ORDER BY day LIMIT 1",
};
enum statement {
	PUT_SEAL,
	PUT_FAULT,
	PUT_RUN,
	GET_RUN,
	NEXT_RUN,
	N_STATEMENTS
};

/* What a seal of the present run would say. */
struct figures {
	int64_t stored_value, orders;
};

struct verify_days {
	struct journal *journal; /* borrowed */
	uint32_t incarnation;
	sqlite3_stmt *statements[N_STATEMENTS];
	int32_t day; /* of the present run of entries; INT32_MIN: none yet */
	int32_t sealed_day; /* the latest one, or INT32_MIN */
	uint64_t first_seq; /* of the run */
	bool is_broken; /* an entry of it has no sum */
	struct day_sum sum; /* of the run */
	struct arena arena; /* over memory */
	void *memory; /* owned */
	uint8_t want[ENTRY_MAX_BYTES], have[ENTRY_MAX_BYTES];
};

struct verify_days *verify_days_start(struct journal *j, const struct agent_identity *id)
{
	struct verify_days *v = calloc(1, sizeof(*v));

	if (v == NULL || (v->memory = malloc(ARENA_BYTES)) == NULL)
		abort();
	v->journal = j;
	v->incarnation = id->incarnation;
	v->day = INT32_MIN;
	v->sealed_day = INT32_MIN;
	arena_init(&v->arena, v->memory, ARENA_BYTES);
	for (size_t i = 0; i < N_STATEMENTS; i++) {
		if (sqlite3_prepare_v2(j->db, statement_sql[i], -1, &v->statements[i], NULL) !=
		    SQLITE_OK)
			journal_die(j, "verify");
	}
	return v;
}

void verify_days_finish(struct verify_days *v)
{
	if (v == NULL)
		return;
	for (size_t i = 0; i < N_STATEMENTS; i++)
		sqlite3_finalize(v->statements[i]);
	free(v->memory);
	free(v);
}

static void run(struct verify_days *v, enum statement s)
{
	if (sqlite3_step(v->statements[s]) != SQLITE_DONE)
		journal_die(v->journal, "verify");
	journal_reset(v->statements[s]);
}

static void put_fault(struct verify_days *v, uint64_t seq)
{
	journal_bind_int(v->statements[PUT_FAULT], 1, (int64_t)seq);
	run(v, PUT_FAULT);
}

/* A seal without totals of a day whose entries are [first_seq, last]. */
static void init_seal(const struct verify_days *v, int32_t day, uint64_t first_seq,
		      struct position *last, Trib__V1__SeqRange *range, Trib__V1__SeqRange **list,
		      Trib__V1__DaySealed *ret)
{
	trib__v1__day_sealed__init(ret);
	trib__v1__seq_range__init(range);
	range->incarnation = v->incarnation;
	range->first_seq = first_seq;
	range->last_seq = last->seq;
	range->head.data = last->head;
	range->head.len = HEAD_BYTES;
	list[0] = range;
	ret->day = day;
	ret->n_ranges = 1;
	ret->ranges = list;
}

/* The present run as a seal, packed into v->want; 0: it has none. */
static size_t pack_run(struct verify_days *v, const struct position *last)
{
	struct position end = *last;
	Trib__V1__SeqRange range, *list[1];
	Trib__V1__DaySealed seal;

	arena_reset(&v->arena);
	init_seal(v, v->day, v->first_seq, &end, &range, list, &seal);
	if (v->is_broken || day_sum_fill(&v->sum, &v->arena, &seal) < 0 ||
	    trib__v1__day_sealed__get_packed_size(&seal) > sizeof(v->want))
		return 0;
	return trib__v1__day_sealed__pack(&seal, v->want);
}

/* A run ended: remember it for a later seal. */
static void keep_run(struct verify_days *v, const struct position *last)
{
	sqlite3_stmt *st = v->statements[PUT_RUN];
	size_t len = pack_run(v, last);

	journal_bind_int(st, 1, v->day);
	journal_bind_int(st, 2, (int64_t)v->first_seq);
	journal_bind_blob(st, 3, v->want, len);
	journal_bind_int(st, 4, v->sum.stored_value);
	journal_bind_int(st, 5, v->sum.orders);
	run(v, PUT_RUN);
}

/* The seal of an earlier run into v->want; 0: there was no such run. */
static size_t find_run(struct verify_days *v, int32_t day, struct figures *ret)
{
	sqlite3_stmt *st = v->statements[GET_RUN];
	size_t len;

	journal_bind_int(st, 1, day);
	if (!journal_row(v->journal, st))
		return 0;
	len = (size_t)sqlite3_column_bytes(st, 0);
	if (len > 0)
		memcpy(v->want, sqlite3_column_blob(st, 0), len);
	ret->stored_value = sqlite3_column_int64(st, 1);
	ret->orders = sqlite3_column_int64(st, 2);
	journal_reset(st);
	return len;
}

/* The seal of a day without entries, which lies before the next one that has some. */
static size_t pack_empty(struct verify_days *v, int32_t day)
{
	sqlite3_stmt *st = v->statements[NEXT_RUN];
	struct position last = { .seq = v->first_seq - 1 };
	Trib__V1__SeqRange range, *list[1];
	Trib__V1__DaySealed seal;

	journal_bind_int(st, 1, day);
	if (journal_row(v->journal, st)) {
		last.seq = (uint64_t)sqlite3_column_int64(st, 0) - 1;
		journal_reset(st);
	}
	if (!journal_head_at(v->journal, last.seq, last.head))
		return 0;
	init_seal(v, day, last.seq + 1, &last, &range, list, &seal);
	return trib__v1__day_sealed__pack(&seal, v->want);
}

/* Whether the seal says what the entries do; v->want[0..len) is what it must, without the till's. */
static bool is_sound(struct verify_days *v, const Trib__V1__DaySealed *b, size_t len,
		     const struct figures *f)
{
	Trib__V1__DaySealed own = *b;
	bool is_mismatch = (b->has_pos_stored_value && b->pos_stored_value != f->stored_value) ||
			   (b->has_pos_count && b->pos_count != f->orders);
	size_t have_len;

	own.has_pos_stored_value = 0;
	own.has_pos_count = 0;
	own.has_is_mismatch = 0;
	have_len = trib__v1__day_sealed__get_packed_size(&own);
	if (have_len != len || have_len > sizeof(v->have) || is_mismatch != (b->is_mismatch != 0))
		return false;
	(void)trib__v1__day_sealed__pack(&own, v->have);
	return memcmp(v->have, v->want, len) == 0;
}

static void take_seal(struct verify_days *v, const struct position *before,
		      const Trib__V1__Entry *e)
{
	const Trib__V1__DaySealed *b = e->day_sealed;
	struct figures f = { v->sum.stored_value, v->sum.orders };
	sqlite3_stmt *st = v->statements[PUT_SEAL];
	size_t len;

	journal_bind_int(st, 1, b->day);
	journal_bind_int(st, 2, (int64_t)e->seq);
	journal_bind_blob(st, 3, e->fingerprint.data, e->fingerprint.len);
	run(v, PUT_SEAL);
	if (b->day == v->day) {
		len = pack_run(v, before);
	} else if ((len = find_run(v, b->day, &f)) == 0) {
		f = (struct figures){ 0 };
		len = pack_empty(v, b->day);
	}
	if (b->day > e->business_day || !is_sound(v, b, len, &f))
		put_fault(v, e->seq);
	if (b->day > v->sealed_day)
		v->sealed_day = b->day;
}

void verify_days_take(struct verify_days *v, const struct position *before,
		      const Trib__V1__Entry *e)
{
	int64_t stored_value;

	if (e->business_day < v->day || e->business_day <= v->sealed_day)
		put_fault(v, e->seq);
	if (e->business_day != v->day) {
		if (v->first_seq != 0)
			keep_run(v, before);
		v->day = e->business_day;
		v->first_seq = e->seq;
		v->is_broken = false;
		day_sum_init(&v->sum);
	}
	if (e->body_case == TRIB__V1__ENTRY__BODY_DAY_SEALED)
		take_seal(v, before, e);
	if (!v->is_broken && day_sum_add(&v->sum, e, &stored_value) < 0) {
		v->is_broken = true;
		put_fault(v, e->seq);
	}
}
