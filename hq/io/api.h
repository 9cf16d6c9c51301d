/* The admin API: routing, and what its parts share. Each handler answers its request once, now or
 * later. */
#ifndef TRIB_HQ_API_H
#define TRIB_HQ_API_H

#include <jansson.h>

#include "api_error.h"
#include "hqd.h"
#include "http_server.h"
#include "json_body.h"
#include "sqltext.h"

/* A request that waits for the database. */
struct api_call {
	struct hqd *h;
	struct http_request *req;
	int64_t number; /* handler's own */
	char text[128]; /* handler's own */
};

struct api_call *api_call_create(struct hqd *h, struct http_request *req);

/* Answer 409 with a code of HQ's own: the till's list has none for it. detail says what to do. */
void api_reply_conflict(struct http_request *req, const char *code, const char *zh, const char *en,
			const char *detail);

/* Answer for a failed db_query or book op: 503 for ERR_IO and ERR_AGAIN, else 500; logged. */
void api_reply_failed(struct http_request *req, int err, const char *message);

/* Read the JSON body's `reason`, which is required where money or identity moves. */
const char *api_body_reason(struct json_body *b);

/* Column as JSON: null, text, integer. */
json_t *api_text(const PGresult *r, int row, int col);
json_t *api_int(const PGresult *r, int row, int col);
/* uuid column as the 26 characters of base32 */
json_t *api_account(const PGresult *r, int row, int col);

/* Add an item, which is taken; NULL (text that is no UTF-8, say) makes *items NULL. */
void api_items_add(json_t **items, json_t *item);

/* {"items": items}; takes it. NULL is answered as an error: never a list with items left out. */
void api_reply_items(struct http_request *req, json_t *items);

/* SQL of a timestamptz as RFC 3339 in UTC. */
#define API_TIME(column) \
	"to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

/* Milliseconds since 1970 as RFC 3339 in UTC. */
json_t *api_time(int64_t ms);

/* ---- handlers; arg as matched in the path ---- */

typedef void (*api_handler)(struct hqd *h, struct http_request *req, const struct http_match *m);

void api_list_stores(struct hqd *h, struct http_request *req, const struct http_match *m);
void api_show_store(struct hqd *h, struct http_request *req, const struct http_match *m);
void api_enroll_store(struct hqd *h, struct http_request *req, const struct http_match *m);
void api_list_regions(struct hqd *h, struct http_request *req, const struct http_match *m);
void api_show_region(struct hqd *h, struct http_request *req, const struct http_match *m);
void api_enroll_region(struct hqd *h, struct http_request *req, const struct http_match *m);
void api_show_account(struct hqd *h, struct http_request *req, const struct http_match *m);
void api_search_accounts(struct hqd *h, struct http_request *req, const struct http_match *m);
void api_list_journal(struct hqd *h, struct http_request *req, const struct http_match *m);
void api_verify_journal(struct hqd *h, struct http_request *req, const struct http_match *m);
void api_check_books(struct hqd *h, struct http_request *req, const struct http_match *m);
void api_list_rules(struct hqd *h, struct http_request *req, const struct http_match *m);
void api_show_rules(struct hqd *h, struct http_request *req, const struct http_match *m);
void api_publish_rules(struct hqd *h, struct http_request *req, const struct http_match *m);

#endif
