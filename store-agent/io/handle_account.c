#include "answer.h"
#include "clock.h"
#include "routes.h"
#include "store.h"

void handle_account(struct call *call)
{
	struct store *s = call->store;
	uint8_t id[ACCOUNT_ID_BYTES];
	const struct account *a;

	turn_end(s); /* what is read may be of this turn */
	if (account_parse(call->match.arg[0], id) < 0 ||
	    (a = journal_read_account(s->journal, id)) == NULL) {
		answer_error(s, call->http, CODE_UNKNOWN_ACCOUNT, NULL, NULL);
		return;
	}
	answer_of_account(s, a, NULL, clock_wall_ms(), &s->text);
	s->text.len--; /* the closing brace */
	answer_put_uplink(s, &s->text);
	text_raw(&s->text, "}");
	answer_text(s, call->http, 200, &s->text);
}
