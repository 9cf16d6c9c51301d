#include "answer.h"
#include "routes.h"
#include "store.h"

#define SEARCH_MAX 20

struct search {
	const char *card_no, *last4;
	char phone[MEMBER_PHONE_MAX + 1]; /* "" where it is not searched by */
};

/* Just one of the three must be there. */
static void check_one(struct json_body *b, const struct search *x)
{
	int n = (x->card_no != NULL) + (x->phone[0] != '\0') + (x->last4 != NULL);

	if (body_result(b) != CODE_OK || n == 1)
		return;
	body_fail(&b->top,
		  n == 0           ? "card_no" :
		  x->last4 != NULL ? "phone_last4" :
				     "phone",
		  n == 0 ? CODE_MISSING_FIELD : CODE_BAD_VALUE,
		  "one of card_no, phone and phone_last4 must be there");
}

static void read_search(struct json_body *b, struct search *ret)
{
	static const struct body_text card_no = { 1, CARD_NO_MAX, BODY_PRINTABLE };
	static const struct body_text phone = { MEMBER_PHONE_MIN, MEMBER_PHONE_MAX,
						BODY_PRINTABLE };
	static const struct body_text last4 = { MEMBER_LAST4, MEMBER_LAST4, BODY_DIGITS };
	const char *text;

	ret->phone[0] = '\0';
	ret->card_no = body_text(&b->top, "card_no", BODY_OPTIONAL, &card_no);
	text = body_text(&b->top, "phone", BODY_OPTIONAL, &phone);
	ret->last4 = body_text(&b->top, "phone_last4", BODY_OPTIONAL, &last4);
	if (text != NULL && member_phone_parse(text, ret->phone) < 0)
		body_fail(&b->top, "phone", CODE_BAD_VALUE,
			  "must be digits, with '+' in front or not");
	check_one(b, ret);
}

/* How many accounts, up to one more than are shown. */
static size_t find(struct store *s, const struct search *x, uint8_t (*ret)[ACCOUNT_ID_BYTES])
{
	uint8_t index[MEMBER_INDEX_BYTES];

	if (x->card_no != NULL)
		return journal_find_accounts(s->journal, JOURNAL_BY_CARD, x->card_no, 0, ret,
					     SEARCH_MAX + 1);
	if (s->member_keys.state == MEMBER_KEY_NONE)
		return 0;
	if (x->last4 != NULL)
		member_last4_index(&s->member_keys, x->last4, index);
	else
		member_phone_index(&s->member_keys, x->phone, index);
	return journal_find_accounts(s->journal,
				     x->last4 != NULL ? JOURNAL_BY_LAST4 : JOURNAL_BY_PHONE, index,
				     sizeof(index), ret, SEARCH_MAX + 1);
}

static void answer_found(struct call *call, const struct search *x)
{
	uint8_t ids[SEARCH_MAX + 1][ACCOUNT_ID_BYTES];
	struct store *s = call->store;
	struct text *t = &s->text;
	size_t n;

	turn_end(s); /* what is read may be of this turn */
	n = find(s, x, ids);
	text_clear(t);
	text_raw(t, "{\"accounts\":[");
	for (size_t i = 0; i < n && i < SEARCH_MAX; i++) {
		const struct account *a = journal_read_account(s->journal, ids[i]);

		if (a == NULL) /* every card and member has its account */
			continue;
		text_comma(t);
		answer_put_account(s, a, t);
	}
	text_raw(t, "]");
	if (n > SEARCH_MAX)
		text_key_bool(t, "more", true);
	text_raw(t, "}");
	answer_text(s, call->http, 200, t);
}

void handle_search(struct call *call)
{
	struct store *s = call->store;
	struct json_body b;
	struct search x;
	const char *text;
	size_t len;

	text = http_body(call->http, &len);
	body_init(&b, text, len);
	read_search(&b, &x);
	if (call_body_failed(call, &b))
		;
	else if (x.card_no == NULL && s->member_keys.state == MEMBER_KEY_LOST)
		answer_error_detail(s, call->http, CODE_INTERNAL,
				    x.last4 != NULL ? "phone_last4" : "phone",
				    "the key that members are found with is lost");
	else
		answer_found(call, &x);
	body_finish(&b);
}
