#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "entry.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000

static const char journal_sql[] =
	"WITH s AS (SELECT store FROM trib.store WHERE code = $1),"
	" i AS (SELECT store, incarnation FROM trib.incarnation JOIN s USING (store)"
	" WHERE $2::int IS NULL OR incarnation = $2::int ORDER BY incarnation DESC LIMIT 1)"
	" SELECT j.seq, j.kind, " API_TIME(
		"j.at") ", j.business_day, j.account, j.order_no,"
			" j.operator, j.amount, encode(j.head, 'hex'), q.reason, i.incarnation"
			" FROM s LEFT JOIN i USING (store) LEFT JOIN (SELECT j.* FROM trib.journal j JOIN i"
			" USING (store, incarnation) WHERE j.seq >= $3::bigint ORDER BY j.seq LIMIT $4::bigint) j"
			" USING (store) LEFT JOIN trib.quarantine q ON q.store = j.store"
			" AND q.incarnation = j.incarnation AND q.seq = j.seq ORDER BY j.seq";

enum {
	SEQ,
	KIND,
	AT,
	DAY,
	ACCOUNT,
	ORDER_NO,
	OPERATOR,
	AMOUNT,
	HEAD,
	QUARANTINED,
	INCARNATION
};

static void on_rows(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct api_call *c = ctx;

	if (err != 0) {
		api_reply_failed(c->req, err, message);
	} else if (PQntuples(rows) == 0) {
		api_reply_error(c->req, CODE_NOT_FOUND, "store", NULL);
	} else {
		json_t *items = json_array();

		for (int i = 0; i < PQntuples(rows); i++) {
			if (pg_null(rows, i, SEQ)) /* a store without entries */
				continue;
			api_items_add(
				&items,
				json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o}",
					  "incarnation", api_int(rows, i, INCARNATION), "seq",
					  api_int(rows, i, SEQ), "kind",
					  entry_kind_name((int)pg_int(rows, i, KIND)), "at",
					  api_text(rows, i, AT), "business_day",
					  api_text(rows, i, DAY), "account",
					  api_account(rows, i, ACCOUNT), "order_no",
					  api_text(rows, i, ORDER_NO), "operator",
					  api_text(rows, i, OPERATOR), "amount",
					  api_int(rows, i, AMOUNT), "head", pg_text(rows, i, HEAD),
					  "quarantined", api_text(rows, i, QUARANTINED)));
		}
		api_reply_items(c->req, items);
	}
	free(c);
}

/* A query argument as a number in [min, max]; fallback where absent, -1 where wrong. */
static int64_t query_number(struct http_request *req, const char *name, int64_t min, int64_t max,
			    int64_t fallback)
{
	const char *text = http_query(req, name);
	char *end;
	long long n;

	if (text == NULL)
		return fallback;
	n = strtoll(text, &end, 10);
	return text[0] < '0' || text[0] > '9' || *end != '\0' || n < min || n > max ? -1 : n;
}

void api_list_journal(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	static const char *const names[] = { "from", "limit", "incarnation", NULL };
	int64_t from = query_number(req, "from", 1, UINT32_MAX, 1);
	int64_t limit = query_number(req, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT);
	int64_t incarnation = query_number(req, "incarnation", 1, INCARNATION_MAX, 0);
	const char *unknown = http_query_unknown(req, names);
	char texts[3][24];

	if (unknown != NULL) {
		api_reply_error(req, CODE_UNKNOWN_FIELD, unknown, NULL);
		return;
	}
	if (from < 0 || limit < 0 || incarnation < 0) {
		api_reply_error(req, CODE_BAD_VALUE,
				from < 0  ? "from" :
				limit < 0 ? "limit" :
					    "incarnation",
				NULL);
		return;
	}
	snprintf(texts[0], sizeof(texts[0]), "%lld", (long long)incarnation);
	snprintf(texts[1], sizeof(texts[1]), "%lld", (long long)from);
	snprintf(texts[2], sizeof(texts[2]), "%lld", (long long)limit);
	db_query(h->db, journal_sql, 4,
		 (const char *const[]){ m->arg[0], incarnation > 0 ? texts[0] : NULL, texts[1],
					texts[2] },
		 on_rows, api_call_create(h, req));
}
