#include "till.h"

#include "decide.h"
#include "fold.h"
#include "ids.h"
#include "lots.h"
#include "money.h"

/* What of a receipt is back, over all tenders. */
struct progress {
	int64_t before, after;
};

static bool is_receipt_of(const struct receipt *of, const struct account *acc)
{
	const Trib__V1__Entry *e = of->entry;

	return e->body_case == TRIB__V1__ENTRY__BODY_SALE && is_entry_of(e, acc) &&
	       of->refunded >= 0 && of->refunded <= e->sale->payable;
}

/* Points that the receipt still deserves while `net` of it stands. */
static int points_of_rest(const Trib__V1__Sale *sale, int64_t net, int64_t *ret)
{
	struct points_rate rate = { .rule = NULL };

	if (sale->points_rate != NULL) {
		rate.rule = sale->points_rate->rule;
		rate.num = sale->points_rate->num;
		rate.den = sale->points_rate->den;
	}
	return points_earned(&rate, net, ret);
}

/* Part of a tender of `amount` that lies in the refund, where `offset` was paid by the tenders
 * before it in the order of giving back. */
static int64_t part_of(const struct progress *p, int64_t offset, int64_t amount)
{
	int64_t from = p->before > offset ? p->before : offset;
	int64_t to = p->after < offset + amount ? p->after : offset + amount;

	return to > from ? to - from : 0;
}

/* Add what goes back to the tenders other than stored value; *ret_others is all they paid. */
static int pay_out(const Trib__V1__Sale *sale, const struct progress *p, struct arena *a,
		   Trib__V1__Refund *body, int64_t *ret_others)
{
	int64_t offset = 0;

	body->paid_out = arena_alloc(a, sale->n_tenders * sizeof(Trib__V1__Tender *));
	if (body->paid_out == NULL)
		return ERR_FULL;
	for (size_t i = 0; i < sale->n_tenders; i++) {
		const Trib__V1__Tender *from = sale->tenders[i];
		int64_t part;
		Trib__V1__Tender *t;

		if (tender_parse(from->type) == TENDER_KIND_STORED_VALUE)
			continue;
		part = part_of(p, offset, from->amount);
		offset += from->amount;
		if (part == 0)
			continue;
		t = draft_tender(a, from->type, part, from->payment_ref);
		if (t == NULL)
			return ERR_FULL;
		body->paid_out[body->n_paid_out++] = t;
	}
	*ret_others = offset;
	return 0;
}

static int add_back(const struct lot_back *b, struct draft *d, Trib__V1__Refund *body)
{
	Trib__V1__SliceBack *s = arena_alloc(d->arena, sizeof(*s));
	Trib__V1__LotTerms *terms = draft_terms_copy(d, b->taken->terms);

	if (s == NULL || terms == NULL)
		return ERR_FULL;
	trib__v1__slice_back__init(s);
	s->lot = b->taken->lot;
	s->principal = b->principal;
	s->bonus = b->bonus;
	s->has_bonus = b->bonus != 0;
	s->expired_bonus = b->expired_bonus;
	s->has_expired_bonus = b->expired_bonus != 0;
	s->issuer = lot_issuer(s->lot);
	body->back[body->n_back++] = s;
	if (b->principal == 0 && b->bonus == 0)
		return 0;
	return draft_add(d, TRIB__V1__UNIT__UNIT_VALUE, s->lot, s->principal, s->bonus, terms);
}

/* Put stored value back into its lots, once the other tenders have theirs. */
static int put_back(const struct receipt *of, const struct progress *p, int64_t others,
		    int32_t today, struct draft *d, Trib__V1__Refund *body)
{
	const struct lots_dead dead = { .today = today, .n = of->n_closed, .closed = of->closed };
	const Trib__V1__Entry *sale = of->entry;
	int64_t before = p->before > others ? p->before - others : 0;
	int64_t after = p->after > others ? p->after - others : 0;
	struct lot_back *back = arena_alloc(d->arena, sale->n_effects * sizeof(*back));
	size_t n;
	int r;

	body->back = arena_alloc(d->arena, sale->n_effects * sizeof(Trib__V1__SliceBack *));
	if (back == NULL || body->back == NULL)
		return ERR_FULL;
	r = lots_give_back(sale, &dead, before, after, back, &n);
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_back(&back[i], d, body);
	return r;
}

static Trib__V1__Refund *make_body(const struct till_context *t, const struct receipt *of,
				   const struct progress *p, const char *reason, struct arena *a)
{
	Trib__V1__Refund *body = arena_alloc(a, sizeof(*body));

	if (body == NULL)
		return NULL;
	trib__v1__refund__init(body);
	body->of_incarnation = of->entry->incarnation;
	body->of_seq = of->entry->seq;
	body->has_of_node = of->entry->node != t->node;
	body->of_node = body->has_of_node ? of->entry->node : 0;
	body->amount = p->after - p->before;
	body->rest = of->entry->sale->payable - p->after;
	if (reason != NULL) {
		body->reason = arena_strdup(a, reason);
		if (body->reason == NULL)
			return NULL;
	}
	return body;
}

/* Choose how much comes back; fills facts->rest. */
static enum code check_amount(const struct receipt *of, const struct refund_command *cmd,
			      struct progress *ret, struct till_facts *facts)
{
	int64_t amount;

	facts->rest = of->entry->sale->payable - of->refunded;
	amount = cmd->has_amount ? cmd->amount : facts->rest;
	if (cmd->has_amount && !money_is_amount(amount, 1))
		return CODE_BAD_VALUE;
	if (amount > facts->rest || facts->rest == 0)
		return CODE_REFUND_EXCEEDS_SALE;
	ret->before = of->refunded;
	ret->after = of->refunded + amount;
	return CODE_OK;
}

/* Points to take back: earned(rest before) - earned(rest after), so pieces add up. */
static int points_back(const Trib__V1__Sale *sale, const struct progress *p, int64_t *ret)
{
	int64_t before, after;
	int r = points_of_rest(sale, sale->payable - p->before, &before);

	if (r == 0)
		r = points_of_rest(sale, sale->payable - p->after, &after);
	if (r == 0)
		*ret = before - after;
	return r;
}

enum code refund_decide(const struct till_context *t, const struct account *acc,
			const struct receipt *of, const struct refund_command *cmd, struct arena *a,
			Trib__V1__Entry *ret_entry, struct till_facts *ret_facts)
{
	const Trib__V1__AccountType *type = rules_account_type(t->rules, acc->type);
	Trib__V1__Entry e = *ret_entry;
	struct till_facts facts = { 0 };
	struct progress p;
	struct draft d;
	int64_t others;
	enum code c;

	*ret_facts = facts;
	if (!is_receipt_of(of, acc))
		return CODE_INTERNAL;
	facts = facts_of(acc, t->today);
	facts.payable = of->entry->sale->payable;
	c = check_amount(of, cmd, &p, &facts);
	if (c == CODE_OK && points_back(of->entry->sale, &p, &facts.points_wanted) < 0)
		c = CODE_INTERNAL;
	*ret_facts = facts;
	if (c != CODE_OK)
		return c;
	if (type->clawback == TRIB__V1__CLAWBACK__CLAWBACK_REFUSE && !cmd->is_cancel &&
	    facts.points_wanted > facts.points_held)
		return CODE_POINTS_SHORT;

	e.body_case = TRIB__V1__ENTRY__BODY_REFUND;
	e.refund = make_body(t, of, &p, cmd->reason, a);
	if (e.refund == NULL ||
	    draft_init(&d, a, of->entry->n_effects + (size_t)acc->n_slices) < 0 ||
	    pay_out(of->entry->sale, &p, a, e.refund, &others) < 0 ||
	    put_back(of, &p, others, t->today, &d, e.refund) < 0 ||
	    draft_claw_points(&d, acc, t->today, facts.points_wanted) < 0)
		return CODE_INTERNAL;
	e.refund->points_clawed_back = facts.points_wanted;
	e.refund->has_points_clawed_back = facts.points_wanted != 0;
	if (draft_finish(&d, t, acc, &e) < 0)
		return CODE_INTERNAL;
	*ret_entry = e;
	return CODE_OK;
}
