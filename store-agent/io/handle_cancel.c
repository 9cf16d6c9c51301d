#include <string.h>

#include "routes.h"
#include "store.h"

static const char *const verb_words[] = { "sale", "top_up", "refund", "redemption", NULL };
static const enum agent_verb verbs[] = { AGENT_SALE, AGENT_TOP_UP, AGENT_REFUND, AGENT_REDEMPTION };

static bool is_order_no(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++) {
		if (s[i] < 0x21 || s[i] > 0x7e)
			return false;
	}
	return n >= 1 && n <= ORDER_NO_MAX;
}

void handle_cancel(struct call *call)
{
	struct command_reader *r = command_begin(call, AGENT_CANCEL);
	int verb;

	r->command.order_no = r->call.match.arg[0];
	fingerprint_text(&r->print, NULL, "order_no", r->command.order_no, NULL);
	if (!is_order_no(r->command.order_no))
		body_fail(&r->body.top, "order_no", CODE_BAD_VALUE,
			  "must be 1 to 64 printable ASCII characters");
	verb = body_word(&r->body.top, "verb", BODY_REQUIRED, verb_words);
	if (verb >= 0) {
		r->command.cancel = verbs[verb];
		fingerprint_text(&r->print, NULL, "verb", verb_words[verb], NULL);
	}
	command_finish(r);
}
