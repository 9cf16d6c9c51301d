#include "answer.h"
#include "clock.h"
#include "routes.h"
#include "store.h"

void handle_health(struct call *call)
{
	struct store *s = call->store;
	const struct agent *a = s->agent;
	const Trib__V1__RuleSet *rules = agent_rules_at(a, clock_wall_ms());
	struct text *t = &s->text;

	turn_end(s); /* "stored" counts what other tills were about to be told */
	text_clear(t);
	text_raw(t, "{");
	text_key_string(t, "store", a->id.store);
	answer_put_uplink(s, t);
	text_key_string(t, "mode", agent_mode(a));
	if (agent_mode_why(a) != NULL)
		text_key_string(t, "why", agent_mode_why(a));
	text_key_int(t, "incarnation", a->id.incarnation);
	text_key(t, "seq");
	text_raw(t, "{");
	text_key_int(t, "stored", (int64_t)a->durable.seq);
	text_key_int(t, "relayed", (int64_t)a->relayed_seq);
	text_key_int(t, "booked", (int64_t)a->booked_seq);
	text_raw(t, "}");
	text_key_int(t, "unsent", (int64_t)(a->durable.seq - a->relayed_seq));
	text_key(t, "clock_offset_ms");
	if (s->uplink.has_clock)
		text_int(t, s->uplink.clock_offset_ms);
	else
		text_raw(t, "null");
	text_key_int(t, "rules_version", rules != NULL ? (int64_t)rules->version : 0);
	text_key_int(t, "down_seq", (int64_t)a->down.durable.seq);
	text_key_string(t, "version", TRIB_VERSION);
	text_raw(t, "}");
	answer_text(s, call->http, 200, t);
}
