#include "money.h"

__extension__ typedef __int128 wide;

int money_mul_div(int64_t a, int64_t num, int64_t den, int64_t *ret)
{
	wide r;

	if (a < 0 || num < 0 || den <= 0)
		return ERR_INVALID;
	r = (wide)a * num / den;
	if (r > INT64_MAX)
		return ERR_OVERFLOW;
	*ret = (int64_t)r;
	return 0;
}
