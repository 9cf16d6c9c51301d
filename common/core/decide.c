#include "decide.h"

#include "money.h"

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

int draft_gain_points(struct draft *d, const struct account *acc, int64_t points)
{
	const struct slice lot = { .lot = POINTS_LOT_NEVER, .expires = LOT_NEVER };
	int64_t pays = points < acc->points_owed ? points : acc->points_owed;
	Trib__V1__LotTerms *terms = NULL;

	d->points_owed -= pays;
	if (points == pays)
		return 0;
	if (account_find(acc, TRIB__V1__UNIT__UNIT_POINTS, lot.lot) == NULL) {
		terms = draft_terms(d, &lot);
		if (terms == NULL)
			return ERR_FULL;
	}
	return draft_add(d, TRIB__V1__UNIT__UNIT_POINTS, lot.lot, points - pays, 0, terms);
}

int draft_claw_points(struct draft *d, const struct account *acc, int32_t today, int64_t points)
{
	int64_t rest = points;

	for (uint32_t i = acc->n_slices; i > 0 && rest > 0; i--) {
		const struct slice *s = &acc->slices[i - 1];
		int64_t x = rest < s->principal ? rest : s->principal;
		int r;

		if (s->unit != TRIB__V1__UNIT__UNIT_POINTS || today > s->expires)
			continue;
		r = draft_add(d, TRIB__V1__UNIT__UNIT_POINTS, s->lot, -x, 0, NULL);
		if (r < 0)
			return r;
		rest -= x;
	}
	d->points_owed += rest;
	return 0;
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
