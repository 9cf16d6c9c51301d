#include "till_fixture.h"

#include <string.h>

static char rule_id[] = "charge";

/* A top-up of P50000 B10000 and 100 points, seq 1000. */
static struct receipt top_up(struct shop *s)
{
	static const int64_t steps[][2] = { { 50000, 10000 } };

	shop_add_ladder(s, rule_id, false, 1, steps)->steps[0]->points = 100;
	assert_int_equal(shop_top_up(s, 50000), CODE_OK);
	return shop_keep_receipt(s);
}

static int64_t total_of(const struct shop *s, enum total_kind kind, enum tender_kind tender,
			enum ledger_unit unit)
{
	for (size_t i = 0; i < s->fold.n_totals; i++) {
		const struct day_total *t = &s->fold.totals[i];

		if (t->kind == (int)kind && t->tender == (int)tender && t->unit == (int)unit)
			return t->amount;
	}
	return -1;
}

static void a_top_up_not_spent_is_paid_back_whole(void **state)
{
	struct shop *s = *state;
	struct receipt of = top_up(s);
	const Trib__V1__RefundTopUp *b;

	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_OK);
	b = s->entry->refund_top_up;
	assert_int_equal(b->of_seq, of.entry->seq);
	assert_int_equal(b->amount, 50000);
	assert_int_equal(b->bonus, 10000);
	assert_string_equal(b->paid_out->type, "cash");
	assert_int_equal(b->paid_out->amount, 50000);
	assert_int_equal(b->points_clawed_back, 100);
	assert_int_equal(b->rest, 0);
	assert_balance(s, 0, 0);
	assert_int_equal(shop_balance(s).points, 0);
	assert_int_equal(s->clearing[TENDER_CASH], 0);
	assert_int_equal(s->ledger[LEDGER_ISSUED][LEDGER_UNIT_BONUS], 0);
	assert_int_equal(total_of(s, TOTAL_REFUND_TOP_UP, TENDER_CASH, LEDGER_UNIT_MONEY), 50000);
	assert_int_equal(total_of(s, TOTAL_REFUND_TOP_UP, TENDER_NONE, LEDGER_UNIT_BONUS), 10000);
	assert_int_equal(total_of(s, TOTAL_REFUND_TOP_UP, TENDER_NONE, LEDGER_UNIT_POINTS), 100);

	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_REFUND_EXCEEDS_SALE);
	assert_int_equal(s->facts.rest, 0);
}

static void what_was_spent_is_not_paid_back(void **state)
{
	struct shop *s = *state;
	struct receipt of = top_up(s);

	s->points.points = 0;
	assert_int_equal(shop_sell(s, 12345), CODE_OK); /* S1: leaves P39712 B7943 */
	assert_int_equal(shop_refund_top_up(s, &of, 39713), CODE_REFUND_EXCEEDS_SALE);
	assert_int_equal(s->facts.rest, 39712);
	assert_int_equal(s->facts.payable, 50000);
	assert_int_equal(shop_refund_top_up(s, &of, 39711), CODE_BAD_VALUE);
	assert_string_equal(s->facts.param, "amount");
	assert_string_equal(s->facts.detail, "a top-up is refunded whole: leave amount out");
	assert_int_equal(shop_refund_top_up(s, &of, -1), CODE_BAD_VALUE);
	assert_int_equal(shop_refund_top_up(s, &of, 39712), CODE_OK);
	assert_int_equal(s->entry->refund_top_up->bonus, 7943);
	assert_int_equal(s->entry->refund_top_up->rest, 10288);
	/* Of 100 points the spent part deserves floor(100 * 10288 / 50000) = 20. */
	assert_int_equal(s->entry->refund_top_up->points_clawed_back, 80);
	assert_int_equal(shop_balance(s).points, 20);
	assert_int_equal(s->clearing[TENDER_CASH], 10288);
}

static void a_sale_refunded_after_it_brings_principal_back_and_bonus_lapses(void **state)
{
	struct shop *s = *state;
	struct receipt of = top_up(s), sale;
	const Trib__V1__Refund *r;

	s->points.points = 0;
	assert_int_equal(shop_sell(s, 12345), CODE_OK); /* takes P10288 B2057 */
	sale = shop_keep_receipt(s);
	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_OK);
	assert_int_equal(shop_refund(s, &sale, 5000), CODE_OK);
	r = s->entry->refund;
	assert_int_equal(r->n_back, 1);
	assert_int_equal(r->back[0]->principal, 4167);
	assert_int_equal(r->back[0]->bonus, 0);
	assert_int_equal(r->back[0]->expired_bonus, 833);
	assert_balance(s, 4167, 0); /* an ordinary slice: it can be spent */
	assert_int_equal(shop_sell(s, 167), CODE_OK);

	/* and be paid back as well; the pieces of points end at all that were given */
	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_OK);
	assert_int_equal(s->entry->refund_top_up->amount, 4000);
	assert_int_equal(s->entry->refund_top_up->rest, 6288);
	assert_int_equal(shop_refund(s, &sale, 0), CODE_OK);
	assert_balance(s, 6121, 0);
	assert_int_equal(s->ledger[LEDGER_BONUS][LEDGER_UNIT_BONUS], 0);
	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_OK);
	assert_int_equal(s->entry->refund_top_up->rest, 167);
	assert_int_equal(shop_balance(s).points, 0); /* 167 of 50000 deserve none */
	assert_int_equal(s->acc.points_owed, 0);
}

static void bonus_alone_pays_nothing_back(void **state)
{
	struct shop *s = *state;
	struct receipt of;

	s->type.consumption = TRIB__V1__CONSUMPTION__CONSUME_PRINCIPAL_FIRST;
	of = top_up(s);
	assert_int_equal(shop_sell(s, 50000), CODE_OK);
	assert_balance(s, 0, 10000);
	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_REFUND_EXCEEDS_SALE);
	assert_balance(s, 0, 10000);
}

static void points_spent_since_become_debt(void **state)
{
	struct shop *s = *state;
	struct receipt of = top_up(s);

	assert_int_equal(shop_redeem(s, 70), CODE_OK);
	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_OK);
	assert_int_equal(s->entry->refund_top_up->points_clawed_back, 100);
	assert_int_equal(shop_balance(s).points, 0);
	assert_int_equal(s->acc.points_owed, 70);
}

static void points_spent_since_refuse_it_where_the_rules_say_so(void **state)
{
	struct shop *s = *state;
	struct receipt of = top_up(s);

	s->type.clawback = TRIB__V1__CLAWBACK__CLAWBACK_REFUSE;
	assert_int_equal(shop_redeem(s, 70), CODE_OK);
	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_POINTS_SHORT);
	assert_int_equal(s->facts.points_held, 30);
	assert_int_equal(s->facts.points_wanted, 100);
	assert_balance(s, 50000, 10000);
	shop_put_points(s, POINTS_LOT_NEVER, 100);
	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_OK);
	assert_int_equal(s->acc.points_owed, 0);
}

static void only_a_whole_top_up_is_cancelled(void **state)
{
	struct shop *s = *state;
	struct receipt of = top_up(s), sale;

	assert_int_equal(shop_sell(s, 1), CODE_OK);
	sale = shop_keep_receipt(s);
	assert_int_equal(shop_cancel_top_up(s, &of), CODE_INSUFFICIENT_BALANCE);
	memcpy(s->acc.home_store, "0101", 5);
	assert_int_equal(shop_cancel_top_up(s, &of), CODE_INSUFFICIENT_HERE);
	s->acc.home_store[0] = '\0';
	assert_int_equal(shop_refund(s, &sale, 0), CODE_OK);
	assert_int_equal(shop_cancel_top_up(s, &of), CODE_OK);
	assert_balance(s, 0, 0);
	assert_int_equal(shop_cancel_top_up(s, &of), CODE_INSUFFICIENT_BALANCE);
}

static void a_lot_past_its_day_is_paid_back(void **state)
{
	static const int64_t steps[][2] = { { 50000, 10000 } };
	struct shop *s = *state;
	Trib__V1__TopUpRule *rule = shop_add_ladder(s, rule_id, false, 1, steps);
	struct receipt of;

	rule->has_expires_days = 1;
	rule->expires_days = 1;
	assert_int_equal(shop_top_up(s, 50000), CODE_OK);
	of = shop_keep_receipt(s);
	shop_set_day(s, s->t.today + 2);
	assert_balance(s, 0, 0);
	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_OK);
	assert_int_equal(s->entry->refund_top_up->amount, 50000);
	assert_int_equal(s->clearing[TENDER_CASH], 0);
}

static void a_blocked_card_gets_its_money_back(void **state)
{
	struct shop *s = *state;
	struct receipt of = top_up(s);

	s->acc.status = ACCOUNT_BLOCKED;
	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_OK);
}

static void another_top_up_s_lot_is_not_touched(void **state)
{
	struct shop *s = *state;
	struct receipt of = top_up(s), other;

	assert_int_equal(shop_top_up(s, 300), CODE_OK);
	other = shop_keep_receipt(s);
	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_OK);
	assert_balance(s, 300, 0);
	of.refunded = 50001;
	assert_int_equal(shop_refund_top_up(s, &of, 0), CODE_INTERNAL);
	s->acc.id[0]++;
	assert_int_equal(shop_refund_top_up(s, &other, 0), CODE_INTERNAL);
	s->acc.id[0]--;
	s->t.node = 205; /* the lot is at the shop that took the money */
	assert_int_equal(shop_refund_top_up(s, &other, 0), CODE_INTERNAL);
	s->t.node = SHOP_NODE;
	assert_int_equal(shop_sell(s, 100), CODE_OK);
	other = shop_keep_receipt(s);
	assert_int_equal(shop_refund_top_up(s, &other, 0), CODE_INTERNAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_top_up_not_spent_is_paid_back_whole),
		TEST(what_was_spent_is_not_paid_back),
		TEST(a_sale_refunded_after_it_brings_principal_back_and_bonus_lapses),
		TEST(bonus_alone_pays_nothing_back),
		TEST(points_spent_since_become_debt),
		TEST(points_spent_since_refuse_it_where_the_rules_say_so),
		TEST(only_a_whole_top_up_is_cancelled),
		TEST(a_lot_past_its_day_is_paid_back),
		TEST(a_blocked_card_gets_its_money_back),
		TEST(another_top_up_s_lot_is_not_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
