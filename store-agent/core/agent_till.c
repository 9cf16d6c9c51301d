#include <assert.h>
#include <string.h>

#include "agent_internal.h"

/* Judging a command, in this order, which decides what a till is told when several things hold:
 *
 *   the order was cancelled         order_cancelled             a cancel: the cancel's answer
 *   record of the Idempotency-Key   same request: replay        another: key_reused
 *   record of (verb, order number)  same request: replay        another: order_conflict
 *   seal of the day to be closed    same request: replay        another: day_closed
 *   the order's PIN under check     order_in_progress
 *   the day under its sum           order_in_progress
 *   state of the box                see agent_gate.c
 *   witness                         refused, for verbs that may pay out
 *   the verb's own decision         an entry, or a refusal that changes nothing
 *
 * A cancel asks for the key first: whose answer it repeats must not depend on the order's end. */

/* The PIN was checked, or the day summed: the second COMMAND. */
static void forget_check(struct agent *a, const struct agent_command *c)
{
	for (size_t i = 0; i < a->n_checking; i++) {
		if (a->checking[i] == c)
			a->checking[i] = a->checking[--a->n_checking];
	}
}

int agent_on_command(struct agent *a, const struct agent_command *c, struct agent_effects *out)
{
	if (a->n_pending == AGENT_MAX_PENDING)
		return ERR_FULL;
	forget_check(a, c);
	agent_effect_add(out, AGENT_LOAD)->load = c;
	return 0;
}

struct agent_answer *agent_answer_add(struct agent_effects *out, const struct agent_command *c,
				      enum agent_outcome outcome)
{
	struct agent_answer *x = &agent_effect_add(out, AGENT_ANSWER)->answer;

	x->command = c;
	x->outcome = outcome;
	x->code = CODE_OK;
	return x;
}

struct agent_answer *agent_refuse(struct agent_effects *out, const struct agent_command *c,
				  enum code code)
{
	struct agent_answer *x = agent_answer_add(out, c, AGENT_REFUSED);

	x->code = code;
	x->keep_key = c->key != NULL && code_status(code) == 422;
	return x;
}

void agent_refuse_value(struct agent_effects *out, const struct agent_command *c, const char *param,
			const char *detail)
{
	struct agent_answer *x = agent_refuse(out, c, CODE_BAD_VALUE);

	x->param = param;
	x->detail = detail;
}

static bool is_same_request(const struct agent_record *r, const struct agent_command *c)
{
	return r->verb == c->verb &&
	       memcmp(r->fingerprint, c->fingerprint, AGENT_FINGERPRINT_BYTES) == 0;
}

/* The order came to its end: nothing of it succeeds any more (G13). */
static bool answer_cancelled(const struct agent_command *c, const struct agent_loaded *l,
			     struct agent_effects *out)
{
	const struct agent_record *r = &l->by_order;

	if (r->cancel_seq == 0 || c->verb == AGENT_CANCEL)
		return false;
	agent_refuse(out, c, CODE_ORDER_CANCELLED)->cancel_seq = r->is_reversed ? r->cancel_seq : 0;
	return true;
}

/* Answer from the records, if they know the request; true where that was done. */
static bool answer_known(const struct agent_command *c, const struct agent_loaded *l,
			 struct agent_effects *out)
{
	if (answer_cancelled(c, l, out))
		return true;
	if (l->by_key.is_found) {
		if (is_same_request(&l->by_key, c))
			agent_answer_add(out, c, AGENT_REPLAY_KEY);
		else
			agent_refuse(out, c, CODE_KEY_REUSED);
		return true;
	}
	if (c->verb == AGENT_CANCEL) {
		if (l->by_order.cancel_seq != 0)
			agent_answer_add(out, c, AGENT_REPLAY_CANCEL)->keep_key = c->key != NULL;
		return l->by_order.cancel_seq != 0;
	}
	if (l->by_order.is_found) {
		if (is_same_request(&l->by_order, c))
			agent_answer_add(out, c, AGENT_REPLAY_ORDER)->keep_key = c->key != NULL;
		else if (c->verb == AGENT_CLOSE_DAY)
			agent_refuse(out, c, CODE_DAY_CLOSED)->seal_seq = l->by_order.seq;
		else
			agent_refuse(out, c, CODE_ORDER_CONFLICT);
		return true;
	}
	return false;
}

static bool is_same_order(const struct agent_command *x, const struct agent_command *y)
{
	if (x->verb != y->verb)
		return false;
	if (x->verb == AGENT_CLOSE_DAY)
		return x->close.day == y->close.day;
	return x->order_no != NULL && y->order_no != NULL && strcmp(x->order_no, y->order_no) == 0;
}

/* Another request of the same order waits for its PIN's check, or of the same day for its sum. */
static bool is_in_progress(const struct agent *a, const struct agent_command *c)
{
	for (size_t i = 0; i < a->n_checking; i++) {
		if (is_same_order(a->checking[i], c))
			return true;
	}
	return false;
}

void agent_on_loaded(struct agent *a, const struct agent_command *c, struct agent_loaded *l,
		     struct agent_effects *out)
{
	bool is_quote = c->verb == AGENT_SALE && c->is_quote;

	if (is_quote)
		agent_quote(a, c, l, out);
	else if (answer_known(c, l, out))
		;
	else if (is_in_progress(a, c))
		agent_refuse(out, c, CODE_ORDER_IN_PROGRESS);
	else
		agent_decide(a, c, l, out);
	assert(out->n > 0 && a->n_pending < AGENT_MAX_PENDING);
	if (out->list[0].kind == AGENT_CHECK_PIN || out->list[0].kind == AGENT_SUM_DAY)
		a->checking[a->n_checking++] = c;
	else
		a->pending[a->n_pending++] = c->request; /* G2 */
}

/* All pending requests into one effect. */
static void finish(struct agent *a, enum agent_effect_kind kind, enum code code,
		   struct agent_effects *out)
{
	struct agent_effect *e;

	memcpy(a->finished, a->pending, a->n_pending * sizeof(a->pending[0]));
	a->n_finished = a->n_pending;
	a->n_pending = 0;
	if (a->n_finished == 0)
		return;
	e = agent_effect_add(out, kind);
	e->finish.n = a->n_finished;
	e->finish.requests = a->finished;
	e->finish.code = code;
}

void agent_on_committed(struct agent *a, struct agent_effects *out)
{
	a->durable = a->head;
	a->durable_day = a->day;
	a->durable_sealed_day = a->sealed_day;
	agent_clock_on_committed(&a->clock);
	sync_out_extend(&a->up, a->durable.seq);
	finish(a, AGENT_RELEASE, CODE_OK, out);
	agent_send_next(a, out);
}

void agent_on_rolled_back(struct agent *a, struct agent_effects *out)
{
	a->head = a->durable;
	a->day = a->durable_day;
	a->sealed_day = a->durable_sealed_day;
	agent_clock_on_rolled_back(&a->clock);
	finish(a, AGENT_REFUSE, CODE_DISK_LOW, out);
}
