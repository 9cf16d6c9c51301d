/* Answers as JSON, and above all the one form that every error has:
 *
 *   {"error":{"type","code","param"?,"message":{"zh","en"},"retryable",...facts...,"trace_id"}} */
#ifndef TRIB_IO_API_ERROR_H
#define TRIB_IO_API_ERROR_H

#include <jansson.h>
#include <stdbool.h>

#include "code.h"
#include "err.h"

struct http_request;

/* Sentences for people at a till; static. */
const char *api_error_zh(enum code c);
const char *api_error_en(enum code c);

/* invalid_request_error, authentication_error, not_found_error, conflict_error, refused,
 * rate_limit_error, unavailable_error or api_error; static. */
const char *api_error_type(enum code c);

/* Whether the same request, unchanged, may succeed later. */
bool api_error_is_retryable(enum code c);

/* The error object, a new reference. param and facts may be NULL; facts' members are copied in
 * (shallow) and cannot replace the fixed members. A fact "detail" is the place for what the code's
 * sentence cannot know. NULL only when memory ran out. */
json_t *api_error_json(enum code c, const char *param, json_t *facts, const char *trace_id);

/* Answer a request with the code's status and error; facts may be NULL, its reference is taken.
 * Adds WWW-Authenticate to a 401 and Retry-After to a 429. */
void api_reply_error(struct http_request *req, enum code c, const char *param, json_t *facts);

/* Answer a request with a JSON value, whose reference is taken. */
void api_reply(struct http_request *req, int status, json_t *body);

#endif
