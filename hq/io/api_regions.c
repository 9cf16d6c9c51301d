#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "encode.h"
#include "enrolment.h"

static const char region_sql[] =
	"SELECT r.region, r.name, r.state, r.listen_endpoint, r.enroll_endpoint, r.software,"
	" (extract(epoch FROM r.last_seen) * 1000)::bigint,"
	" (SELECT count(*) FROM trib.store s WHERE s.region = r.region)"
	" FROM trib.region r WHERE $1::int IS NULL OR r.region = $1::int ORDER BY r.region";

enum {
	REGION,
	NAME,
	STATE,
	LISTEN,
	ENROLL,
	SOFTWARE,
	SEEN,
	STORES
};

static json_t *region_json(struct hqd *h, const PGresult *r, int row)
{
	struct hq_region *region = hq_find_region(h, (int32_t)pg_int(r, row, REGION));
	const char *state = pg_text(r, row, STATE), *software = pg_text(r, row, SOFTWARE);
	const char *listen = pg_text(r, row, LISTEN), *enroll = pg_text(r, row, ENROLL);
	int64_t seen = pg_int(r, row, SEEN);

	if (region != NULL) {
		if (strcmp(state, "enrolled") == 0)
			state = region->is_up ? "online" : "silent";
		seen = region->last_seen_ms > seen ? region->last_seen_ms : seen;
		software = region->software[0] != '\0' ? region->software : software;
		listen = region->listen_endpoint[0] != '\0' ? region->listen_endpoint : listen;
		enroll = region->enroll_endpoint[0] != '\0' ? region->enroll_endpoint : enroll;
	}
	return json_pack("{s:o, s:s, s:s, s:I, s:s, s:s, s:s, s:o}", "region",
			 api_int(r, row, REGION), "name", pg_text(r, row, NAME), "state", state,
			 "stores", (json_int_t)pg_int(r, row, STORES), "listen_endpoint", listen,
			 "enroll_endpoint", enroll, "software", software, "last_seen",
			 api_time(seen));
}

static void on_list(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct api_call *c = ctx;

	if (err != 0) {
		api_reply_failed(c->req, err, message);
	} else {
		json_t *items = json_array();

		for (int i = 0; i < PQntuples(rows); i++)
			api_items_add(&items, region_json(c->h, rows, i));
		api_reply_items(c->req, items);
	}
	free(c);
}

void api_list_regions(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	(void)m;
	db_query(h->db, region_sql, 1, (const char *const[]){ NULL }, on_list,
		 api_call_create(h, req));
}

static void on_show(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct api_call *c = ctx;

	if (err != 0)
		api_reply_failed(c->req, err, message);
	else if (PQntuples(rows) == 0)
		api_reply_error(c->req, CODE_NOT_FOUND, "region", NULL);
	else
		api_reply(c->req, 200, region_json(c->h, rows, 0));
	free(c);
}

/* A region's number in a path; 0 after a refusal was answered. */
static int32_t path_region(struct http_request *req, const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (text[0] >= '1' && text[0] <= '9' && *end == '\0' && n <= 999999)
		return (int32_t)n;
	api_reply_error(req, CODE_BAD_VALUE, "region",
			json_pack("{s:s}", "detail", "a region is a number from 1 on"));
	return 0;
}

void api_show_region(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	if (path_region(req, m->arg[0]) == 0)
		return;
	db_query(h->db, region_sql, 1, (const char *const[]){ m->arg[0] }, on_show,
		 api_call_create(h, req));
}

/* ---- enrolment ---- */

static void on_issued(void *ctx, int err, const char *message, const char *code, int64_t expires_ms)
{
	struct api_call *c = ctx;
	char key[Z85_TEXT_BYTES], command[512];

	if (err == 0) {
		const char *endpoint = c->h->advertise_enroll;

		z85_format_key(c->h->keys.curve_pub, key);
		snprintf(command, sizeof(command),
			 "trib-relay enroll --config /etc/tributary/relay.conf --code %s --hq %s"
			 " --hq-key '%s'",
			 code, endpoint, key);
		api_reply(c->req, 201,
			  json_pack("{s:I, s:s, s:o, s:s, s:s, s:s}", "region",
				    (json_int_t)c->number, "code", code, "expires_at",
				    api_time(expires_ms), "hq_endpoint", endpoint, "hq_key", key,
				    "command", command));
		sodium_memzero(command, sizeof(command));
	} else if (err == ERR_STATE) {
		api_reply_conflict(c->req, "already_enrolled", "该区域的中继已经注册。",
				   "The relay of this region is enrolled already.",
				   "stores know the relay by its key, so a second one cannot join");
	} else {
		api_reply_failed(c->req, err, message);
	}
	free(c);
}

void api_enroll_region(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	int32_t region = path_region(req, m->arg[0]);
	struct json_body b;
	const char *text, *name, *reason;
	size_t len;

	if (region == 0)
		return;
	text = http_body(req, &len);
	body_init(&b, text, len);
	name = body_text(&b.top, "name", BODY_OPTIONAL, &(struct body_text){ 1, 64, BODY_ANY });
	reason = api_body_reason(&b);
	if (body_result(&b) != CODE_OK) {
		api_reply_error(req, b.code, b.param, body_facts(&b));
	} else {
		struct api_call *c = api_call_create(h, req);

		c->number = region;
		enroll_issue(h, region, name, NULL, reason, on_issued, c);
	}
	body_finish(&b);
}
