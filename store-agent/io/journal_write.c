#include <stdio.h>
#include <string.h>

#include "journal_internal.h"

int journal_down_append(struct journal *j, const struct position *at, const void *bytes, size_t len)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_DOWN_PUT);
	int r;

	journal_bind_int(st, 1, (int64_t)at->seq);
	journal_bind_blob(st, 2, bytes, len);
	journal_bind_blob(st, 3, at->head, HEAD_BYTES);
	r = journal_write(j, st);
	if (r == 0)
		j->down_end = *at;
	return r;
}

int journal_put_rule_set(struct journal *j, uint64_t version, int64_t effective_ms,
			 const void *payload, size_t len)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_RULES_PUT);

	journal_bind_int(st, 1, (int64_t)version);
	journal_bind_int(st, 2, effective_ms);
	journal_bind_blob(st, 3, payload, len);
	return journal_write(j, st);
}

static int put_holder(struct journal *j, const Trib__V1__AccountFacts *f,
		      const Trib__V1__HolderFact *h)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_HOLDER_PUT);

	journal_bind_blob(st, 1, f->account.data, f->account.len);
	journal_bind_text(st, 2, h->store);
	journal_bind_int(st, 3, h->principal);
	journal_bind_int(st, 4, h->bonus);
	if (h->has_silent_since_ms)
		journal_bind_int(st, 5, h->silent_since_ms);
	return journal_write(j, st);
}

int journal_put_facts(struct journal *j, const Trib__V1__AccountFacts *f, int64_t here,
		      bool *ret_known)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_ACCOUNT_FACTS);
	int r;

	journal_bind_blob(st, 1, f->account.data, f->account.len);
	journal_bind_text(st, 2, f->home_store);
	journal_bind_int(st, 3, f->as_of_ms);
	journal_bind_int(st, 4, f->principal);
	journal_bind_int(st, 5, f->bonus);
	journal_bind_int(st, 6, f->points);
	journal_bind_int(st, 7, here);
	r = journal_write(j, st);
	if (r < 0)
		return r;
	*ret_known = sqlite3_changes(j->db) > 0;
	if (!*ret_known)
		return 0;
	st = journal_statement(j, JOURNAL_HOLDER_DROP);
	journal_bind_blob(st, 1, f->account.data, f->account.len);
	r = journal_write(j, st);
	for (size_t i = 0; i < f->n_holders && r == 0; i++)
		r = put_holder(j, f, f->holders[i]);
	return r;
}

int journal_put(struct journal *j, const char *name, const void *value, size_t len)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_META_PUT);

	journal_bind_text(st, 1, name);
	journal_bind_blob(st, 2, value, len);
	return journal_write(j, st);
}

int journal_put_int(struct journal *j, const char *name, int64_t value)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_META_PUT);

	journal_bind_text(st, 1, name);
	journal_bind_int(st, 2, value);
	return journal_write(j, st);
}

int journal_put_lane(struct journal *j, uint32_t lane, const uint8_t token_hash[JOURNAL_HASH_BYTES],
		     const char *label)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_LANE_PUT);

	journal_bind_int(st, 1, lane);
	journal_bind_blob(st, 2, token_hash, JOURNAL_HASH_BYTES);
	journal_bind_text(st, 3, label);
	return journal_write(j, st);
}

int journal_drop_lane(struct journal *j, uint32_t lane, int64_t wall_ms)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_LANE_DROP);
	int n, r;

	journal_bind_int(st, 1, lane);
	r = journal_write(j, st);
	if (r < 0)
		return r;
	n = sqlite3_changes(j->db);
	st = journal_statement(j, JOURNAL_PAIRING_DROP_PENDING);
	journal_bind_int(st, 1, lane);
	journal_bind_int(st, 2, wall_ms);
	r = journal_write(j, st);
	if (r < 0)
		return r;
	return n + sqlite3_changes(j->db) > 0 ? 0 : ERR_NOT_FOUND;
}

int journal_put_pairing(struct journal *j, const uint8_t code_hash[JOURNAL_HASH_BYTES],
			uint32_t lane, const char *label, int64_t expires_ms)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_PAIRING_DROP_LANE);
	int r;

	journal_bind_int(st, 1, lane);
	journal_bind_int(st, 2, 0);
	r = journal_write(j, st);
	if (r < 0)
		return r;
	st = journal_statement(j, JOURNAL_PAIRING_PUT);
	journal_bind_blob(st, 1, code_hash, JOURNAL_HASH_BYTES);
	journal_bind_int(st, 2, lane);
	journal_bind_text(st, 3, label);
	journal_bind_int(st, 4, expires_ms);
	return journal_write(j, st);
}

int journal_take_pairing(struct journal *j, const uint8_t code_hash[JOURNAL_HASH_BYTES],
			 int64_t wall_ms, uint32_t *ret_lane, char *ret_label)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_PAIRING_GET);
	char label[LANE_LABEL_MAX + 1];
	int64_t expires_ms;
	uint32_t lane;
	int r;

	journal_bind_blob(st, 1, code_hash, JOURNAL_HASH_BYTES);
	if (!journal_row(j, st))
		return ERR_NOT_FOUND;
	lane = (uint32_t)sqlite3_column_int64(st, 0);
	snprintf(label, sizeof(label), "%s", (const char *)sqlite3_column_text(st, 1));
	expires_ms = sqlite3_column_int64(st, 2);
	journal_reset(st);
	st = journal_statement(j, JOURNAL_PAIRING_DROP);
	journal_bind_blob(st, 1, code_hash, JOURNAL_HASH_BYTES);
	r = journal_write(j, st);
	if (r < 0)
		return r;
	if (expires_ms < wall_ms)
		return ERR_NOT_FOUND;
	*ret_lane = lane;
	memcpy(ret_label, label, sizeof(label));
	return 0;
}
