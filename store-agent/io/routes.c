#include "routes.h"

#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "clock.h"
#include "store.h"

enum who {
	WHO_ANY,
	WHO_LANE,
	WHO_ADMIN,
	WHO_READER /* lane or administrator */
};

static const struct route {
	const char *method, *pattern;
	enum who who;
	void (*handle)(struct call *call);
} routes[] = {
	{ "POST", "/v1/sales", WHO_LANE, handle_sales },
	{ "POST", "/v1/top-ups", WHO_LANE, handle_top_ups },
	{ "POST", "/v1/refunds", WHO_LANE, handle_refunds },
	{ "POST", "/v1/quotes", WHO_LANE, handle_quotes },
	{ "POST", "/v1/cards", WHO_LANE, handle_cards },
	{ "POST", "/v1/cards/search", WHO_READER, handle_search },
	{ "POST", "/v1/points/redemptions", WHO_LANE, handle_redemptions },
	{ "POST", "/v1/orders/{}/cancel", WHO_LANE, handle_cancel },
	{ "POST", "/v1/days/{}/close", WHO_LANE, handle_close_day },
	{ "GET", "/v1/accounts/{}", WHO_READER, handle_account },
	{ "GET", "/v1/accounts/{}/activities", WHO_READER, handle_activities },
	{ "GET", "/v1/orders/{}", WHO_READER, handle_order },
	{ "GET", "/v1/health", WHO_READER, handle_health },
	{ "GET", "/v1/openapi.json", WHO_ANY, handle_openapi },
	{ "POST", "/v1/pair", WHO_ANY, handle_pair },
	{ "POST", "/v1/lanes/pair", WHO_ADMIN, handle_lanes_pair },
	{ "GET", "/v1/lanes", WHO_ADMIN, handle_lanes_list },
	{ "DELETE", "/v1/lanes/{}", WHO_ADMIN, handle_lanes_revoke },
	{ "GET", "/v1/journal", WHO_ADMIN, handle_journal },
	{ "POST", "/v1/journal/verify", WHO_ADMIN, handle_journal_verify },
};

#define N_ROUTES (sizeof(routes) / sizeof(routes[0]))
#define ALLOW_BYTES 64 /* of each method once, and more */

/* The route of method and path, or NULL. */
static const struct route *find_route(const char *method, const char *path,
				      struct http_match *ret_match)
{
	for (size_t i = 0; i < N_ROUTES; i++)
		if (strcmp(method, routes[i].method) == 0 &&
		    http_path_match(path, routes[i].pattern, ret_match))
			return &routes[i];
	return NULL;
}

/* No route has the request's method: with what its path may be called, if with any. */
static void answer_no_route(struct store *s, struct http_request *req)
{
	char allow[ALLOW_BYTES] = "";
	struct http_match match;
	size_t len = 0;

	for (size_t i = 0; i < N_ROUTES && len < sizeof(allow); i++)
		if (http_path_match(http_path(req), routes[i].pattern, &match))
			len += (size_t)snprintf(allow + len, sizeof(allow) - len, "%s%s",
						len > 0 ? ", " : "", routes[i].method);
	if (len > 0)
		http_reply_header(req, "Allow", allow);
	answer_error(s, req, len > 0 ? CODE_METHOD_NOT_ALLOWED : CODE_NOT_FOUND, NULL, NULL);
}

static bool may_call(const struct route *r, bool has_token, const struct caller *who)
{
	switch (r->who) {
	case WHO_ANY:
		return true;
	case WHO_LANE:
		return has_token && !who->is_admin;
	case WHO_ADMIN:
		return has_token && who->is_admin;
	case WHO_READER:
		return has_token;
	}
	return false;
}

bool call_commit(struct call *call)
{
	if (turn_commit(call->store) == 0)
		return true;
	journal_rollback(call->store->journal);
	answer_error(call->store, call->http, CODE_DISK_LOW, NULL, NULL);
	return false;
}

void routes_on_request(void *ctx, struct http_request *req)
{
	struct call call = { .store = ctx, .http = req };
	const struct route *r;
	bool has_token;

	r = find_route(http_method(req), http_path(req), &call.match);
	has_token = lanes_find(&call.store->lanes, http_bearer(req), &call.who);
	http_set_known(req, has_token);
	if (has_token && !lanes_take(&call.store->lanes, &call.who, clock_monotonic_ms())) {
		answer_error(call.store, req, CODE_RATE_LIMITED, NULL, NULL);
		return;
	}
	if (r == NULL) {
		answer_no_route(call.store, req);
		return;
	}
	if (!may_call(r, has_token, &call.who)) {
		answer_error(call.store, req, CODE_UNAUTHORIZED, NULL, NULL);
		return;
	}
	r->handle(&call);
}
