#include "answer.h"
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
	text_clear(&s->text);
	answer_put_account(s, a, &s->text);
	answer_text(s, call->http, 200, &s->text);
}
