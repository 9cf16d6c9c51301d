#include "answer.h"
#include "routes.h"
#include "store.h"

static void put_order(void *ctx, enum agent_verb verb, uint64_t seq, const char *answer, size_t len)
{
	struct store *s = ctx;
	struct text *t = &s->text;

	text_comma(t);
	text_bytes(t, answer, len - 1); /* but for the closing brace */
	text_key_string(t, "verb", agent_verb_name(verb));
	text_key_string(t, "sync_state", agent_sync_state(s->agent, seq));
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
	journal_each_order(s->journal, call->match.arg[0], put_order, s);
	if (t->len == empty) {
		answer_error(s, call->http, CODE_UNKNOWN_ORDER, NULL, NULL);
		return;
	}
	text_raw(t, "]}");
	answer_text(s, call->http, 200, t);
}
