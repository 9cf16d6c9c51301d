#include "decide.h"

#include <string.h>

#include "money.h"

struct till_facts facts_of(const struct account *acc, int32_t today)
{
	struct till_facts facts = { .total = account_total_known(acc, today) };
	struct balance here;

	account_balance(acc, today, &here);
	facts.available_here = here.principal + here.bonus;
	facts.points_held = here.points;
	return facts;
}

enum code insufficient(const struct account *acc)
{
	return acc->home_store[0] != '\0' ? CODE_INSUFFICIENT_HERE : CODE_INSUFFICIENT_BALANCE;
}

bool is_entry_of(const Trib__V1__Entry *e, const struct account *acc)
{
	return e->has_account && e->account.len == ACCOUNT_ID_BYTES &&
	       memcmp(e->account.data, acc->id, ACCOUNT_ID_BYTES) == 0;
}

int draft_init(struct draft *d, struct arena *a, size_t cap)
{
	*d = (struct draft){ .arena = a, .cap = cap };
	d->effects = arena_alloc(a, cap * sizeof(Trib__V1__SliceEffect *));
	return d->effects != NULL ? 0 : ERR_FULL;
}

int draft_add(struct draft *d, Trib__V1__Unit unit, int64_t lot, int64_t principal, int64_t bonus,
	      Trib__V1__LotTerms *terms)
{
	Trib__V1__SliceEffect *f;

	if (d->n == d->cap)
		return ERR_FULL;
	f = arena_alloc(d->arena, sizeof(*f));
	if (f == NULL)
		return ERR_FULL;
	trib__v1__slice_effect__init(f);
	f->lot = lot;
	f->unit = unit;
	f->principal = principal;
	f->bonus = bonus;
	f->has_bonus = bonus != 0;
	f->terms = terms;
	d->effects[d->n++] = f;
	return 0;
}

Trib__V1__LotTerms *draft_terms(struct draft *d, const struct slice *s)
{
	Trib__V1__LotTerms *t = arena_alloc(d->arena, sizeof(*t));

	if (t == NULL)
		return NULL;
	trib__v1__lot_terms__init(t);
	t->issuer = s->issuer;
	t->principal = s->issued_principal;
	t->bonus = s->issued_bonus;
	t->has_bonus = s->issued_bonus != 0;
	t->expires = s->expires != LOT_NEVER ? s->expires : 0;
	t->has_expires = s->expires != LOT_NEVER;
	t->issued_ms = s->issued_ms;
	t->has_issued_ms = s->issued_ms != 0;
	return t;
}

Trib__V1__LotTerms *draft_terms_copy(struct draft *d, const Trib__V1__LotTerms *from)
{
	Trib__V1__LotTerms *t = arena_memdup(d->arena, from, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->base.n_unknown_fields = 0;
	t->base.unknown_fields = NULL;
	return t;
}

static int64_t smaller(int64_t x, int64_t y)
{
	return x < y ? x : y;
}

/* Add points to a lot; where none of it is held the effect tells its terms. */
static int add_points(struct draft *d, const struct account *acc, int64_t lot, int64_t points)
{
	struct slice terms_of = { .lot = lot };
	Trib__V1__LotTerms *terms = NULL;

	if (account_find(acc, TRIB__V1__UNIT__UNIT_POINTS, lot) == NULL) {
		int r = points_lot_expires(lot, &terms_of.expires);

		if (r < 0)
			return r;
		terms = draft_terms(d, &terms_of);
		if (terms == NULL)
			return ERR_FULL;
	}
	return draft_add(d, TRIB__V1__UNIT__UNIT_POINTS, lot, points, 0, terms);
}

int draft_gain_points(struct draft *d, const struct account *acc, int64_t points)
{
	int64_t pays = smaller(points, acc->points_owed);

	d->points_owed -= pays;
	if (points == pays)
		return 0;
	return add_points(d, acc, POINTS_LOT_NEVER, points - pays);
}

int draft_restore_points(struct draft *d, const struct account *acc, const Trib__V1__Entry *taken,
			 int64_t points)
{
	int64_t pays = smaller(points, acc->points_owed);
	int64_t rest = points - pays, never = 0;

	d->points_owed -= pays;
	for (size_t i = 0; i < taken->n_effects && rest > 0; i++) {
		const Trib__V1__SliceEffect *f = taken->effects[i];
		int64_t x;
		int r = 0;

		if (f->unit != TRIB__V1__UNIT__UNIT_POINTS)
			continue;
		x = smaller(rest, -f->principal);
		rest -= x;
		if (f->lot == POINTS_LOT_NEVER)
			never = x;
		else if (x > 0)
			r = add_points(d, acc, f->lot, x);
		if (r < 0)
			return r;
	}
	return rest + never > 0 ? add_points(d, acc, POINTS_LOT_NEVER, rest + never) : 0;
}

int draft_take_points(struct draft *d, const struct account *acc, int32_t today, int64_t points,
		      enum points_order order, int64_t *ret_rest)
{
	int64_t rest = points;

	for (uint32_t i = 0; i < acc->n_slices && rest > 0; i++) { /* A3 */
		uint32_t at = order == POINTS_SOONEST_FIRST ? i : acc->n_slices - 1 - i;
		const struct slice *s = &acc->slices[at];
		int64_t x = rest < s->principal ? rest : s->principal;
		int r;

		if (s->unit != TRIB__V1__UNIT__UNIT_POINTS || today > s->expires)
			continue;
		r = draft_add(d, TRIB__V1__UNIT__UNIT_POINTS, s->lot, -x, 0, NULL);
		if (r < 0)
			return r;
		rest -= x;
	}
	*ret_rest = rest;
	return 0;
}

int draft_claw_points(struct draft *d, const struct account *acc, int32_t today, int64_t points)
{
	int64_t rest = 0;
	int r = draft_take_points(d, acc, today, points, POINTS_LATEST_FIRST, &rest);

	d->points_owed += rest;
	return r;
}

int draft_finish(const struct draft *d, const struct till_context *t, const struct account *acc,
		 Trib__V1__Entry *ret_entry)
{
	Trib__V1__Entry *e = ret_entry;

	e->account.data = arena_memdup(d->arena, acc->id, ACCOUNT_ID_BYTES);
	if (e->account.data == NULL)
		return ERR_FULL;
	e->account.len = ACCOUNT_ID_BYTES;
	e->has_account = 1;
	e->effects = d->effects;
	e->n_effects = d->n;
	e->points_owed = d->points_owed;
	e->has_points_owed = d->points_owed != 0;
	e->rules_version = t->rules != NULL ? t->rules->version : 0;
	e->has_rules_version = t->rules != NULL;
	return account_check(acc, e);
}

Trib__V1__Tender *draft_tender(struct arena *a, const char *type, int64_t amount,
			       const char *payment_ref)
{
	Trib__V1__Tender *t = arena_alloc(a, sizeof(*t));

	if (t == NULL)
		return NULL;
	trib__v1__tender__init(t);
	t->type = arena_strdup(a, type);
	t->amount = amount;
	if (payment_ref != NULL)
		t->payment_ref = arena_strdup(a, payment_ref);
	if (t->type == NULL || (payment_ref != NULL && t->payment_ref == NULL))
		return NULL;
	return t;
}
