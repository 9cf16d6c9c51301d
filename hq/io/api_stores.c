#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "down.h"
#include "encode.h"
#include "enrolment.h"
#include "roster.h"

#define ONLINE_MS 30000
#define RELAY_WAIT_S 10.
#define RELAY_POLL_S 0.1

static const char store_sql[] =
	"SELECT s.store, s.code, s.region, s.entity, s.state, i.incarnation, i.stored_seq,"
	" i.relayed_seq, i.booked_seq, i.down_seq, i.down_applied, i.rules_version, i.software,"
	" (extract(epoch FROM i.last_seen) * 1000)::bigint, s.time_zone, s.cutoff_min"
	" FROM trib.store s LEFT JOIN trib.incarnation i ON i.store = s.store AND i.state = 'active'"
	" WHERE s.store > 0 AND ($1::text IS NULL OR s.code = $1) ORDER BY s.code";

enum {
	NODE,
	CODE,
	REGION,
	ENTITY,
	STATE,
	INCARNATION,
	STORED,
	RELAYED,
	BOOKED,
	DOWN,
	APPLIED,
	RULES,
	SOFTWARE,
	SEEN,
	TIME_ZONE,
	CUTOFF
};

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* What this process heard itself counts by a clock that nobody sets. */
static bool is_online(const struct hq_stream *s, int64_t seen_ms, int64_t now_ms)
{
	if (s != NULL && s->heard_ms != 0)
		return hq_mono_ms() - s->heard_ms < ONLINE_MS;
	return seen_ms <= now_ms && now_ms - seen_ms < ONLINE_MS;
}

/* One store: the database's row, overtaken by what this process has heard since. */
static json_t *store_json(const struct hq_stream *s, const PGresult *r, int row, int64_t now_ms)
{
	int64_t booked = pg_int(r, row, BOOKED), stored = max64(pg_int(r, row, STORED), booked);
	int64_t relayed = max64(pg_int(r, row, RELAYED), booked), down = pg_int(r, row, DOWN);
	int64_t applied = pg_int(r, row, APPLIED), rules = pg_int(r, row, RULES);
	int64_t seen = pg_int(r, row, SEEN);
	const char *state = pg_text(r, row, STATE), *software = pg_text(r, row, SOFTWARE);

	if (s != NULL) {
		booked = max64(booked, (int64_t)s->up.durable.seq);
		stored = max64(max64(stored, (int64_t)s->stored_seq), booked);
		relayed = max64(max64(relayed, (int64_t)s->relayed_seq), booked);
		down = max64(down, (int64_t)s->down_end.seq);
		applied = max64(applied, (int64_t)s->down_applied);
		seen = max64(seen, s->last_seen_ms);
		if (s->rules_version != 0)
			rules = (int64_t)s->rules_version;
		if (s->software[0] != '\0')
			software = s->software;
	}
	if (strcmp(state, "enrolled") == 0)
		state = is_online(s, seen, now_ms) ? "online" : "silent";
	return json_pack(
		"{s:s, s:o, s:o, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:o,"
		" s:s, s:I}",
		"store", pg_text(r, row, CODE), "node", api_int(r, row, NODE), "region",
		api_int(r, row, REGION), "entity", pg_text(r, row, ENTITY), "state", state,
		"incarnation", api_int(r, row, INCARNATION), "stored_seq", (json_int_t)stored,
		"relayed_seq", (json_int_t)relayed, "booked_seq", (json_int_t)booked, "lag",
		(json_int_t)(stored - booked), "down_seq", (json_int_t)down, "down_applied",
		(json_int_t)applied, "rules_version", (json_int_t)rules, "software", software,
		"last_seen", api_time(seen), "time_zone", pg_text(r, row, TIME_ZONE), "cutoff_min",
		(json_int_t)pg_int(r, row, CUTOFF));
}

/* Streams by node number, so that a long list is joined in one pass. */
static const struct hq_stream **streams_by_node(const struct hqd *h)
{
	const struct hq_stream **by_node = calloc(NODE_MAX + 1, sizeof(*by_node));

	if (by_node == NULL)
		abort();
	for (uint32_t i = 0; i < h->n_streams; i++) {
		if (h->streams[i]->is_active)
			by_node[h->streams[i]->node] = h->streams[i];
	}
	return by_node;
}

static void on_list(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct api_call *c = ctx;
	int64_t now_ms = (int64_t)(ev_now(c->h->loop) * 1000);

	if (err != 0) {
		api_reply_failed(c->req, err, message);
	} else {
		const struct hq_stream **by_node = streams_by_node(c->h);
		json_t *items = json_array();

		for (int i = 0; i < PQntuples(rows); i++)
			api_items_add(&items,
				      store_json(by_node[pg_int(rows, i, NODE)], rows, i, now_ms));
		free(by_node);
		api_reply_items(c->req, items);
	}
	free(c);
}

void api_list_stores(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	(void)m;
	db_query(h->db, store_sql, 1, (const char *const[]){ NULL }, on_list,
		 api_call_create(h, req));
}

static void on_show(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct api_call *c = ctx;

	if (err != 0)
		api_reply_failed(c->req, err, message);
	else if (PQntuples(rows) == 0)
		api_reply_error(c->req, CODE_NOT_FOUND, "store", NULL);
	else
		api_reply(c->req, 200,
			  store_json(hq_find_active(c->h, pg_text(rows, 0, CODE)), rows, 0,
				     (int64_t)(ev_now(c->h->loop) * 1000)));
	free(c);
}

void api_show_store(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	db_query(h->db, store_sql, 1, (const char *const[]){ m->arg[0] }, on_show,
		 api_call_create(h, req));
}

/* ---- enrolment ---- */

static void on_issued(void *ctx, int err, const char *message, const char *code, int64_t expires_ms)
{
	struct api_call *c = ctx;
	struct hq_region *region = hq_find_region(c->h, (int32_t)c->number);
	char key[Z85_TEXT_BYTES], command[512];

	if (err == 0 && region != NULL) {
		z85_format_key(region->curve_key, key);
		snprintf(command, sizeof(command),
			 "trib-store enroll --config /etc/tributary/store.conf --code %s --relay %s"
			 " --relay-key '%s'",
			 code, region->enroll_endpoint, key);
		api_reply(c->req, 201,
			  json_pack("{s:s, s:s, s:o, s:s, s:s, s:s}", "store", c->text, "code",
				    code, "expires_at", api_time(expires_ms), "relay_endpoint",
				    region->enroll_endpoint, "relay_key", key, "command", command));
		sodium_memzero(command, sizeof(command));
	} else if (err == ERR_STATE) {
		api_reply_conflict(c->req, "already_enrolled", "该门店已经注册。",
				   "This store is enrolled already.",
				   "a store that has a box cannot be enrolled again; a box is "
				   "replaced by fencing it first");
	} else if (err == ERR_INVALID) {
		api_reply_error(c->req, CODE_BAD_VALUE, "time_zone",
				json_pack("{s:s}", "detail", message));
	} else {
		api_reply_failed(c->req, err, message);
	}
	free(c);
}

static bool relay_is_known(const struct hq_region *r)
{
	return r != NULL && r->is_enrolled && r->listen_endpoint[0] != '\0' &&
	       r->enroll_endpoint[0] != '\0';
}

/* A request that waits for a relay that was enrolled a moment ago to connect. */
struct relay_wait {
	struct hqd *h;
	struct http_request *req;
	struct http_match match;
	int32_t region;
	ev_timer timer;
	ev_tstamp until;
};

static void on_wait(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct relay_wait *w = t->data;

	(void)revents;
	if (!relay_is_known(hq_find_region(w->h, w->region)) && ev_now(loop) < w->until)
		return;
	ev_timer_stop(loop, t);
	http_set_data(w->req, w->h); /* not a second time */
	api_enroll_store(w->h, w->req, &w->match);
	free(w);
}

static void wait_for_relay(struct hqd *h, struct http_request *req, const struct http_match *m,
			   int32_t region)
{
	struct relay_wait *w = calloc(1, sizeof(*w));

	if (w == NULL)
		abort();
	w->h = h;
	w->req = req;
	w->match = *m;
	w->region = region;
	w->until = ev_now(h->loop) + RELAY_WAIT_S;
	ev_timer_init(&w->timer, on_wait, RELAY_POLL_S, RELAY_POLL_S);
	w->timer.data = w;
	ev_timer_start(h->loop, &w->timer);
}

/* The store's relay must be a member first: the box talks to HQ through it. False when that was
 * answered, or will be. */
static bool relay_is_ready(struct hqd *h, struct http_request *req, const struct http_match *m,
			   int32_t region)
{
	struct hq_region *r = hq_find_region(h, region);
	char detail[200];

	if (relay_is_known(r))
		return true;
	if (r != NULL && r->is_enrolled && http_data(req) == NULL) {
		wait_for_relay(h, req, m, region);
		return false;
	}
	if (r == NULL || !r->is_enrolled)
		snprintf(
			detail, sizeof(detail),
			"region %d has no relay yet: run 'tribctl region enroll %d', then start its "
			"relay with the code",
			region, region);
	else
		snprintf(
			detail, sizeof(detail),
			"the relay of region %d has not been connected yet: start it, and try again",
			region);
	api_reply_conflict(req, "relay_not_enrolled", "该区域的中继尚未就绪。",
			   "The relay of this region is not ready.", detail);
	return false;
}

void api_enroll_store(struct hqd *h, struct http_request *req, const struct http_match *m)
{
	struct enroll_issue_store store = { .code = m->arg[0] };
	const struct body_text name = { 1, 64, BODY_ANY }, zone = { 1, 64, BODY_PRINTABLE };
	struct json_body b;
	const char *text, *reason;
	int32_t region;
	size_t len;

	text = http_body(req, &len);
	body_init(&b, text, len);
	region = (int32_t)body_int(&b.top, "region", BODY_REQUIRED, 1, INT32_MAX, 0);
	store.entity = body_text(&b.top, "entity", BODY_OPTIONAL, &name);
	store.time_zone = body_text(&b.top, "time_zone", BODY_OPTIONAL, &zone);
	store.cutoff_min = (int)body_int(&b.top, "cutoff_min", BODY_OPTIONAL, 0, 1439, -1);
	reason = api_body_reason(&b);
	if (body_result(&b) != CODE_OK) {
		api_reply_error(req, b.code, b.param, body_facts(&b));
	} else if (!store_code_is_valid(store.code)) {
		api_reply_error(req, CODE_BAD_VALUE, "store",
				json_pack("{s:s}", "detail",
					  "a store code is 1 to 15 letters, digits or '_'"));
	} else if (!roster_has_room(h, region, ENROLL_CERTIFICATE_MAX)) {
		api_reply_conflict(req, "region_full", "该区域的门店数已达上限。",
				   "This region has no room for another store.",
				   "the list of a region's stores fits one message of 1 MiB; open "
				   "another region for this store");
	} else if (relay_is_ready(h, req, m, region)) {
		struct api_call *c = api_call_create(h, req);

		c->number = region;
		strncpy(c->text, store.code, sizeof(c->text) - 1);
		enroll_issue(h, region, NULL, &store, reason, on_issued, c);
	}
	body_finish(&b);
}
