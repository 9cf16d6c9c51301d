#include <stdio.h>

#include "answer.h"
#include "answer_internal.h"
#include "routes.h"
#include "store.h"

/* An account's entries, newest first. The cursor is the seq of the last one shown: entries only come
 * in front of the first page, so no page repeats or skips one. */

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 200

struct page {
	struct store *store;
	size_t left; /* that may still be shown */
	uint64_t last_seq; /* shown */
	bool has_more;
};

static void put_activity(struct store *s, uint64_t seq, const Trib__V1__Entry *e)
{
	int64_t principal, bonus, points, unused;
	struct text *t = &s->text;
	char txn[TXN_TEXT_BYTES];

	answer_sum_effects(e, TRIB__V1__UNIT__UNIT_VALUE, &principal, &bonus);
	answer_sum_effects(e, TRIB__V1__UNIT__UNIT_POINTS, &points, &unused);
	txn_format(s->identity.agent.store, s->identity.agent.incarnation, seq, txn);
	text_comma(t);
	text_raw(t, "{");
	text_key_string(t, "txn", txn);
	text_key_string(t, "kind", entry_kind_name(entry_kind(e)));
	text_key_time(t, "at", e->wall_ms, e->utc_offset_min);
	text_key_day(t, "business_day", e->business_day);
	if (e->order_no != NULL)
		text_key_string(t, "order_no", e->order_no);
	text_key_int(t, "amount", entry_amount(e));
	text_key_int(t, "principal", principal);
	text_key_int(t, "bonus", bonus);
	text_key_int(t, "points", points);
	if (e->operator_ != NULL)
		text_key_string(t, "operator", e->operator_);
	if (e->has_lane)
		text_key_int(t, "lane", e->lane);
	if (e->has_cancels)
		text_key_string(t, "cancels", agent_verb_name((enum agent_verb)e->cancels));
	text_key_string(t, "sync_state", agent_sync_state(s->agent, seq));
	text_raw(t, "}");
}

static bool put_entry(void *ctx, uint64_t seq, const uint8_t *bytes, size_t len)
{
	struct page *p = ctx;
	Trib__V1__Entry *e;

	if (p->left == 0) {
		p->has_more = true;
		return false;
	}
	p->left--;
	p->last_seq = seq;
	e = trib__v1__entry__unpack(NULL, len, bytes);
	if (e == NULL)
		return true; /* verify tells */
	put_activity(p->store, seq, e);
	trib__v1__entry__free_unpacked(e, NULL);
	return true;
}

/* The account, cursor and limit of the call; false: answered. */
static bool read_call(struct call *call, uint8_t ret_id[ACCOUNT_ID_BYTES], uint64_t *ret_before,
		      size_t *ret_limit)
{
	static const char *const known[] = { "cursor", "limit", NULL };
	const char *unknown = http_query_unknown(call->http, known);
	const char *cursor = http_query(call->http, "cursor");
	int64_t limit = call_query_int(call, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT);
	int64_t before = cursor == NULL || cursor[0] == '\0' ?
				 LOT_SEQ_MAX + INT64_C(1) :
				 call_query_int(call, "cursor", 1, LOT_SEQ_MAX, -1);
	struct store *s = call->store;

	if (unknown != NULL)
		answer_error(s, call->http, CODE_UNKNOWN_FIELD, unknown, NULL);
	else if (before < 0)
		answer_error_detail(s, call->http, CODE_BAD_VALUE, "cursor",
				    "must be the next_cursor of an earlier page");
	else if (limit < 0)
		call_query_refuse(call, "limit", 1, LIMIT_MAX);
	else if (account_parse(call->match.arg[0], ret_id) < 0 ||
		 journal_read_account(s->journal, ret_id) == NULL)
		answer_error(s, call->http, CODE_UNKNOWN_ACCOUNT, NULL, NULL);
	else {
		*ret_before = (uint64_t)before;
		*ret_limit = (size_t)limit;
		return true;
	}
	return false;
}

void handle_activities(struct call *call)
{
	struct store *s = call->store;
	uint8_t id[ACCOUNT_ID_BYTES];
	struct page page = { .store = s };
	uint64_t before;
	char cursor[24];

	turn_end(s); /* what is read may be of this turn */
	if (!read_call(call, id, &before, &page.left))
		return;
	text_clear(&s->text);
	text_raw(&s->text, "{\"activities\":[");
	journal_each_activity(s->journal, id, before, page.left + 1, put_entry, &page);
	text_raw(&s->text, "]");
	if (page.has_more) {
		snprintf(cursor, sizeof(cursor), "%llu", (unsigned long long)page.last_seq);
		text_key_string(&s->text, "next_cursor", cursor);
	}
	text_raw(&s->text, "}");
	answer_text(s, call->http, 200, &s->text);
}
