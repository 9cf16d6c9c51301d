#include <string.h>

#include "journal_internal.h"

void journal_each_card(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES],
		       void (*each)(void *ctx, const char *card_no), void *ctx)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_CARD_ALL);

	journal_bind_blob(st, 1, id, ACCOUNT_ID_BYTES);
	while (journal_row(j, st))
		each(ctx, (const char *)sqlite3_column_text(st, 0));
}

void journal_each_holder(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES],
			 void (*each)(void *ctx, const struct journal_holder *h), void *ctx)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_HOLDER_ALL);

	journal_bind_blob(st, 1, id, ACCOUNT_ID_BYTES);
	while (journal_row(j, st)) {
		const struct journal_holder h = {
			.store = (const char *)sqlite3_column_text(st, 0),
			.principal = sqlite3_column_int64(st, 1),
			.bonus = sqlite3_column_int64(st, 2),
			.has_silent_since = sqlite3_column_type(st, 3) != SQLITE_NULL,
			.silent_since_ms = sqlite3_column_int64(st, 3),
		};

		each(ctx, &h);
	}
}

void journal_each_order(struct journal *j, const char *order_no,
			void (*each)(void *ctx, const struct journal_order *o), void *ctx)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_ORDER_ALL);

	journal_bind_text(st, 1, order_no);
	while (journal_row(j, st)) {
		const struct journal_order o = {
			.verb = (enum agent_verb)sqlite3_column_int(st, 0),
			.seq = (uint64_t)sqlite3_column_int64(st, 1),
			.answer = (const char *)sqlite3_column_text(st, 2),
			.len = (size_t)sqlite3_column_bytes(st, 2),
			.cancel_seq = (uint64_t)sqlite3_column_int64(st, 3),
			.is_reversed = sqlite3_column_int(st, 4) != 0,
		};

		each(ctx, &o);
	}
}

void journal_each_entry(struct journal *j, uint64_t first_seq, uint64_t last_seq,
			bool (*each)(void *ctx, const struct position *at, const uint8_t *bytes,
				     size_t len),
			void *ctx)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_ENTRY_RANGE);

	journal_bind_int(st, 1, (int64_t)first_seq);
	journal_bind_int(st, 2, (int64_t)last_seq);
	while (journal_row(j, st)) {
		struct position at = { .seq = (uint64_t)sqlite3_column_int64(st, 0) };

		memcpy(at.head, sqlite3_column_blob(st, 2), HEAD_BYTES);
		if (!each(ctx, &at, sqlite3_column_blob(st, 1),
			  (size_t)sqlite3_column_bytes(st, 1))) {
			journal_reset(st);
			return;
		}
	}
}

void journal_each_activity(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES],
			   uint64_t before_seq, size_t max,
			   bool (*each)(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len),
			   void *ctx)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_ACCOUNT_ENTRIES);

	journal_bind_blob(st, 1, id, ACCOUNT_ID_BYTES);
	journal_bind_int(st, 2, (int64_t)before_seq);
	journal_bind_int(st, 3, (int64_t)max);
	while (journal_row(j, st)) {
		if (!each(ctx, (uint64_t)sqlite3_column_int64(st, 0), sqlite3_column_blob(st, 1),
			  (size_t)sqlite3_column_bytes(st, 1))) {
			journal_reset(st);
			return;
		}
	}
}

void journal_each_rule_set(struct journal *j, int64_t wall_ms,
			   void (*each)(void *ctx, const void *payload, size_t len), void *ctx)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_RULES_ALL);

	journal_bind_int(st, 1, wall_ms);
	while (journal_row(j, st))
		each(ctx, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
}

bool journal_get(struct journal *j, const char *name, void *ret, size_t cap, size_t *ret_len)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_META_GET);
	bool fits;
	size_t len;

	journal_bind_text(st, 1, name);
	if (!journal_row(j, st))
		return false;
	len = (size_t)sqlite3_column_bytes(st, 0);
	fits = sqlite3_column_type(st, 0) == SQLITE_BLOB && len <= cap;
	if (fits && len > 0)
		memcpy(ret, sqlite3_column_blob(st, 0), len);
	if (fits)
		*ret_len = len;
	journal_reset(st);
	return fits;
}

int64_t journal_get_int(struct journal *j, const char *name, int64_t fallback)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_META_GET);
	int64_t v;

	journal_bind_text(st, 1, name);
	if (!journal_row(j, st))
		return fallback;
	v = sqlite3_column_int64(st, 0);
	journal_reset(st);
	return v;
}

void journal_each_lane(struct journal *j,
		       void (*each)(void *ctx, uint32_t lane,
				    const uint8_t token_hash[JOURNAL_HASH_BYTES],
				    const char *label),
		       void *ctx)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_LANE_ALL);

	while (journal_row(j, st)) {
		if (sqlite3_column_bytes(st, 1) == JOURNAL_HASH_BYTES)
			each(ctx, (uint32_t)sqlite3_column_int64(st, 0), sqlite3_column_blob(st, 1),
			     (const char *)sqlite3_column_text(st, 2));
	}
}
