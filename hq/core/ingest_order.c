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
