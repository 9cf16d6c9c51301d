#include "day_sum.h"

#include <assert.h>
#include <string.h>

#include "money.h"

/* The cells of "" never take more than this when operators are added to them. */
#define OTHERS_BYTES (16u * 1024)

void day_sum_init(struct day_sum *s)
{
	memset(s, 0, offsetof(struct day_sum, fold));
	s->n_names = DAY_SUM_LISTED;
}

static int compare_names(const struct day_sum *s, unsigned a, unsigned b)
{
	if (a < DAY_SUM_LISTED || b < DAY_SUM_LISTED)
		return (int)a - (int)b;
	return strcmp(s->names[a], s->names[b]);
}

static int compare(const struct day_sum *s, const struct day_sum_cell *a,
		   const struct day_sum_cell *b)
{
	if (a->kind != b->kind)
		return a->kind - b->kind;
	if (a->tender != b->tender)
		return a->tender - b->tender;
	if (a->unit != b->unit)
		return a->unit - b->unit;
	return compare_names(s, a->who, b->who);
}

/* Where the cell of that key stands or belongs. */
static size_t find(const struct day_sum *s, const struct day_sum_cell *key)
{
	size_t low = 0, high = s->n_cells;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(s, &s->cells[mid], key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Into the cell of its key, which is made where there is none: the caller has seen to the room. */
static int add_cell(struct day_sum *s, const struct day_sum_cell *x)
{
	size_t i = find(s, x);
	struct day_sum_cell *c = &s->cells[i];
	int r;

	if (i < s->n_cells && compare(s, c, x) == 0) {
		r = money_add(c->count, x->count, &c->count);
		return r < 0 ? r : money_add(c->amount, x->amount, &c->amount);
	}
	assert(s->n_cells < DAY_SUM_MAX_CELLS);
	memmove(c + 1, c, (s->n_cells - i) * sizeof(*c));
	*c = *x;
	s->n_cells++;
	return 0;
}

/* Add the operator that was listed last to "". */
static int unlist_last(struct day_sum *s)
{
	unsigned last = (unsigned)(s->n_names - 1);
	size_t i = 0;

	while (i < s->n_cells) {
		struct day_sum_cell x = s->cells[i];
		int r;

		if (x.who != last) {
			i++;
			continue;
		}
		s->n_cells--;
		memmove(&s->cells[i], &s->cells[i + 1], (s->n_cells - i) * sizeof(x));
		x.who = DAY_SUM_OTHERS;
		r = add_cell(s, &x); /* at i or before: i is looked at again */
		if (r < 0)
			return r;
	}
	s->n_names--;
	s->is_closed = true; /* D2: it may come again */
	return 0;
}

static uint16_t who_is(struct day_sum *s, const char *name)
{
	size_t len;

	if (name == NULL)
		return DAY_SUM_NOBODY;
	len = strnlen(name, OPERATOR_MAX + 1);
	if (len == 0 || len > OPERATOR_MAX)
		return DAY_SUM_OTHERS;
	for (size_t i = DAY_SUM_LISTED; i < s->n_names; i++) {
		if (strcmp(s->names[i], name) == 0)
			return (uint16_t)i;
	}
	s->is_closed |= s->n_names == DAY_SUM_LISTED + DAY_SUM_MAX_OPERATORS;
	if (s->is_closed)
		return DAY_SUM_OTHERS;
	memcpy(s->names[s->n_names], name, len + 1);
	return (uint16_t)s->n_names++;
}

static int add_totals(struct day_sum *s, const Trib__V1__Entry *e)
{
	const struct fold *f = &s->fold;
	uint16_t who;
	int r = 0;

	while (r == 0 && s->n_cells + f->n_totals > DAY_SUM_MAX_CELLS &&
	       s->n_names > DAY_SUM_LISTED)
		r = unlist_last(s);
	who = f->n_totals > 0 ? who_is(s, e->operator_) : DAY_SUM_NOBODY;
	for (size_t i = 0; i < f->n_totals && r == 0; i++) {
		const struct day_total *t = &f->totals[i];
		const struct day_sum_cell x = { t->kind, t->tender, t->unit,
						who,     t->count,  t->amount };

		r = add_cell(s, &x);
	}
	return r;
}

/* The tills see a refund as money that comes back, whatever becomes of it then. */
static int64_t stored_value_of(const struct fold *f)
{
	int64_t sum = 0;

	for (size_t i = 0; i < f->n_totals; i++) {
		const struct day_total *t = &f->totals[i];

		if (t->tender != TENDER_KIND_STORED_VALUE)
			continue;
		if (t->kind == TOTAL_SALE || t->kind == TOTAL_REVERSAL_REFUND)
			sum += t->amount; /* one entry's: bounded by AMOUNT_MAX */
		else if (t->kind == TOTAL_REFUND)
			sum -= t->amount;
	}
	return sum;
}

/* Whether the cancel undoes an order of the same day, which is one run of seqs. */
static bool undoes_order(const struct day_sum *s, const Trib__V1__Entry *e)
{
	uint32_t incarnation = e->incarnation;
	uint64_t seq = 0;

	switch ((int)e->body_case) {
	case TRIB__V1__ENTRY__BODY_REFUND:
		seq = e->refund->of_seq;
		incarnation = e->refund->of_incarnation;
		break;
	case TRIB__V1__ENTRY__BODY_REFUND_TOP_UP:
		seq = e->refund_top_up->of_seq;
		incarnation = e->refund_top_up->of_incarnation;
		break;
	case TRIB__V1__ENTRY__BODY_REVERSAL:
		seq = e->reversal->of_seq;
		incarnation = e->reversal->of_incarnation;
		break;
	case TRIB__V1__ENTRY__BODY_ORDER_CANCELLED: /* nothing of it was left */
		seq = e->order_cancelled->of_seq;
		incarnation = e->order_cancelled->of_incarnation;
		break;
	}
	return seq >= s->first_seq && incarnation == e->incarnation;
}

int day_sum_add(struct day_sum *s, const Trib__V1__Entry *e, int64_t *ret_stored_value)
{
	const char *why;
	int64_t stored_value;
	int r = fold_entry(e, &s->fold, &why);

	if (r < 0)
		return ERR_INVALID;
	if (s->first_seq == 0)
		s->first_seq = e->seq;
	stored_value = stored_value_of(&s->fold);
	r = add_totals(s, e);
	if (r == 0)
		r = money_add(s->stored_value, stored_value, &s->stored_value);
	if (r < 0)
		return r;
	if (entry_order_verb(e) != 0)
		s->orders++;
	else if (e->has_cancels && undoes_order(s, e))
		s->orders--;
	*ret_stored_value = stored_value;
	return 0;
}

static size_t varint_bytes(int64_t v)
{
	uint64_t u = (uint64_t)v;
	size_t n = 1;

	while (u >= 0x80) {
		u >>= 7;
		n++;
	}
	return n;
}

/* Of a cell in a seal: at most three bytes of tag and length, one byte of tag to each field. */
static size_t cell_bytes(const struct day_sum *s, const struct day_sum_cell *c)
{
	return 3 + 5 + varint_bytes(c->kind) + varint_bytes(c->tender) + varint_bytes(c->unit) +
	       varint_bytes(c->count) + varint_bytes(c->amount) +
	       (c->who == DAY_SUM_NOBODY ? 0 : 2 + strlen(s->names[c->who]));
}

/* D4: how many names may stay. */
static size_t names_that_fit(const struct day_sum *s)
{
	size_t bytes[DAY_SUM_LISTED + DAY_SUM_MAX_OPERATORS] = { 0 }, all = 0, n = 0;

	for (size_t i = 0; i < s->n_cells; i++) {
		bytes[s->cells[i].who] += cell_bytes(s, &s->cells[i]);
		all += cell_bytes(s, &s->cells[i]);
	}
	if (all <= DAY_SUM_MAX_BYTES)
		return s->n_names;
	bytes[DAY_SUM_OTHERS] = OTHERS_BYTES;
	for (all = 0; n < s->n_names && all + bytes[n] <= DAY_SUM_MAX_BYTES; n++)
		all += bytes[n];
	return n > DAY_SUM_LISTED ? n : DAY_SUM_LISTED;
}

static void fill_total(struct day_sum *s, const struct day_sum_cell *c, Trib__V1__SealedTotal *ret)
{
	trib__v1__sealed_total__init(ret);
	ret->kind = c->kind;
	ret->tender = c->tender;
	ret->unit = c->unit;
	ret->count = c->count;
	ret->amount = c->amount;
	if (c->who != DAY_SUM_NOBODY)
		ret->operator_ = s->names[c->who];
}

int day_sum_fill(struct day_sum *s, struct arena *a, Trib__V1__DaySealed *ret)
{
	size_t keep = names_that_fit(s);
	Trib__V1__SealedTotal **list, *totals;
	int r = 0;

	while (r == 0 && s->n_names > keep)
		r = unlist_last(s);
	if (r < 0)
		return r;
	list = arena_alloc(a, s->n_cells * sizeof(*list));
	totals = arena_alloc(a, s->n_cells * sizeof(*totals));
	if (list == NULL || totals == NULL)
		return ERR_FULL;
	for (size_t i = 0; i < s->n_cells; i++) {
		list[i] = &totals[i];
		fill_total(s, &s->cells[i], list[i]);
	}
	ret->n_totals = s->n_cells;
	ret->totals = list;
	return 0;
}
