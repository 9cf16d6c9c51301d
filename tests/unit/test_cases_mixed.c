#include "till_fixture.h"

/* M1's sale on an account of P5000. */
static struct receipt sell_mixed(struct shop *s)
{
	const struct tender tenders[] = {
		{ .type = "stored_value", .amount = 5000 },
		{ .type = "wechat", .amount = 7000, .payment_ref = "W1" },
	};
	struct sale_command cmd = { .amount = 12000, .n_tenders = 2, .tenders = tenders };

	shop_put_lot(s, 1, 5000, 0, LOT_NEVER, 1000);
	assert_int_equal(shop_sell_command(s, &cmd), CODE_OK);
	return shop_keep_receipt(s);
}

static void M1_two_tenders_pay_one_receipt(void **state)
{
	struct shop *s = *state;

	sell_mixed(s);
	assert_balance(s, 0, 0);
	assert_int_equal(shop_balance(s).points, 120);
	assert_int_equal(s->ledger[LEDGER_REVENUE][LEDGER_UNIT_MONEY], 12000);
	assert_int_equal(s->clearing[TENDER_WECHAT], 7000);
	assert_string_equal(s->entry->sale->tenders[1]->payment_ref, "W1");
}

static void M2_cash_takes_nothing_from_lots_and_earns(void **state)
{
	struct shop *s = *state;
	const struct tender cash = { .type = "cash", .amount = 12000 };
	struct sale_command cmd = { .amount = 12000, .n_tenders = 1, .tenders = &cash };

	assert_int_equal(shop_sell_command(s, &cmd), CODE_OK);
	assert_moved(s, 0, 0);
	assert_balance(s, 0, 0);
	assert_int_equal(shop_balance(s).points, 120);
	assert_int_equal(s->clearing[TENDER_CASH], 12000);
}

static void M3_money_goes_back_to_the_other_tenders_first(void **state)
{
	struct shop *s = *state;
	struct receipt of = sell_mixed(s);
	const Trib__V1__Refund *r;

	assert_int_equal(shop_refund(s, &of, 6000), CODE_OK);
	r = s->entry->refund;
	assert_int_equal(r->n_paid_out, 1);
	assert_string_equal(r->paid_out[0]->type, "wechat");
	assert_string_equal(r->paid_out[0]->payment_ref, "W1");
	assert_int_equal(r->paid_out[0]->amount, 6000);
	assert_int_equal(r->n_back, 0);
	assert_balance(s, 0, 0);

	assert_int_equal(shop_refund(s, &of, 6000), CODE_OK);
	r = s->entry->refund;
	assert_int_equal(r->n_paid_out, 1);
	assert_int_equal(r->paid_out[0]->amount, 1000);
	assert_moved(s, 5000, 0);
	assert_balance(s, 5000, 0);
	assert_int_equal(shop_balance(s).points, 0);
	assert_int_equal(s->clearing[TENDER_WECHAT], 0);
	assert_int_equal(s->ledger[LEDGER_REVENUE][LEDGER_UNIT_MONEY], 0);
}

static void M4_a_partial_sale_takes_what_is_there(void **state)
{
	struct shop *s = *state;
	struct sale_command cmd = { .amount = 12000 };

	shop_put_lot(s, 1, 5000, 0, LOT_NEVER, 1000);
	assert_int_equal(shop_sell_command(s, &cmd), CODE_INSUFFICIENT_BALANCE);
	assert_string_equal(code_name(CODE_INSUFFICIENT_BALANCE), "insufficient_balance");
	assert_int_equal(s->facts.total, 5000);

	cmd.allow_partial = true;
	assert_int_equal(shop_sell_command(s, &cmd), CODE_OK);
	assert_balance(s, 0, 0);
	assert_int_equal(s->entry->sale->payable, 5000);
	assert_int_equal(s->facts.payable - s->entry->sale->payable, 7000); /* remaining */
	assert_int_equal(s->entry->sale->points_earned, 50);
	assert_int_equal(s->ledger[LEDGER_REVENUE][LEDGER_UNIT_MONEY], 5000);

	/* With nothing left there is no part to take. */
	assert_int_equal(shop_sell_command(s, &cmd), CODE_INSUFFICIENT_BALANCE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(M1_two_tenders_pay_one_receipt),
		CASE(M2_cash_takes_nothing_from_lots_and_earns),
		CASE(M3_money_goes_back_to_the_other_tenders_first),
		CASE(M4_a_partial_sale_takes_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
