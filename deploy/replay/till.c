#include "till.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int till_call_make(const char *path, const char *prefix, const char *order_no, json_t *body,
			  struct till_call *ret_call)
{
	struct till_call c = { .path = path };

	if (body == NULL)
		return -1;
	c.body = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	if (c.body == NULL)
		return -1;
	/* A key names one request: an order number can be one of a top-up and of a sale. */
	snprintf(c.key, sizeof(c.key), "%s-%s", prefix, order_no);
	*ret_call = c;
	return 0;
}

int till_issue(const struct rows *rows, const struct row *row, struct till_call *ret_call)
{
	return till_call_make("/v1/cards", "card", rows->text + row->order_no,
			      json_pack("{s:s}", "card_no", rows->text + row->card_no), ret_call);
}

int till_operate(const struct rows *rows, const struct shops *shops, const struct row *row,
		 struct till_call *ret_call)
{
	const char *order_no = rows->text + row->order_no;
	const char *card_no = rows->text + row->card_no;
	json_int_t amount = row->amount;
	const char *path = NULL;
	json_t *body = NULL;

	switch ((enum row_kind)row->kind) {
	case ROW_TOP_UP:
		path = "/v1/top-ups";
		body = json_pack("{s:s,s:s,s:I,s:s}", "order_no", order_no, "card_no", card_no,
				 "paid", amount, "tender", "cash");
		break;
	case ROW_SPEND:
		path = "/v1/sales";
		body = json_pack("{s:s,s:s,s:I}", "order_no", order_no, "card_no", card_no,
				 "amount", amount);
		break;
	case ROW_REFUND:
		path = "/v1/refunds";
		body = json_pack("{s:s,s:{s:s,s:s},s:I}", "order_no", order_no, "of", "store",
				 shops->shops[row->of_shop].code, "order_no",
				 rows->text + row->of_order, "amount", amount);
		break;
	}
	return till_call_make(path, row_kind_name((enum row_kind)row->kind), order_no, body,
			      ret_call);
}

static bool read_balance(const json_t *answer, struct till_balance *ret_balance)
{
	json_int_t principal, bonus, points;

	if (json_unpack((json_t *)answer, "{s:{s:I,s:I,s:I}}", "balance", "principal", &principal,
			"bonus", &bonus, "points", &points) < 0)
		return false;
	*ret_balance = (struct till_balance){ principal, bonus, points };
	return true;
}

static enum till_verdict judge(long status, const char *code)
{
	if (status == 200 || status == 201)
		return TILL_DONE;
	if (status < 400 || status >= 500 || status == 429 ||
	    strcmp(code, "order_in_progress") == 0)
		return TILL_AGAIN;
	if (strcmp(code, "unknown_card") == 0)
		return TILL_UNKNOWN_CARD;
	if (strcmp(code, "card_exists") == 0)
		return TILL_CARD_EXISTS;
	return TILL_REFUSED;
}

void till_read(long status, const char *body, struct till_answer *ret_answer)
{
	struct till_answer a = { 0 };
	const char *code = NULL;
	json_t *json = status == 0 || body == NULL ? NULL : json_loads(body, 0, NULL);

	if (json_unpack(json_object_get(json, "error"), "{s:s}", "code", &code) == 0)
		snprintf(a.code, sizeof(a.code), "%s", code);
	else
		snprintf(a.code, sizeof(a.code), "http_%ld", status);
	a.has_balance = read_balance(json, &a.balance);
	a.verdict = judge(status, a.code);
	/* Half an answer is none. */
	if (a.verdict == TILL_DONE && json == NULL)
		a.verdict = TILL_AGAIN;
	json_decref(json);
	*ret_answer = a;
}
