#include "api.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"

struct api_call *api_call_create(struct hqd *h, struct http_request *req)
{
	struct api_call *c = calloc(1, sizeof(*c));

	if (c == NULL)
		abort();
	c->h = h;
	c->req = req;
	return c;
}

static json_t *error_json(struct http_request *req, const char *type, const char *code,
			  const char *zh, const char *en, const char *detail, bool is_retryable)
{
	return json_pack("{s:{s:s, s:s, s:{s:s, s:s}, s:b, s:s*, s:s}}", "error", "type", type,
			 "code", code, "message", "zh", zh, "en", en, "retryable",
			 (int)is_retryable, "detail", detail, "trace_id", http_trace_id(req));
}

void api_reply_conflict(struct http_request *req, const char *code, const char *zh, const char *en,
			const char *detail)
{
	api_reply(req, 409, error_json(req, "conflict_error", code, zh, en, detail, false));
}

void api_reply_failed(struct http_request *req, int err, const char *message)
{
	struct log_value v;

	log_event(LOG_LEVEL_ERROR, "api_failed", "path=%s err=%d why=%s", http_path(req), err,
		  log_quote(&v, message));
	if (err == ERR_AGAIN)
		api_reply(req, 503,
			  error_json(req, "unavailable_error", "database_busy",
				     "数据库繁忙，请稍后重试。",
				     "The database was busy; try again in a moment.", NULL, true));
	else if (err == ERR_IO)
		api_reply(req, 503,
			  error_json(req, "unavailable_error", "database_unavailable",
				     "暂时无法访问数据库，请稍后重试。",
				     "The database cannot be reached; try again in a moment.", NULL,
				     true));
	else
		api_reply_error(req, CODE_INTERNAL, NULL, NULL);
}

const char *api_body_reason(struct json_body *b)
{
	return body_text(&b->top, "reason", BODY_REQUIRED, &(struct body_text){ 1, 200, BODY_ANY });
}

json_t *api_text(const PGresult *r, int row, int col)
{
	return pg_null(r, row, col) ? json_null() : json_string(pg_text(r, row, col));
}

json_t *api_int(const PGresult *r, int row, int col)
{
	return pg_null(r, row, col) ? json_null() : json_integer(pg_int(r, row, col));
}

json_t *api_account(const PGresult *r, int row, int col)
{
	char hex[2 * ACCOUNT_ID_BYTES + 1], text[ACCOUNT_TEXT_BYTES];
	uint8_t id[ACCOUNT_ID_BYTES];
	size_t n = 0, got;

	if (pg_null(r, row, col))
		return json_null();
	for (const char *p = pg_text(r, row, col); *p != '\0' && n + 1 < sizeof(hex); p++) {
		if (*p != '-')
			hex[n++] = *p;
	}
	hex[n] = '\0';
	if (sodium_hex2bin(id, sizeof(id), hex, n, NULL, &got, NULL) != 0 || got != sizeof(id))
		return json_null();
	account_format(id, text);
	return json_string(text);
}

void api_items_add(json_t **items, json_t *item)
{
	if (*items == NULL) {
		json_decref(item);
	} else if (json_array_append_new(*items, item) < 0) {
		json_decref(*items);
		*items = NULL;
	}
}

void api_reply_items(struct http_request *req, json_t *items)
{
	if (items == NULL)
		api_reply_failed(req, ERR_INVALID, "an item cannot be written as JSON");
	else
		api_reply(req, 200, json_pack("{s:o}", "items", items));
}

json_t *api_time(int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[48], date[32];
	struct tm tm;

	if (ms <= 0)
		return json_null();
	gmtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03dZ", date, (int)(ms % 1000));
	return json_string(text);
}

/* ---- routes ---- */

static void show_version(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	(void)m;
	api_reply(req, 200,
		  json_pack("{s:s, s:s}", "version", TRIB_VERSION, "chain", h->chain_name));
}

static void show_health(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	json_int_t regions_up = 0, regions = 0, stores = 0;

	(void)m;
	for (int i = 0; i < HQ_MAX_REGIONS; i++) {
		regions += h->regions[i].region != 0 && h->regions[i].is_enrolled;
		regions_up += h->regions[i].region != 0 && h->regions[i].is_up;
	}
	for (uint32_t i = 0; i < h->n_streams; i++)
		stores += h->streams[i]->is_active;
	api_reply(req, 200,
		  json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "mode",
			    h->is_ready ? "normal" : "degraded", "ready", (int)h->is_ready,
			    "regions", regions, "regions_up", regions_up, "stores", stores,
			    "backlog", (json_int_t)(h->is_ready ? ingest_backlog(h->ingest) : 0),
			    "rules_version", (json_int_t)h->rules_version, "hq_epoch",
			    (json_int_t)h->hq_epoch, "version", TRIB_VERSION));
}

struct route {
	const char *method, *pattern;
	api_handler handler;
	bool is_open; /* needs no token */
	bool needs_books; /* the state must have been read */
};

static const struct route routes[] = {
	{ "GET", "/v1/version", show_version, true, false },
	{ "GET", "/v1/health", show_health, true, false },
	{ "GET", "/v1/stores", api_list_stores, false, true },
	{ "GET", "/v1/stores/{}", api_show_store, false, true },
	{ "POST", "/v1/stores/{}/enroll", api_enroll_store, false, true },
	{ "GET", "/v1/regions", api_list_regions, false, true },
	{ "GET", "/v1/regions/{}", api_show_region, false, true },
	{ "POST", "/v1/regions/{}/enroll", api_enroll_region, false, true },
	{ "POST", "/v1/accounts/search", api_search_accounts, false, true },
	{ "GET", "/v1/accounts/{}", api_show_account, false, true },
	{ "GET", "/v1/journal/{}", api_list_journal, false, true },
	{ "POST", "/v1/journal/{}/verify", api_verify_journal, false, true },
	{ "POST", "/v1/books/check", api_check_books, false, false },
	{ "GET", "/v1/rules", api_list_rules, false, true },
	{ "GET", "/v1/rules/{}", api_show_rules, false, true },
	{ "POST", "/v1/rules", api_publish_rules, false, true },
};

static bool is_admin(const struct hqd *h, const struct http_request *req)
{
	const char *token = http_bearer(req);
	uint8_t hash[sizeof(h->admin_token_hash)];

	if (token == NULL)
		return false;
	crypto_generichash(hash, sizeof(hash), (const uint8_t *)token, strlen(token), NULL, 0);
	return sodium_memcmp(hash, h->admin_token_hash, sizeof(hash)) == 0;
}

void api_on_request(void *ctx, struct http_request *req)
{
	struct hqd *h = ctx;
	const char *path = http_path(req);
	const struct route *found = NULL;
	struct http_match m;
	bool is_path = false, is_known = is_admin(h, req);

	http_set_known(req, is_known);
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]) && found == NULL; i++) {
		if (!http_path_match(path, routes[i].pattern, &m))
			continue;
		is_path = true;
		if (strcmp(http_method(req), routes[i].method) == 0)
			found = &routes[i];
	}
	if ((found == NULL || !found->is_open) && !is_known)
		api_reply_error(req, CODE_UNAUTHORIZED, NULL, NULL);
	else if (found == NULL)
		api_reply_error(req, is_path ? CODE_METHOD_NOT_ALLOWED : CODE_NOT_FOUND, NULL,
				NULL);
	else if (found->needs_books && !h->is_ready)
		api_reply_failed(req, ERR_IO, "the books are not connected");
	else
		found->handler(h, req, &m);
}
