/* The till's HTTP interface: paths, who may call them, and what reads every request alike. */
#ifndef TRIB_STORE_ROUTES_H
#define TRIB_STORE_ROUTES_H

#include "agent.h"
#include "fingerprint.h"
#include "http_server.h"
#include "json_body.h"
#include "lanes.h"
#include "member.h"
#include "pin.h"

struct store;

/* http_handler's; ctx is the store. */
void routes_on_request(void *ctx, struct http_request *req);

/* One request as its handler gets it. */
struct call {
	struct store *store;
	struct http_request *http;
	struct caller who;
	struct http_match match;
};

/* A money verb's request: body and headers into a command.
 *
 *   r = command_begin(call, AGENT_SALE) ... body_* of &r->body.top ... command_finish(r)
 *
 * It lives on where a PIN has to be hashed or compared first. */
struct command_reader {
	struct call call;
	struct json_body body;
	struct agent_command command;
	struct fingerprint print; /* of what was read, field by field */
	uint8_t trace_id[16];
	bool is_held; /* for a PIN: destroyed when that is done */
	char pin[PIN_MAX + 1]; /* "" where there is none */
	char pin_verifier[PIN_VERIFIER_BYTES]; /* of a new card's PIN */
	bool has_member; /* of a new card: */
	struct member member;
	char member_prints[3][MEMBER_PRINT_BYTES]; /* its fields in the fingerprint */
	struct sale_line *lines; /* owned */
	struct tender tenders[SALE_MAX_TENDERS];
	char of_store[STORE_CODE_MAX];
};

/* Read headers, and operator where the verb has one. */
struct command_reader *command_begin(struct call *call, enum agent_verb verb);
void command_order_no(struct command_reader *r, enum body_need need);

/* The reader whose command it is. */
struct command_reader *command_reader_of(const struct agent_command *c);

/* Wipe and free. */
void command_destroy(struct command_reader *r);

/* Readers that go into the fingerprint; a field that is not to be in it (a PIN) is read with body_*. */
const char *command_text(struct command_reader *r, struct body_scope *s, const char *name,
			 enum body_need need, const struct body_text *bounds);
int64_t command_int(struct command_reader *r, struct body_scope *s, const char *name,
		    enum body_need need, int64_t min, int64_t max, int64_t fallback);
bool command_bool(struct command_reader *r, struct body_scope *s, const char *name);

/* Read the PIN, which is in no fingerprint. */
void command_pin(struct command_reader *r);

/* Answer the first error, or judge the command. Takes r. */
void command_finish(struct command_reader *r);

/* Commit what a handler wrote, before its answer leaves. False: it could not be, and was answered. */
bool call_commit(struct call *call);

/* Answer a body's error; true where it had one. */
bool call_body_failed(struct call *call, struct json_body *b);

/* A number in the query, or the fallback; -1 where it is none or out of range, which
 * call_query_refuse then tells. */
int64_t call_query_int(struct call *call, const char *name, int64_t min, int64_t max,
		       int64_t fallback);
void call_query_refuse(struct call *call, const char *name, int64_t min, int64_t max);

void handle_health(struct call *call);
void handle_openapi(struct call *call);
void handle_cards(struct call *call);
void handle_search(struct call *call);
void handle_account(struct call *call);
void handle_activities(struct call *call);
void handle_top_ups(struct call *call);
void handle_sales(struct call *call);
void handle_refunds(struct call *call);
void handle_quotes(struct call *call);
void handle_redemptions(struct call *call);
void handle_cancel(struct call *call);
void handle_close_day(struct call *call);
void handle_order(struct call *call);
void handle_pair(struct call *call);
void handle_lanes_pair(struct call *call);
void handle_lanes_list(struct call *call);
void handle_lanes_revoke(struct call *call);
void handle_journal(struct call *call);
void handle_journal_verify(struct call *call);

#endif
