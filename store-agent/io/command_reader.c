#include <inttypes.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "clock.h"
#include "routes.h"
#include "store.h"

#define KEY_MAX 64

static bool is_printable(const char *s, size_t max)
{
	size_t n = 0;

	for (; s[n] != '\0'; n++) {
		if (n == max || s[n] < 0x20 || s[n] > 0x7e)
			return false;
	}
	return n > 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A trace id is kept where the till sent one. */
static const uint8_t *read_trace(struct command_reader *r)
{
	const char *text;

	if (http_header(r->call.http, "traceparent") == NULL)
		return NULL;
	text = http_trace_id(r->call.http);
	for (size_t i = 0; i < sizeof(r->trace_id); i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return NULL;
		r->trace_id[i] = (uint8_t)(high << 4 | low);
	}
	return r->trace_id;
}

static void read_headers(struct command_reader *r)
{
	struct agent_command *c = &r->command;
	const char *witness = http_header(r->call.http, "Trib-Witness");

	c->key = http_header(r->call.http, "Idempotency-Key");
	if (c->key != NULL && !is_printable(c->key, KEY_MAX))
		body_fail(&r->body.top, "Idempotency-Key", CODE_BAD_VALUE,
			  "must be 1 to 64 printable ASCII characters");
	if (witness != NULL && agent_witness_parse(witness, &c->witness) < 0)
		body_fail(&r->body.top, "Trib-Witness", CODE_BAD_VALUE,
			  "must be a Trib-Witness of an earlier answer, as it was");
	c->trace_id = read_trace(r);
}

struct command_reader *command_begin(struct call *call, enum agent_verb verb)
{
	static const struct body_text operator_name = { 1, OPERATOR_MAX, BODY_ANY };
	struct command_reader *r = calloc(1, sizeof(*r));
	struct agent_command *c;
	const char *text;
	size_t len;

	if (r == NULL)
		abort();
	r->call = *call;
	c = &r->command;
	text = http_body(call->http, &len);
	body_init(&r->body, text, len);
	fingerprint_init(&r->print, verb);
	c->verb = verb;
	c->wall_ms = store_time_ms(call->store);
	c->utc_offset_min = clock_utc_offset_min(c->wall_ms);
	c->lane = call->who.lane;
	read_headers(r);
	if (verb != AGENT_OPEN_CARD)
		c->operator_name =
			command_text(r, &r->body.top, "operator", BODY_OPTIONAL, &operator_name);
	return r;
}

void command_order_no(struct command_reader *r, enum body_need need)
{
	static const struct body_text order_no = { 1, ORDER_NO_MAX, BODY_PRINTABLE };

	r->command.order_no = command_text(r, &r->body.top, "order_no", need, &order_no);
}

struct command_reader *command_reader_of(const struct agent_command *c)
{
	return (struct command_reader *)((uintptr_t)c - offsetof(struct command_reader, command));
}

void command_destroy(struct command_reader *r)
{
	body_finish(&r->body);
	free(r->lines);
	sodium_memzero(r->pin, sizeof(r->pin));
	sodium_memzero(&r->member, sizeof(r->member));
	free(r);
}

const char *command_text(struct command_reader *r, struct body_scope *s, const char *name,
			 enum body_need need, const struct body_text *bounds)
{
	const char *text = body_text(s, name, need, bounds);

	fingerprint_text(&r->print, s->name, name, text, NULL);
	return text;
}

int64_t command_int(struct command_reader *r, struct body_scope *s, const char *name,
		    enum body_need need, int64_t min, int64_t max, int64_t fallback)
{
	int64_t v = body_int(s, name, need, min, max, fallback);

	fingerprint_int(&r->print, s->name, name, v, fallback);
	return v;
}

bool command_bool(struct command_reader *r, struct body_scope *s, const char *name)
{
	bool v = body_bool(s, name, BODY_OPTIONAL, false);

	fingerprint_int(&r->print, s->name, name, v, false);
	return v;
}

void command_pin(struct command_reader *r)
{
	static const struct body_text pin = { PIN_MIN, PIN_MAX, BODY_DIGITS };
	const char *text = body_text(&r->body.top, "pin", BODY_OPTIONAL, &pin);

	if (text != NULL)
		snprintf(r->pin, sizeof(r->pin), "%s", text);
}

bool call_body_failed(struct call *call, struct json_body *b)
{
	enum code code = body_result(b);

	if (code == CODE_OK)
		return false;
	answer_error(call->store, call->http, code, b->param[0] != '\0' ? b->param : NULL,
		     body_facts(b));
	return true;
}

int64_t call_query_int(struct call *call, const char *name, int64_t min, int64_t max,
		       int64_t fallback)
{
	const char *text = http_query(call->http, name);
	char *end;
	long long v;

	if (text == NULL)
		return fallback;
	if (*text < '0' || *text > '9' || strlen(text) > 18)
		return -1;
	v = strtoll(text, &end, 10);
	return *end == '\0' && v >= min && v <= max ? v : -1;
}

void call_query_refuse(struct call *call, const char *name, int64_t min, int64_t max)
{
	char detail[96];

	snprintf(detail, sizeof(detail), "must be a whole number from %" PRId64 " to %" PRId64, min,
		 max);
	answer_error_detail(call->store, call->http, CODE_BAD_VALUE, name, detail);
}

static void on_pin_hashed(void *ctx, const struct pin_result *result)
{
	struct command_reader *r = ctx;

	if (result->is_failed) {
		answer_error(r->call.store, r->call.http, CODE_INTERNAL, NULL, NULL);
	} else {
		snprintf(r->pin_verifier, sizeof(r->pin_verifier), "%s", result->verifier);
		turn_take(r->call.store, r->call.http, &r->command);
	}
	command_destroy(r);
}

/* A new card's PIN is hashed first; a sale's is compared when the core asks for it. */
static void take(struct command_reader *r)
{
	struct store *s = r->call.store;

	fingerprint_final(&r->print, r->command.fingerprint);
	if (r->command.verb != AGENT_OPEN_CARD || r->pin[0] == '\0') {
		turn_take(s, r->call.http, &r->command);
		return;
	}
	r->command.open.has_pin = true;
	r->is_held = true;
	if (pin_hash(s->pins, r->pin, on_pin_hashed, r) < 0) {
		r->is_held = false;
		answer_error(s, r->call.http, CODE_RATE_LIMITED, NULL, NULL);
	}
}

void command_finish(struct command_reader *r)
{
	if (!call_body_failed(&r->call, &r->body))
		take(r);
	if (!r->is_held)
		command_destroy(r);
}
