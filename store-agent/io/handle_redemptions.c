#include "money.h"
#include "routes.h"
#include "store.h"

void handle_redemptions(struct call *call)
{
	static const struct body_text card_no = { 1, CARD_NO_MAX, BODY_PRINTABLE };
	static const struct body_text item = { 1, 64, BODY_ANY };
	struct command_reader *r = command_begin(call, AGENT_REDEMPTION);
	struct body_scope *top = &r->body.top;

	command_order_no(r, BODY_REQUIRED);
	r->command.card_no = command_text(r, top, "card_no", BODY_REQUIRED, &card_no);
	r->command.redemption.points =
		command_int(r, top, "points", BODY_REQUIRED, 1, AMOUNT_MAX, 0);
	r->command.redemption.item = command_text(r, top, "item", BODY_REQUIRED, &item);
	command_finish(r);
}
