/* Checked integer arithmetic. Amounts are minor units (fen) in int64. */
#ifndef TRIB_CORE_MONEY_H
#define TRIB_CORE_MONEY_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/* Most that one operation may move; leaves room for sums of millions of operations in int64. */
#define AMOUNT_MAX INT64_C(1000000000000)

/* low <= x <= AMOUNT_MAX */
static inline bool money_is_amount(int64_t x, int64_t low)
{
	return x >= low && x <= AMOUNT_MAX;
}

/* *ret = a + b; ERR_OVERFLOW leaves *ret untouched. */
static inline int MUST_CHECK money_add(int64_t a, int64_t b, int64_t *ret)
{
	int64_t r;

	if (__builtin_add_overflow(a, b, &r))
		return ERR_OVERFLOW;
	*ret = r;
	return 0;
}

/* floor(a * num / den) for a, num >= 0 and den > 0, without intermediate overflow.
 * ERR_INVALID on other input, ERR_OVERFLOW where the result does not fit. */
int MUST_CHECK money_mul_div(int64_t a, int64_t num, int64_t den, int64_t *ret);

#endif
