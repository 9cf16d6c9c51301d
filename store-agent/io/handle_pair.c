#include <stdio.h>

#include "answer.h"
#include "clock.h"
#include "log.h"
#include "routes.h"
#include "store.h"

static void answer_failed(struct call *call, int r)
{
	journal_rollback(call->store->journal);
	if (r == ERR_NOT_FOUND)
		answer_error_detail(call->store, call->http, CODE_UNAUTHORIZED, "code",
				    "the pairing code is unknown, used or expired");
	else if (r == ERR_AGAIN)
		answer_error(call->store, call->http, CODE_RATE_LIMITED, NULL, NULL);
	else
		answer_error(call->store, call->http, CODE_DISK_LOW, NULL, NULL);
}

void handle_pair(struct call *call)
{
	static const struct body_text bounds = { 1, PAIRING_CODE_BYTES - 1, BODY_PRINTABLE };
	struct store *s = call->store;
	char token[LANE_TOKEN_BYTES], code[PAIRING_CODE_BYTES] = "";
	const char *text;
	struct json_body b;
	uint32_t lane;
	size_t len;
	int r;

	text = http_body(call->http, &len);
	body_init(&b, text, len);
	text = body_text(&b.top, "code", BODY_REQUIRED, &bounds);
	if (text != NULL)
		snprintf(code, sizeof(code), "%s", text);
	if (call_body_failed(call, &b)) {
		body_finish(&b);
		return;
	}
	body_finish(&b);
	turn_end(s);
	r = lanes_pair(&s->lanes, s->journal, code, clock_wall_ms(), clock_monotonic_ms(), &lane,
		       token);
	if (r < 0) {
		answer_failed(call, r);
		return;
	}
	if (!call_commit(call))
		return;
	lanes_load(&s->lanes, s->journal);
	log_event(LOG_LEVEL_NOTICE, "lane_paired", "lane=%u peer=%s", (unsigned)lane,
		  http_peer(call->http));
	text_clear(&s->text);
	text_raw(&s->text, "{");
	text_key_int(&s->text, "lane", lane);
	text_key_string(&s->text, "token", token);
	text_raw(&s->text, "}");
	answer_text(s, call->http, 201, &s->text);
}
