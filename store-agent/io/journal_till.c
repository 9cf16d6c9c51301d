#include <string.h>

#include "fault.h"
#include "journal_internal.h"
#include "log.h"

/* Text of a column, copied; NULL where there is none. */
static const char *text_keep(struct journal *j, sqlite3_stmt *st, int column, size_t *ret_len)
{
	const char *copy;

	*ret_len = (size_t)sqlite3_column_bytes(st, column);
	if (sqlite3_column_type(st, column) == SQLITE_NULL)
		return NULL;
	copy = arena_memdup(&j->arena, sqlite3_column_text(st, column), *ret_len + 1);
	if (copy == NULL)
		journal_die(j, "record_size");
	return copy;
}

/* The cancel's answer goes to j->loaded. */
void journal_record_read(struct journal *j, sqlite3_stmt *st, struct agent_record *ret,
			 const char **ret_answer, size_t *ret_len)
{
	struct journal_loaded *l = &j->loaded;

	if (!journal_row(j, st))
		return;
	ret->is_found = true;
	ret->verb = (enum agent_verb)sqlite3_column_int(st, 0);
	if (sqlite3_column_bytes(st, 1) == AGENT_FINGERPRINT_BYTES)
		memcpy(ret->fingerprint, sqlite3_column_blob(st, 1), AGENT_FINGERPRINT_BYTES);
	ret->seq = (uint64_t)sqlite3_column_int64(st, 2);
	ret->status = sqlite3_column_int(st, 3);
	*ret_answer = text_keep(j, st, 4, ret_len);
	ret->cancel_seq = (uint64_t)sqlite3_column_int64(st, 5);
	ret->is_reversed = sqlite3_column_int(st, 6) != 0;
	if (ret->cancel_seq != 0)
		l->cancel_answer = text_keep(j, st, 7, &l->cancel_answer_len);
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
	size_t len;

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
	j->loaded.pin_verifier = text_keep(j, st, 11, &len);
	j->loaded.core.pin.is_set = j->loaded.pin_verifier != NULL;
	j->loaded.core.pin.failures = (uint32_t)sqlite3_column_int64(st, 12);
	j->loaded.core.pin.locked_until_ms = sqlite3_column_int64(st, 13);
	journal_reset(st);
	slices_read(j, a);
	return true;
}

const struct account *journal_read_account(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES])
{
	arena_reset(&j->arena);
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
	uint64_t seq = 0;

	journal_bind_int(st, 1, verb);
	journal_bind_text(st, 2, order_no);
	if (!journal_row(j, st))
		return 0;
	if (sqlite3_column_int(st, 3) == 201)
		seq = (uint64_t)sqlite3_column_int64(st, 2);
	journal_reset(st);
	return seq;
}

/* The entry at seq, in j's arena; NULL: there is none. */
static const Trib__V1__Entry *entry_read(struct journal *j, uint64_t seq)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_ENTRY_BYTES);
	const char *why = "";
	Trib__V1__Entry *e;
	int r;

	journal_bind_int(st, 1, (int64_t)seq);
	if (!journal_row(j, st))
		return NULL;
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
	return e;
}

/* What came back of the sale or top-up at seq. */
static int64_t refunded_read(struct journal *j, uint64_t seq)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_RECEIPT_GET);
	int64_t refunded;

	journal_bind_int(st, 1, (int64_t)seq);
	if (!journal_row(j, st))
		return 0;
	refunded = sqlite3_column_int64(st, 0);
	journal_reset(st);
	return refunded;
}

/* Lots of a sale that a refund of their top-up closed: only this node's own top-ups can be. */
static void load_closed(struct journal *j, const Trib__V1__Entry *sale)
{
	struct agent_loaded *l = &j->loaded.core;

	for (size_t i = 0; i < sale->n_effects && i < ENTRY_MAX_EFFECTS; i++) {
		const Trib__V1__SliceEffect *x = sale->effects[i];
		uint64_t seq = (uint64_t)x->lot & LOT_SEQ_MAX;

		if (x->unit == TRIB__V1__UNIT__UNIT_VALUE &&
		    x->lot == lot_id(sale->node, sale->incarnation, seq) &&
		    refunded_read(j, seq) > 0)
			j->closed[l->n_closed++] = x->lot;
	}
	l->closed = j->closed;
}

static bool has_later_refund(struct journal *j, uint64_t of_seq, uint64_t seq)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_REFUND_LATER);

	journal_bind_int(st, 1, (int64_t)of_seq);
	journal_bind_int(st, 2, (int64_t)seq);
	if (!journal_row(j, st))
		return false;
	journal_reset(st);
	return true;
}

/* Whether the order of the sale or top-up at seq was cancelled. */
static bool is_order_cancelled(struct journal *j, uint64_t seq)
{
	const Trib__V1__Entry *e = entry_read(j, seq);
	sqlite3_stmt *st = journal_statement(j, JOURNAL_ORDER_GET);
	bool is_cancelled;

	if (e == NULL || e->order_no == NULL)
		return false;
	journal_bind_int(st, 1, entry_order_verb(e));
	journal_bind_text(st, 2, e->order_no);
	if (!journal_row(j, st))
		return false;
	is_cancelled = sqlite3_column_int64(st, 5) != 0;
	journal_reset(st);
	return is_cancelled;
}

/* Load the entry that is refunded or cancelled, and what stands of its receipt. */
static void load_receipt(struct journal *j, uint64_t seq)
{
	struct agent_loaded *l = &j->loaded.core;
	const Trib__V1__Entry *e = seq != 0 ? entry_read(j, seq) : NULL;
	uint64_t of_seq = seq;

	l->receipt = e;
	if (e == NULL)
		return;
	if (e->has_account)
		l->has_account = account_read(j, e->account.data);
	if (e->body_case == TRIB__V1__ENTRY__BODY_REFUND)
		of_seq = e->refund->of_seq;
	else if (e->body_case == TRIB__V1__ENTRY__BODY_REFUND_TOP_UP)
		of_seq = e->refund_top_up->of_seq;
	l->receipt_refunded = refunded_read(j, of_seq);
	l->is_last_refund = of_seq != seq && !has_later_refund(j, of_seq, seq);
	l->is_receipt_cancelled = of_seq != seq && is_order_cancelled(j, of_seq);
	if (e->body_case == TRIB__V1__ENTRY__BODY_SALE)
		load_closed(j, e);
}

static void load_refund(struct journal *j, const struct agent_command *c)
{
	uint64_t seq = c->refund.seq;

	if (seq == 0 && c->refund.order_no != NULL)
		seq = order_seq(j, AGENT_SALE, c->refund.order_no);
	if (seq == 0 && c->refund.order_no != NULL)
		seq = order_seq(j, AGENT_TOP_UP, c->refund.order_no);
	load_receipt(j, seq);
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
		journal_record_read(j, st, &l->core.by_key, &l->key_answer, &l->key_answer_len);
	}
	if (c->order_no != NULL) {
		st = journal_statement(j, JOURNAL_ORDER_GET);
		journal_bind_int(st, 1, c->verb == AGENT_CANCEL ? c->cancel : c->verb);
		journal_bind_text(st, 2, c->order_no);
		journal_record_read(j, st, &l->core.by_order, &l->order_answer,
				    &l->order_answer_len);
	}
	if (c->verb == AGENT_CLOSE_DAY)
		journal_load_day(j, c);
	else if (c->verb == AGENT_REFUND)
		load_refund(j, c);
	else if (c->verb != AGENT_CANCEL)
		load_card(j, c);
	else if (l->core.by_order.is_found && l->core.by_order.status == 201)
		load_receipt(j, l->core.by_order.seq);
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
	if (x->sets_pin) {
		st = journal_statement(j, JOURNAL_ACCOUNT_PIN);
		journal_bind_blob(st, 1, a->id, ACCOUNT_ID_BYTES);
		journal_bind_int(st, 2, x->pin.failures);
		journal_bind_int(st, 3, x->pin.locked_until_ms);
		r = journal_write(j, st);
		if (r < 0)
			return r;
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

static int put_cancel(struct journal *j, const struct agent_append *x, const char *answer,
		      size_t len)
{
	const struct agent_command *c = x->command;
	sqlite3_stmt *st = journal_statement(j, JOURNAL_ORDER_CANCEL);

	journal_bind_int(st, 1, c->cancel);
	journal_bind_text(st, 2, c->order_no);
	journal_bind_int(st, 3, (int64_t)x->at.seq);
	journal_bind_int(st, 4, x->is_reversing);
	(void)sqlite3_bind_text64(st, 5, answer, len, SQLITE_STATIC, SQLITE_UTF8);
	return journal_write(j, st);
}

int journal_set_pin(struct journal *j, const uint8_t id[ACCOUNT_ID_BYTES], const char *verifier)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_ACCOUNT_SET_PIN);

	journal_bind_blob(st, 1, id, ACCOUNT_ID_BYTES);
	journal_bind_text(st, 2, verifier);
	return journal_write(j, st);
}

int journal_keep_key(struct journal *j, const struct agent_command *c, int status, uint64_t seq,
		     const char *answer, size_t len)
{
	sqlite3_stmt *st = journal_statement(j, JOURNAL_KEY_PUT);

	journal_bind_text(st, 1, c->key);
	journal_bind_int(st, 2, c->verb);
	if (c->verb == AGENT_CLOSE_DAY)
		journal_bind_int(st, 3, c->close.day);
	else
		journal_bind_text(st, 3, c->order_no);
	journal_bind_blob(st, 4, c->fingerprint, AGENT_FINGERPRINT_BYTES);
	journal_bind_int(st, 5, (int64_t)seq);
	journal_bind_int(st, 6, status);
	if (seq == 0 || (c->verb != AGENT_CLOSE_DAY &&
			 (c->order_no == NULL || !agent_verb_has_orders(c->verb))))
		/* else order_record or day_seal has it */
		(void)sqlite3_bind_text64(st, 7, answer, len, SQLITE_STATIC, SQLITE_UTF8);
	journal_bind_int(st, 8, c->wall_ms);
	return journal_write(j, st);
}

static int put_receipt(struct journal *j, const struct agent_append *x)
{
	const struct agent_receipt_change *c = &x->receipt;
	bool undoes = c->undone_seq != 0;
	sqlite3_stmt *st = journal_statement(j, JOURNAL_RECEIPT_PUT);
	int r;

	journal_bind_int(st, 1, (int64_t)c->seq);
	journal_bind_int(st, 2, x->receipt_refunded);
	r = journal_write(j, st);
	if (r < 0)
		return r;
	st = journal_statement(j, undoes ? JOURNAL_REFUND_UNDO : JOURNAL_REFUND_PUT);
	journal_bind_int(st, 1, (int64_t)(undoes ? c->undone_seq : x->at.seq));
	if (!undoes)
		journal_bind_int(st, 2, (int64_t)c->seq);
	return journal_write(j, st);
}

/* What hangs on the entry itself: the account's history, the day, the receipt. */
static int put_marks(struct journal *j, const struct agent_append *x)
{
	sqlite3_stmt *st;
	int r = 0;

	if (x->account != NULL) {
		st = journal_statement(j, JOURNAL_ACCOUNT_ENTRY_PUT);
		journal_bind_blob(st, 1, x->account->id, ACCOUNT_ID_BYTES);
		journal_bind_int(st, 2, (int64_t)x->at.seq);
		r = journal_write(j, st);
	}
	if (r == 0 && x->is_first_of_day) {
		st = journal_statement(j, JOURNAL_DAY_PUT);
		journal_bind_int(st, 1, x->entry->business_day);
		journal_bind_int(st, 2, (int64_t)x->at.seq);
		r = journal_write(j, st);
	}
	return r == 0 && x->receipt.seq != 0 ? put_receipt(j, x) : r;
}

/* The answer, by order and by key. */
static int put_records(struct journal *j, const struct agent_append *x, const char *answer,
		       size_t len)
{
	const struct agent_command *c = x->command;
	int r = 0;

	if (x->keeps == AGENT_KEEPS_NOTHING)
		return 0;
	if (x->keeps == AGENT_KEEPS_CANCEL)
		r = put_cancel(j, x, answer, len);
	else if (x->keeps == AGENT_KEEPS_SEAL)
		r = journal_put_seal(j, x, answer, len);
	else if (c->order_no != NULL)
		r = put_order(j, x, answer, len);
	if (r == 0 && c->key != NULL)
		r = journal_keep_key(j, c, x->keeps == AGENT_KEEPS_CANCEL ? 200 : 201, x->at.seq,
				     answer, len);
	return r;
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
	if (r == 0 && x->account != NULL)
		r = put_account(j, x);
	if (r == 0 && x->account != NULL)
		r = put_slices(j, x);
	FAULT_POINT("store.mid_append");
	if (r == 0)
		r = put_records(j, x, answer, len);
	if (r == 0)
		r = put_marks(j, x);
	if (r == 0)
		j->end = x->at;
	FAULT_POINT("store.after_append");
	return r;
}
