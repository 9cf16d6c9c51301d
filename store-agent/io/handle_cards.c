#include "routes.h"
#include "store.h"

void handle_cards(struct call *call)
{
	static const struct body_text card_no = { 1, CARD_NO_MAX, BODY_PRINTABLE };
	static const struct body_text type = { 1, ACCOUNT_TYPE_MAX - 1, BODY_NAME };
	struct command_reader *r = command_begin(call, AGENT_OPEN_CARD);
	struct body_scope *top = &r->body.top;

	r->command.card_no = command_text(r, top, "card_no", BODY_REQUIRED, &card_no);
	r->command.open.account_type = body_text(top, "account_type", BODY_OPTIONAL, &type);
	fingerprint_text(&r->print, NULL, "account_type", r->command.open.account_type, "default");
	if (body_has(top, "member"))
		body_fail(top, "member", CODE_BAD_VALUE, "not offered by this version");
	command_pin(r);
	command_finish(r);
}
