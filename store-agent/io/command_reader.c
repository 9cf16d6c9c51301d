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

	if (http_header(r->call->http, "traceparent") == NULL)
		return NULL;
	text = http_trace_id(r->call->http);
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
	const char *witness = http_header(r->call->http, "Trib-Witness");

	c->key = http_header(r->call->http, "Idempotency-Key");
	if (c->key != NULL && !is_printable(c->key, KEY_MAX))
		body_fail(&r->body.top, "Idempotency-Key", CODE_BAD_VALUE,
			  "must be 1 to 64 printable ASCII characters");
	if (witness != NULL && agent_witness_parse(witness, &c->witness) < 0)
		body_fail(&r->body.top, "Trib-Witness", CODE_BAD_VALUE,
			  "must be a Trib-Witness of an earlier answer, as it was");
	c->trace_id = read_trace(r);
}

void command_begin(struct command_reader *r, struct call *call, enum agent_verb verb)
{
	static const struct body_text order_no = { 1, ORDER_NO_MAX, BODY_PRINTABLE };
	static const struct body_text operator_name = { 1, OPERATOR_MAX, BODY_ANY };
	struct agent_command *c = &r->command;
	size_t len;
	const char *text = http_body(call->http, &len);

	r->call = call;
	memset(c, 0, sizeof(*c));
	body_init(&r->body, text, len);
	fingerprint_init(&r->print, verb);
	c->verb = verb;
	c->wall_ms = clock_wall_ms();
	c->utc_offset_min = clock_utc_offset_min(c->wall_ms);
	c->lane = call->who.lane;
	read_headers(r);
	if (verb == AGENT_OPEN_CARD)
		return;
	c->order_no = command_text(r, &r->body.top, "order_no", BODY_REQUIRED, &order_no);
	c->operator_name = command_text(r, &r->body.top, "operator", BODY_OPTIONAL, &operator_name);
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

void command_not_offered(struct command_reader *r, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (body_has(&r->body.top, *names))
			body_fail(&r->body.top, *names, CODE_BAD_VALUE,
				  "not offered by this version");
	}
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

void command_finish(struct command_reader *r)
{
	if (!call_body_failed(r->call, &r->body)) {
		fingerprint_final(&r->print, r->command.fingerprint);
		turn_take(r->call->store, r->call->http, &r->command);
	}
	body_finish(&r->body);
}
