#include "routes.h"
#include "store.h"

void handle_cards(struct call *call)
{
	static const struct body_text card_no = { 1, CARD_NO_MAX, BODY_PRINTABLE };
	static const struct body_text type = { 1, ACCOUNT_TYPE_MAX - 1, BODY_NAME };
	static const char *const not_offered[] = { "member", "pin", NULL };
	struct command_reader r;

	command_begin(&r, call, AGENT_OPEN_CARD);
	r.command.card_no = command_text(&r, &r.body.top, "card_no", BODY_REQUIRED, &card_no);
	r.command.account_type = body_text(&r.body.top, "account_type", BODY_OPTIONAL, &type);
	fingerprint_text(&r.print, NULL, "account_type", r.command.account_type, "default");
	command_not_offered(&r, not_offered);
	command_finish(&r);
}
