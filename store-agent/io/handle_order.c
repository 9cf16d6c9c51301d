#include "answer.h"
#include "routes.h"
#include "store.h"

static void put_order(void *ctx, const struct journal_order *o)
{
	struct call *call = ctx;
	struct store *s = call->store;
	struct text *t = &s->text;
	char txn[TXN_TEXT_BYTES];

	text_comma(t);
	if (o->len > 0) {
		text_bytes(t, o->answer, o->len - 1); /* but for the closing brace */
	} else {
		text_raw(t, "{");
		text_key_string(t, "order_no", call->match.arg[0]);
	}
	text_key_string(t, "verb", agent_verb_name(o->verb));
	text_key_string(t, "state", o->cancel_seq != 0 ? "cancelled" : "done");
	if (o->is_reversed) {
		txn_format(s->identity.agent.store, s->identity.agent.incarnation, o->cancel_seq,
			   txn);
		text_key_string(t, "cancel_txn", txn);
	}
	text_key_string(t, "sync_state", agent_sync_state(s->agent, o->seq));
	answer_put_uplink(s, t);
	text_raw(t, "}");
}

void handle_order(struct call *call)
{
	struct store *s = call->store;
	struct text *t = &s->text;
	size_t empty;

	turn_end(s); /* what is read may be of this turn */
	text_clear(t);
	text_raw(t, "{\"orders\":[");
	empty = t->len;
	journal_each_order(s->journal, call->match.arg[0], put_order, call);
	if (t->len == empty) {
		answer_error(s, call->http, CODE_UNKNOWN_ORDER, NULL, NULL);
		return;
	}
	text_raw(t, "]}");
	answer_text(s, call->http, 200, t);
}
