#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "refold.h"

#define DAY 20000
#define LOT lot_id(1, 1, 2)

static void *alloc_zeroed(size_t bytes)
{
	void *p = calloc(1, bytes);

	assert_non_null(p);
	return p;
}

static const struct grower grower = { alloc_zeroed, free };
static uint8_t account[ACCOUNT_ID_BYTES] = { 1, 2, 3 };
static struct refold refold;

/* An entry of store 1 and the parts that its body points at. */
struct fixture {
	Trib__V1__Entry e;
	Trib__V1__TopUp top_up;
	Trib__V1__Sale sale;
	Trib__V1__Refund refund;
	Trib__V1__RefundTopUp refund_top_up;
	Trib__V1__Reversal reversal;
	Trib__V1__AccountOpened opened;
	Trib__V1__SliceEffect effect, *effects[1];
	Trib__V1__LotTerms terms;
	Trib__V1__Tender tender, *tenders[1];
	Trib__V1__SliceBack back, *backs[1];
};

static void header(struct fixture *f, int32_t node, uint64_t seq)
{
	memset(f, 0, sizeof(*f));
	trib__v1__entry__init(&f->e);
	trib__v1__slice_effect__init(&f->effect);
	trib__v1__lot_terms__init(&f->terms);
	trib__v1__tender__init(&f->tender);
	trib__v1__slice_back__init(&f->back);
	f->e.node = node;
	f->e.incarnation = 1;
	f->e.seq = seq;
	f->e.business_day = DAY;
	f->e.has_account = 1;
	f->e.account = (ProtobufCBinaryData){ sizeof(account), account };
	f->effects[0] = &f->effect;
	f->tenders[0] = &f->tender;
	f->backs[0] = &f->back;
}

static void add_effect(struct fixture *f, int64_t lot, int64_t principal)
{
	f->effect.lot = lot;
	f->effect.unit = TRIB__V1__UNIT__UNIT_VALUE;
	f->effect.principal = principal;
	f->e.effects = f->effects;
	f->e.n_effects = 1;
}

static void make_top_up(struct fixture *f, int64_t paid)
{
	header(f, 1, 2);
	trib__v1__top_up__init(&f->top_up);
	f->top_up.paid = paid;
	f->top_up.tender = (char *)(uintptr_t) "cash";
	f->terms.issuer = 1;
	f->terms.principal = paid;
	add_effect(f, LOT, paid);
	f->effect.terms = &f->terms;
	f->e.body_case = TRIB__V1__ENTRY__BODY_TOP_UP;
	f->e.top_up = &f->top_up;
}

static void make_sale(struct fixture *f, uint64_t seq, int64_t amount)
{
	header(f, 1, seq);
	trib__v1__sale__init(&f->sale);
	f->sale.list_amount = f->sale.payable = amount;
	f->tender.type = (char *)(uintptr_t) "stored_value";
	f->tender.amount = amount;
	f->sale.tenders = f->tenders;
	f->sale.n_tenders = 1;
	add_effect(f, LOT, -amount);
	f->e.body_case = TRIB__V1__ENTRY__BODY_SALE;
	f->e.sale = &f->sale;
}

static void make_opened(struct fixture *f, int32_t node, const char *card)
{
	header(f, node, 1);
	trib__v1__account_opened__init(&f->opened);
	f->opened.account_type = (char *)(uintptr_t) "default";
	f->opened.card_no = (ProtobufCBinaryData){ strlen(card), (uint8_t *)(uintptr_t)card };
	f->e.body_case = TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED;
	f->e.account_opened = &f->opened;
}

/* All that the top-up's lot holds, `held`, is paid back. */
static void make_refund_top_up(struct fixture *f, uint64_t seq, int64_t held)
{
	header(f, 1, seq);
	trib__v1__refund_top_up__init(&f->refund_top_up);
	f->refund_top_up.of_incarnation = 1;
	f->refund_top_up.of_seq = 2;
	f->refund_top_up.amount = held;
	f->tender.type = (char *)(uintptr_t) "cash";
	f->tender.amount = held;
	f->refund_top_up.paid_out = &f->tender;
	add_effect(f, LOT, -held);
	f->e.body_case = TRIB__V1__ENTRY__BODY_REFUND_TOP_UP;
	f->e.refund_top_up = &f->refund_top_up;
}

/* Of that entry, by entry seq. */
static void make_reversal(struct fixture *f, uint64_t seq, uint64_t of_seq, int64_t held)
{
	make_refund_top_up(f, seq, held);
	trib__v1__reversal__init(&f->reversal);
	f->reversal.of_incarnation = 1;
	f->reversal.of_seq = of_seq;
	f->reversal.what_case = TRIB__V1__REVERSAL__WHAT_REFUND_TOP_UP;
	f->reversal.refund_top_up = &f->refund_top_up;
	f->effect.principal = held;
	f->e.body_case = TRIB__V1__ENTRY__BODY_REVERSAL;
	f->e.reversal = &f->reversal;
}

static int fold_at(const struct fixture *f, int64_t no, int64_t at)
{
	const struct refold_booking booking = { no, at };
	const char *why;

	return refold_entry(&refold, &f->e, &booking, &why);
}

static int set_up(void **state)
{
	(void)state;
	refold_init(&refold, &grower);
	refold_begin(&refold);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	refold_finish(&refold);
	return 0;
}

static struct refold_holding *held(void)
{
	struct holding_key key;

	memset(&key, 0, sizeof(key));
	key.lot = LOT;
	key.node = 1;
	key.unit = TRIB__V1__UNIT__UNIT_VALUE;
	memcpy(key.account, account, sizeof(account));
	return growing_find(&refold.holdings, &key);
}

static void a_sale_leaves_the_rest_of_the_lot(void **state)
{
	struct fixture f;

	(void)state;
	make_top_up(&f, 5000);
	assert_int_equal(fold_at(&f, 1, 1), 0);
	make_sale(&f, 3, 1200);
	assert_int_equal(fold_at(&f, 1, 1), 0);
	assert_int_equal(held()->principal, 3800);
	assert_int_equal(held()->issued_principal, 5000);
}

static void ledger_and_holdings_agree_for_each_issuer(void **state)
{
	struct refold_liability_key key = { 1, LEDGER_UNIT_MONEY };
	const struct refold_liability *l;
	struct fixture f;

	(void)state;
	make_top_up(&f, 5000);
	assert_int_equal(fold_at(&f, 1, 1), 0);
	make_sale(&f, 3, 1200);
	assert_int_equal(fold_at(&f, 1, 1), 0);
	refold_end(&refold);
	l = growing_find(&refold.liabilities, &key);
	assert_non_null(l);
	assert_int_equal(l->ledger, 3800);
	assert_int_equal(l->held, 3800);
	for (size_t i = 0; i < growing_n(&refold.balances); i++) {
		const struct refold_balance *b = growing_row(&refold.balances, i);

		assert_int_equal(b->debit, b->credit);
	}
}

static void a_holding_below_zero_does_not_fold(void **state)
{
	struct fixture f;

	(void)state;
	make_top_up(&f, 5000);
	assert_int_equal(fold_at(&f, 1, 1), 0);
	make_sale(&f, 3, 5001);
	assert_int_equal(fold_at(&f, 1, 1), ERR_INVALID);
}

static void a_lot_that_was_never_issued_does_not_fold(void **state)
{
	struct fixture f;

	(void)state;
	make_sale(&f, 3, 1);
	assert_int_equal(fold_at(&f, 1, 1), ERR_INVALID);
}

static const struct refold_receipt *top_up_receipt(void)
{
	struct refold_place key;

	memset(&key, 0, sizeof(key));
	key.store = 1;
	key.incarnation = 1;
	key.seq = 2;
	return growing_find(&refold.receipts, &key);
}

static void a_top_up_paid_back_and_undone_leaves_what_was_held(void **state)
{
	struct refold_liability_key key = { 1, LEDGER_UNIT_MONEY };
	const struct refold_liability *l;
	struct fixture f;

	(void)state;
	make_top_up(&f, 5000);
	assert_int_equal(fold_at(&f, 1, 1), 0);
	make_sale(&f, 3, 1200);
	assert_int_equal(fold_at(&f, 1, 1), 0);
	make_refund_top_up(&f, 4, 3800);
	assert_int_equal(fold_at(&f, 1, 1), 0);
	assert_int_equal(held()->principal, 0);
	assert_int_equal(top_up_receipt()->refunded, 3800);
	assert_int_equal(top_up_receipt()->kind, TRIB__V1__ENTRY__BODY_TOP_UP);
	make_reversal(&f, 5, 4, 3800);
	assert_int_equal(fold_at(&f, 1, 1), 0);
	assert_int_equal(held()->principal, 3800);
	assert_int_equal(top_up_receipt()->refunded, 0);
	refold_end(&refold);
	l = growing_find(&refold.liabilities, &key);
	assert_int_equal(l->ledger, 3800);
	assert_int_equal(l->held, 3800);
}

static void what_was_never_refunded_is_not_undone(void **state)
{
	struct fixture f;

	(void)state;
	make_top_up(&f, 5000);
	assert_int_equal(fold_at(&f, 1, 1), 0);
	make_sale(&f, 3, 1200);
	assert_int_equal(fold_at(&f, 1, 1), 0);
	make_reversal(&f, 5, 4, 1200);
	assert_int_equal(fold_at(&f, 1, 1), ERR_INVALID);
}

static void a_receipt_is_refunded_as_what_it_is(void **state)
{
	struct fixture f;

	(void)state;
	make_top_up(&f, 5000);
	assert_int_equal(fold_at(&f, 1, 1), 0);
	make_refund_top_up(&f, 3, 5000);
	assert_int_equal(fold_at(&f, 1, 1), 0);
	header(&f, 1, 4);
	trib__v1__refund__init(&f.refund);
	f.refund.of_incarnation = 1;
	f.refund.of_seq = 2;
	f.refund.amount = f.tender.amount = 10;
	f.tender.type = (char *)(uintptr_t) "cash";
	f.refund.n_paid_out = 1;
	f.refund.paid_out = f.tenders;
	f.e.body_case = TRIB__V1__ENTRY__BODY_REFUND;
	f.e.refund = &f.refund;
	assert_int_equal(fold_at(&f, 1, 1), ERR_INVALID);
}

static void quarantined_entries_are_known_by_place(void **state)
{
	(void)state;
	refold_quarantined(&refold, 1, 1, 7, "inconsistent");
	assert_true(refold_is_quarantined(&refold, 1, 1, 7));
	assert_false(refold_is_quarantined(&refold, 1, 1, 8));
	assert_false(refold_is_quarantined(&refold, 1, 2, 7));
	assert_false(refold_is_quarantined(&refold, 2, 1, 7));
}

static struct refold_account *the_account(void)
{
	return growing_find(&refold.accounts, account);
}

static void the_first_booking_gives_an_account_its_home(void **state)
{
	struct fixture f;

	(void)state;
	refold_found_account(&refold, account, "default", 2, "**********3456", 0);
	make_opened(&f, 1, "12345678903456");
	assert_int_equal(fold_at(&f, 9, 90), 0); /* store 1 is walked first, and was booked later */
	refold_begin(&refold);
	make_opened(&f, 2, "12345678903456");
	assert_int_equal(fold_at(&f, 4, 40), 0);
	assert_true(the_account()->is_home_right);
	assert_true(the_account()->is_type_right);
	assert_true(the_account()->is_mask_right);
	assert_int_equal(the_account()->home, 2);
}

static void a_later_booking_gives_no_home(void **state)
{
	struct fixture f;

	(void)state;
	refold_found_account(&refold, account, "default", 2, "**********3456", 0);
	make_opened(&f, 1, "12345678903456");
	assert_int_equal(fold_at(&f, 4, 40), 0);
	refold_begin(&refold);
	make_opened(&f, 2, "12345678903456");
	assert_int_equal(fold_at(&f, 9, 90), 0);
	assert_false(the_account()->is_home_right);
	assert_int_equal(the_account()->home, 1);
}

static void openings_of_one_transaction_may_come_in_any_order(void **state)
{
	struct fixture f;

	(void)state;
	refold_found_account(&refold, account, "default", 2, "**********3456", 0);
	make_opened(&f, 1, "12345678903456");
	assert_int_equal(fold_at(&f, 4, 40), 0);
	refold_begin(&refold);
	make_opened(&f, 2, "12345678903456");
	assert_int_equal(fold_at(&f, 5, 40), 0);
	assert_true(the_account()->is_home_right);
}

static void a_table_grows_and_keeps_its_rows(void **state)
{
	struct growing g;

	(void)state;
	growing_init(&g, &grower, 16, 8);
	for (int64_t key = 0; key < 10000; key++) {
		int64_t *row = growing_at(&g, &key);

		assert_int_equal(row[1], 0);
		row[1] = 3 * key;
	}
	assert_int_equal(growing_n(&g), 10000);
	for (int64_t key = 0; key < 10000; key++)
		assert_int_equal(((int64_t *)growing_find(&g, &key))[1], 3 * key);
	growing_clear(&g);
	assert_int_equal(growing_n(&g), 0);
	growing_finish(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_sale_leaves_the_rest_of_the_lot, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(ledger_and_holdings_agree_for_each_issuer, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_holding_below_zero_does_not_fold, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_lot_that_was_never_issued_does_not_fold, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_top_up_paid_back_and_undone_leaves_what_was_held,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_never_refunded_is_not_undone, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_receipt_is_refunded_as_what_it_is, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(quarantined_entries_are_known_by_place, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_first_booking_gives_an_account_its_home, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_later_booking_gives_no_home, set_up, tear_down),
		cmocka_unit_test_setup_teardown(openings_of_one_transaction_may_come_in_any_order,
						set_up, tear_down),
		cmocka_unit_test(a_table_grows_and_keeps_its_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
