#include <stdlib.h>

#include "money.h"
#include "routes.h"
#include "store.h"

#define QTY_MAX INT64_C(1000000000) /* thousandths: a million pieces */

static const char *const tender_words[] = { "stored_value", "cash",     "bank_card", "alipay",
					    "wechat",       "unionpay", "other",     NULL };

static void read_line(struct command_reader *r, struct body_scope *s, struct fingerprint *print,
		      struct sale_line *ret)
{
	static const struct body_text sku = { 1, 64, BODY_ANY };
	static const struct body_text category = { 1, 64, BODY_ANY };

	(void)r;
	ret->sku = body_text(s, "sku", BODY_REQUIRED, &sku);
	ret->category = body_text(s, "category", BODY_OPTIONAL, &category);
	ret->qty_milli = body_int(s, "qty", BODY_REQUIRED, 1, QTY_MAX, 1);
	ret->amount = body_int(s, "amount", BODY_REQUIRED, 0, AMOUNT_MAX, 0);
	fingerprint_text(print, NULL, "sku", ret->sku, NULL);
	fingerprint_text(print, NULL, "category", ret->category, NULL);
	fingerprint_int(print, NULL, "qty", ret->qty_milli, 0);
	fingerprint_int(print, NULL, "amount", ret->amount, 0);
}

/* "lines"; their amounts are the list amount. */
static void read_lines(struct command_reader *r, struct sale_command *c)
{
	struct body_scope lines, line;
	struct fingerprint_array prints;
	struct fingerprint print;
	int64_t sum = 0;
	size_t n = body_array(&r->body.top, "lines", BODY_OPTIONAL, 1, SALE_MAX_LINES, &lines);

	if (n == 0)
		return;
	r->lines = calloc(n, sizeof(*r->lines));
	if (r->lines == NULL)
		abort();
	fingerprint_array_init(&prints);
	for (size_t i = 0; i < n && body_item(&lines, i, &line); i++) {
		fingerprint_init(&print, AGENT_SALE);
		read_line(r, &line, &print, &r->lines[i]);
		fingerprint_array_add(&prints, &print);
		sum += r->lines[i].amount;
		body_end(&line);
	}
	fingerprint_array_final(&prints, &r->print, "lines");
	if (sum < 1 || sum > AMOUNT_MAX)
		body_fail(&r->body.top, "lines", CODE_BAD_VALUE,
			  "their amounts must add up to 1 or more");
	c->n_lines = n;
	c->lines = r->lines;
	c->amount = sum;
}

static void read_tender(struct body_scope *s, struct fingerprint *print, struct tender *ret)
{
	static const struct body_text payment_ref = { 1, 64, BODY_PRINTABLE };
	int word = body_word(s, "type", BODY_REQUIRED, tender_words);

	ret->type = word >= 0 ? tender_words[word] : NULL;
	ret->amount = body_int(s, "amount", BODY_REQUIRED, 1, AMOUNT_MAX, 0);
	ret->payment_ref = body_text(s, "payment_ref", BODY_OPTIONAL, &payment_ref);
	fingerprint_text(print, NULL, "type", ret->type, NULL);
	fingerprint_int(print, NULL, "amount", ret->amount, 0);
	fingerprint_text(print, NULL, "payment_ref", ret->payment_ref, NULL);
}

static void read_tenders(struct command_reader *r, struct sale_command *c)
{
	struct body_scope tenders, tender;
	struct fingerprint_array prints;
	struct fingerprint print;
	bool has_stored_value = false;
	size_t n =
		body_array(&r->body.top, "tenders", BODY_OPTIONAL, 1, SALE_MAX_TENDERS, &tenders);

	if (n == 0)
		return;
	fingerprint_array_init(&prints);
	for (size_t i = 0; i < n && body_item(&tenders, i, &tender); i++) {
		fingerprint_init(&print, AGENT_SALE);
		read_tender(&tender, &print, &r->tenders[i]);
		fingerprint_array_add(&prints, &print);
		if (r->tenders[i].type == tender_words[0] && has_stored_value)
			body_fail(&tender, "type", CODE_BAD_VALUE,
				  "stored_value may stand there once");
		has_stored_value |= r->tenders[i].type == tender_words[0];
		body_end(&tender);
	}
	fingerprint_array_final(&prints, &r->print, "tenders");
	c->n_tenders = n;
	c->tenders = r->tenders;
}

/* What sales and quotes are asked with. */
static void read_sale(struct command_reader *r)
{
	static const struct body_text card_no = { 1, CARD_NO_MAX, BODY_PRINTABLE };
	static const struct body_text staff = { 1, OPERATOR_MAX, BODY_ANY };
	struct sale_command *c = &r->command.sale;
	struct body_scope *top = &r->body.top;
	int64_t amount;

	r->command.card_no = command_text(r, top, "card_no", BODY_REQUIRED, &card_no);
	read_lines(r, c);
	amount = command_int(r, top, "amount", c->n_lines > 0 ? BODY_OPTIONAL : BODY_REQUIRED, 1,
			     AMOUNT_MAX, 0);
	if (c->n_lines == 0)
		c->amount = amount;
	else if (amount != 0 && amount != c->amount)
		body_fail(top, "amount", CODE_BAD_VALUE, "must be the sum of the lines");
	read_tenders(r, c);
	c->use_points = command_int(r, top, "use_points", BODY_OPTIONAL, 0, AMOUNT_MAX, 0);
	c->allow_partial = command_bool(r, top, "allow_partial");
	c->expected_payable =
		command_int(r, top, "expected_payable", BODY_OPTIONAL, 0, AMOUNT_MAX, -1);
	c->has_expected_payable = c->expected_payable >= 0;
	c->staff = command_text(r, top, "staff", BODY_OPTIONAL, &staff);
	command_pin(r);
}

void handle_sales(struct call *call)
{
	struct command_reader *r = command_begin(call, AGENT_SALE);

	command_order_no(r, BODY_REQUIRED);
	read_sale(r);
	r->command.pin = r->pin[0] != '\0' ? AGENT_PIN_GIVEN : AGENT_PIN_ABSENT;
	command_finish(r);
}

void handle_quotes(struct call *call)
{
	struct command_reader *r = command_begin(call, AGENT_SALE);

	command_order_no(r, BODY_OPTIONAL);
	read_sale(r);
	r->command.is_quote = true; /* nothing is remembered of it */
	r->command.order_no = NULL;
	r->command.key = NULL;
	command_finish(r);
}
