#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

static const char account_sql[] =
	"SELECT a.account, a.account_type, a.tier, a.status, s.code, a.card_no_masked, a.points_owed,"
	" " API_TIME(
		"a.opened_at") ", hs.code, h.lot, h.unit, h.principal, h.bonus, issuer.code,"
			       " h.expires, h.issued_principal, h.issued_bonus"
			       " FROM trib.account a LEFT JOIN trib.store s ON s.store = a.home_store"
			       " LEFT JOIN trib.holding h ON h.account = a.account AND (h.principal <> 0 OR h.bonus <> 0)"
			       " LEFT JOIN trib.store hs ON hs.store = h.node"
			       " LEFT JOIN trib.store issuer ON issuer.store = h.issuer"
			       " WHERE a.account = $1::uuid ORDER BY h.node, h.unit, h.expires, h.lot";

enum {
	ACCOUNT,
	TYPE,
	TIER,
	STATUS,
	HOME,
	CARD,
	OWED,
	OPENED,
	HOLDER,
	LOT,
	UNIT,
	PRINCIPAL,
	BONUS,
	ISSUER,
	EXPIRES,
	ISSUED_PRINCIPAL,
	ISSUED_BONUS
};

static const char *unit_name(int64_t unit)
{
	switch (unit) {
	case TRIB__V1__UNIT__UNIT_VALUE:
		return "value";
	case TRIB__V1__UNIT__UNIT_POINTS:
		return "points";
	default:
		return "uses";
	}
}

static json_t *account_json(const PGresult *r)
{
	int64_t principal = 0, bonus = 0, points = 0, uses = 0;
	json_t *holdings = json_array();

	for (int i = 0; i < PQntuples(r); i++) {
		int64_t unit = pg_int(r, i, UNIT);

		if (pg_null(r, i, HOLDER))
			continue;
		principal += unit == TRIB__V1__UNIT__UNIT_VALUE ? pg_int(r, i, PRINCIPAL) : 0;
		bonus += unit == TRIB__V1__UNIT__UNIT_VALUE ? pg_int(r, i, BONUS) : 0;
		points += unit == TRIB__V1__UNIT__UNIT_POINTS ? pg_int(r, i, PRINCIPAL) : 0;
		uses += unit == TRIB__V1__UNIT__UNIT_USES ? pg_int(r, i, PRINCIPAL) : 0;
		api_items_add(&holdings,
			      json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:o}", "store",
					pg_text(r, i, HOLDER), "lot", api_text(r, i, LOT), "unit",
					unit_name(unit), "principal", api_int(r, i, PRINCIPAL),
					"bonus", api_int(r, i, BONUS), "issuer",
					api_text(r, i, ISSUER), "expires",
					api_text(r, i, EXPIRES)));
	}
	return json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o}",
			 "account", api_account(r, 0, ACCOUNT), "card_no_masked",
			 pg_text(r, 0, CARD), "account_type", pg_text(r, 0, TYPE), "tier",
			 pg_text(r, 0, TIER), "status", pg_text(r, 0, STATUS), "home_store",
			 api_text(r, 0, HOME), "opened_at", pg_text(r, 0, OPENED), "principal",
			 (json_int_t)principal, "bonus", (json_int_t)bonus, "points",
			 (json_int_t)points, "uses", (json_int_t)uses, "points_owed",
			 api_int(r, 0, OWED), "balance",
			 json_pack("{s:I, s:I, s:I, s:I}", "principal", (json_int_t)principal,
				   "bonus", (json_int_t)bonus, "points", (json_int_t)points, "uses",
				   (json_int_t)uses),
			 "holdings", holdings);
}

static void on_account(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct api_call *c = ctx;

	if (err != 0)
		api_reply_failed(c->req, err, message);
	else if (PQntuples(rows) == 0)
		api_reply_error(c->req, CODE_UNKNOWN_ACCOUNT, NULL, NULL);
	else
		api_reply(c->req, 200, account_json(rows));
	free(c);
}

void api_show_account(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	char hex[2 * ACCOUNT_ID_BYTES + 1];
	uint8_t id[ACCOUNT_ID_BYTES];

	if (account_parse(m->arg[0], id) < 0) {
		api_reply_error(
			req, CODE_BAD_VALUE, "account",
			json_pack("{s:s}", "detail",
				  "an account is named by 26 characters of base32; to look up a "
				  "card, post it to /v1/accounts/search"));
		return;
	}
	sodium_bin2hex(hex, sizeof(hex), id, sizeof(id));
	db_query(h->db, account_sql, 1, (const char *const[]){ hex }, on_account,
		 api_call_create(h, req));
}

/* ---- search ---- */

static void on_card(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct api_call *c = ctx;

	if (err != 0) {
		api_reply_failed(c->req, err, message);
	} else if (PQntuples(rows) == 0) {
		api_reply_items(c->req, json_array());
	} else {
		json_t *item = json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I}",
					 "account", api_account(rows, 0, 0), "card_no_masked",
					 pg_text(rows, 0, 1), "account_type", pg_text(rows, 0, 2),
					 "tier", pg_text(rows, 0, 3), "status", pg_text(rows, 0, 4),
					 "home_store", api_text(rows, 0, 5), "principal",
					 (json_int_t)pg_int(rows, 0, 6), "bonus",
					 (json_int_t)pg_int(rows, 0, 7), "points",
					 (json_int_t)pg_int(rows, 0, 8), "points_owed",
					 (json_int_t)pg_int(rows, 0, 9));

		api_reply_items(c->req, json_pack("[o]", item));
	}
	free(c);
}

void api_search_accounts(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	struct json_body b;
	const char *text, *card;
	size_t len;

	(void)m;
	text = http_body(req, &len);
	body_init(&b, text, len);
	card = body_text(&b.top, "card_no", BODY_REQUIRED,
			 &(struct body_text){ 1, CARD_NO_MAX, BODY_ANY });
	if (body_result(&b) != CODE_OK)
		api_reply_error(req, b.code, b.param, body_facts(&b));
	else
		db_query(
			h->db,
			"SELECT v.account, v.card_no_masked, v.account_type, v.tier, v.status,"
			" v.home_store, v.principal, v.bonus, v.points, v.points_owed FROM trib.card c"
			" JOIN book.account_balance v USING (account) WHERE c.card_no = $1",
			1, (const char *const[]){ card }, on_card, api_call_create(h, req));
	body_finish(&b);
}
