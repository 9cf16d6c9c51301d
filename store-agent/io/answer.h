/* The shapes of the till's answers. "Today's" members, sync_state and uplink, are in no stored
 * answer: answer_add_today puts them behind. Nor is who an account belongs to: what is stored cannot
 * be erased. */
#ifndef TRIB_STORE_ANSWER_H
#define TRIB_STORE_ANSWER_H

#include "agent.h"
#include "text.h"

struct store;

/* Most bytes that answer_add_today adds. */
#define ANSWER_TODAY_BYTES 160

/* The stored answer of an entry, without today's members, into t (cleared first). */
void answer_of_entry(struct store *s, const struct agent_append *x, struct text *t);

/* A quote, into t (cleared first). */
void answer_of_quote(const struct agent_answer *x, struct text *t);

/* A new account's object as it is stored, into t (cleared first). new_card is its card, which is not
 * written yet. */
void answer_of_account(struct store *s, const struct account *a, const char *new_card,
		       int64_t wall_ms, struct text *t);

/* Append an account's object as it is now, with its member, has_pin and uplink. */
void answer_put_account(struct store *s, const struct account *a, struct text *t);

/* Put member and has_pin before the closing brace of the stored account object (*data)[0..*len),
 * which is malloc'ed and keeps room for ANSWER_TODAY_BYTES more. */
void answer_add_owner(struct store *s, const uint8_t id[ACCOUNT_ID_BYTES], char **data,
		      size_t *len);

/* "uplink":{...} */
void answer_put_uplink(struct store *s, struct text *t);

/* Put sync_state (where seq is not 0) and uplink before the closing brace of the object
 * data[0..*len), which has room for ANSWER_TODAY_BYTES more. */
void answer_add_today(struct store *s, uint64_t seq, char *data, size_t *len);

/* The error object of a refusal, into t (cleared first). */
void answer_of_refusal(struct store *s, const struct agent_answer *x, const struct account *account,
		       const char *trace_id, struct text *t);

/* Headers of every answer: Trib-Witness. */
struct http_request;
void answer_headers(struct store *s, struct http_request *http);

/* Retry-After, where a refusal is of the box's and passes by itself. */
void answer_retry(struct http_request *http, enum code c);

/* Answer with an error at once; facts' reference is taken. */
struct json_t;
void answer_error(struct store *s, struct http_request *http, enum code c, const char *param,
		  struct json_t *facts);

/* The same with {"detail": detail}. */
void answer_error_detail(struct store *s, struct http_request *http, enum code c, const char *param,
			 const char *detail);

/* Answer with t's text at once. */
void answer_text(struct store *s, struct http_request *http, int status, const struct text *t);

#endif
