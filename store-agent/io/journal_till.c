#include <string.h>

#include "fault.h"
#include "journal_internal.h"
#include "log.h"

static void record_read(struct journal *j, sqlite3_stmt *st, struct agent_record *ret,
			const char **ret_answer, size_t *ret_len)
{
	if (!journal_row(j, st))
		return;
	ret->is_found = true;
	ret->verb = (enum agent_verb)sqlite3_column_int(st, 0);
	if (sqlite3_column_bytes(st, 1) == AGENT_FINGERPRINT_BYTES)
		memcpy(ret->fingerprint, sqlite3_column_blob(st, 1), AGENT_FINGERPRINT_BYTES);
	ret->seq = (uint64_t)sqlite3_column_int64(st, 2);
	ret->status = sqlite3_column_int(st, 3);
	*ret_len = (size_t)sqlite3_column_bytes(st, 4);
	*ret_answer = arena_memdup(&j->arena, sqlite3_column_text(st, 4), *ret_len + 1);
	if (*ret_answer == NULL)
		journal_die(j, "record_size");
	journal_reset(st);
}

static void text_copy(char *to, size_t cap, sqlite3_stmt *st, int column)
{
	const char *s = (const char *)sqlite3_column_text(st, column);
	size_t len = s != NULL ? strnlen(s, cap - 1) : 0;

	if (len > 0)
		memcpy(to, s, len);
	to[len] = '\0';
}

static void slices_read(struct journal *j, struct account *a)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_SLICE_ALL);

	journal_bind_blob(st, 1, a->id, ACCOUNT_ID_BYTES);
	while (journal_row(j, st)) {
		const struct slice s = {
			.unit = sqlite3_column_int(st, 0),
			.lot = sqlite3_column_int64(st, 1),
			.issuer = sqlite3_column_int(st, 2),
			.expires = sqlite3_column_int(st, 3),
			.issued_ms = sqlite3_column_int64(st, 4),
			.issued_principal = sqlite3_column_int64(st, 5),
			.issued_bonus = sqlite3_column_int64(st, 6),
			.principal = sqlite3_column_int64(st, 7),
			.bonus = sqlite3_column_int64(st, 8),
		};

		if (account_put(a, &s) < 0) /* we wrote it: damaged */
			journal_die(j, "slice_read");
	}
}

/* Fill j->account; false: not known. */
static bool account_read(struct journal *j, const void *id)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_ACCOUNT_GET);
	struct account *a = &j->account;
	char type[ACCOUNT_TYPE_MAX];

	journal_bind_blob(st, 1, id, ACCOUNT_ID_BYTES);
	if (!journal_row(j, st))
		return false;
	text_copy(type, sizeof(type), st, 1);
	account_init(a, sqlite3_column_blob(st, 0), type);
	text_copy(a->tier, sizeof(a->tier), st, 2);
	a->status = sqlite3_column_int(st, 3);
	a->points_owed = sqlite3_column_int64(st, 4);
	text_copy(a->home_store, sizeof(a->home_store), st, 5);
	a->facts_as_of_ms = sqlite3_column_int64(st, 6);
	a->facts_principal = sqlite3_column_int64(st, 7);
	a->facts_bonus = sqlite3_column_int64(st, 8);
	a->facts_points = sqlite3_column_int64(st, 9);
	a->facts_here = sqlite3_column_int64(st, 10);
	journal_reset(st);
	slices_read(j, a);
	return true;
}

const struct account *journal_read_account(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES])
{
	return account_read(j, id) ? &j->account : NULL;
}

static void load_card(struct journal *j, const struct agent_command *c)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_ACCOUNT_OF_CARD);
	uint8_t id[ACCOUNT_ID_BYTES];

	journal_bind_text(st, 1, c->card_no);
	if (!journal_row(j, st))
		return;
	memcpy(id, sqlite3_column_blob(st, 0), ACCOUNT_ID_BYTES);
	journal_reset(st);
	j->loaded.core.has_card = true;
	j->loaded.core.has_account = account_read(j, id);
}

/* Seq of the success of (verb, order_no), or 0. */
static uint64_t order_seq(struct journal *j, enum agent_verb verb, const char *order_no)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_ORDER_GET);
	uint64_t seq;

	journal_bind_int(st, 1, verb);
	journal_bind_text(st, 2, order_no);
	if (!journal_row(j, st))
		return 0;
	seq = (uint64_t)sqlite3_column_int64(st, 2);
	journal_reset(st);
	return seq;
}

static void load_receipt(struct journal *j, const struct agent_command *c)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_ENTRY_BYTES);
	struct agent_loaded *l = &j->loaded.core;
	uint64_t seq = c->refund.seq;
	const char *why = "";
	Trib__V1__Entry *e;
	int r;

	if (seq == 0)
		seq = order_seq(j, AGENT_SALE, c->refund.order_no);
	if (seq == 0)
		seq = order_seq(j, AGENT_TOP_UP, c->refund.order_no);
	journal_bind_int(st, 1, (int64_t)seq);
	if (!journal_row(j, st))
		return;
	/* Written by us: node and incarnation are those of every entry here. */
	e = trib__v1__entry__unpack(&j->arena.allocator, (size_t)sqlite3_column_bytes(st, 0),
				    sqlite3_column_blob(st, 0));
	if (e == NULL)
		journal_die(j, "receipt_unpack");
	r = entry_unpack(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0), e->node,
			 e->incarnation, seq, &j->arena, &e, &why);
	if (r < 0)
		journal_die(j, "receipt_unpack");
	journal_reset(st);
	l->receipt = e;
	if (e->has_account)
		l->has_account = account_read(j, e->account.data);
	st = journal_statement(j, JOURNAL_RECEIPT_GET);
	journal_bind_int(st, 1, (int64_t)seq);
	if (journal_row(j, st)) {
		l->receipt_refunded = sqlite3_column_int64(st, 0);
		journal_reset(st);
	}
}

struct journal_loaded *journal_load(struct journal *j, const struct agent_command *c)
{
	struct journal_loaded *l = &j->loaded;
	sqlite3_stmt *st;

	memset(l, 0, sizeof(*l));
	arena_reset(&j->arena);
	l->core.account = &j->account;
	if (c->key != NULL) {
		st = journal_statement(j, JOURNAL_KEY_GET);
		journal_bind_text(st, 1, c->key);
		record_read(j, st, &l->core.by_key, &l->key_answer, &l->key_answer_len);
	}
	if (c->order_no != NULL) {
		st = journal_statement(j, JOURNAL_ORDER_GET);
		journal_bind_int(st, 1, c->verb);
		journal_bind_text(st, 2, c->order_no);
		record_read(j, st, &l->core.by_order, &l->order_answer, &l->order_answer_len);
	}
	if (c->verb == AGENT_REFUND)
		load_receipt(j, c);
	else
		load_card(j, c);
	if (c->witness.present && journal_head_at(j, c->witness.seq, j->witness_head))
		l->core.witness_head = j->witness_head;
	return l;
}

static int put_account(struct journal *j, const struct agent_append *x)
{
	const struct account *a = x->account;
	sqlite3_stmt *st;
	int r;

	if (x->is_new_account) {
		st = journal_statement(j, JOURNAL_ACCOUNT_PUT);
		journal_bind_blob(st, 1, a->id, ACCOUNT_ID_BYTES);
		journal_bind_text(st, 2, a->type);
		journal_bind_text(st, 3, a->tier);
		journal_bind_int(st, 4, a->status);
		journal_bind_int(st, 5, a->points_owed);
		r = journal_write(j, st);
		if (r < 0)
			return r;
		st = journal_statement(j, JOURNAL_CARD_PUT);
		journal_bind_text(st, 1, x->command->card_no);
		journal_bind_blob(st, 2, a->id, ACCOUNT_ID_BYTES);
		return journal_write(j, st);
	}
	if (x->entry->points_owed == 0)
		return 0;
	st = journal_statement(j, JOURNAL_ACCOUNT_OWED);
	journal_bind_blob(st, 1, a->id, ACCOUNT_ID_BYTES);
	journal_bind_int(st, 2, a->points_owed);
	return journal_write(j, st);
}

static int put_slice(struct journal *j, const struct account *a, const struct slice *s)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_SLICE_PUT);

	journal_bind_blob(st, 1, a->id, ACCOUNT_ID_BYTES);
	journal_bind_int(st, 2, s->unit);
	journal_bind_int(st, 3, s->lot);
	journal_bind_int(st, 4, s->issuer);
	journal_bind_int(st, 5, s->expires);
	journal_bind_int(st, 6, s->issued_ms);
	journal_bind_int(st, 7, s->issued_principal);
	journal_bind_int(st, 8, s->issued_bonus);
	journal_bind_int(st, 9, s->principal);
	journal_bind_int(st, 10, s->bonus);
	return journal_write(j, st);
}

/* The slices that the entry touched, as they are after it. */
static int put_slices(struct journal *j, const struct agent_append *x)
{
	int r = 0;

	for (size_t i = 0; i < x->entry->n_effects && r == 0; i++) {
		const Trib__V1__SliceEffect *f = x->entry->effects[i];
		const struct slice *s = account_find(x->account, (int32_t)f->unit, f->lot);
		sqlite3_stmt *st;

		if (s != NULL) {
			r = put_slice(j, x->account, s);
			continue;
		}
		st = journal_statement(j, JOURNAL_SLICE_DROP);
		journal_bind_blob(st, 1, x->account->id, ACCOUNT_ID_BYTES);
		journal_bind_int(st, 2, f->unit);
		journal_bind_int(st, 3, f->lot);
		r = journal_write(j, st);
	}
	return r;
}

static int put_order(struct journal *j, const struct agent_append *x, const char *answer,
		     size_t len)
{
	const struct agent_command *c = x->command;
	sqlite3_stmt *st = journal_statement(j, JOURNAL_ORDER_PUT);

	journal_bind_int(st, 1, c->verb);
	journal_bind_text(st, 2, c->order_no);
	journal_bind_blob(st, 3, c->fingerprint, AGENT_FINGERPRINT_BYTES);
	journal_bind_int(st, 4, (int64_t)x->at.seq);
	journal_bind_int(st, 5, 201);
	(void)sqlite3_bind_text64(st, 6, answer, len, SQLITE_STATIC, SQLITE_UTF8);
	return journal_write(j, st);
}

int journal_keep_key(struct journal *j, const struct agent_command *c, int status, uint64_t seq,
		     const char *answer, size_t len)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_KEY_PUT);

	journal_bind_text(st, 1, c->key);
	journal_bind_int(st, 2, c->verb);
	journal_bind_text(st, 3, c->order_no);
	journal_bind_blob(st, 4, c->fingerprint, AGENT_FINGERPRINT_BYTES);
	journal_bind_int(st, 5, (int64_t)seq);
	journal_bind_int(st, 6, status);
	if (seq == 0 || c->order_no == NULL) /* else order_record has it */
		(void)sqlite3_bind_text64(st, 7, answer, len, SQLITE_STATIC, SQLITE_UTF8);
	journal_bind_int(st, 8, c->wall_ms);
	return journal_write(j, st);
}

int journal_append(struct journal *j, const struct agent_append *x, const char *answer, size_t len)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_ENTRY_PUT);
	int r;

	FAULT_POINT("store.before_append");
	journal_bind_int(st, 1, (int64_t)x->at.seq);
	journal_bind_blob(st, 2, x->bytes, x->len);
	journal_bind_blob(st, 3, x->at.head, HEAD_BYTES);
	r = journal_write(j, st);
	if (r == 0)
		r = put_account(j, x);
	if (r == 0)
		r = put_slices(j, x);
	FAULT_POINT("store.mid_append");
	if (r == 0 && x->command->order_no != NULL)
		r = put_order(j, x, answer, len);
	if (r == 0 && x->command->key != NULL)
		r = journal_keep_key(j, x->command, 201, x->at.seq, answer, len);
	if (r == 0 && x->receipt_seq != 0) {
		st = journal_statement(j, JOURNAL_RECEIPT_PUT);
		journal_bind_int(st, 1, (int64_t)x->receipt_seq);
		journal_bind_int(st, 2, x->receipt_refunded);
		r = journal_write(j, st);
	}
	if (r == 0)
		j->end = x->at;
	FAULT_POINT("store.after_append");
	return r;
}
