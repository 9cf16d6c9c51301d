/* Verifying the journal finds seals that say something else than the entries, and entries that are of
 * a sealed day. */
#include "day_sum.h"
#include "days.h"
#include "journal_internal.h"

static void tamper_amount(struct day_sum *sum)
{
	sum->cells[0].amount++;
}

static void tamper_count(struct day_sum *sum)
{
	sum->cells[sum->n_cells - 1].count--;
}

static void tamper_operator(struct day_sum *sum)
{
	sum->cells[0].who = DAY_SUM_OTHERS;
}

static void tamper_cells(struct day_sum *sum)
{
	sum->n_cells--;
}

static void tamper_figures(struct day_sum *sum)
{
	sum->stored_value++; /* what the till says is found to differ, and does not */
}

static void a_seal_that_says_something_else_is_found(void **state)
{
	static void (*const tamper[])(struct day_sum *) = { tamper_amount, tamper_count,
							    tamper_operator, tamper_cells,
							    tamper_figures };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(tamper) / sizeof(tamper[0]); i++) {
		void *own = NULL;
		struct agent_command c;
		struct shop *s;

		assert_int_equal(days_setup(&own), 0);
		s = own;
		shop_fill(s, "4001", 1000);
		(void)days_sell(s, "o1", 400);
		if (i % 2 != 0) { /* the same from a later day */
			days_set_clock(s, TODAY + 1, 0);
			(void)days_sell(s, "o2", 10);
		}
		c = shop_close(s, TODAY);
		c.close.has_stored_value = true;
		c.close.stored_value = 400;
		(void)shop_take(s, &c);
		shop_commit(s);
		shop_sum(s, &c, 1);
		tamper[i / 2](day_run_sum(s->run)->sum);
		shop_sum(s, &c, 10);
		shop_commit(s);
		assert_int_equal(days_verify(s), 1);
		assert_int_equal(shop_teardown(&own), 0);
	}
}

static void seals_that_the_entries_do_not_have_are_found(void **state)
{
	static const char *const sql[] = {
		"UPDATE day_seal SET day = day + 1",
		"UPDATE day_seal SET fingerprint = zeroblob(16)",
		"DELETE FROM day_seal",
		"INSERT INTO day_seal SELECT day - 1, seq - 1, fingerprint, '' FROM day_seal",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++) {
		void *own = NULL;
		struct shop *s;

		assert_int_equal(days_setup(&own), 0);
		s = own;
		shop_fill(s, "4001", 1000);
		(void)days_close(s, TODAY);
		assert_int_equal(days_verify(s), 0);
		assert_int_equal(sqlite3_exec(s->journal->db, sql[i], NULL, NULL, NULL), SQLITE_OK);
		assert_int_equal(days_verify(s), 1);
		assert_int_equal(shop_teardown(&own), 0);
	}
}

static void an_entry_in_a_sealed_day_is_found(void **state)
{
	struct shop *s = *state;

	shop_fill(s, "4001", 1000);
	(void)days_close(s, TODAY);
	s->agent->sealed_day = INT32_MIN; /* as if it had been forgotten */
	s->agent->durable_sealed_day = INT32_MIN;
	(void)days_sell(s, "o1", 1);
	assert_int_equal(s->entry_business_day, TODAY);
	assert_int_equal(days_verify(s), 1);
}

static void a_second_seal_of_a_day_is_found(void **state)
{
	struct shop *s = *state;

	shop_fill(s, "4001", 1000);
	days_set_clock(s, TODAY + 1, 0);
	(void)days_close(s, TODAY);
	assert_int_equal(sqlite3_exec(s->journal->db, "DELETE FROM day_seal", NULL, NULL, NULL),
			 SQLITE_OK);
	(void)days_close(s, TODAY);
	assert_int_equal(days_verify(s), 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, days_setup, shop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seal_that_says_something_else_is_found),
		cmocka_unit_test(seals_that_the_entries_do_not_have_are_found),
		T(an_entry_in_a_sealed_day_is_found),
		T(a_second_seal_of_a_day_is_found),
	};

	return cmocka_run_group_tests_name("seal_verify", tests, NULL, NULL);
}
