#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cells.h"

struct row {
	int64_t key;
	int64_t sum;
};

#define CAP 1000u
static struct row rows[CAP];
static uint32_t slots[2048], order[2 * CAP];
static struct cells cells = {
	(uint8_t *)rows, sizeof(struct row), sizeof(int64_t), CAP, 0, slots, 2048,
	order,           order + CAP
};

static bool less(const void *a, const void *b)
{
	return ((const struct row *)a)->key < ((const struct row *)b)->key;
}

static void same_key_finds_the_same_row(void **state)
{
	(void)state;
	cells_clear(&cells);
	for (int64_t i = 0; i < 5000; i++) {
		int64_t key = (i * 7919) % 500;
		struct row *r = cells_at(&cells, &key);

		assert_non_null(r);
		r->sum += i;
	}
	assert_int_equal(cells.n, 500);
	for (int64_t key = 0; key < 500; key++) {
		int64_t want = 0;
		struct row *r = cells_find(&cells, &key);

		for (int64_t i = 0; i < 5000; i++)
			want += (i * 7919) % 500 == key ? i : 0;
		assert_non_null(r);
		assert_int_equal(r->sum, want);
	}
}

static void rows_come_in_key_order(void **state)
{
	(void)state;
	for (size_t n = 0; n < 70; n++) {
		cells_clear(&cells);
		for (size_t i = 0; i < n; i++) {
			int64_t key = (int64_t)((i * 31) % 71);

			assert_non_null(cells_at(&cells, &key));
		}
		cells_sort(&cells, less);
		for (size_t i = 1; i < n; i++)
			assert_true(less(cells_sorted(&cells, i - 1), cells_sorted(&cells, i)));
	}
}

static void a_full_table_takes_no_new_key(void **state)
{
	int64_t key;

	(void)state;
	cells_clear(&cells);
	for (key = 0; key < (int64_t)CAP; key++)
		assert_non_null(cells_at(&cells, &key));
	assert_null(cells_at(&cells, &key));
	key = 0;
	assert_non_null(cells_at(&cells, &key));
	key = -1;
	assert_null(cells_find(&cells, &key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_key_finds_the_same_row),
		cmocka_unit_test(rows_come_in_key_order),
		cmocka_unit_test(a_full_table_takes_no_new_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
