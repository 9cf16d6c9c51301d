#include "agent_internal.h"

/* Cancelling an order.
 *
 *   never arrived          ─> entry "order cancelled": none of it succeeds any more
 *   happened               ─> the reversing entry, with `cancels` in its header:
 *       sale                    a refund of what is left of it
 *       top-up                  a refund of all of it; spent in part: refused
 *       refund, redemption      a reversal; refused where a later refund rests on it
 *       refund of an order      none: whole as it was, the cancel would have given the same back
 *         that was cancelled
 *   nothing is left of it  ─> entry "order cancelled", which names the order's
 *
 * One of these and the order's end are written in one transaction (G13). */

static enum code end_order(struct agent *a, const struct agent_command *c,
			   const struct agent_loaded *l, Trib__V1__Entry *e)
{
	Trib__V1__OrderCancelled *body = arena_alloc(&a->arena, sizeof(*body));

	if (body == NULL)
		return CODE_INTERNAL;
	trib__v1__order_cancelled__init(body);
	body->verb = (uint32_t)c->cancel;
	body->has_of_seq = body->has_of_incarnation = l->receipt != NULL;
	if (l->receipt != NULL) {
		body->of_incarnation = l->receipt->incarnation;
		body->of_seq = l->receipt->seq;
	}
	e->body_case = TRIB__V1__ENTRY__BODY_ORDER_CANCELLED;
	e->order_cancelled = body;
	return CODE_OK;
}

static bool is_all_refunded(const struct agent_loaded *l)
{
	return l->receipt_refunded > 0 && l->receipt_refunded == entry_amount(l->receipt);
}

static enum code reverse(struct agent *a, const struct agent_command *c,
			 const struct agent_loaded *l, const struct till_context *t,
			 Trib__V1__Entry *e, struct till_facts *facts, struct agent_effects *out)
{
	struct agent_answer *x;

	if (c->cancel == AGENT_REFUND && l->is_receipt_cancelled)
		return end_order(a, c, l, e);
	if (c->cancel == AGENT_REFUND && !l->is_last_refund) {
		x = agent_refuse(out, c, CODE_ORDER_CONFLICT);
		x->param = "order_no";
		x->detail = "a later refund of the same receipt stands: cancel that one first";
		return CODE_ORDER_CONFLICT;
	}
	return reversal_decide(t, l->account, l->receipt, &a->arena, e, facts);
}

enum code agent_cancel(struct agent *a, const struct agent_command *c, const struct agent_loaded *l,
		       const struct till_context *t, Trib__V1__Entry *e, struct till_facts *facts,
		       struct agent_effects *out)
{
	const struct refund_command whole = { .is_cancel = true };

	e->has_cancels = 1;
	e->cancels = (uint32_t)c->cancel;
	if (!l->by_order.is_found)
		return end_order(a, c, l, e);
	if (l->receipt == NULL || !l->has_account)
		return CODE_INTERNAL;
	if (c->cancel == AGENT_REFUND || c->cancel == AGENT_REDEMPTION)
		return reverse(a, c, l, t, e, facts, out);
	if (is_all_refunded(l))
		return end_order(a, c, l, e);
	return agent_refund_receipt(a, l, &whole, t, e, facts);
}
