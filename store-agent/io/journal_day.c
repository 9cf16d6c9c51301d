#include <string.h>

#include "journal_internal.h"

/* A row's first column, or the fallback. */
static int64_t read_one(struct journal *j, sqlite3_stmt *st, int64_t fallback)
{
	int64_t v;

	if (!journal_row(j, st))
		return fallback;
	v = sqlite3_column_int64(st, 0);
	journal_reset(st);
	return v;
}

static uint64_t read_seq(struct journal *j, enum journal_statement s, int32_t day)
{
	sqlite3_stmt *st = journal_statement(j, s);

	journal_bind_int(st, 1, day);
	return (uint64_t)read_one(j, st, 0);
}

/* Business days never go back in the journal, so each is one run of it. */
void journal_day(struct journal *j, int32_t day, struct agent_day *ret)
{
	uint64_t first = read_seq(j, JOURNAL_DAY_FIRST, day);
	uint64_t next = read_seq(j, JOURNAL_DAY_NEXT, day);

	ret->last.seq = next != 0 ? next - 1 : j->end.seq;
	ret->first_seq = first != 0 ? first : ret->last.seq + 1;
	if (!journal_head_at(j, ret->last.seq, ret->last.head))
		journal_die(j, "day_end");
}

int32_t journal_sealed_day(struct journal *j)
{
	return (int32_t)read_one(j, journal_statement(j, JOURNAL_SEAL_LAST), INT32_MIN);
}

void journal_load_day(struct journal *j, const struct agent_command *c)
{
	struct journal_loaded *l = &j->loaded;
	sqlite3_stmt *st = journal_statement(j, JOURNAL_SEAL_GET);

	if (!l->core.by_key.is_found) { /* else its answer, which may be large, is there already */
		journal_bind_int(st, 1, c->close.day);
		journal_record_read(j, st, &l->core.by_order, &l->order_answer,
				    &l->order_answer_len);
	}
	journal_day(j, c->close.day, &l->core.day);
}

int journal_put_seal(struct journal *j, const struct agent_append *x, const char *answer,
		     size_t len)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_SEAL_PUT);

	journal_bind_int(st, 1, x->command->close.day);
	journal_bind_int(st, 2, (int64_t)x->at.seq);
	journal_bind_blob(st, 3, x->command->fingerprint, AGENT_FINGERPRINT_BYTES);
	(void)sqlite3_bind_text64(st, 4, answer, len, SQLITE_STATIC, SQLITE_UTF8);
	return journal_write(j, st);
}
