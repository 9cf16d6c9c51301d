#include "answer.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "answer_internal.h"
#include "api_error.h"
#include "clock.h"
#include "http_server.h"
#include "log.h"
#include "store.h"

#define RETRY_AFTER_S "60"

void answer_headers(struct store *s, struct http_request *http)
{
	char witness[AGENT_WITNESS_BYTES];

	agent_witness_format(s->agent, witness);
	http_reply_header(http, "Trib-Witness", witness);
}

void answer_retry(struct http_request *http, enum code c)
{
	if (c == CODE_DISK_LOW || c == CODE_CLOCK_UNTRUSTED)
		http_reply_header(http, "Retry-After", RETRY_AFTER_S);
}

/* What is our fault can be looked up by what the till was told. */
static void log_internal(enum code c, const char *trace_id, const char *detail)
{
	if (c == CODE_INTERNAL)
		log_event(LOG_LEVEL_ERROR, "internal_error", "trace_id=%s detail=\"%s\"", trace_id,
			  detail != NULL ? detail : "");
}

void answer_error(struct store *s, struct http_request *http, enum code c, const char *param,
		  json_t *facts)
{
	answer_headers(s, http);
	answer_retry(http, c);
	log_internal(c, http_trace_id(http), json_string_value(json_object_get(facts, "detail")));
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
};

static void set_time(json_t *o, const char *name, int64_t wall_ms)
{
	struct text t = { 0 };

	text_raw(&t, "{");
	text_key_time(&t, name, wall_ms, clock_utc_offset_min(wall_ms));
	text_raw(&t, "}");
	json_object_update_new(o, json_loads(t.data, 0, NULL));
	text_finish(&t);
}

static void add_held(void *ctx, const struct journal_holder *h)
{
	struct held *held = ctx;
	json_t *item;

	if (strcmp(h->store, held->own_store) == 0 || h->principal + h->bonus == 0)
		return;
	item = json_pack("{s:s,s:I}", "store", h->store, "amount",
			 (json_int_t)(h->principal + h->bonus));
	if (h->has_silent_since)
		set_time(item, "silent_since", h->silent_since_ms);
	json_array_append_new(held->list, item);
}

static json_t *held_elsewhere(struct store *s, const struct account *a, const char *receipt_store)
{
	struct held held = { .list = json_array(), .own_store = s->identity.agent.store };

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

static void set_txn(struct store *s, json_t *o, const char *name, uint64_t seq)
{
	char txn[TXN_TEXT_BYTES];

	txn_format(s->identity.agent.store, s->identity.agent.incarnation, seq, txn);
	json_object_set_new(o, name, json_string(txn));
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
	case CODE_BAD_VALUE:
		if (f->tendered != 0) {
			set_int(o, "payable", f->payable);
			set_int(o, "tendered", f->tendered);
		}
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
	case CODE_ORDER_CANCELLED:
		if (x->cancel_seq != 0)
			set_txn(s, o, "txn", x->cancel_seq);
		break;
	case CODE_DAY_CLOSED:
		set_txn(s, o, "txn", x->seal_seq);
		break;
	case CODE_PIN_WRONG:
	case CODE_PIN_LOCKED:
		if (x->code == CODE_PIN_WRONG)
			set_int(o, "tries_left", x->pin_tries_left);
		if (x->pin_locked_until_ms != 0)
			set_time(o, "locked_until", x->pin_locked_until_ms);
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
	log_internal(x->code, trace_id, x->detail);
	text_clear(t);
	text_raw(t, dump);
	free(dump);
	json_decref(error);
	json_decref(facts);
}
