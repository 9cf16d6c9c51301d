#include "money.h"
#include "routes.h"
#include "store.h"

void handle_sales(struct call *call)
{
	static const struct body_text card_no = { 1, CARD_NO_MAX, BODY_PRINTABLE };
	static const char *const not_offered[] = { "lines", "tenders", "use_points",
						   "pin",   "staff",   NULL };
	struct command_reader r;
	struct sale_command *c = &r.command.sale;
	struct body_scope *top = &r.body.top;

	command_begin(&r, call, AGENT_SALE);
	command_not_offered(&r, not_offered);
	r.command.card_no = command_text(&r, top, "card_no", BODY_REQUIRED, &card_no);
	c->amount = command_int(&r, top, "amount", BODY_REQUIRED, 1, AMOUNT_MAX, 0);
	c->allow_partial = command_bool(&r, top, "allow_partial");
	c->expected_payable =
		command_int(&r, top, "expected_payable", BODY_OPTIONAL, 0, AMOUNT_MAX, -1);
	c->has_expected_payable = c->expected_payable >= 0;
	command_finish(&r);
}
