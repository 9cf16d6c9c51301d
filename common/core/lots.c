#include "lots.h"

#include "money.h"

static int64_t smaller(int64_t x, int64_t y)
{
	return x < y ? x : y;
}

/* x of one slice, 0 < x <= principal + bonus, as principal and bonus. */
static struct lot_taken take_from(const struct slice *s, Trib__V1__Consumption how, int64_t x)
{
	struct lot_taken taken = { .slice = s };

	if (how == TRIB__V1__CONSUMPTION__CONSUME_BONUS_FIRST) {
		taken.bonus = smaller(x, s->bonus);
	} else if (how == TRIB__V1__CONSUMPTION__CONSUME_PRINCIPAL_FIRST) {
		taken.bonus = x - smaller(x, s->principal);
	} else if (money_mul_div(x, s->bonus, s->principal + s->bonus, &taken.bonus) < 0) {
		taken.bonus = 0; /* not reached: A1 and HELD_MAX hold */
	}
	taken.principal = x - taken.bonus;
	return taken;
}

int64_t lots_take(const struct account *acc, int32_t today, Trib__V1__Consumption how,
		  int64_t amount, struct lot_taken *ret_taken, size_t *ret_n)
{
	int64_t rest = amount;
	size_t n = 0;

	for (uint32_t i = 0; i < acc->n_slices && rest > 0; i++) { /* A3: in order of taking */
		const struct slice *s = &acc->slices[i];
		int64_t x;

		if (s->unit != TRIB__V1__UNIT__UNIT_VALUE || today > s->expires)
			continue;
		x = smaller(rest, s->principal + s->bonus);
		ret_taken[n++] = take_from(s, how, x);
		rest -= x;
	}
	*ret_n = n;
	return amount - rest;
}

static int64_t clamp(int64_t x, int64_t high)
{
	return x < 0 ? 0 : smaller(x, high);
}

static bool is_dead(const struct lots_dead *dead, const Trib__V1__SliceEffect *f)
{
	bool is_closed = f->terms->has_expires && dead->today > f->terms->expires;

	for (size_t i = 0; i < dead->n && !is_closed; i++)
		is_closed = dead->closed[i] == f->lot;
	return is_closed;
}

/* One slice of `taken`, of which `before` and then `after` is back in all. */
static int give_back_one(const Trib__V1__SliceEffect *f, const struct lots_dead *dead,
			 int64_t taken, int64_t before, int64_t after, struct lot_back *ret)
{
	struct lot_back back = { .taken = f };
	int64_t bonus_before, bonus_after;
	int r = money_mul_div(before, -f->bonus, taken, &bonus_before);

	if (r == 0)
		r = money_mul_div(after, -f->bonus, taken, &bonus_after);
	if (r < 0)
		return r;
	back.bonus = bonus_after - bonus_before;
	back.principal = after - before - back.bonus;
	if (is_dead(dead, f)) {
		back.expired_bonus = back.bonus;
		back.bonus = 0;
	}
	*ret = back;
	return 0;
}

int lots_give_back(const Trib__V1__Entry *sale, const struct lots_dead *dead, int64_t before,
		   int64_t after, struct lot_back *ret_back, size_t *ret_n)
{
	int64_t offset = 0; /* taken from the slices already walked */
	size_t n = 0;

	for (size_t i = sale->n_effects; i > 0 && offset < after; i--) {
		const Trib__V1__SliceEffect *f = sale->effects[i - 1];
		int64_t taken, b, a;
		int r;

		if (f->unit != TRIB__V1__UNIT__UNIT_VALUE)
			continue;
		if (f->terms == NULL || f->principal > 0 || f->bonus > 0 ||
		    f->principal < -AMOUNT_MAX || f->bonus < -AMOUNT_MAX)
			return ERR_INVALID;
		taken = -f->principal - f->bonus;
		b = clamp(before - offset, taken);
		a = clamp(after - offset, taken);
		offset += taken;
		if (a == b)
			continue;
		r = give_back_one(f, dead, taken, b, a, &ret_back[n]);
		if (r < 0)
			return r;
		n++;
	}
	if (offset < after)
		return ERR_INVALID;
	*ret_n = n;
	return 0;
}
