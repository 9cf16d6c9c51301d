#include "account.h"

#include <assert.h>
#include <string.h>

#include "entry.h"
#include "ids.h"
#include "money.h"

static int compare(int64_t x, int64_t y)
{
	return (x > y) - (x < y);
}

/* A3: the order of taking. */
static int slice_compare(const struct slice *x, const struct slice *y)
{
	int r = compare(x->unit, y->unit);

	if (r == 0)
		r = compare(x->expires, y->expires);
	if (r == 0)
		r = compare(x->issued_ms, y->issued_ms);
	if (r == 0)
		r = compare(x->lot, y->lot);
	return r;
}

static bool slice_is_empty(const struct slice *s)
{
	return s->principal == 0 && s->bonus == 0;
}

void account_init(struct account *a, const uint8_t id[ACCOUNT_ID_BYTES], const char *type)
{
	const char *kept = strlen(type) < ACCOUNT_TYPE_MAX ? type : "default";

	memset(a, 0, offsetof(struct account, slices)); /* n_slices says what counts of the rest */
	memcpy(a->id, id, ACCOUNT_ID_BYTES);
	memcpy(a->type, kept, strlen(kept) + 1);
	a->status = ACCOUNT_ACTIVE;
}

void account_balance(const struct account *a, int32_t today, struct balance *ret)
{
	struct balance sum = { 0 };

	for (uint32_t i = 0; i < a->n_slices; i++) {
		const struct slice *s = &a->slices[i];

		if (today > s->expires)
			continue;
		if (s->unit == TRIB__V1__UNIT__UNIT_VALUE) {
			sum.principal += s->principal;
			sum.bonus += s->bonus;
		} else if (s->unit == TRIB__V1__UNIT__UNIT_POINTS) {
			sum.points += s->principal;
		} else {
			sum.uses += s->principal;
		}
	}
	*ret = sum;
}

int64_t account_total_known(const struct account *a, int32_t today)
{
	struct balance here;
	int64_t total, elsewhere;

	account_balance(a, today, &here);
	total = here.principal + here.bonus;
	if (a->facts_as_of_ms == 0)
		return total;
	if (money_add(a->facts_principal, a->facts_bonus, &elsewhere) < 0 ||
	    __builtin_sub_overflow(elsewhere, a->facts_here, &elsewhere) || elsewhere < 0 ||
	    money_add(total, elsewhere, &elsewhere) < 0)
		return total;
	return elsewhere;
}

static uint32_t find_index(const struct account *a, int32_t unit, int64_t lot)
{
	uint32_t i = 0;

	while (i < a->n_slices && (a->slices[i].lot != lot || a->slices[i].unit != unit))
		i++;
	return i;
}

const struct slice *account_find(const struct account *a, int32_t unit, int64_t lot)
{
	uint32_t i = find_index(a, unit, lot);

	return i < a->n_slices ? &a->slices[i] : NULL;
}

/* Days since 1970-01-01 of the first of a month, Gregorian, years 1970 to 9999. */
static int32_t month_start(int64_t year, int64_t month)
{
	/* March is counted as the year's first month, so that the leap day ends a year. */
	int64_t y = month > 2 ? year : year - 1;
	int64_t m = month > 2 ? month - 3 : month + 9;

	return (int32_t)(365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 - 719468);
}

int points_lot_expires(int64_t lot, int32_t *ret_day)
{
	int64_t year, month;

	if (lot == POINTS_LOT_NEVER) {
		*ret_day = LOT_NEVER;
		return 0;
	}
	if (lot > -197001 || lot < POINTS_LOT_NEVER)
		return ERR_INVALID;
	year = -lot / 100;
	month = -lot % 100;
	if (month < 1 || month > 12)
		return ERR_INVALID;
	*ret_day = month < 12 ? month_start(year, month + 1) - 1 : month_start(year + 1, 1) - 1;
	return 0;
}

static int points_slice_check(const struct slice *s)
{
	int32_t expires;
	int r = points_lot_expires(s->lot, &expires);

	if (r < 0)
		return r;
	return s->bonus == 0 && s->issuer == 0 && s->expires == expires ? 0 : ERR_INVALID;
}

/* A1 and A5 of one slice, and that its terms agree with its lot's number. */
static int slice_check(const struct slice *s)
{
	if (s->principal < 0 || s->bonus < 0)
		return ERR_UNDERFLOW;
	if (s->principal > HELD_MAX || s->bonus > HELD_MAX)
		return ERR_OVERFLOW;
	if (s->unit == TRIB__V1__UNIT__UNIT_POINTS)
		return points_slice_check(s);
	if (s->unit != TRIB__V1__UNIT__UNIT_VALUE && s->unit != TRIB__V1__UNIT__UNIT_USES)
		return ERR_INVALID;
	if (s->unit == TRIB__V1__UNIT__UNIT_USES && (s->bonus != 0 || s->issued_bonus != 0))
		return ERR_INVALID;
	if (s->lot <= 0 || s->issuer != lot_issuer(s->lot) || s->principal > s->issued_principal ||
	    s->bonus > s->issued_bonus)
		return ERR_INVALID;
	return 0;
}

/* The lot of an effect as an empty slice. Terms are absent where ret->issuer is -1. */
static int slice_from_effect(const Trib__V1__SliceEffect *f, struct slice *ret)
{
	struct slice s = { .lot = f->lot, .unit = (int32_t)f->unit, .expires = LOT_NEVER };
	int r;

	if (s.unit == TRIB__V1__UNIT__UNIT_POINTS) {
		r = points_lot_expires(f->lot, &s.expires);
		if (r < 0)
			return r;
	} else if (f->terms != NULL) {
		s.issuer = f->terms->issuer;
		s.issued_principal = f->terms->principal;
		s.issued_bonus = f->terms->bonus;
		s.issued_ms = f->terms->issued_ms;
		if (f->terms->has_expires)
			s.expires = f->terms->expires;
	} else {
		s.issuer = -1;
	}
	*ret = s;
	return 0;
}

static bool has_same_terms(const struct slice *x, const struct slice *y)
{
	return x->issuer == y->issuer && x->issued_principal == y->issued_principal &&
	       x->issued_bonus == y->issued_bonus && x->issued_ms == y->issued_ms &&
	       x->expires == y->expires;
}

/* The slice that effect f leaves, 0/0 where nothing is left. */
static int effect_result(const struct account *a, const Trib__V1__SliceEffect *f, struct slice *ret)
{
	const struct slice *held = account_find(a, (int32_t)f->unit, f->lot);
	struct slice s;
	int r = slice_from_effect(f, &s);

	if (r < 0)
		return r;
	if (held != NULL) {
		if (f->terms != NULL && s.unit != TRIB__V1__UNIT__UNIT_POINTS &&
		    !has_same_terms(held, &s))
			return ERR_INVALID;
		s = *held;
	}
	r = money_add(s.principal, f->principal, &s.principal);
	if (r == 0)
		r = money_add(s.bonus, f->bonus, &s.bonus);
	if (r == 0)
		r = slice_check(&s);
	if (r == 0)
		*ret = s;
	return r;
}

static void remove_at(struct account *a, uint32_t i)
{
	a->n_slices--;
	memmove(&a->slices[i], &a->slices[i + 1], (a->n_slices - i) * sizeof(a->slices[0]));
}

int account_put(struct account *a, const struct slice *s)
{
	struct slice put = *s;
	uint32_t i = find_index(a, put.unit, put.lot);
	int r = slice_check(&put);

	if (r < 0)
		return r;
	if (i < a->n_slices && slice_compare(&a->slices[i], &put) == 0 && !slice_is_empty(&put)) {
		a->slices[i] = put;
		return 0;
	}
	if (i < a->n_slices)
		remove_at(a, i);
	if (slice_is_empty(&put))
		return 0;
	if (a->n_slices == ACCOUNT_MAX_SLICES)
		return ERR_FULL;
	for (i = a->n_slices; i > 0 && slice_compare(&a->slices[i - 1], &put) > 0; i--)
		a->slices[i] = a->slices[i - 1];
	a->slices[i] = put;
	a->n_slices++;
	return 0;
}

static bool has_twice(const Trib__V1__Entry *e, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (e->effects[k]->lot == e->effects[i]->lot &&
		    e->effects[k]->unit == e->effects[i]->unit)
			return true;
	}
	return false;
}

static bool is_own_entry(const struct account *a, const Trib__V1__Entry *e)
{
	return e->has_account && e->account.len == ACCOUNT_ID_BYTES &&
	       memcmp(e->account.data, a->id, ACCOUNT_ID_BYTES) == 0;
}

int account_check(const struct account *a, const Trib__V1__Entry *e)
{
	size_t n = a->n_slices;
	int64_t owed;
	int r;

	if (e->n_effects == 0 && e->points_owed == 0)
		return 0;
	if (!is_own_entry(a, e) || e->n_effects > ENTRY_MAX_EFFECTS)
		return ERR_INVALID;
	for (size_t i = 0; i < e->n_effects; i++) {
		const Trib__V1__SliceEffect *f = e->effects[i];
		bool is_held = account_find(a, (int32_t)f->unit, f->lot) != NULL;
		struct slice s;

		if (has_twice(e, i))
			return ERR_INVALID;
		r = effect_result(a, f, &s);
		if (r < 0)
			return r;
		if (!is_held && !slice_is_empty(&s))
			n++;
		else if (is_held && slice_is_empty(&s))
			n--;
	}
	if (n > ACCOUNT_MAX_SLICES)
		return ERR_FULL;
	r = money_add(a->points_owed, e->points_owed, &owed);
	if (r < 0)
		return r;
	if (owed > HELD_MAX)
		return ERR_OVERFLOW;
	return owed < 0 ? ERR_UNDERFLOW : 0;
}

/* Fold the effects that take, or the others. Only a slice that is held can be taken from. */
static void apply_effects(struct account *a, const Trib__V1__Entry *e, bool is_taking)
{
	for (size_t i = 0; i < e->n_effects; i++) {
		const Trib__V1__SliceEffect *f = e->effects[i];
		struct slice s;
		int r;

		if ((f->principal < 0 || f->bonus < 0) != is_taking)
			continue;
		r = effect_result(a, f, &s);
		if (r == 0)
			r = account_put(a, &s);
		assert(r == 0);
		(void)r;
	}
}

int account_fold(struct account *a, const Trib__V1__Entry *e)
{
	int r = account_check(a, e);

	if (r < 0)
		return r;
	/* What empties slices goes first: a full account may exchange one lot for another. */
	apply_effects(a, e, true);
	apply_effects(a, e, false);
	a->points_owed += e->points_owed;
	return 0;
}
