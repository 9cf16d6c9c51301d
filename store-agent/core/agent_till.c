#include <assert.h>
#include <string.h>

#include "agent_internal.h"

/* Judging a command, in this order, which decides what a till is told when several things hold:
 *
 *   record of the Idempotency-Key   same request: replay        another: key_reused
 *   record of (verb, order number)  same request: replay        another: order_conflict
 *   rolled-back journal             refused, whatever the verb: what it remembers is not all there
 *                                   was, and HQ books nothing of it
 *   witness                         refused, for verbs that spend
 *   the verb's own decision         an entry, or a refusal that changes nothing
 */

int agent_on_command(struct agent *a, const struct agent_command *c, struct agent_effects *out)
{
	if (a->n_pending == AGENT_MAX_PENDING)
		return ERR_FULL;
	agent_effect_add(out, AGENT_LOAD)->load = c;
	return 0;
}

static struct agent_answer *answer_add(struct agent_effects *out, const struct agent_command *c,
				       enum agent_outcome outcome)
{
	struct agent_answer *x = &agent_effect_add(out, AGENT_ANSWER)->answer;

	x->command = c;
	x->outcome = outcome;
	x->code = CODE_OK;
	return x;
}

static struct agent_answer *refuse(struct agent_effects *out, const struct agent_command *c,
				   enum code code)
{
	struct agent_answer *x = answer_add(out, c, AGENT_REFUSED);

	x->code = code;
	x->keep_key = c->key != NULL && code_status(code) == 422;
	return x;
}

static void refuse_value(struct agent_effects *out, const struct agent_command *c,
			 const char *param, const char *detail)
{
	struct agent_answer *x = refuse(out, c, CODE_BAD_VALUE);

	x->param = param;
	x->detail = detail;
}

static bool is_same_request(const struct agent_record *r, const struct agent_command *c)
{
	return r->verb == c->verb &&
	       memcmp(r->fingerprint, c->fingerprint, AGENT_FINGERPRINT_BYTES) == 0;
}

/* Answer from the records, if they know the request; true where that was done. */
static bool answer_known(const struct agent_command *c, const struct agent_loaded *l,
			 struct agent_effects *out)
{
	if (l->by_key.is_found) {
		if (is_same_request(&l->by_key, c))
			answer_add(out, c, AGENT_REPLAY_KEY);
		else
			refuse(out, c, CODE_KEY_REUSED);
		return true;
	}
	if (l->by_order.is_found) {
		if (is_same_request(&l->by_order, c))
			answer_add(out, c, AGENT_REPLAY_ORDER)->keep_key = c->key != NULL;
		else
			refuse(out, c, CODE_ORDER_CONFLICT);
		return true;
	}
	return false;
}

/* Does the till know of a later life of this journal, or of another one? Spends only. */
static enum code judge_witness(const struct agent *a, const struct agent_command *c,
			       const struct agent_loaded *l)
{
	const struct agent_witness *w = &c->witness;

	if (c->verb != AGENT_SALE && c->verb != AGENT_REFUND)
		return CODE_OK;
	if (!w->present || w->incarnation < a->id.incarnation)
		return CODE_OK;
	if (w->incarnation > a->id.incarnation)
		return CODE_STORE_FENCED;
	if (w->seq > a->durable.seq || l->witness_head == NULL ||
	    memcmp(w->prefix, l->witness_head, AGENT_WITNESS_PREFIX_BYTES) != 0)
		return CODE_JOURNAL_ROLLED_BACK;
	return CODE_OK;
}

/* Strings of the command become those of the entry: it is packed within the same step. */
static char *borrow(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void bytes_set(protobuf_c_boolean *has, ProtobufCBinaryData *to, const uint8_t *p,
		      size_t len)
{
	*has = 1;
	to->data = (uint8_t *)(uintptr_t)p;
	to->len = len;
}

static void header_fill(const struct agent *a, const struct agent_command *c, int32_t day,
			Trib__V1__Entry *e)
{
	trib__v1__entry__init(e);
	e->node = a->id.node;
	e->incarnation = a->id.incarnation;
	e->seq = a->head.seq + 1;
	e->wall_ms = c->wall_ms;
	e->has_utc_offset_min = 1;
	e->utc_offset_min = c->utc_offset_min;
	e->business_day = day;
	e->operator_ = borrow(c->operator_name);
	e->has_lane = 1;
	e->lane = c->lane;
	e->order_no = borrow(c->order_no);
	e->idempotency_key = borrow(c->key);
	if (c->trace_id != NULL)
		bytes_set(&e->has_trace_id, &e->trace_id, c->trace_id, 16);
	e->down_seq = a->down.durable.seq; /* G3 */
	bytes_set(&e->has_down_head, &e->down_head, a->down.durable.head, HEAD_BYTES);
	bytes_set(&e->has_fingerprint, &e->fingerprint, c->fingerprint, AGENT_FINGERPRINT_BYTES);
}

static bool is_account_type(const Trib__V1__RuleSet *rules, const char *type)
{
	if (strcmp(type, "default") == 0)
		return true;
	for (size_t i = 0; rules != NULL && i < rules->n_account_types; i++) {
		if (strcmp(rules->account_types[i]->name, type) == 0)
			return true;
	}
	return false;
}

/* An account's first entry. The account's id follows from the card number, so that it is the same
 * in every shop. */
static enum code open_decide(struct agent *a, const struct agent_command *c,
			     const struct agent_loaded *l, const struct till_context *t,
			     Trib__V1__Entry *e, struct agent_effects *out)
{
	const char *type = c->account_type != NULL ? c->account_type : "default";
	size_t card_len = strlen(c->card_no);
	struct account *acc = l->account;
	uint8_t id[ACCOUNT_ID_BYTES];
	Trib__V1__AccountOpened *body;

	if (l->has_card)
		return CODE_CARD_EXISTS;
	if (!is_account_type(t->rules, type) || strlen(type) >= ACCOUNT_TYPE_MAX) {
		refuse_value(out, c, "account_type", "the rules have no such account type");
		return CODE_BAD_VALUE;
	}
	body = arena_alloc(&a->arena, sizeof(*body));
	if (body == NULL)
		return CODE_INTERNAL;
	account_id(a->id.account_key, c->card_no, card_len, id);
	account_init(acc, id, type);
	trib__v1__account_opened__init(body);
	body->account_type = acc->type;
	body->card_no.data = (uint8_t *)(uintptr_t)c->card_no;
	body->card_no.len = card_len;
	e->body_case = TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED;
	e->account_opened = body;
	bytes_set(&e->has_account, &e->account, acc->id, ACCOUNT_ID_BYTES);
	if (t->rules != NULL) {
		e->has_rules_version = 1;
		e->rules_version = t->rules->version;
	}
	return CODE_OK;
}

static enum code receipt_decide(struct agent *a, const struct agent_command *c,
				const struct agent_loaded *l, const struct till_context *t,
				Trib__V1__Entry *e, struct till_facts *facts,
				struct agent_effects *out)
{
	const struct receipt of = { .entry = l->receipt, .refunded = l->receipt_refunded };

	if (strcmp(c->refund.store, a->id.store) != 0) {
		refuse(out, c, CODE_INSUFFICIENT_HERE)->held_store = c->refund.store;
		return CODE_INSUFFICIENT_HERE;
	}
	if (l->receipt == NULL ||
	    (c->refund.seq != 0 && c->refund.incarnation != a->id.incarnation))
		return CODE_UNKNOWN_ORDER;
	if (l->receipt->body_case == TRIB__V1__ENTRY__BODY_TOP_UP) {
		refuse_value(out, c, "of", "refunds of top-ups are not offered by this version");
		return CODE_BAD_VALUE;
	}
	if (l->receipt->body_case != TRIB__V1__ENTRY__BODY_SALE || !l->has_account)
		return CODE_UNKNOWN_ORDER;
	return refund_decide(t, l->account, &of, &c->refund.how, &a->arena, e, facts);
}

/* On CODE_OK *e is whole. On a refusal the answer may stand in *out already. */
static enum code verb_decide(struct agent *a, const struct agent_command *c,
			     const struct agent_loaded *l, const struct till_context *t,
			     Trib__V1__Entry *e, struct till_facts *facts,
			     struct agent_effects *out)
{
	switch (c->verb) {
	case AGENT_OPEN_CARD:
		return open_decide(a, c, l, t, e, out);
	case AGENT_TOP_UP:
		if (!l->has_account)
			return CODE_UNKNOWN_CARD;
		return top_up_decide(t, l->account, &c->top_up, &a->arena, e, facts);
	case AGENT_SALE:
		if (!l->has_account)
			return CODE_UNKNOWN_CARD;
		return sale_decide(t, l->account, &c->sale, &a->arena, e, facts);
	case AGENT_REFUND:
		return receipt_decide(a, c, l, t, e, facts, out);
	}
	return CODE_INTERNAL;
}

/* Fold the decided entry, pack it and let it be written: the point of no return of the turn. */
static enum code append(struct agent *a, const struct agent_command *c,
			const struct agent_loaded *l, const struct till_context *t,
			const Trib__V1__Entry *e, struct agent_effects *out)
{
	struct agent_append *x;
	struct position next = { .seq = a->head.seq + 1 };
	size_t len;

	if (entry_pack(e, a->bytes, sizeof(a->bytes), &len) < 0)
		return CODE_INTERNAL;
	if (account_fold(l->account, e) < 0) /* all or nothing */
		return CODE_INTERNAL;
	chain_next(a->head.head, a->bytes, len, next.head);
	a->head = next;
	a->day = t->business_day;
	x = &agent_effect_add(out, AGENT_APPEND)->append;
	x->command = c;
	x->entry = e;
	x->bytes = a->bytes;
	x->len = len;
	x->at = next;
	x->account = l->account;
	x->is_new_account = c->verb == AGENT_OPEN_CARD;
	account_balance(l->account, t->today, &x->here);
	if (e->body_case == TRIB__V1__ENTRY__BODY_REFUND) {
		x->receipt_seq = e->refund->of_seq;
		x->receipt_refunded = l->receipt_refunded + e->refund->amount;
	}
	return CODE_OK;
}

/* Whether an entry of the command may find no room for its lots: one of value and one of points, or
 * those that a refund brings back. */
static bool has_too_many_lots(const struct agent_command *c, const struct agent_loaded *l)
{
	size_t more = 2;

	if (c->verb == AGENT_REFUND && l->receipt != NULL)
		more = l->receipt->n_effects + 1;
	return l->has_account && l->account->n_slices + more > ACCOUNT_MAX_SLICES;
}

static void decide(struct agent *a, const struct agent_command *c, const struct agent_loaded *l,
		   struct agent_effects *out)
{
	struct till_context t = {
		.node = a->id.node,
		.incarnation = a->id.incarnation,
		.seq = a->head.seq + 1,
		.wall_ms = c->wall_ms,
		.today = agent_calendar_day(c->wall_ms, c->utc_offset_min),
		.business_day =
			agent_business_day(c->wall_ms, c->utc_offset_min, a->cutoff_min, a->day),
		.rules = agent_rules_at(a, c->wall_ms),
	};
	struct till_facts facts = { 0 };
	Trib__V1__Entry *e;
	enum code code;

	arena_reset(&a->arena);
	e = arena_alloc(&a->arena, sizeof(*e));
	assert(e != NULL);
	header_fill(a, c, t.business_day, e);
	code = a->is_rolled_back ? CODE_JOURNAL_ROLLED_BACK : judge_witness(a, c, l);
	if (code == CODE_OK)
		code = verb_decide(a, c, l, &t, e, &facts, out);
	if (code == CODE_OK)
		code = append(a, c, l, &t, e, out);
	if (code == CODE_INTERNAL && out->n == 0 && has_too_many_lots(c, l))
		refuse_value(out, c, c->verb == AGENT_REFUND ? "of" : "card_no",
			     "the card holds too many separate lots in this shop, 1024 at most: "
			     "something must be spent first");
	else if (code != CODE_OK && out->n == 0)
		refuse(out, c, code)->facts = facts;
}

void agent_on_loaded(struct agent *a, const struct agent_command *c, struct agent_loaded *l,
		     struct agent_effects *out)
{
	if (!answer_known(c, l, out))
		decide(a, c, l, out);
	assert(out->n == 1 && a->n_pending < AGENT_MAX_PENDING);
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
	sync_out_extend(&a->up, a->durable.seq);
	finish(a, AGENT_RELEASE, CODE_OK, out);
	agent_send_next(a, out);
}

void agent_on_rolled_back(struct agent *a, struct agent_effects *out)
{
	a->head = a->durable;
	a->day = a->durable_day;
	finish(a, AGENT_REFUSE, CODE_DISK_LOW, out);
}
