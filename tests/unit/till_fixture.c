#include "till_fixture.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES (1024u * 1024)
#define START_MS INT64_C(1796083200000) /* 2026-12-01T00:00:00Z */

static void arena_create(struct arena *a)
{
	arena_init(a, test_malloc(ARENA_BYTES), ARENA_BYTES);
}

static void rules_start(struct shop *s)
{
	static char points_id[] = "points", type_name[] = "default";

	trib__v1__rule_set__init(&s->rules);
	s->rules.version = 1;
	trib__v1__points_rule__init(&s->points);
	s->points.id = points_id;
	s->points.points = 1;
	s->points.per = 100;
	s->points_list[0] = &s->points;
	s->rules.n_points = 1;
	s->rules.points = s->points_list;
	trib__v1__account_type__init(&s->type);
	s->type.name = type_name;
	s->type.consumption = TRIB__V1__CONSUMPTION__CONSUME_PRO_RATA;
	s->type.clawback = TRIB__V1__CLAWBACK__CLAWBACK_DEBT;
	s->types[0] = &s->type;
	s->rules.n_account_types = 1;
	s->rules.account_types = s->types;
	s->rules.top_ups = s->top_up_list;
}

int shop_setup(void **state)
{
	static const uint8_t id[ACCOUNT_ID_BYTES] = "an account's id";
	struct shop *s = test_calloc(1, sizeof(*s));

	account_init(&s->acc, id, "default");
	s->t.node = SHOP_NODE;
	s->t.incarnation = 1;
	s->t.seq = 1000; /* below it are the lots of shop_put_lot */
	s->t.wall_ms = START_MS;
	s->t.rules = &s->rules;
	rules_start(s);
	shop_set_day(s, day_of(2026, 12, 1));
	arena_create(&s->draft);
	arena_create(&s->unpacked);
	arena_create(&s->kept);
	*state = s;
	return 0;
}

int shop_teardown(void **state)
{
	struct shop *s = *state;

	test_free(s->draft.base);
	test_free(s->unpacked.base);
	test_free(s->kept.base);
	test_free(s);
	return 0;
}

int32_t day_of(int year, int month, int day)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	int32_t days = 0;

	for (int y = 1970; y < year; y++)
		days += y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) ? 366 : 365;
	days += before[month - 1] + day - 1;
	return days + (month > 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

void shop_set_day(struct shop *s, int32_t day)
{
	s->t.today = day;
	s->t.business_day = day;
}

Trib__V1__TopUpRule *shop_add_ladder(struct shop *s, char *id, bool repeat, size_t n,
				     const int64_t steps[][2])
{
	size_t k = s->rules.n_top_ups++;
	Trib__V1__TopUpRule *rule = &s->top_ups[k];

	assert_true(k < SHOP_MAX_RULES && n <= SHOP_MAX_STEPS);
	trib__v1__top_up_rule__init(rule);
	rule->id = id;
	rule->has_repeat = 1;
	rule->repeat = repeat;
	for (size_t i = 0; i < n; i++) {
		trib__v1__ladder_step__init(&s->steps[k][i]);
		s->steps[k][i].paid = steps[i][0];
		s->steps[k][i].bonus = steps[i][1];
		s->step_lists[k][i] = &s->steps[k][i];
	}
	rule->n_steps = n;
	rule->steps = s->step_lists[k];
	s->top_up_list[k] = rule;
	return rule;
}

int64_t shop_lot(uint64_t seq)
{
	return lot_id(SHOP_NODE, 1, seq);
}

void shop_put_lot(struct shop *s, uint64_t seq, int64_t principal, int64_t bonus, int32_t expires,
		  int64_t age)
{
	struct slice put = {
		.lot = shop_lot(seq),
		.unit = TRIB__V1__UNIT__UNIT_VALUE,
		.issuer = SHOP_NODE,
		.expires = expires,
		.issued_ms = START_MS - age,
		.issued_principal = principal,
		.issued_bonus = bonus,
		.principal = principal,
		.bonus = bonus,
	};

	assert_int_equal(account_put(&s->acc, &put), 0);
	shop_issued(s, put.lot, principal, bonus);
	s->ledger[LEDGER_PRINCIPAL][LEDGER_UNIT_MONEY] += principal;
	s->ledger[LEDGER_BONUS][LEDGER_UNIT_BONUS] += bonus;
}

void shop_put_points(struct shop *s, int64_t lot, int64_t points)
{
	struct slice put = { .lot = lot, .unit = TRIB__V1__UNIT__UNIT_POINTS, .principal = points };
	const struct slice *had = account_find(&s->acc, put.unit, lot);

	s->ledger[LEDGER_POINTS][LEDGER_UNIT_POINTS] += points - (had ? had->principal : 0);
	assert_int_equal(points_lot_expires(lot, &put.expires), 0);
	assert_int_equal(account_put(&s->acc, &put), 0);
}

/* Take the decided entry through its bytes into the account and the books. */
static void commit(struct shop *s, Trib__V1__Entry *e)
{
	const char *why = "";

	e->node = s->t.node;
	e->incarnation = s->t.incarnation;
	e->seq = s->t.seq;
	e->wall_ms = s->t.wall_ms;
	e->business_day = s->t.business_day;
	assert_int_equal(entry_pack(e, s->bytes, sizeof(s->bytes), &s->entry_bytes), 0);
	arena_reset(&s->unpacked);
	assert_int_equal(entry_unpack(s->bytes, s->entry_bytes, e->node, e->incarnation, e->seq,
				      &s->unpacked, &s->entry, &why),
			 0);
	if (fold_entry(s->entry, &s->fold, &why) != 0)
		fail_msg("fold_entry: %s", why);
	assert_int_equal(account_fold(&s->acc, s->entry), 0);
	shop_check(s);
	s->t.seq++;
	s->t.wall_ms += 1000;
}

static Trib__V1__Entry begin(struct shop *s)
{
	Trib__V1__Entry e;

	memcpy(&s->before, &s->acc, sizeof(s->acc));
	arena_reset(&s->draft);
	trib__v1__entry__init(&e);
	return e;
}

static enum code end(struct shop *s, enum code c, Trib__V1__Entry *e)
{
	assert_memory_equal(&s->acc, &s->before, sizeof(s->acc)); /* T1 */
	if (c == CODE_OK)
		commit(s, e);
	else
		assert_true(e->body_case == TRIB__V1__ENTRY__BODY__NOT_SET && e->n_effects == 0 &&
			    !e->has_account && !e->has_rules_version);
	return c;
}

enum code shop_top_up(struct shop *s, int64_t paid)
{
	struct top_up_command cmd = { .paid = paid, .tender = "cash" };
	Trib__V1__Entry e = begin(s);
	enum code c = top_up_decide(&s->t, &s->acc, &cmd, &s->draft, &e, &s->facts);

	return end(s, c, &e);
}

enum code shop_sell(struct shop *s, int64_t amount)
{
	struct sale_command cmd = { .amount = amount };

	return shop_sell_command(s, &cmd);
}

enum code shop_sell_command(struct shop *s, const struct sale_command *cmd)
{
	Trib__V1__Entry e = begin(s);
	enum code c = sale_decide(&s->t, &s->acc, cmd, &s->draft, &e, &s->facts);

	c = end(s, c, &e);
	if (c == CODE_OK) { /* T3 */
		int64_t stored = 0, all = 0, taken = 0;

		for (size_t i = 0; i < s->entry->sale->n_tenders; i++) {
			const Trib__V1__Tender *t = s->entry->sale->tenders[i];

			all += t->amount;
			if (strcmp(t->type, TENDER_STORED_VALUE) == 0)
				stored += t->amount;
		}
		for (size_t i = 0; i < s->entry->n_effects; i++) {
			const Trib__V1__SliceEffect *f = s->entry->effects[i];

			if (f->unit == TRIB__V1__UNIT__UNIT_VALUE)
				taken -= f->principal + f->bonus;
		}
		assert_int_equal(all, s->entry->sale->payable);
		assert_int_equal(stored, taken);
	}
	return c;
}

struct receipt shop_keep_receipt(struct shop *s)
{
	struct receipt of = { .refunded = 0 };
	Trib__V1__Entry *e;
	const char *why;

	assert_int_equal(entry_unpack(s->bytes, s->entry_bytes, s->entry->node,
				      s->entry->incarnation, s->entry->seq, &s->kept, &e, &why),
			 0);
	of.entry = e;
	return of;
}

enum code shop_refund(struct shop *s, struct receipt *of, int64_t amount)
{
	struct refund_command cmd = { .has_amount = amount != 0, .amount = amount };
	Trib__V1__Entry e = begin(s);
	enum code c;

	of->n_closed = s->n_closed;
	of->closed = s->closed;
	c = refund_decide(&s->t, &s->acc, of, &cmd, &s->draft, &e, &s->facts);
	c = end(s, c, &e);
	if (c == CODE_OK) {
		of->refunded += s->entry->refund->amount;
		assert_int_equal(s->entry->refund->rest, of->entry->sale->payable - of->refunded);
		assert_true(s->entry->refund->rest >= 0); /* T4 */
	}
	return c;
}

static int64_t lot_of(const Trib__V1__Entry *top_up)
{
	return lot_id(top_up->node, top_up->incarnation, top_up->seq);
}

static enum code refund_top_up(struct shop *s, struct receipt *of, const struct refund_command *cmd)
{
	Trib__V1__Entry e = begin(s);
	enum code c = top_up_refund_decide(&s->t, &s->acc, of, cmd, &s->draft, &e, &s->facts);

	c = end(s, c, &e);
	if (c == CODE_OK) {
		of->refunded += s->entry->refund_top_up->amount;
		assert_int_equal(s->entry->refund_top_up->rest,
				 of->entry->top_up->paid - of->refunded);
		assert_true(s->entry->refund_top_up->rest >= 0); /* T4 */
		assert_null(account_find(&s->acc, TRIB__V1__UNIT__UNIT_VALUE, lot_of(of->entry)));
		assert_true(s->n_closed < SHOP_MAX_CLOSED);
		s->closed[s->n_closed++] = lot_of(of->entry);
	}
	return c;
}

enum code shop_refund_top_up(struct shop *s, struct receipt *of, int64_t amount)
{
	struct refund_command cmd = { .has_amount = amount != 0, .amount = amount };

	return refund_top_up(s, of, &cmd);
}

enum code shop_cancel_top_up(struct shop *s, struct receipt *of)
{
	struct refund_command cmd = { .is_cancel = true };

	return refund_top_up(s, of, &cmd);
}

enum code shop_redeem(struct shop *s, int64_t points)
{
	struct redemption_command cmd = { .points = points, .item = "mug" };
	Trib__V1__Entry e = begin(s);
	enum code c = redemption_decide(&s->t, &s->acc, &cmd, &s->draft, &e, &s->facts);

	return end(s, c, &e);
}

enum code shop_reverse(struct shop *s, const Trib__V1__Entry *undone, struct receipt *of_receipt)
{
	Trib__V1__Entry e = begin(s);
	enum code c = reversal_decide(&s->t, &s->acc, undone, &s->draft, &e, &s->facts);

	c = end(s, c, &e);
	if (c != CODE_OK)
		return c;
	if (of_receipt != NULL) {
		of_receipt->refunded -= entry_amount(s->entry);
		assert_true(of_receipt->refunded >= 0);
	}
	if (undone->body_case == TRIB__V1__ENTRY__BODY_REFUND_TOP_UP) {
		size_t i = s->n_closed - 1;

		while (s->closed[i] != lot_of(of_receipt->entry))
			i--;
		s->closed[i] = s->closed[--s->n_closed];
	}
	return c;
}

struct balance shop_balance(const struct shop *s)
{
	struct balance b;

	account_balance(&s->acc, s->t.today, &b);
	return b;
}

void assert_balance(const struct shop *s, int64_t principal, int64_t bonus)
{
	struct balance b = shop_balance(s);

	assert_int_equal(b.principal, principal);
	assert_int_equal(b.bonus, bonus);
}

void assert_slice(const struct shop *s, uint64_t seq, int64_t principal, int64_t bonus)
{
	const struct slice *x = account_find(&s->acc, TRIB__V1__UNIT__UNIT_VALUE, shop_lot(seq));

	assert_int_equal(x != NULL ? x->principal : 0, principal);
	assert_int_equal(x != NULL ? x->bonus : 0, bonus);
}

void assert_moved(const struct shop *s, int64_t principal, int64_t bonus)
{
	int64_t p = 0, b = 0;

	for (size_t i = 0; i < s->entry->n_effects; i++) {
		if (s->entry->effects[i]->unit != TRIB__V1__UNIT__UNIT_VALUE)
			continue;
		p += s->entry->effects[i]->principal;
		b += s->entry->effects[i]->bonus;
	}
	assert_int_equal(p, principal);
	assert_int_equal(b, bonus);
}

void assert_same_holdings(const struct account *x, const struct account *y)
{
	assert_int_equal(x->n_slices, y->n_slices);
	for (uint32_t i = 0; i < x->n_slices; i++) {
		assert_int_equal(x->slices[i].lot, y->slices[i].lot);
		assert_int_equal(x->slices[i].principal, y->slices[i].principal);
		assert_int_equal(x->slices[i].bonus, y->slices[i].bonus);
		assert_int_equal(x->slices[i].expires, y->slices[i].expires);
		assert_int_equal(x->slices[i].issued_ms, y->slices[i].issued_ms);
	}
	assert_int_equal(x->points_owed, y->points_owed);
}
