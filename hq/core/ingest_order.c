#include <string.h>

#include "ingest_private.h"

#define BY(field)                                   \
	do {                                        \
		if (x->field != y->field)           \
			return x->field < y->field; \
	} while (0)

bool holding_less(const void *a, const void *b)
{
	const struct holding_key *x = a, *y = b;
	int c;

	BY(node);
	c = memcmp(x->account, y->account, sizeof(x->account));
	if (c != 0)
		return c < 0;
	BY(lot);
	return x->unit < y->unit;
}

bool posting_less(const void *a, const void *b)
{
	const struct posting_key *x = a, *y = b;

	BY(store);
	BY(business_day);
	BY(account);
	BY(party1);
	BY(party2);
	return x->unit < y->unit;
}

bool total_less(const void *a, const void *b)
{
	const struct total_key *x = a, *y = b;

	BY(store);
	BY(business_day);
	BY(kind);
	BY(tender);
	return x->unit < y->unit;
}

bool owed_less(const void *a, const void *b)
{
	return memcmp(a, b, ACCOUNT_ID_BYTES) < 0;
}

bool receipt_less(const void *a, const void *b)
{
	const struct receipt_key *x = a, *y = b;

	BY(store);
	BY(incarnation);
	return x->seq < y->seq;
}

static void refund_change(const Trib__V1__Entry *e, const Trib__V1__Refund *b, int64_t sign,
			  struct receipt_change *ret)
{
	ret->key.store = b->has_of_node ? b->of_node : e->node;
	ret->key.incarnation = b->of_incarnation;
	ret->key.seq = (int64_t)b->of_seq;
	ret->amount = sign * b->amount;
	ret->kind = TRIB__V1__ENTRY__BODY_SALE;
}

static void top_up_change(const Trib__V1__Entry *e, const Trib__V1__RefundTopUp *b, int64_t sign,
			  struct receipt_change *ret)
{
	ret->key.store = e->node;
	ret->key.incarnation = b->of_incarnation;
	ret->key.seq = (int64_t)b->of_seq;
	ret->amount = sign * b->amount;
	ret->kind = TRIB__V1__ENTRY__BODY_TOP_UP;
}

bool receipt_change_of(const Trib__V1__Entry *e, struct receipt_change *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (e->body_case == TRIB__V1__ENTRY__BODY_REFUND)
		refund_change(e, e->refund, 1, ret);
	else if (e->body_case == TRIB__V1__ENTRY__BODY_REFUND_TOP_UP)
		top_up_change(e, e->refund_top_up, 1, ret);
	else if (e->body_case != TRIB__V1__ENTRY__BODY_REVERSAL)
		return false;
	else if (e->reversal->what_case == TRIB__V1__REVERSAL__WHAT_REFUND)
		refund_change(e, e->reversal->refund, -1, ret);
	else if (e->reversal->what_case == TRIB__V1__REVERSAL__WHAT_REFUND_TOP_UP)
		top_up_change(e, e->reversal->refund_top_up, -1, ret);
	else
		return false;
	return true;
}

struct holding_key holding_key_of(const Trib__V1__Entry *e, const Trib__V1__SliceEffect *s)
{
	struct holding_key key;

	memset(&key, 0, sizeof(key));
	key.lot = s->lot;
	key.node = e->node;
	key.unit = (int32_t)s->unit;
	memcpy(key.account, e->account.data, ACCOUNT_ID_BYTES);
	return key;
}

struct posting_key posting_key_of(const Trib__V1__Entry *e, const struct posting *p)
{
	struct posting_key key;

	memset(&key, 0, sizeof(key));
	key.store = e->node;
	key.business_day = e->business_day;
	key.party1 = p->party1;
	key.party2 = p->party2;
	key.account = p->account;
	key.unit = p->unit;
	return key;
}

struct total_key total_key_of(const Trib__V1__Entry *e, const struct day_total *t)
{
	struct total_key key;

	memset(&key, 0, sizeof(key));
	key.store = e->node;
	key.business_day = e->business_day;
	key.kind = t->kind;
	key.tender = t->tender;
	key.unit = t->unit;
	return key;
}
