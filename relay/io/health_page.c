/* GET /v1/health */
#include <jansson.h>
#include <sodium.h>
#include <string.h>

#include "api_error.h"
#include "relayd.h"

static const char *uplink_name(enum relay_hq_link l)
{
	switch (l) {
	case RELAY_HQ_DOWN:
		return "down";
	case RELAY_HQ_GREETING:
		return "greeting";
	case RELAY_HQ_OPEN:
		return "open";
	}
	return "down";
}

static json_t *store_json(const struct relay_store_view *v, const struct peer *p)
{
	json_t *o = json_pack("{s:s, s:i, s:I, s:b, s:b, s:I, s:I, s:I, s:I, s:b}", "store",
			      p->store, "node", v->node, "incarnation", (json_int_t)v->incarnation,
			      "online", v->link == RELAY_STORE_ONLINE, "listed", v->is_listed,
			      "spooled_seq", (json_int_t)v->spooled_seq, "booked_seq",
			      (json_int_t)v->booked_seq, "down_seq", (json_int_t)v->down_seq,
			      "applied_seq", (json_int_t)v->applied_seq, "forked", v->is_forked);

	json_object_set_new(o, "last_seen",
			    p->last_seen_ms != 0 ? json_integer(p->last_seen_ms) : json_null());
	return o;
}

static json_t *alarm_json(const struct alarm *a)
{
	return json_pack("{s:s, s:i, s:I, s:I, s:I, s:I}", "kind", relay_alarm_name(a->kind),
			 "node", a->node, "incarnation", (json_int_t)a->incarnation, "count",
			 (json_int_t)a->count, "first_ms", (json_int_t)a->first_ms, "last_ms",
			 (json_int_t)a->last_ms);
}

static json_t *health_json(struct relayd *d)
{
	json_t *stores = json_array(), *alarms = json_array();
	struct relay_store_view v;

	for (uint32_t i = 0; i < relay_n_stores(d->core); i++) {
		const struct peer *p;

		relay_view(d->core, i, &v);
		p = peers_find(&d->peers, v.node, v.incarnation);
		if (p != NULL)
			json_array_append_new(stores, store_json(&v, p));
	}
	for (size_t i = 0; i < ALARMS_MAX; i++) {
		if (d->alarms.list[i].is_used)
			json_array_append_new(alarms, alarm_json(&d->alarms.list[i]));
	}
	return json_pack("{s:i, s:s, s:o, s:o, s:I, s:s}", "region", d->id.region, "uplink",
			 uplink_name(relay_hq(d->core)), "stores", stores, "alarms", alarms,
			 "roster_version", (json_int_t)d->roster_version, "version", TRIB_VERSION);
}

static bool is_authorized(const struct relayd *d, const struct http_request *req)
{
	const char *token = http_bearer(req);

	return token != NULL && strlen(token) == strlen(d->admin_token) &&
	       sodium_memcmp(token, d->admin_token, strlen(token)) == 0;
}

void relayd_on_http(void *ctx, struct http_request *req)
{
	struct relayd *d = ctx;
	bool is_known = is_authorized(d, req);

	http_set_known(req, is_known);
	if (!is_known)
		api_reply_error(req, CODE_UNAUTHORIZED, NULL, NULL);
	else if (strcmp(http_path(req), "/v1/health") != 0)
		api_reply_error(req, CODE_NOT_FOUND, NULL, NULL);
	else if (strcmp(http_method(req), "GET") != 0)
		api_reply_error(req, CODE_METHOD_NOT_ALLOWED, NULL, NULL);
	else
		api_reply(req, 200, health_json(d));
}
