#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "routes.h"
#include "store.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define ANSWER_MAX_BYTES (4u * 1024 * 1024)

static void put_head(struct text *t, const uint8_t head[HEAD_BYTES])
{
	static const char hex[] = "0123456789abcdef";
	char out[2 * HEAD_BYTES + 1];

	for (size_t i = 0; i < HEAD_BYTES; i++) {
		out[2 * i] = hex[head[i] >> 4];
		out[2 * i + 1] = hex[head[i] & 15];
	}
	out[2 * HEAD_BYTES] = '\0';
	text_key_string(t, "head", out);
}

static bool put_entry(void *ctx, const struct position *at, const uint8_t *bytes, size_t len)
{
	struct store *s = ctx;
	struct text *t = &s->text;
	Trib__V1__Entry *e = trib__v1__entry__unpack(NULL, len, bytes);
	char account[ACCOUNT_TEXT_BYTES] = "", txn[TXN_TEXT_BYTES];

	if (e == NULL)
		return true; /* verify tells */
	if (e->has_account && e->account.len == ACCOUNT_ID_BYTES)
		account_format(e->account.data, account);
	txn_format(s->identity.agent.store, s->identity.agent.incarnation, at->seq, txn);
	text_comma(t);
	text_raw(t, "{");
	text_key_int(t, "seq", (int64_t)at->seq);
	text_key_string(t, "txn", txn);
	text_key_string(t, "kind", entry_kind_name(entry_kind(e)));
	text_key_time(t, "at", e->wall_ms, e->utc_offset_min);
	text_key_day(t, "business_day", e->business_day);
	text_key_string(t, "order_no", e->order_no);
	text_key_string(t, "account", account[0] != '\0' ? account : NULL);
	text_key_int(t, "amount", entry_amount(e));
	text_key_string(t, "operator", e->operator_);
	text_key_int(t, "lane", e->lane);
	text_key_int(t, "rules_version", (int64_t)e->rules_version);
	text_key_int(t, "down_seq", (int64_t)e->down_seq);
	text_key_string(t, "sync_state", agent_sync_state(s->agent, at->seq));
	put_head(t, at->head);
	text_raw(t, "}");
	trib__v1__entry__free_unpacked(e, NULL);
	return t->len < ANSWER_MAX_BYTES;
}

void handle_journal(struct call *call)
{
	static const char *const known[] = { "from", "limit", NULL };
	struct store *s = call->store;
	const char *unknown = http_query_unknown(call->http, known);
	int64_t from = call_query_int(call, "from", 0, LOT_SEQ_MAX, 1);
	int64_t limit = call_query_int(call, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT);

	if (unknown != NULL)
		answer_error(s, call->http, CODE_UNKNOWN_FIELD, unknown, NULL);
	else if (from < 0)
		call_query_refuse(call, "from", 0, LOT_SEQ_MAX);
	else if (limit < 0)
		call_query_refuse(call, "limit", 1, LIMIT_MAX);
	if (unknown != NULL || from < 0 || limit < 0)
		return;
	turn_end(s); /* what is read may be of this turn */
	if (from == 0)
		from = 1;
	text_clear(&s->text);
	text_raw(&s->text, "{\"items\":[");
	journal_each_entry(s->journal, (uint64_t)from, (uint64_t)(from + limit - 1), put_entry, s);
	text_raw(&s->text, "]}");
	answer_text(s, call->http, 200, &s->text);
}

void handle_journal_verify(struct call *call)
{
	verify_request(call->store, call->http);
}
