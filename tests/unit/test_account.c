#include "till_fixture.h"

#include <string.h>

static const uint8_t id[ACCOUNT_ID_BYTES] = "an account's id";

/* An entry of up to eight effects. */
struct built {
	Trib__V1__Entry e;
	Trib__V1__SliceEffect effects[8], *list[8];
	Trib__V1__LotTerms terms[8];
	uint8_t account[ACCOUNT_ID_BYTES];
};

static void build(struct built *b)
{
	trib__v1__entry__init(&b->e);
	memcpy(b->account, id, sizeof(id));
	b->e.has_account = 1;
	b->e.account.data = b->account;
	b->e.account.len = ACCOUNT_ID_BYTES;
	b->e.effects = b->list;
}

static Trib__V1__SliceEffect *add(struct built *b, Trib__V1__Unit unit, int64_t lot,
				  int64_t principal, int64_t bonus)
{
	Trib__V1__SliceEffect *f = &b->effects[b->e.n_effects];

	trib__v1__slice_effect__init(f);
	f->lot = lot;
	f->unit = unit;
	f->principal = principal;
	f->bonus = bonus;
	b->list[b->e.n_effects++] = f;
	return f;
}

/* A change of value of the shop's lot seq, with terms of what is issued. */
static Trib__V1__SliceEffect *add_value(struct built *b, uint64_t seq, int64_t principal,
					int64_t bonus, int64_t issued)
{
	Trib__V1__LotTerms *t = &b->terms[b->e.n_effects];

	trib__v1__lot_terms__init(t);
	t->issuer = SHOP_NODE;
	t->principal = issued;
	t->bonus = issued;
	add(b, TRIB__V1__UNIT__UNIT_VALUE, shop_lot(seq), principal, bonus)->terms = t;
	return b->list[b->e.n_effects - 1];
}

static struct slice value_slice(uint64_t seq, int64_t principal, int64_t bonus)
{
	struct slice s = {
		.lot = shop_lot(seq),
		.unit = TRIB__V1__UNIT__UNIT_VALUE,
		.issuer = SHOP_NODE,
		.expires = LOT_NEVER,
		.issued_principal = 1000,
		.issued_bonus = 1000,
		.principal = principal,
		.bonus = bonus,
	};

	return s;
}

static void put(struct account *a, struct slice s)
{
	assert_int_equal(account_put(a, &s), 0);
}

static int put_error(struct account *a, struct slice s)
{
	uint32_t n = a->n_slices;
	int r = account_put(a, &s);

	assert_int_equal(a->n_slices, n);
	return r;
}

/* The entry must be refused with `error` and leave the account as it is. */
static void assert_refused(struct account *a, const struct built *b, int error)
{
	struct account before;

	memcpy(&before, a, sizeof(before));
	assert_int_equal(account_check(a, &b->e), error);
	assert_int_equal(account_fold(a, &b->e), error);
	assert_memory_equal(&before, a, sizeof(before));
}

static struct account *start(void **state)
{
	struct shop *s = *state;

	return &s->acc;
}

static void slices_stand_in_the_order_of_taking(void **state)
{
	struct account *a = start(state);
	struct slice s = value_slice(1, 10, 0);

	put(a, s);
	s = value_slice(2, 10, 0);
	s.expires = 20000;
	put(a, s);
	s = value_slice(3, 10, 0);
	s.issued_ms = -5;
	put(a, s);
	s = (struct slice){ .lot = -202701, .unit = TRIB__V1__UNIT__UNIT_POINTS, .principal = 7 };
	assert_int_equal(points_lot_expires(s.lot, &s.expires), 0);
	put(a, s);
	assert_int_equal(a->n_slices, 4);
	assert_int_equal(a->slices[0].lot, shop_lot(2));
	assert_int_equal(a->slices[1].lot, shop_lot(3));
	assert_int_equal(a->slices[2].lot, shop_lot(1));
	assert_int_equal(a->slices[3].lot, -202701);
}

static void putting_a_slice_again_replaces_it(void **state)
{
	struct account *a = start(state);
	struct slice s = value_slice(1, 10, 0);

	put(a, s);
	put(a, value_slice(2, 20, 0));
	s.expires = 30000; /* a place further ahead */
	s.principal = 11;
	put(a, s);
	assert_int_equal(a->n_slices, 2);
	assert_int_equal(a->slices[0].principal, 11);
	put(a, value_slice(1, 0, 0));
	assert_int_equal(a->n_slices, 1);
	assert_null(account_find(a, TRIB__V1__UNIT__UNIT_VALUE, shop_lot(1)));
}

static void slices_that_break_an_invariant_are_not_put(void **state)
{
	struct account *a = start(state);
	struct slice s = value_slice(1, -1, 0);

	assert_int_equal(put_error(a, s), ERR_UNDERFLOW);
	assert_int_equal(put_error(a, value_slice(1, 0, -1)), ERR_UNDERFLOW);
	assert_int_equal(put_error(a, value_slice(1, 1001, 0)), ERR_INVALID); /* A5 */
	assert_int_equal(put_error(a, value_slice(1, HELD_MAX + 1, 0)), ERR_OVERFLOW);
	s = value_slice(1, 1, 0);
	s.issuer++;
	assert_int_equal(put_error(a, s), ERR_INVALID);
	s = value_slice(1, 1, 0);
	s.unit = 9;
	assert_int_equal(put_error(a, s), ERR_INVALID);
	s.unit = TRIB__V1__UNIT__UNIT_POINTS;
	assert_int_equal(put_error(a, s), ERR_INVALID);
}

static void a_new_lot_needs_terms(void **state)
{
	struct account *a = start(state);
	struct built b = { 0 };

	build(&b);
	add_value(&b, 1, 100, 20, 100)->terms = NULL;
	assert_refused(a, &b, ERR_INVALID);
	b.effects[0].terms = &b.terms[0];
	assert_int_equal(account_fold(a, &b.e), 0);
	assert_int_equal(a->slices[0].principal, 100);
	assert_int_equal(a->slices[0].bonus, 20);
	assert_int_equal(a->slices[0].expires, LOT_NEVER);
}

static void terms_that_differ_from_the_lot_are_refused(void **state)
{
	struct account *a = start(state);
	struct built b = { 0 };

	build(&b);
	add_value(&b, 1, 60, 20, 100);
	assert_int_equal(account_fold(a, &b.e), 0);
	assert_int_equal(account_fold(a, &b.e), ERR_INVALID); /* A5: 120 of 100 */
	b.effects[0].principal = -10;
	b.effects[0].bonus = 0;
	b.terms[0].has_expires = 1;
	b.terms[0].expires = 20000;
	assert_refused(a, &b, ERR_INVALID);
	b.terms[0].has_expires = 0;
	b.terms[0].issuer++;
	assert_refused(a, &b, ERR_INVALID);
	b.effects[0].terms = NULL; /* not needed */
	assert_int_equal(account_fold(a, &b.e), 0);
	assert_int_equal(a->slices[0].principal, 50);
}

static void a_fold_is_all_or_nothing(void **state)
{
	struct account *a = start(state);
	struct built b = { 0 };

	put(a, value_slice(1, 100, 10));
	put(a, value_slice(2, 100, 10));
	build(&b);
	add(&b, TRIB__V1__UNIT__UNIT_VALUE, shop_lot(1), -100, -10);
	add(&b, TRIB__V1__UNIT__UNIT_VALUE, shop_lot(2), -50, -11);
	assert_refused(a, &b, ERR_UNDERFLOW);
	b.effects[1].bonus = -10;
	b.e.points_owed = -1;
	assert_refused(a, &b, ERR_UNDERFLOW); /* A4 */
	b.e.points_owed = INT64_MAX;
	assert_refused(a, &b, ERR_OVERFLOW);
	b.e.points_owed = 5;
	assert_int_equal(account_fold(a, &b.e), 0);
	assert_int_equal(a->points_owed, 5);
	assert_int_equal(a->n_slices, 1); /* the one of 0/0 is gone */
	assert_int_equal(a->slices[0].lot, shop_lot(2));
}

static void what_is_not_held_cannot_be_taken(void **state)
{
	struct account *a = start(state);
	struct built b = { 0 };

	build(&b);
	add_value(&b, 1, -1, 0, 100);
	assert_refused(a, &b, ERR_UNDERFLOW);
}

static void a_lot_twice_in_one_entry_is_refused(void **state)
{
	struct account *a = start(state);
	struct built b = { 0 };

	put(a, value_slice(1, 100, 0));
	build(&b);
	add(&b, TRIB__V1__UNIT__UNIT_VALUE, shop_lot(1), -60, 0);
	add(&b, TRIB__V1__UNIT__UNIT_VALUE, shop_lot(1), -60, 0);
	assert_refused(a, &b, ERR_INVALID);
}

static void another_account_s_entry_is_refused(void **state)
{
	struct account *a = start(state);
	struct built b = { 0 };

	put(a, value_slice(1, 100, 0));
	build(&b);
	add(&b, TRIB__V1__UNIT__UNIT_VALUE, shop_lot(1), -60, 0);
	b.account[3]++;
	assert_refused(a, &b, ERR_INVALID);
	b.e.has_account = 0;
	assert_refused(a, &b, ERR_INVALID);
}

static void a_full_account_may_exchange_a_lot_for_another(void **state)
{
	struct account *a = start(state);
	struct built b = { 0 };

	for (uint64_t i = 1; i <= ACCOUNT_MAX_SLICES; i++)
		put(a, value_slice(i, 5, 0));
	assert_int_equal(put_error(a, value_slice(5000, 5, 0)), ERR_FULL);
	build(&b);
	add_value(&b, 5000, 5, 0, 100);
	assert_refused(a, &b, ERR_FULL);
	add(&b, TRIB__V1__UNIT__UNIT_VALUE, shop_lot(7), -5, 0);
	assert_int_equal(account_fold(a, &b.e), 0);
	assert_int_equal(a->n_slices, ACCOUNT_MAX_SLICES);
	assert_non_null(account_find(a, TRIB__V1__UNIT__UNIT_VALUE, shop_lot(5000)));
}

static void the_balance_leaves_out_what_is_expired(void **state)
{
	struct account *a = start(state);
	struct slice s = value_slice(1, 100, 10);
	struct balance b;

	s.expires = 20000;
	put(a, s);
	put(a, value_slice(2, 30, 3));
	s = value_slice(3, 4, 0);
	s.unit = TRIB__V1__UNIT__UNIT_USES;
	s.issued_bonus = 0;
	put(a, s);
	account_balance(a, 20000, &b);
	assert_int_equal(b.principal, 130);
	assert_int_equal(b.bonus, 13);
	assert_int_equal(b.uses, 4);
	assert_int_equal(b.points, 0);
	account_balance(a, 20001, &b);
	assert_int_equal(b.principal, 30);
	assert_int_equal(b.bonus, 3);
}

static void the_total_known_adds_what_hq_saw_elsewhere(void **state)
{
	struct account *a = start(state);

	put(a, value_slice(1, 100, 10));
	assert_int_equal(account_total_known(a, 0), 110);
	a->facts_as_of_ms = 1;
	a->facts_principal = 900;
	a->facts_bonus = 100;
	a->facts_here = 300;
	assert_int_equal(account_total_known(a, 0), 810);
	a->facts_here = 2000; /* nonsense is not subtracted from what is here */
	assert_int_equal(account_total_known(a, 0), 110);
	a->facts_principal = INT64_MAX;
	assert_int_equal(account_total_known(a, 0), 110);
}

static void a_points_lot_expires_at_its_month_s_end(void **state)
{
	int32_t day = -7;

	(void)state;
	assert_int_equal(points_lot_expires(-202702, &day), 0);
	assert_int_equal(day, day_of(2027, 2, 28));
	assert_int_equal(points_lot_expires(-202802, &day), 0);
	assert_int_equal(day, day_of(2028, 2, 29));
	assert_int_equal(points_lot_expires(-202612, &day), 0);
	assert_int_equal(day, day_of(2026, 12, 31));
	assert_int_equal(points_lot_expires(-197001, &day), 0);
	assert_int_equal(day, 30);
	assert_int_equal(points_lot_expires(POINTS_LOT_NEVER, &day), 0);
	assert_int_equal(day, LOT_NEVER);
	assert_int_equal(points_lot_expires(-202613, &day), ERR_INVALID);
	assert_int_equal(points_lot_expires(-202600, &day), ERR_INVALID);
	assert_int_equal(points_lot_expires(5, &day), ERR_INVALID);
	assert_int_equal(points_lot_expires(INT64_MIN, &day), ERR_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(slices_stand_in_the_order_of_taking),
		TEST(putting_a_slice_again_replaces_it),
		TEST(slices_that_break_an_invariant_are_not_put),
		TEST(a_new_lot_needs_terms),
		TEST(terms_that_differ_from_the_lot_are_refused),
		TEST(a_fold_is_all_or_nothing),
		TEST(what_is_not_held_cannot_be_taken),
		TEST(a_lot_twice_in_one_entry_is_refused),
		TEST(another_account_s_entry_is_refused),
		TEST(a_full_account_may_exchange_a_lot_for_another),
		TEST(the_balance_leaves_out_what_is_expired),
		TEST(the_total_known_adds_what_hq_saw_elsewhere),
		TEST(a_points_lot_expires_at_its_month_s_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
