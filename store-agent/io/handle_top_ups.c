#include "money.h"
#include "routes.h"
#include "store.h"

void handle_top_ups(struct call *call)
{
	static const struct body_text card_no = { 1, CARD_NO_MAX, BODY_PRINTABLE };
	static const struct body_text payment_ref = { 1, 64, BODY_PRINTABLE };
	static const char *const tenders[] = { "cash",     "bank_card", "alipay", "wechat",
					       "unionpay", "other",     NULL };
	struct command_reader *r = command_begin(call, AGENT_TOP_UP);
	struct top_up_command *t = &r->command.top_up;
	struct body_scope *top = &r->body.top;
	int tender;

	command_order_no(r, BODY_REQUIRED);
	r->command.card_no = command_text(r, top, "card_no", BODY_REQUIRED, &card_no);
	t->paid = command_int(r, top, "paid", BODY_REQUIRED, 1, AMOUNT_MAX, 0);
	tender = body_word(top, "tender", BODY_REQUIRED, tenders);
	t->tender = tender >= 0 ? tenders[tender] : NULL;
	fingerprint_text(&r->print, NULL, "tender", t->tender, NULL);
	t->payment_ref = command_text(r, top, "payment_ref", BODY_OPTIONAL, &payment_ref);
	command_finish(r);
}
