#include <assert.h>
#include <string.h>

#include "agent_internal.h"

/* What a command would do, and the entry that does it. */

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

static void header_fill(const struct agent *a, const struct agent_command *c,
			const struct till_context *t, Trib__V1__Entry *e)
{
	trib__v1__entry__init(e);
	e->node = a->id.node;
	e->incarnation = a->id.incarnation;
	e->seq = a->head.seq + 1;
	e->wall_ms = t->wall_ms;
	e->has_utc_offset_min = 1;
	e->utc_offset_min = c->utc_offset_min;
	e->business_day = t->business_day;
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
	const char *type = c->open.account_type != NULL ? c->open.account_type : "default";
	size_t card_len = strlen(c->card_no);
	struct account *acc = l->account;
	uint8_t id[ACCOUNT_ID_BYTES];
	Trib__V1__AccountOpened *body;

	if (l->has_card)
		return CODE_CARD_EXISTS;
	if (!is_account_type(t->rules, type) || strlen(type) >= ACCOUNT_TYPE_MAX) {
		agent_refuse_value(out, c, "account_type", "the rules have no such account type");
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
	body->has_has_pin = c->open.has_pin;
	body->has_pin = c->open.has_pin;
	e->body_case = TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED;
	e->account_opened = body;
	bytes_set(&e->has_account, &e->account, acc->id, ACCOUNT_ID_BYTES);
	if (t->rules != NULL) {
		e->has_rules_version = 1;
		e->rules_version = t->rules->version;
	}
	return CODE_OK;
}

/* Refund of the loaded receipt, a sale's or a top-up's. */
enum code agent_refund_receipt(struct agent *a, const struct agent_loaded *l,
			       const struct refund_command *how, const struct till_context *t,
			       Trib__V1__Entry *e, struct till_facts *facts)
{
	const struct receipt of = {
		.entry = l->receipt,
		.refunded = l->receipt_refunded,
		.n_closed = l->n_closed,
		.closed = l->closed,
	};

	if (l->receipt == NULL || !l->has_account)
		return CODE_UNKNOWN_ORDER;
	if (l->receipt->body_case == TRIB__V1__ENTRY__BODY_SALE)
		return refund_decide(t, l->account, &of, how, &a->arena, e, facts);
	if (l->receipt->body_case == TRIB__V1__ENTRY__BODY_TOP_UP)
		return top_up_refund_decide(t, l->account, &of, how, &a->arena, e, facts);
	return CODE_UNKNOWN_ORDER;
}

static enum code refund(struct agent *a, const struct agent_command *c,
			const struct agent_loaded *l, const struct till_context *t,
			Trib__V1__Entry *e, struct till_facts *facts, struct agent_effects *out)
{
	if (strcmp(c->refund.store, a->id.store) != 0) {
		agent_refuse(out, c, CODE_INSUFFICIENT_HERE)->held_store = c->refund.store;
		return CODE_INSUFFICIENT_HERE;
	}
	if (c->refund.seq != 0 && c->refund.incarnation != a->id.incarnation)
		return CODE_UNKNOWN_ORDER;
	return agent_refund_receipt(a, l, &c->refund.how, t, e, facts);
}

/* On CODE_OK *e is whole, unless an effect stands in *out already, as on some refusals. */
static enum code verb_decide(struct agent *a, const struct agent_command *c, struct agent_loaded *l,
			     const struct till_context *t, Trib__V1__Entry *e,
			     struct till_facts *facts, struct agent_effects *out)
{
	enum code code;

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
		code = agent_judge_pin(a, c, l, t, e, out);
		return code != CODE_OK ? code :
					 sale_decide(t, l->account, &c->sale, &a->arena, e, facts);
	case AGENT_REFUND:
		return refund(a, c, l, t, e, facts, out);
	case AGENT_REDEMPTION:
		if (!l->has_account)
			return CODE_UNKNOWN_CARD;
		return redemption_decide(t, l->account, &c->redemption, &a->arena, e, facts);
	case AGENT_CANCEL:
		return agent_cancel(a, c, l, t, e, facts, out);
	case AGENT_CLOSE_DAY:
		return agent_close(a, c, l, e, out);
	}
	return CODE_INTERNAL;
}

static void reversed_of(const Trib__V1__Reversal *r, struct agent_receipt_change *ret)
{
	switch (r->what_case) {
	case TRIB__V1__REVERSAL__WHAT_REFUND:
		ret->seq = r->refund->of_seq;
		ret->refunded = -r->refund->amount;
		break;
	case TRIB__V1__REVERSAL__WHAT_REFUND_TOP_UP:
		ret->seq = r->refund_top_up->of_seq;
		ret->refunded = -r->refund_top_up->amount;
		break;
	case TRIB__V1__REVERSAL__WHAT_POINTS_REDEEMED:
	case TRIB__V1__REVERSAL__WHAT__NOT_SET:
	case _TRIB__V1__REVERSAL__WHAT__CASE_IS_INT_SIZE:
		return;
	}
	ret->undone_seq = r->of_seq;
}

void agent_receipt_change_of(const Trib__V1__Entry *e, struct agent_receipt_change *ret)
{
	*ret = (struct agent_receipt_change){ 0 };
	switch ((int)e->body_case) {
	case TRIB__V1__ENTRY__BODY_REFUND:
		ret->seq = e->refund->of_seq;
		ret->refunded = e->refund->amount;
		break;
	case TRIB__V1__ENTRY__BODY_REFUND_TOP_UP:
		ret->seq = e->refund_top_up->of_seq;
		ret->refunded = e->refund_top_up->amount;
		break;
	case TRIB__V1__ENTRY__BODY_REVERSAL:
		reversed_of(e->reversal, ret);
		break;
	}
}

struct agent_append *agent_append_entry(struct agent *a, const struct agent_command *c,
					struct agent_loaded *l, const struct till_context *t,
					const Trib__V1__Entry *e, enum agent_keeps keeps,
					struct agent_effects *out)
{
	struct agent_append *x;
	struct position next = { .seq = a->head.seq + 1 };
	const char *why;
	size_t len;

	if (entry_pack(e, a->bytes, sizeof(a->bytes), &len) < 0)
		return NULL;
	if (fold_entry(e, &a->fold, &why) < 0) /* HQ would not book it */
		return NULL;
	if (e->has_account && account_fold(l->account, e) < 0) /* all or nothing */
		return NULL;
	chain_next(a->head.head, a->bytes, len, next.head);
	x = &agent_effect_add(out, AGENT_APPEND)->append;
	x->is_first_of_day = t->business_day != a->day;
	a->head = next;
	a->day = t->business_day;
	agent_clock_on_entry(&a->clock, t->wall_ms, a->now_ms);
	x->command = c;
	x->keeps = keeps;
	x->entry = e;
	x->bytes = a->bytes;
	x->len = len;
	x->at = next;
	x->is_new_account = e->body_case == TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED;
	if (e->has_account) {
		x->account = l->account;
		account_balance(l->account, t->today, &x->here);
	}
	agent_receipt_change_of(e, &x->receipt);
	x->receipt_refunded = l->receipt_refunded + x->receipt.refunded;
	return x;
}

/* Whether an entry of the command may find no room for its lots: one of value and one of points, or
 * those that a refund brings back. */
static bool has_too_many_lots(const struct agent_command *c, const struct agent_loaded *l)
{
	size_t more = 2;

	if ((c->verb == AGENT_REFUND || c->verb == AGENT_CANCEL) && l->receipt != NULL)
		more = l->receipt->n_effects + 1;
	return l->has_account && l->account->n_slices + more > ACCOUNT_MAX_SLICES;
}

void agent_context(const struct agent *a, const struct agent_command *c, struct till_context *ret)
{
	int64_t wall_ms = agent_time_ms(a, c->wall_ms, a->now_ms);

	*ret = (struct till_context){
		.node = a->id.node,
		.incarnation = a->id.incarnation,
		.seq = a->head.seq + 1,
		.wall_ms = wall_ms,
		.today = agent_calendar_day(wall_ms, c->utc_offset_min),
		.business_day = agent_business_day(wall_ms, c->utc_offset_min, a->cutoff_min,
						   agent_open_day(a)),
		.rules = agent_rules_at(a, wall_ms),
	};
}

/* HQ quarantines what it does not know: an older one announces fewer kinds. */
static bool is_kind_announced(const struct agent *a, int kind)
{
	return a->kinds == 0 || (kind < 64 && (a->kinds >> kind & 1) != 0);
}

/* A card with a PIN will need more than its own entry: those of wrong PINs. */
static bool are_kinds_announced(const struct agent *a, const Trib__V1__Entry *e)
{
	if (e->body_case == TRIB__V1__ENTRY__BODY_ACCOUNT_OPENED && e->account_opened->has_pin &&
	    !is_kind_announced(a, TRIB__V1__ENTRY__BODY_PIN_EVENT))
		return false;
	/* An older HQ would book the refund and not know what order it ended. */
	if (e->has_cancels && !is_kind_announced(a, TRIB__V1__ENTRY__BODY_ORDER_CANCELLED))
		return false;
	return is_kind_announced(a, entry_kind(e));
}

/* A new card's PIN, and a PIN proved right after wrong ones. */
static void append_pin(const struct agent_command *c, const struct agent_loaded *l,
		       struct agent_append *x)
{
	if (c->verb == AGENT_OPEN_CARD)
		x->pin.is_set = c->open.has_pin;
	else if (c->verb == AGENT_SALE && c->pin == AGENT_PIN_RIGHT && l->pin.failures > 0)
		x->pin.is_set = true;
	x->sets_pin = x->pin.is_set;
}

static enum agent_keeps keeps_of(enum agent_verb v)
{
	if (v == AGENT_CANCEL)
		return AGENT_KEEPS_CANCEL;
	return v == AGENT_CLOSE_DAY ? AGENT_KEEPS_SEAL : AGENT_KEEPS_ORDER;
}

static enum code append(struct agent *a, const struct agent_command *c, struct agent_loaded *l,
			const struct till_context *t, const Trib__V1__Entry *e,
			struct agent_effects *out)
{
	struct agent_append *x;

	if (!are_kinds_announced(a, e)) {
		agent_refuse(out, c, CODE_NO_RULE)->detail =
			"headquarters does not book entries of this kind yet";
		return CODE_NO_RULE;
	}
	x = agent_append_entry(a, c, l, t, e, keeps_of(c->verb), out);
	if (x == NULL)
		return CODE_INTERNAL;
	if (c->verb == AGENT_CLOSE_DAY && c->close.day > a->sealed_day)
		a->sealed_day = c->close.day;
	x->is_reversing = c->verb == AGENT_CANCEL &&
			  e->body_case != TRIB__V1__ENTRY__BODY_ORDER_CANCELLED;
	append_pin(c, l, x);
	return CODE_OK;
}

static bool is_too_long(const Trib__V1__Entry *e)
{
	return e->body_case == TRIB__V1__ENTRY__BODY_SALE &&
	       trib__v1__entry__get_packed_size(e) > ENTRY_MAX_BYTES;
}

static void refuse_with(struct agent_effects *out, const struct agent_command *c, enum code code,
			const struct till_facts *facts)
{
	struct agent_answer *x = agent_refuse(out, c, code);

	x->facts = *facts;
	x->param = facts->param;
	x->detail = facts->detail;
}

void agent_decide(struct agent *a, const struct agent_command *c, struct agent_loaded *l,
		  struct agent_effects *out)
{
	struct till_facts facts = { 0 };
	struct till_context t;
	Trib__V1__Entry *e;
	enum code code;

	arena_reset(&a->arena);
	agent_context(a, c, &t);
	e = arena_alloc(&a->arena, sizeof(*e));
	assert(e != NULL);
	header_fill(a, c, &t, e);
	code = agent_gate(a, c, l);
	if (code == CODE_JOURNAL_ROLLED_BACK && !a->is_rolled_back)
		facts.detail = "the Trib-Witness is ahead of this shop's journal: it is of another "
			       "shop, or an old copy of the disk is in the box";
	if (code == CODE_OK)
		code = verb_decide(a, c, l, &t, e, &facts, out);
	if (code == CODE_OK)
		code = append(a, c, l, &t, e, out);
	if (code == CODE_INTERNAL && out->n == 0 && has_too_many_lots(c, l))
		agent_refuse_value(out, c,
				   c->verb == AGENT_REFUND ? "of" :
				   c->verb == AGENT_CANCEL ? "order_no" :
							     "card_no",
				   "the card holds too many separate lots in this shop, 1024 at "
				   "most: something must be spent first");
	else if (code == CODE_INTERNAL && out->n == 0 && is_too_long(e))
		agent_refuse_value(out, c, "lines",
				   "its lines and lots do not fit one entry: split the sale");
	else if (code != CODE_OK && out->n == 0)
		refuse_with(out, c, code, &facts);
}

void agent_quote(struct agent *a, const struct agent_command *c, struct agent_loaded *l,
		 struct agent_effects *out)
{
	struct till_facts facts = { 0 };
	Trib__V1__Sale *body = NULL;
	struct till_context t;
	struct agent_answer *x;
	enum code code = CODE_UNKNOWN_CARD;

	arena_reset(&a->arena);
	agent_context(a, c, &t);
	if (l->has_account)
		code = sale_quote(&t, l->account, &c->sale, &a->arena, &body, &facts);
	if (body == NULL) {
		refuse_with(out, c, code, &facts);
		out->list[0].answer.keep_key = false;
		return;
	}
	if (code == CODE_OK)
		code = agent_gate(a, c, l);
	if (code == CODE_OK && agent_is_pin_needed(c, l) && agent_is_pin_locked(c, l))
		code = CODE_PIN_LOCKED;
	x = agent_answer_add(out, c, AGENT_QUOTED);
	x->code = code;
	x->facts = facts;
	x->quote = body;
	x->quote_rules_version = t.rules != NULL ? t.rules->version : 0;
	x->is_pin_required = agent_is_pin_needed(c, l);
}
