/* Strict reading of a request's JSON object: every field is asked for by name, with its bounds;
 * whatever was not asked for is an error.
 *
 *   struct json_body b;
 *   struct body_scope lines, line;
 *
 *   body_init(&b, text, len);
 *   card = body_text(&b.top, "card_no", BODY_REQUIRED, &(struct body_text){1, 64, BODY_PRINTABLE});
 *   amount = body_int(&b.top, "amount", BODY_REQUIRED, 1, AMOUNT_MAX, 0);
 *   n = body_array(&b.top, "lines", BODY_OPTIONAL, 1, SALE_MAX_LINES, &lines);
 *   for (i = 0; i < n && body_item(&lines, i, &line); i++) {
 *           sku = body_text(&line, ...);
 *           body_end(&line);
 *   }
 *   code = body_result(&b);       // CODE_OK, or the first error, with b.param "lines[3].sku"
 *   ...                           // strings live until
 *   body_finish(&b);
 *
 * The first error sticks: after it every reader returns its empty value, so that the caller
 * asks once, at the end. */
#ifndef TRIB_IO_JSON_BODY_H
#define TRIB_IO_JSON_BODY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "code.h"
#include "err.h"

#define BODY_MAX_DEPTH 16
#define BODY_SCOPE_MAX_FIELDS 40
#define BODY_PARAM_BYTES 160

struct json_body;

/* One object or array of the request. */
struct body_scope {
	struct json_body *body;
	const struct body_scope *parent; /* NULL: the whole */
	json_t *value; /* borrowed from the body; NULL: absent */
	const char *name; /* in the parent, or NULL */
	size_t index; /* in the parent, where name is NULL */
	size_t n_known;
	const char *known[BODY_SCOPE_MAX_FIELDS]; /* names asked for */
};

struct json_body { /* points into itself: do not copy */
	json_t *root;
	struct body_scope top;
	/* The first error, but an unknown field before a missing one; CODE_OK while there is none. */
	enum code code;
	char param[BODY_PARAM_BYTES]; /* where it is, or "" */
	char detail[BODY_PARAM_BYTES]; /* what is wrong in English, or "" */
};

enum body_need {
	BODY_OPTIONAL,
	BODY_REQUIRED
};

enum body_charset {
	BODY_ANY, /* valid UTF-8 without control characters */
	BODY_PRINTABLE, /* ASCII 0x21 to 0x7e: no spaces */
	BODY_DIGITS,
	BODY_NAME, /* [A-Za-z0-9_.-] */
};

struct body_text {
	size_t min, max; /* bytes */
	enum body_charset charset;
};

/* Parse; no bytes at all count as {}. Errors stick in b->code: CODE_BAD_JSON (syntax, depth over
 * BODY_MAX_DEPTH, doubled keys, not an object, NUL in a string), CODE_BAD_VALUE (a number that
 * no int64 or double holds). Borrows nothing. Pair with body_finish. */
void body_init(struct json_body *b, const char *text, size_t len);

/* The same over a value parsed already, which is borrowed for the body's life. Doubled keys are
 * then the parser's matter. */
void body_init_value(struct json_body *b, json_t *value);

/* End the top scope; the first error, or CODE_OK. */
enum code body_result(struct json_body *b);
void body_finish(struct json_body *b);

/* Facts for api_reply_error: {"detail": b->detail}, or NULL where there is none; new reference. */
json_t *body_facts(const struct json_body *b);

/* Whether the object has the field, null included. Counts as asking for it. */
bool body_has(struct body_scope *s, const char *name);

/* Readers. name is static. null counts as absent where optional, else as a wrong value. Wrong type
 * or range: CODE_BAD_VALUE; absent though required: CODE_MISSING_FIELD. */
const char *body_text(struct body_scope *s, const char *name, enum body_need need,
		      const struct body_text *bounds); /* NULL where absent */
int64_t body_int(struct body_scope *s, const char *name, enum body_need need, int64_t min,
		 int64_t max, int64_t fallback);
bool body_bool(struct body_scope *s, const char *name, enum body_need need, bool fallback);
json_t *body_raw(struct body_scope *s, const char *name, enum body_need need); /* borrowed */

/* Index of the field's word in the NULL-ended words, or -1 where absent or wrong. */
int body_word(struct body_scope *s, const char *name, enum body_need need,
	      const char *const *words);

/* Enter an object; false where it is absent or wrong. Leave it with body_end. ret lives at most as
 * long as s, and s must not move. */
bool body_object(struct body_scope *s, const char *name, enum body_need need,
		 struct body_scope *ret);

/* Enter an array of min to max items; the number of items, 0 where it is absent or wrong. */
size_t body_array(struct body_scope *s, const char *name, enum body_need need, size_t min,
		  size_t max, struct body_scope *ret);

/* Enter the i-th item, an object; false where it is none or an error stands. */
bool body_item(const struct body_scope *array, size_t i, struct body_scope *ret);

/* The i-th item as text; NULL where it is none or an error stands. */
const char *body_item_text(const struct body_scope *array, size_t i,
			   const struct body_text *bounds);

/* Refuse the fields of an object that were not asked for: CODE_UNKNOWN_FIELD. */
void body_end(struct body_scope *s);

/* Report an error of the caller's own at a field of s (name NULL: s itself); detail in English. */
void body_fail(struct body_scope *s, const char *name, enum code code, const char *detail);

/* The same at the i-th item of an array. */
void body_fail_item(struct body_scope *array, size_t i, enum code code, const char *detail);

#endif
