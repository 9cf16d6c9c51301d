#include "till_fixture.h"

#include <string.h>

/* One lot of P50000 B10000, seq 1. */
static struct shop *with_lot(void **state)
{
	struct shop *s = *state;

	shop_put_lot(s, 1, 50000, 10000, LOT_NEVER, 1000);
	return s;
}

/* S1's sale, of which the others refund. */
static struct receipt sell_12345(struct shop *s)
{
	assert_int_equal(shop_sell(s, 12345), CODE_OK);
	return shop_keep_receipt(s);
}

static void S1_pro_rata_takes_the_floor_of_bonus(void **state)
{
	struct shop *s = with_lot(state);

	sell_12345(s);
	assert_moved(s, -10288, -2057);
	assert_balance(s, 39712, 7943);
}

static void S2_bonus_first_leaves_no_bonus(void **state)
{
	struct shop *s = with_lot(state);

	s->type.consumption = TRIB__V1__CONSUMPTION__CONSUME_BONUS_FIRST;
	sell_12345(s);
	assert_balance(s, 47655, 0);
}

static void S3_principal_first_leaves_the_bonus_whole(void **state)
{
	struct shop *s = with_lot(state);

	s->type.consumption = TRIB__V1__CONSUMPTION__CONSUME_PRINCIPAL_FIRST;
	sell_12345(s);
	assert_balance(s, 37655, 10000);
}

static void S4_a_part_refunded_brings_its_part_of_the_bonus(void **state)
{
	struct shop *s = with_lot(state);
	struct receipt of = sell_12345(s);

	assert_int_equal(shop_refund(s, &of, 5000), CODE_OK);
	assert_moved(s, 4167, 833);
	assert_balance(s, 43879, 8776);
}

static void S5_the_remaining_part_ends_exactly_at_the_whole(void **state)
{
	struct shop *s = with_lot(state);
	struct receipt of = sell_12345(s);

	assert_int_equal(shop_refund(s, &of, 5000), CODE_OK);
	assert_int_equal(shop_refund(s, &of, 7345), CODE_OK);
	assert_balance(s, 50000, 10000);
	assert_int_equal(shop_balance(s).points, 0);
}

static void S6_refunds_of_one_fen_end_exactly_at_the_whole(void **state)
{
	struct shop *s = with_lot(state);
	struct receipt of = sell_12345(s);

	for (int i = 0; i < 12345; i++) {
		const Trib__V1__Refund *r;

		assert_int_equal(shop_refund(s, &of, 1), CODE_OK);
		r = s->entry->refund;
		assert_int_equal(r->n_back, 1);
		assert_true(r->back[0]->principal >= 0 && r->back[0]->bonus >= 0);
		assert_int_equal(r->back[0]->principal + r->back[0]->bonus, 1);
		assert_true(r->points_clawed_back >= 0);
	}
	assert_balance(s, 50000, 10000);
	assert_int_equal(shop_balance(s).points, 0);
	assert_int_equal(shop_refund(s, &of, 1), CODE_REFUND_EXCEEDS_SALE);
}

static void S7_more_than_the_sale_is_refused(void **state)
{
	struct shop *s = with_lot(state);
	struct receipt of = sell_12345(s);

	assert_int_equal(shop_refund(s, &of, 12346), CODE_REFUND_EXCEEDS_SALE);
	assert_string_equal(code_name(CODE_REFUND_EXCEEDS_SALE), "refund_exceeds_sale");
	assert_int_equal(s->facts.rest, 12345);
	assert_balance(s, 39712, 7943);
	assert_int_equal(of.refunded, 0);
}

/* L1's lots: A is seq 1, B seq 2; B is the older one, but expires later. */
static struct receipt spend_bonus_lots(struct shop *s)
{
	shop_put_lot(s, 1, 0, 100, day_of(2026, 12, 31), 1000);
	shop_put_lot(s, 2, 0, 200, day_of(2027, 6, 30), 2000);
	shop_set_day(s, day_of(2026, 12, 1));
	assert_int_equal(shop_sell(s, 150), CODE_OK);
	return shop_keep_receipt(s);
}

static void L1_the_lot_that_expires_sooner_goes_first(void **state)
{
	struct shop *s = *state;

	spend_bonus_lots(s);
	assert_slice(s, 1, 0, 0);
	assert_slice(s, 2, 0, 150);
}

static void L2_bonus_back_in_an_expired_lot_expires_in_the_same_entry(void **state)
{
	struct shop *s = *state;
	struct receipt of = spend_bonus_lots(s);
	const Trib__V1__Refund *r;

	shop_set_day(s, day_of(2027, 1, 5));
	assert_int_equal(shop_refund(s, &of, 0), CODE_OK);
	r = s->entry->refund;
	assert_int_equal(r->amount, 150);
	assert_int_equal(r->n_back, 2);
	assert_int_equal(r->back[0]->lot, shop_lot(2)); /* taken last, back first */
	assert_int_equal(r->back[0]->bonus, 50);
	assert_int_equal(r->back[0]->expired_bonus, 0);
	assert_int_equal(r->back[1]->lot, shop_lot(1));
	assert_int_equal(r->back[1]->bonus, 0);
	assert_int_equal(r->back[1]->expired_bonus, 100);
	assert_slice(s, 1, 0, 0);
	assert_slice(s, 2, 0, 200);
	assert_balance(s, 0, 200);
}

/* L3's lots: the older is seq 2, the newer seq 1. */
static struct receipt spend_two_lots(struct shop *s)
{
	shop_put_lot(s, 1, 10000, 5000, LOT_NEVER, 1000);
	shop_put_lot(s, 2, 10000, 0, LOT_NEVER, 2000);
	assert_int_equal(shop_sell(s, 12000), CODE_OK);
	return shop_keep_receipt(s);
}

static void L3_the_older_lot_goes_first(void **state)
{
	struct shop *s = *state;

	spend_two_lots(s);
	assert_slice(s, 2, 0, 0);
	assert_slice(s, 1, 8666, 4334);
	assert_moved(s, -11334, -666);
}

static void L4_the_lot_taken_last_is_refilled_first(void **state)
{
	struct shop *s = *state;
	struct receipt of = spend_two_lots(s);

	assert_int_equal(shop_refund(s, &of, 6000), CODE_OK);
	assert_slice(s, 1, 10000, 5000);
	assert_slice(s, 2, 4000, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(S1_pro_rata_takes_the_floor_of_bonus),
		CASE(S2_bonus_first_leaves_no_bonus),
		CASE(S3_principal_first_leaves_the_bonus_whole),
		CASE(S4_a_part_refunded_brings_its_part_of_the_bonus),
		CASE(S5_the_remaining_part_ends_exactly_at_the_whole),
		CASE(S6_refunds_of_one_fen_end_exactly_at_the_whole),
		CASE(S7_more_than_the_sale_is_refused),
		CASE(L1_the_lot_that_expires_sooner_goes_first),
		CASE(L2_bonus_back_in_an_expired_lot_expires_in_the_same_entry),
		CASE(L3_the_older_lot_goes_first),
		CASE(L4_the_lot_taken_last_is_refilled_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
