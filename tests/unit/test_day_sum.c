/* What a business day's entries add up to, by operator, and what fits into its seal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "account.h"
#include "day_sum.h"
#include "ids.h"

#define NODE 107
#define LOT 5 /* the seq that issued what is spent */
#define MAX_KEYS 20000

/* One entry with all that it may point at. */
struct made {
	Trib__V1__Entry e;
	Trib__V1__SliceEffect effect, *effects[1];
	Trib__V1__LotTerms terms;
	Trib__V1__TopUp top_up;
	Trib__V1__Sale sale;
	Trib__V1__Refund refund;
	Trib__V1__RefundTopUp refund_top_up;
	Trib__V1__Reversal reversal;
	Trib__V1__SliceBack back, *backs[1];
	Trib__V1__Tender tender, *tenders[1];
	uint8_t account[ACCOUNT_ID_BYTES];
};

static struct made made;
static uint64_t next_seq;

static char *word(const char *s)
{
	return (char *)(uintptr_t)s;
}

/* The next entry, with one effect on the lot and one tender. */
static Trib__V1__Entry *make(const char *operator_name, uint64_t lot_seq, const char *tender,
			     int64_t effect, int64_t amount)
{
	struct made *m = &made;

	memset(m, 0, sizeof(*m));
	trib__v1__entry__init(&m->e);
	m->e.node = NODE;
	m->e.incarnation = 1;
	m->e.seq = next_seq++;
	m->e.operator_ = word(operator_name);
	m->e.has_account = 1;
	m->e.account = (ProtobufCBinaryData){ sizeof(m->account), m->account };
	trib__v1__slice_effect__init(&m->effect);
	m->effect.lot = lot_id(NODE, 1, lot_seq != 0 ? lot_seq : m->e.seq);
	m->effect.unit = TRIB__V1__UNIT__UNIT_VALUE;
	m->effect.principal = effect;
	m->effects[0] = &m->effect;
	m->e.effects = m->effects;
	m->e.n_effects = effect != 0;
	trib__v1__tender__init(&m->tender);
	m->tender.type = word(tender);
	m->tender.amount = amount;
	m->tenders[0] = &m->tender;
	return &m->e;
}

static Trib__V1__Entry *top_up(const char *operator_name, const char *tender, int64_t paid)
{
	Trib__V1__Entry *e = make(operator_name, 0, tender, paid, paid);

	trib__v1__lot_terms__init(&made.terms);
	made.terms.issuer = NODE;
	made.terms.principal = paid;
	made.effect.terms = &made.terms;
	trib__v1__top_up__init(&made.top_up);
	made.top_up.paid = paid;
	made.top_up.tender = word(tender);
	e->body_case = TRIB__V1__ENTRY__BODY_TOP_UP;
	e->top_up = &made.top_up;
	return e;
}

static Trib__V1__Entry *sale(const char *operator_name, const char *tender, int64_t amount)
{
	bool is_stored = strcmp(tender, "stored_value") == 0;
	Trib__V1__Entry *e = make(operator_name, LOT, tender, is_stored ? -amount : 0, amount);

	trib__v1__sale__init(&made.sale);
	made.sale.list_amount = amount;
	made.sale.payable = amount;
	made.sale.n_tenders = 1;
	made.sale.tenders = made.tenders;
	e->body_case = TRIB__V1__ENTRY__BODY_SALE;
	e->sale = &made.sale;
	return e;
}

/* Of a sale at of_seq that was paid from stored value. */
static Trib__V1__Entry *refund(const char *operator_name, uint64_t of_seq, int64_t amount,
			       int64_t expired_bonus)
{
	Trib__V1__Entry *e =
		make(operator_name, LOT, "none", amount - expired_bonus, amount - expired_bonus);

	trib__v1__slice_back__init(&made.back);
	made.back.lot = made.effect.lot;
	made.back.issuer = NODE;
	made.back.principal = amount - expired_bonus;
	made.back.expired_bonus = expired_bonus;
	made.backs[0] = &made.back;
	trib__v1__refund__init(&made.refund);
	made.refund.of_incarnation = 1;
	made.refund.of_seq = of_seq;
	made.refund.amount = amount;
	made.refund.n_back = 1;
	made.refund.back = made.backs;
	e->body_case = TRIB__V1__ENTRY__BODY_REFUND;
	e->refund = &made.refund;
	return e;
}

static Trib__V1__Entry *refund_top_up(const char *operator_name, uint64_t of_seq,
				      const char *tender, int64_t amount)
{
	Trib__V1__Entry *e = make(operator_name, of_seq, tender, -amount, amount);

	trib__v1__refund_top_up__init(&made.refund_top_up);
	made.refund_top_up.of_incarnation = 1;
	made.refund_top_up.of_seq = of_seq;
	made.refund_top_up.amount = amount;
	made.refund_top_up.paid_out = &made.tender;
	e->body_case = TRIB__V1__ENTRY__BODY_REFUND_TOP_UP;
	e->refund_top_up = &made.refund_top_up;
	return e;
}

/* Undoes the refund at undone_seq; that was of the sale at of_seq. */
static Trib__V1__Entry *undo(uint64_t undone_seq, uint64_t of_seq, int64_t amount)
{
	Trib__V1__Entry *e = refund(NULL, of_seq, amount, 0);

	made.effect.principal = -amount;
	trib__v1__reversal__init(&made.reversal);
	made.reversal.of_incarnation = 1;
	made.reversal.of_seq = undone_seq;
	made.reversal.what_case = TRIB__V1__REVERSAL__WHAT_REFUND;
	made.reversal.refund = &made.refund;
	e->body_case = TRIB__V1__ENTRY__BODY_REVERSAL;
	e->reversal = &made.reversal;
	return e;
}

static Trib__V1__Entry *cancels(Trib__V1__Entry *e, enum order_verb verb)
{
	e->has_cancels = 1;
	e->cancels = (uint32_t)verb;
	return e;
}

static int64_t add(struct day_sum *s, const Trib__V1__Entry *e)
{
	int64_t stored_value = INT64_MIN;

	assert_int_equal(day_sum_add(s, e, &stored_value), 0);
	return stored_value;
}

struct fixture {
	struct day_sum sum, again;
	struct arena arena;
	_Alignas(16) uint8_t memory[1024 * 1024];
	uint8_t bytes[2][ENTRY_MAX_BYTES];
	Trib__V1__DaySealed seal;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	day_sum_init(&f->sum);
	day_sum_init(&f->again);
	arena_init(&f->arena, f->memory, sizeof(f->memory));
	next_seq = 100;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* The sum's totals in f->seal; checks their order and size. */
static void fill(struct fixture *f, struct day_sum *s)
{
	const Trib__V1__SealedTotal *x, *y;

	trib__v1__day_sealed__init(&f->seal);
	assert_int_equal(day_sum_fill(s, &f->arena, &f->seal), 0);
	assert_true(f->seal.n_totals <= SEAL_MAX_TOTALS);
	assert_true(trib__v1__day_sealed__get_packed_size(&f->seal) <= DAY_SUM_MAX_BYTES);
	for (size_t i = 1; i < f->seal.n_totals; i++) {
		x = f->seal.totals[i - 1];
		y = f->seal.totals[i];
		if (x->kind != y->kind)
			assert_true(x->kind < y->kind);
		else if (x->tender != y->tender)
			assert_true(x->tender < y->tender);
		else if (x->unit != y->unit)
			assert_true(x->unit < y->unit);
		else if (x->operator_ != NULL)
			assert_true(strcmp(x->operator_, y->operator_) < 0);
		else
			assert_non_null(y->operator_);
	}
}

static const Trib__V1__SealedTotal *total(const struct fixture *f, enum total_kind kind,
					  enum tender_kind tender, enum ledger_unit unit,
					  const char *name)
{
	for (size_t i = 0; i < f->seal.n_totals; i++) {
		const Trib__V1__SealedTotal *x = f->seal.totals[i];

		if (x->kind == (int)kind && x->tender == (int)tender && x->unit == (int)unit &&
		    (x->operator_ == NULL) == (name == NULL) &&
		    (name == NULL || strcmp(x->operator_, name) == 0))
			return x;
	}
	return NULL;
}

static void assert_total(const struct fixture *f, enum total_kind kind, enum tender_kind tender,
			 const char *name, int64_t count, int64_t amount)
{
	const Trib__V1__SealedTotal *x = total(f, kind, tender, LEDGER_UNIT_MONEY, name);

	assert_non_null(x);
	assert_int_equal(x->count, count);
	assert_int_equal(x->amount, amount);
}

static void an_empty_day_has_no_totals(void **state)
{
	struct fixture *f = *state;

	fill(f, &f->sum);
	assert_int_equal(f->seal.n_totals, 0);
	assert_int_equal(f->sum.orders, 0);
	assert_int_equal(f->sum.stored_value, 0);
}

static void totals_are_by_kind_tender_and_operator(void **state)
{
	struct fixture *f = *state;

	(void)add(&f->sum, top_up("ann", "cash", 100));
	(void)add(&f->sum, top_up("bob", "cash", 20));
	(void)add(&f->sum, top_up("ann", "cash", 3));
	(void)add(&f->sum, top_up(NULL, "wechat", 7));
	(void)add(&f->sum, sale("bob", "stored_value", 50));
	(void)add(&f->sum, sale(NULL, "cash", 9));
	fill(f, &f->sum);
	assert_int_equal(f->seal.n_totals, 5);
	assert_total(f, TOTAL_TOP_UP, TENDER_CASH, "ann", 2, 103);
	assert_total(f, TOTAL_TOP_UP, TENDER_CASH, "bob", 1, 20);
	assert_total(f, TOTAL_TOP_UP, TENDER_WECHAT, NULL, 1, 7);
	assert_total(f, TOTAL_SALE, TENDER_KIND_STORED_VALUE, "bob", 1, 50);
	assert_total(f, TOTAL_SALE, TENDER_CASH, NULL, 1, 9);
	assert_int_equal(f->sum.orders, 6);
}

static void stored_value_is_what_the_till_s_tenders_come_to(void **state)
{
	struct fixture *f = *state;
	uint64_t first = next_seq;

	assert_int_equal(add(&f->sum, top_up(NULL, "cash", 1000)), 0);
	assert_int_equal(add(&f->sum, sale(NULL, "stored_value", 400)), 400);
	assert_int_equal(add(&f->sum, sale(NULL, "cash", 70)), 0);
	assert_int_equal(add(&f->sum, refund(NULL, first + 1, 100, 0)), -100);
	assert_int_equal(add(&f->sum, refund(NULL, first + 1, 50, 20)), -50);
	assert_int_equal(add(&f->sum, undo(first + 3, first + 1, 100)), 100);
	assert_int_equal(add(&f->sum, refund_top_up(NULL, first, "cash", 5)), 0);
	assert_int_equal(f->sum.stored_value, 350);
}

static void an_order_that_was_cancelled_on_its_day_counts_no_more(void **state)
{
	struct fixture *f = *state;
	uint64_t first = next_seq;
	Trib__V1__OrderCancelled nothing = TRIB__V1__ORDER_CANCELLED__INIT;
	Trib__V1__Entry *e;

	(void)add(&f->sum, sale(NULL, "stored_value", 400));
	(void)add(&f->sum, refund(NULL, first, 100, 0));
	assert_int_equal(f->sum.orders, 2);
	(void)add(&f->sum, cancels(undo(first + 1, first, 100), ORDER_REFUND));
	assert_int_equal(f->sum.orders, 1);
	(void)add(&f->sum, cancels(refund(NULL, first, 400, 0), ORDER_SALE));
	assert_int_equal(f->sum.orders, 0);
	assert_int_equal(f->sum.stored_value, 0);
	/* One of yesterday keeps its place there. */
	(void)add(&f->sum, cancels(refund(NULL, first - 1, 30, 0), ORDER_SALE));
	assert_int_equal(f->sum.orders, 0);
	assert_int_equal(f->sum.stored_value, -30);
	e = make(NULL, 0, "none", 0, 0);
	nothing.verb = ORDER_SALE;
	e->body_case = TRIB__V1__ENTRY__BODY_ORDER_CANCELLED;
	e->order_cancelled = &nothing;
	(void)add(&f->sum, cancels(e, ORDER_SALE));
	assert_int_equal(f->sum.orders, 0);
}

static void an_order_of_another_life_is_not_of_the_day(void **state)
{
	struct fixture *f = *state;
	uint64_t first = next_seq;
	Trib__V1__Entry *e;

	(void)add(&f->sum, sale(NULL, "stored_value", 400));
	e = cancels(refund(NULL, first, 30, 0), ORDER_SALE);
	e->refund->of_incarnation = 0;
	(void)add(&f->sum, e);
	assert_int_equal(f->sum.orders, 1);
}

static void what_moves_nothing_is_in_no_total(void **state)
{
	struct fixture *f = *state;
	Trib__V1__DaySealed sealed = TRIB__V1__DAY_SEALED__INIT;
	Trib__V1__Entry *e = make("ann", 0, "none", 0, 0);

	e->body_case = TRIB__V1__ENTRY__BODY_DAY_SEALED;
	e->day_sealed = &sealed;
	(void)add(&f->sum, e);
	fill(f, &f->sum);
	assert_int_equal(f->seal.n_totals, 0);
	assert_int_equal(f->sum.orders, 0);
	assert_int_equal(f->sum.n_names, DAY_SUM_LISTED); /* its operator takes no place */
}

static void an_entry_that_does_not_fold_is_refused(void **state)
{
	struct fixture *f = *state;
	Trib__V1__Entry *e = top_up("ann", "cash", 100);
	int64_t stored_value;

	made.effect.principal = 99;
	assert_int_equal(day_sum_add(&f->sum, e, &stored_value), ERR_INVALID);
}

/* ---- against an independent sum ---- */

static struct key {
	int kind, tender, unit, who;
	int64_t count, amount;
} keys[MAX_KEYS];
static size_t n_keys;

static const char *const tenders[] = { "cash", "bank_card", "alipay", "wechat", "unionpay" };

/* Operator i's name, of `len` bytes. */
static const char *name_of(int who, size_t len)
{
	static char name[OPERATOR_MAX + 1];

	if (who < 0)
		return NULL;
	memset(name, 'x', len);
	name[len] = '\0';
	(void)snprintf(name, sizeof(name), "%04d", (who * 7919) % 10000);
	name[4] = len > 4 ? 'x' : '\0';
	return name;
}

static void count(int kind, int tender, int unit, int who, int64_t amount)
{
	for (size_t i = 0; i < n_keys; i++) {
		struct key *k = &keys[i];

		if (k->kind == kind && k->tender == tender && k->unit == unit && k->who == who) {
			k->count++;
			k->amount += amount;
			return;
		}
	}
	assert_true(n_keys < MAX_KEYS);
	keys[n_keys++] = (struct key){ kind, tender, unit, who, 1, amount };
}

/* The same money top-up, sale or refund of a top-up into both sums, and the independent one. */
static void add_some(struct fixture *f, int who, size_t name_bytes, unsigned what, int64_t amount)
{
	const char *tender = tenders[what % 5];
	const char *name = name_of(who, name_bytes);
	int kind = TOTAL_REFUND_TOP_UP;
	const Trib__V1__Entry *e;

	if (what / 5 % 3 == 0) {
		kind = TOTAL_TOP_UP;
		e = top_up(name, tender, amount);
	} else if (what / 5 % 3 == 1) {
		kind = TOTAL_SALE;
		e = sale(name, tender, amount);
	} else {
		e = refund_top_up(name, 1, tender, amount);
	}
	(void)add(&f->sum, e);
	(void)add(&f->again, e);
	count(kind, (int)tender_parse(tender), LEDGER_UNIT_MONEY, who, amount);
}

/* Every listed operator's totals are those of the independent sum, all others' are under "", and both
 * sums say the same. The number of listed operators. */
static size_t check(struct fixture *f, int operators, size_t name_bytes)
{
	size_t len[2], listed = 0, n_totals;
	bool *is_listed = calloc((size_t)operators, sizeof(*is_listed));

	fill(f, &f->again);
	len[1] = trib__v1__day_sealed__pack(&f->seal, f->bytes[1]);
	fill(f, &f->sum);
	len[0] = trib__v1__day_sealed__pack(&f->seal, f->bytes[0]);
	assert_int_equal(len[0], len[1]);
	assert_memory_equal(f->bytes[0], f->bytes[1], len[0]);
	n_totals = f->seal.n_totals;
	for (int who = 0; who < operators; who++) {
		for (size_t i = 0; i < n_totals && !is_listed[who]; i++)
			is_listed[who] =
				f->seal.totals[i]->operator_ != NULL &&
				strcmp(f->seal.totals[i]->operator_, name_of(who, name_bytes)) == 0;
		listed += is_listed[who];
	}
	for (size_t i = 0; i < n_keys; i++) {
		struct key k = keys[i];
		const Trib__V1__SealedTotal *x;
		const char *name = k.who < 0        ? NULL :
				   is_listed[k.who] ? name_of(k.who, name_bytes) :
						      "";

		x = total(f, (enum total_kind)k.kind, (enum tender_kind)k.tender,
			  (enum ledger_unit)k.unit, name);
		assert_non_null(x);
		if (name == NULL || name[0] != '\0') {
			assert_int_equal(x->count, k.count);
			assert_int_equal(x->amount, k.amount);
			n_totals--;
		} else { /* one of several */
			f->seal.totals[x - f->seal.totals[0]]->count -= k.count;
			f->seal.totals[x - f->seal.totals[0]]->amount -= k.amount;
		}
	}
	for (size_t i = 0; i < f->seal.n_totals; i++) {
		const Trib__V1__SealedTotal *x = f->seal.totals[i];

		if (x->operator_ == NULL || x->operator_[0] != '\0')
			continue;
		assert_int_equal(x->count, 0);
		assert_int_equal(x->amount, 0);
		n_totals--;
	}
	assert_int_equal(n_totals, 0); /* and nothing else */
	free(is_listed);
	return listed;
}

static void a_few_operators_are_all_listed(void **state)
{
	struct fixture *f = *state;
	unsigned seed = 1;

	n_keys = 0;
	for (int i = 0; i < 3000; i++) {
		seed = seed * 1103515245u + 12345u;
		add_some(f, (int)(seed >> 16) % 21 - 1, 9, seed >> 8, 1 + (seed >> 20));
	}
	assert_int_equal(check(f, 20, 9), 20);
}

static void more_operators_than_there_is_room_for_are_one(void **state)
{
	struct fixture *f = *state;

	n_keys = 0;
	for (int i = 0; i < 4 * 600; i++)
		add_some(f, i % 600, 4, (unsigned)i / 600, i + 1);
	assert_int_equal(check(f, 600, 4), DAY_SUM_MAX_OPERATORS);
}

static void more_totals_than_there_is_room_for_merge_the_last_operators(void **state)
{
	struct fixture *f = *state;
	size_t listed;

	n_keys = 0;
	for (int i = 0; i < 15 * 400; i++)
		add_some(f, i % 401 - 1, 4, (unsigned)i / 401, i + 1);
	listed = check(f, 400, 4);
	assert_true(listed > 100 && listed < 400);
	/* In the order in which they came. */
	for (int who = 0; who < 400; who++) {
		bool has = total(f, TOTAL_TOP_UP, TENDER_CASH, LEDGER_UNIT_MONEY,
				 name_of(who, 4)) != NULL;

		assert_int_equal(has, who < (int)listed);
	}
}

static void long_names_are_merged_until_the_seal_fits_an_entry(void **state)
{
	struct fixture *f = *state;
	size_t listed;

	n_keys = 0;
	for (int i = 0; i < 4 * 500; i++)
		add_some(f, i % 500, OPERATOR_MAX, (unsigned)i / 500, INT64_C(900000000000) + i);
	assert_true(f->sum.n_cells * OPERATOR_MAX > ENTRY_MAX_BYTES);
	listed = check(f, 500, OPERATOR_MAX);
	assert_true(listed > 50 && listed < 400);
	listed = check(f, 500, OPERATOR_MAX); /* once more changes nothing */
	assert_true(trib__v1__day_sealed__get_packed_size(&f->seal) > ENTRY_MAX_BYTES / 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_empty_day_has_no_totals),
		T(totals_are_by_kind_tender_and_operator),
		T(stored_value_is_what_the_till_s_tenders_come_to),
		T(an_order_that_was_cancelled_on_its_day_counts_no_more),
		T(an_order_of_another_life_is_not_of_the_day),
		T(what_moves_nothing_is_in_no_total),
		T(an_entry_that_does_not_fold_is_refused),
		T(a_few_operators_are_all_listed),
		T(more_operators_than_there_is_room_for_are_one),
		T(more_totals_than_there_is_room_for_merge_the_last_operators),
		T(long_names_are_merged_until_the_seal_fits_an_entry),
	};

	return cmocka_run_group_tests_name("day_sum", tests, NULL, NULL);
}
