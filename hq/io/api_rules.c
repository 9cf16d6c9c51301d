#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "rules.h"

static const char rules_sql[] = "SELECT version, name, reason, " API_TIME(
	"published_at") ", source FROM trib.rule_set"
			" WHERE $1::bigint IS NULL OR version = $1::bigint ORDER BY version DESC LIMIT 1000";

enum {
	VERSION,
	NAME,
	REASON,
	PUBLISHED,
	SOURCE
};

/* Active stores, and those of them that say they run at least this version. */
static void count_rollout(const struct hqd *h, uint64_t version, json_int_t *ret_all,
			  json_int_t *ret_running)
{
	*ret_all = *ret_running = 0;
	for (uint32_t i = 0; i < h->n_streams; i++) {
		if (!h->streams[i]->is_active)
			continue;
		++*ret_all;
		*ret_running += h->streams[i]->rules_version >= version;
	}
}

static json_t *rules_json(const struct hqd *h, const PGresult *r, int row)
{
	json_int_t all, running;

	count_rollout(h, (uint64_t)pg_int(r, row, VERSION), &all, &running);
	return json_pack("{s:o, s:s, s:s, s:s, s:I, s:I}", "version", api_int(r, row, VERSION),
			 "name", pg_text(r, row, NAME), "reason", pg_text(r, row, REASON),
			 "published_at", pg_text(r, row, PUBLISHED), "stores", all,
			 "stores_running", running);
}

static void on_list(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct api_call *c = ctx;

	if (err != 0) {
		api_reply_failed(c->req, err, message);
	} else {
		json_t *items = json_array();

		for (int i = 0; i < PQntuples(rows); i++)
			api_items_add(&items, rules_json(c->h, rows, i));
		api_reply_items(c->req, items);
	}
	free(c);
}

void api_list_rules(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	(void)m;
	db_query(h->db, rules_sql, 1, (const char *const[]){ NULL }, on_list,
		 api_call_create(h, req));
}

static void on_show(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct api_call *c = ctx;

	if (err != 0) {
		api_reply_failed(c->req, err, message);
	} else if (PQntuples(rows) == 0) {
		api_reply_error(c->req, CODE_NOT_FOUND, "version", NULL);
	} else {
		json_t *body = rules_json(c->h, rows, 0);
		json_t *source = json_loads(pg_text(rows, 0, SOURCE), 0, NULL);

		json_object_set_new(body, "rules", source != NULL ? source : json_null());
		api_reply(c->req, 200, body);
	}
	free(c);
}

void api_show_rules(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	size_t len = strlen(m->arg[0]);

	if (strspn(m->arg[0], "0123456789") != len || len > 18) {
		api_reply_error(req, CODE_BAD_VALUE, "version", NULL);
		return;
	}
	db_query(h->db, rules_sql, 1, (const char *const[]){ m->arg[0] }, on_show,
		 api_call_create(h, req));
}

/* ---- publishing ---- */

static void on_published(void *ctx, int err, const char *message, uint64_t version)
{
	struct api_call *c = ctx;

	if (err == 0)
		api_reply(c->req, 201, json_pack("{s:I}", "version", (json_int_t)version));
	else /* its size was looked at before: what is refused now is a race with something else */
		api_reply_failed(c->req, err == ERR_STATE ? ERR_AGAIN : err, message);
	free(c);
}

void api_publish_rules(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	char err[RULES_ERROR_BYTES] = "";
	struct json_body b;
	const char *text, *reason;
	json_t *rules;
	size_t len;

	(void)m;
	text = http_body(req, &len);
	body_init(&b, text, len);
	rules = body_raw(&b.top, "rules", BODY_REQUIRED);
	reason = api_body_reason(&b);
	if (body_result(&b) != CODE_OK) {
		api_reply_error(req, b.code, b.param, body_facts(&b));
	} else {
		struct api_call *c = api_call_create(h, req);
		size_t bytes;
		int r = rules_publish(h, rules, reason, on_published, c, err, &bytes);

		if (r == ERR_FULL)
			api_reply_error(req, CODE_TOO_LARGE, "rules",
					json_pack("{s:s, s:I, s:I}", "detail", err, "bytes",
						  (json_int_t)bytes, "limit",
						  (json_int_t)RULES_MAX_SIGNED));
		else if (r < 0)
			api_reply_error(req, CODE_BAD_VALUE, "rules",
					json_pack("{s:s}", "detail", err));
		if (r < 0)
			free(c);
	}
	body_finish(&b);
}
