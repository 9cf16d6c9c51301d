#include "answer.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "answer_internal.h"
#include "api_error.h"
#include "clock.h"
#include "http_server.h"
#include "store.h"

void answer_headers(struct store *s, struct http_request *http)
{
	char witness[AGENT_WITNESS_BYTES];

	agent_witness_format(s->agent, witness);
	http_reply_header(http, "Trib-Witness", witness);
}

void answer_error(struct store *s, struct http_request *http, enum code c, const char *param,
		  json_t *facts)
{
	answer_headers(s, http);
	api_reply_error(http, c, param, facts);
}

void answer_error_detail(struct store *s, struct http_request *http, enum code c, const char *param,
			 const char *detail)
{
	answer_error(s, http, c, param, json_pack("{s:s}", "detail", detail));
}

void answer_text(struct store *s, struct http_request *http, int status, const struct text *t)
{
	answer_headers(s, http);
	http_reply(http, status, t->data, t->len);
}

void answer_put_balance(struct text *t, const char *name, const struct balance *b)
{
	text_key(t, name);
	text_raw(t, "{");
	text_key_int(t, "principal", b->principal);
	text_key_int(t, "bonus", b->bonus);
	text_key_int(t, "points", b->points);
	text_key_int(t, "uses", b->uses);
	text_raw(t, "}");
}

/* What other stores hold by HQ's facts. */
struct elsewhere {
	const char *own_store;
	int64_t principal, bonus;
};

static void add_elsewhere(void *ctx, const struct journal_holder *h)
{
	struct elsewhere *e = ctx;

	if (strcmp(h->store, e->own_store) == 0)
		return;
	e->principal += h->principal;
	e->bonus += h->bonus;
}

struct balance answer_total_balance(struct store *s, const struct account *a,
				    const struct balance *here)
{
	struct elsewhere e = { .own_store = s->identity.agent.store };
	struct balance total = *here;

	if (a->facts_as_of_ms == 0)
		return total;
	journal_each_holder(s->journal, a->id, add_elsewhere, &e);
	total.principal += e.principal;
	total.bonus += e.bonus;
	if (a->facts_points > total.points)
		total.points = a->facts_points;
	return total;
}

static void put_balances(struct store *s, const struct agent_append *x, struct text *t)
{
	struct balance total = answer_total_balance(s, x->account, &x->here);

	answer_put_balance(t, "balance", &total);
	answer_put_balance(t, "available_here", &x->here);
}

static void put_txn(struct store *s, const struct agent_append *x, struct text *t)
{
	char txn[TXN_TEXT_BYTES];

	txn_format(s->identity.agent.store, s->identity.agent.incarnation, x->at.seq, txn);
	text_key_string(t, "txn", txn);
	text_key_string(t, "order_no", x->command->order_no);
}

/* Sums of the header's effects of one unit. */
static void sum_effects(const Trib__V1__Entry *e, int unit, int64_t *ret_principal,
			int64_t *ret_bonus)
{
	*ret_principal = 0;
	*ret_bonus = 0;
	for (size_t i = 0; i < e->n_effects; i++) {
		if ((int)e->effects[i]->unit != unit)
			continue;
		*ret_principal += e->effects[i]->principal;
		*ret_bonus += e->effects[i]->bonus;
	}
}

static void put_top_up(struct store *s, const struct agent_append *x, struct text *t)
{
	const Trib__V1__TopUp *b = x->entry->top_up;
	int64_t bonus = 0, points = 0, uses = 0;
	const char *tier = NULL;

	for (size_t i = 0; i < b->n_gives; i++) {
		bonus += b->gives[i]->bonus;
		points += b->gives[i]->points;
		uses += b->gives[i]->uses;
		if (b->gives[i]->tier != NULL)
			tier = b->gives[i]->tier;
	}
	put_txn(s, x, t);
	text_key(t, "gives");
	text_raw(t, "{");
	text_key_int(t, "principal", b->paid);
	text_key_int(t, "bonus", bonus);
	text_key_int(t, "points", points);
	text_key_int(t, "uses", uses);
	if (tier != NULL)
		text_key_string(t, "tier", tier);
	text_raw(t, "}");
	put_balances(s, x, t);
}

static void put_tenders(struct text *t, const char *name, const char *what, Trib__V1__Tender **list,
			size_t n)
{
	text_key(t, name);
	text_raw(t, "[");
	for (size_t i = 0; i < n; i++) {
		text_comma(t);
		text_raw(t, "{");
		text_key_string(t, what, list[i]->type);
		text_key_int(t, "amount", list[i]->amount);
		if (list[i]->payment_ref != NULL)
			text_key_string(t, "payment_ref", list[i]->payment_ref);
		text_raw(t, "}");
	}
	text_raw(t, "]");
}

static int64_t put_discounts(struct text *t, const Trib__V1__Sale *b)
{
	int64_t sum = 0;

	text_key(t, "discounts");
	text_raw(t, "[");
	for (size_t i = 0; i < b->n_discounts; i++) {
		text_comma(t);
		text_raw(t, "{");
		text_key_string(t, "rule", b->discounts[i]->rule);
		text_key_int(t, "amount", b->discounts[i]->amount);
		text_raw(t, "}");
		sum += b->discounts[i]->amount;
	}
	text_raw(t, "]");
	return sum;
}

static void put_sale(struct store *s, const struct agent_append *x, struct text *t)
{
	const Trib__V1__Sale *b = x->entry->sale;
	int64_t principal, bonus, discount, remaining;

	sum_effects(x->entry, TRIB__V1__UNIT__UNIT_VALUE, &principal, &bonus);
	put_txn(s, x, t);
	text_key_int(t, "list_amount", b->list_amount);
	discount = put_discounts(t, b);
	text_key_int(t, "payable", b->payable);
	put_tenders(t, "tenders", "type", b->tenders, b->n_tenders);
	text_key_int(t, "points_earned", b->points_earned);
	text_key_int(t, "rules_version", (int64_t)x->entry->rules_version);
	text_key_bool(t, "approvable", true);
	text_key(t, "paid_from");
	text_raw(t, "{");
	text_key_int(t, "principal", -principal);
	text_key_int(t, "bonus", -bonus);
	text_key_int(t, "points", b->points_used);
	text_raw(t, "}");
	remaining = b->list_amount - discount - b->payable;
	if (remaining > 0)
		text_key_int(t, "remaining", remaining);
	put_balances(s, x, t);
}

static void put_refund(struct store *s, const struct agent_append *x, struct text *t)
{
	const Trib__V1__Refund *b = x->entry->refund;
	int64_t principal, bonus;

	sum_effects(x->entry, TRIB__V1__UNIT__UNIT_VALUE, &principal, &bonus);
	put_txn(s, x, t);
	text_key_int(t, "amount", b->amount);
	text_key(t, "restored");
	text_raw(t, "{");
	text_key_int(t, "principal", principal);
	text_key_int(t, "bonus", bonus);
	text_key_int(t, "points", 0);
	text_raw(t, "}");
	put_tenders(t, "paid_out", "tender", b->paid_out, b->n_paid_out);
	text_key_int(t, "points_clawed_back", b->points_clawed_back);
	text_key_int(t, "rest", b->rest);
	put_balances(s, x, t);
}

void answer_of_entry(struct store *s, const struct agent_append *x, struct text *t)
{
	text_clear(t);
	switch (x->command->verb) {
	case AGENT_OPEN_CARD:
		answer_of_account(s, x->account, x->command->card_no, x->command->wall_ms, t);
		return;
	case AGENT_TOP_UP:
		text_raw(t, "{");
		put_top_up(s, x, t);
		break;
	case AGENT_SALE:
		text_raw(t, "{");
		put_sale(s, x, t);
		break;
	case AGENT_REFUND:
		text_raw(t, "{");
		put_refund(s, x, t);
		break;
	}
	text_raw(t, "}");
}

void answer_put_uplink(struct store *s, struct text *t)
{
	int64_t since = s->agent->uplink_since_ms;

	text_key(t, "uplink");
	text_raw(t, "{");
	text_key_string(t, "state",
			agent_is_online(s->agent, clock_monotonic_ms()) ? "online" : "offline");
	text_key_time(t, "since", since, clock_utc_offset_min(since));
	text_raw(t, "}");
}

void answer_add_today(struct store *s, uint64_t seq, char *data, size_t *len)
{
	struct text *t = &s->today;

	text_clear(t);
	if (seq != 0)
		text_key_string(t, "sync_state", agent_sync_state(s->agent, seq));
	answer_put_uplink(s, t);
	text_raw(t, "}");
	assert(t->len <= ANSWER_TODAY_BYTES);
	data[*len - 1] = ',';
	memcpy(data + *len, t->data, t->len);
	*len += t->len;
}

/* Facts of a refusal as the answer's members. */
struct held {
	json_t *list;
	const char *own_store;
	int32_t utc_offset_min;
};

static void add_held(void *ctx, const struct journal_holder *h)
{
	struct held *held = ctx;
	struct text t = { 0 };
	json_t *item;

	if (strcmp(h->store, held->own_store) == 0 || h->principal + h->bonus == 0)
		return;
	item = json_pack("{s:s,s:I}", "store", h->store, "amount",
			 (json_int_t)(h->principal + h->bonus));
	text_raw(&t, "{");
	if (h->has_silent_since)
		text_key_time(&t, "silent_since", h->silent_since_ms, held->utc_offset_min);
	text_raw(&t, "}");
	json_object_update_new(item, json_loads(t.data, 0, NULL));
	text_finish(&t);
	json_array_append_new(held->list, item);
}

static json_t *held_elsewhere(struct store *s, const struct account *a, const char *receipt_store)
{
	struct held held = { .list = json_array(),
			     .own_store = s->identity.agent.store,
			     .utc_offset_min = clock_utc_offset_min(clock_wall_ms()) };

	if (receipt_store != NULL)
		json_array_append_new(held.list, json_pack("{s:s}", "store", receipt_store));
	else if (a != NULL)
		journal_each_holder(s->journal, a->id, add_held, &held);
	return held.list;
}

static void set_int(json_t *o, const char *name, int64_t v)
{
	json_object_set_new(o, name, json_integer(v));
}

static json_t *facts_json(struct store *s, const struct agent_answer *x, const struct account *a)
{
	const struct till_facts *f = &x->facts;
	json_t *o = json_object();

	switch ((int)x->code) {
	case CODE_INSUFFICIENT_BALANCE:
	case CODE_INSUFFICIENT_HERE:
		if (x->held_store == NULL) {
			set_int(o, "total", f->total);
			set_int(o, "available_here", f->available_here);
			set_int(o, "payable", f->payable);
		}
		json_object_set_new(o, "held_elsewhere", held_elsewhere(s, a, x->held_store));
		break;
	case CODE_PAYABLE_CHANGED:
		set_int(o, "payable", f->payable);
		break;
	case CODE_REFUND_EXCEEDS_SALE:
		set_int(o, "rest", f->rest);
		break;
	case CODE_POINTS_SHORT:
		set_int(o, "points_held", f->points_held);
		set_int(o, "points_wanted", f->points_wanted);
		break;
	}
	if (x->detail != NULL)
		json_object_set_new(o, "detail", json_string(x->detail));
	return o;
}

void answer_of_refusal(struct store *s, const struct agent_answer *x, const struct account *account,
		       const char *trace_id, struct text *t)
{
	json_t *facts = facts_json(s, x, account);
	json_t *error = api_error_json(x->code, x->param, facts, trace_id);
	char *dump = error != NULL ? json_dumps(error, JSON_COMPACT) : NULL;

	if (dump == NULL)
		abort();
	text_clear(t);
	text_raw(t, dump);
	free(dump);
	json_decref(error);
	json_decref(facts);
}
