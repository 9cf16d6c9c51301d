#include "money.h"
#include "routes.h"
#include "store.h"

/* "of": {"txn"} or {"store", "order_no"}. */
static void read_of(struct command_reader *r)
{
	static const struct body_text txn = { 1, TXN_TEXT_BYTES - 1, BODY_PRINTABLE };
	static const struct body_text code = { 1, STORE_CODE_MAX - 1, BODY_NAME };
	static const struct body_text order_no = { 1, ORDER_NO_MAX, BODY_PRINTABLE };
	struct agent_command *c = &r->command;
	struct body_scope of;

	if (!body_object(&r->body.top, "of", BODY_REQUIRED, &of))
		return;
	if (body_has(&of, "txn")) {
		const char *text = command_text(r, &of, "txn", BODY_REQUIRED, &txn);

		if (text != NULL &&
		    txn_parse(text, r->of_store, &c->refund.incarnation, &c->refund.seq) < 0)
			body_fail(&of, "txn", CODE_BAD_VALUE, "must be a txn of an earlier answer");
		c->refund.store = r->of_store;
	} else {
		c->refund.store = command_text(r, &of, "store", BODY_REQUIRED, &code);
		c->refund.order_no = command_text(r, &of, "order_no", BODY_REQUIRED, &order_no);
	}
	body_end(&of);
}

void handle_refunds(struct call *call)
{
	static const struct body_text reason = { 1, 200, BODY_ANY };
	struct command_reader *r = command_begin(call, AGENT_REFUND);
	struct refund_command *how = &r->command.refund.how;
	struct body_scope *top = &r->body.top;

	command_order_no(r, BODY_REQUIRED);
	read_of(r);
	how->amount = command_int(r, top, "amount", BODY_OPTIONAL, 1, AMOUNT_MAX, 0);
	how->has_amount = how->amount > 0;
	how->reason = command_text(r, top, "reason", BODY_OPTIONAL, &reason);
	command_finish(r);
}
