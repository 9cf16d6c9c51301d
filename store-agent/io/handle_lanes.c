/* The administrator's view of the lanes: whom a token was given, and taking it back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "clock.h"
#include "log.h"
#include "routes.h"
#include "store.h"

#define REASON_MAX 200

/* What the write could not do. */
static void answer_failed(struct call *call, int r)
{
	journal_rollback(call->store->journal);
	if (r == ERR_NOT_FOUND)
		answer_error(call->store, call->http, CODE_NOT_FOUND, NULL, NULL);
	else if (r == ERR_INVALID)
		answer_error_detail(call->store, call->http, CODE_BAD_VALUE, "lane",
				    "no more lanes can be paired; revoke one first");
	else
		answer_error(call->store, call->http, CODE_DISK_LOW, NULL, NULL);
}

/* Where a till on the network is to go, and by what it knows this store there. */
static void put_network(const struct listeners *l, struct text *t)
{
	if (l->https[0] == '\0')
		return;
	text_key_string(t, "https", l->https);
	text_key_string(t, "tls_fingerprint", l->certificate.fingerprint);
	text_key_string(t, "tls_pin", l->certificate.pin);
}

void handle_lanes_pair(struct call *call)
{
	static const struct body_text label_bounds = { 1, LANE_LABEL_MAX, BODY_ANY };
	struct store *s = call->store;
	int64_t now = clock_wall_ms();
	char code[PAIRING_CODE_BYTES], label[LANE_LABEL_MAX + 1] = "";
	const char *text;
	struct json_body b;
	uint32_t lane;
	size_t len;
	int r;

	text = http_body(call->http, &len);
	body_init(&b, text, len);
	lane = (uint32_t)body_int(&b.top, "lane", BODY_REQUIRED, 1, LANE_MAX, 1);
	text = body_text(&b.top, "label", BODY_OPTIONAL, &label_bounds);
	if (text != NULL)
		snprintf(label, sizeof(label), "%s", text);
	if (call_body_failed(call, &b)) {
		body_finish(&b);
		return;
	}
	body_finish(&b);
	turn_end(s);
	r = lanes_create_code(&s->lanes, s->journal, lane, label, now, code);
	if (r < 0) {
		answer_failed(call, r);
		return;
	}
	if (!call_commit(call))
		return;
	text_clear(&s->text);
	text_raw(&s->text, "{");
	text_key_string(&s->text, "code", code);
	text_key_int(&s->text, "lane", lane);
	text_key_time(&s->text, "expires_at", now + PAIRING_TTL_MS, clock_utc_offset_min(now));
	put_network(&s->listeners, &s->text);
	text_raw(&s->text, "}");
	answer_text(s, call->http, 201, &s->text);
}

static void put_lane(void *ctx, uint32_t lane, const uint8_t token_hash[JOURNAL_HASH_BYTES],
		     const char *label)
{
	struct text *t = ctx;

	(void)token_hash;
	text_comma(t);
	text_raw(t, "{");
	text_key_int(t, "lane", lane);
	text_key_string(t, "label", label);
	text_raw(t, "}");
}

void handle_lanes_list(struct call *call)
{
	struct store *s = call->store;

	text_clear(&s->text);
	text_raw(&s->text, "{\"lanes\":[");
	journal_each_lane(s->journal, put_lane, &s->text);
	text_raw(&s->text, "]}");
	answer_text(s, call->http, 200, &s->text);
}

/* Read {"reason"?}; no body at all is fine. False: answered already. */
static bool read_reason(struct call *call, struct log_value *ret)
{
	static const struct body_text bounds = { 1, REASON_MAX, BODY_ANY };
	struct json_body b;
	const char *text;
	bool failed;
	size_t len;

	log_quote(ret, NULL);
	text = http_body(call->http, &len);
	if (len == 0)
		return true;
	body_init(&b, text, len);
	text = body_text(&b.top, "reason", BODY_OPTIONAL, &bounds);
	failed = call_body_failed(call, &b);
	if (!failed)
		log_quote(ret, text);
	body_finish(&b);
	return !failed;
}

/* The number of a path's lane; 0: none that could be. */
static uint32_t lane_of(const char *text)
{
	size_t len = strlen(text);
	unsigned long lane = strtoul(text, NULL, 10);

	return len <= 4 && strspn(text, "0123456789") == len && text[0] != '0' ? (uint32_t)lane : 0;
}

void handle_lanes_revoke(struct call *call)
{
	struct store *s = call->store;
	uint32_t lane = lane_of(call->match.arg[0]);
	struct log_value reason;
	int r;

	if (!read_reason(call, &reason))
		return;
	turn_end(s); /* what its till was about to be told is told */
	r = lane != 0 ? journal_drop_lane(s->journal, lane, clock_wall_ms()) : ERR_NOT_FOUND;
	if (r < 0) {
		answer_failed(call, r);
		return;
	}
	if (!call_commit(call))
		return;
	lanes_load(&s->lanes, s->journal);
	log_event(LOG_LEVEL_NOTICE, "lane_revoked", "lane=%u peer=%s reason=%s", (unsigned)lane,
		  http_peer(call->http), reason.text);
	text_clear(&s->text);
	text_raw(&s->text, "{");
	text_key_int(&s->text, "lane", lane);
	text_key_string(&s->text, "state", "revoked");
	text_raw(&s->text, "}");
	answer_text(s, call->http, 200, &s->text);
}
