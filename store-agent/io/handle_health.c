#include "answer.h"
#include "clock.h"
#include "routes.h"
#include "store.h"

/* "mode", and what it comes from where it is not normal: the gravest as "why", all as "whys". */
static void put_mode(struct text *t, const struct agent *a)
{
	const char *whys[AGENT_MAX_WHYS];
	size_t n = agent_mode_whys(a, whys);

	text_key_string(t, "mode", agent_mode(a));
	if (n == 0)
		return;
	text_key_string(t, "why", whys[0]);
	text_key(t, "whys");
	text_raw(t, "[");
	for (size_t i = 0; i < n; i++) {
		text_comma(t);
		text_string(t, whys[i]);
	}
	text_raw(t, "]");
}

void handle_health(struct call *call)
{
	struct store *s = call->store;
	const struct agent *a = s->agent;
	const Trib__V1__RuleSet *rules = agent_rules_at(a, store_time_ms(s));
	struct text *t = &s->text;

	turn_end(s); /* "stored" counts what other tills were about to be told */
	text_clear(t);
	text_raw(t, "{");
	text_key_string(t, "store", a->id.store);
	answer_put_uplink(s, t);
	put_mode(t, a);
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
