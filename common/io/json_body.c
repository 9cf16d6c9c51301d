#include "json_body.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "nearest.h"
#include "utf8.h"

static void fail(const struct body_scope *s, const char *name, size_t index, enum code code,
		 const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Write the path of a scope; the length, at most BODY_PARAM_BYTES - 1. */
static size_t scope_path(const struct body_scope *s, char *ret)
{
	size_t n;
	int r;

	if (s->parent == NULL) {
		*ret = '\0';
		return 0;
	}
	n = scope_path(s->parent, ret);
	if (s->name != NULL)
		r = snprintf(ret + n, BODY_PARAM_BYTES - n, "%s%s", n > 0 ? "." : "", s->name);
	else
		r = snprintf(ret + n, BODY_PARAM_BYTES - n, "[%zu]", s->index);
	n += r > 0 ? (size_t)r : 0;
	return n < BODY_PARAM_BYTES ? n : BODY_PARAM_BYTES - 1;
}

/* Keep the first error, at s, or at its field `name`, or at its item `index` where name is NULL. */
static void fail(const struct body_scope *s, const char *name, size_t index, enum code code,
		 const char *fmt, ...)
{
	struct json_body *b = s->body;
	size_t n;
	va_list ap;

	if (b->code != CODE_OK)
		return;
	b->code = code;
	n = scope_path(s, b->param);
	if (name != NULL)
		snprintf(b->param + n, sizeof(b->param) - n, "%s%s", n > 0 ? "." : "", name);
	else if (index != SIZE_MAX)
		snprintf(b->param + n, sizeof(b->param) - n, "[%zu]", index);
	va_start(ap, fmt);
	vsnprintf(b->detail, sizeof(b->detail), fmt, ap);
	va_end(ap);
	/* Names and words out of the request may have been cut. */
	b->param[utf8_cut(b->param, strlen(b->param))] = '\0';
	b->detail[utf8_cut(b->detail, strlen(b->detail))] = '\0';
}

/* Whether nesting stays in bounds; jansson recurses up to 2048 deep. */
static bool is_shallow(const char *text, size_t len)
{
	size_t depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_string = false;
		} else if (text[i] == '"') {
			in_string = true;
		} else if (text[i] == '{' || text[i] == '[') {
			if (++depth > BODY_MAX_DEPTH)
				return false;
		} else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
			depth--;
		}
	}
	return true;
}

static void init_empty(struct json_body *b)
{
	b->root = NULL;
	b->code = CODE_OK;
	b->param[0] = b->detail[0] = '\0';
	b->top = (struct body_scope){ .body = b };
}

/* Say where it breaks off, but not with the request's own words, which jansson puts behind "near":
 * they may be a card or phone number. A member's name that stands twice is told. */
static void fail_syntax(struct json_body *b, json_error_t *error)
{
	enum json_error_code why = json_error_code(error);
	char *words = strstr(error->text, " near '");

	if (words != NULL && why != json_error_duplicate_key)
		*words = '\0';
	fail(&b->top, NULL, SIZE_MAX,
	     why == json_error_numeric_overflow ? CODE_BAD_VALUE : CODE_BAD_JSON,
	     "line %d, column %d: %s", error->line, error->column,
	     why == json_error_invalid_utf8 ? "not UTF-8" : error->text);
}

static bool has_byte_order_mark(const char *text, size_t len)
{
	return len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
}

void body_init(struct json_body *b, const char *text, size_t len)
{
	json_error_t error;

	init_empty(b);
	if (len == 0) {
		b->root = json_object();
		b->top.value = b->root;
		return;
	}
	if (!is_shallow(text, len)) {
		fail(&b->top, NULL, SIZE_MAX, CODE_BAD_JSON, "nested deeper than %d",
		     BODY_MAX_DEPTH);
		return;
	}
	if (has_byte_order_mark(text, len)) {
		fail(&b->top, NULL, SIZE_MAX, CODE_BAD_JSON, "begins with a byte order mark");
		return;
	}
	b->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (b->root == NULL) {
		fail_syntax(b, &error);
		return;
	}
	if (!json_is_object(b->root)) {
		fail(&b->top, NULL, SIZE_MAX, CODE_BAD_JSON, "not an object");
		return;
	}
	b->top.value = b->root;
}

void body_init_value(struct json_body *b, json_t *value)
{
	init_empty(b);
	if (!json_is_object(value)) {
		fail(&b->top, NULL, SIZE_MAX, CODE_BAD_VALUE, "must be an object");
		return;
	}
	b->root = json_incref(value);
	b->top.value = value;
}

enum code body_result(struct json_body *b)
{
	body_end(&b->top);
	return b->code;
}

void body_finish(struct json_body *b)
{
	json_decref(b->root);
	b->root = b->top.value = NULL;
}

json_t *body_facts(const struct json_body *b)
{
	return b->detail[0] != '\0' ? json_pack("{s:s}", "detail", b->detail) : NULL;
}

/* The field's value, NULL where absent, null though optional, or after an error. */
static json_t *field(struct body_scope *s, const char *name, enum body_need need)
{
	json_t *v;

	if (s->value == NULL)
		return NULL;
	assert(s->n_known < BODY_SCOPE_MAX_FIELDS);
	s->known[s->n_known++] = name;
	if (s->body->code != CODE_OK)
		return NULL;
	v = json_object_get(s->value, name);
	if (v == NULL && need == BODY_REQUIRED)
		fail(s, name, 0, CODE_MISSING_FIELD, "is required");
	if (need == BODY_OPTIONAL && json_is_null(v))
		return NULL;
	return v;
}

bool body_has(struct body_scope *s, const char *name)
{
	(void)field(s, name, BODY_OPTIONAL);
	return s->body->code == CODE_OK && s->value != NULL &&
	       json_object_get(s->value, name) != NULL;
}

static bool is_in_charset(const char *s, size_t len, enum body_charset charset)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		bool digit = c >= '0' && c <= '9';
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool ok = false;

		switch (charset) {
		case BODY_ANY:
			/* C0, DEL and, as UTF-8, C1 */
			ok = c >= 0x20 && c != 0x7f &&
			     !(c == 0xc2 && i + 1 < len && (unsigned char)s[i + 1] < 0xa0);
			break;
		case BODY_PRINTABLE:
			ok = c > 0x20 && c < 0x7f;
			break;
		case BODY_DIGITS:
			ok = digit;
			break;
		case BODY_NAME:
			ok = digit || letter || c == '_' || c == '.' || c == '-';
			break;
		}
		if (!ok)
			return false;
	}
	return true;
}

static const char *charset_words(enum body_charset charset)
{
	switch (charset) {
	case BODY_ANY:
		return "must not have control characters";
	case BODY_PRINTABLE:
		return "must be printable ASCII without spaces";
	case BODY_DIGITS:
		return "must be digits";
	case BODY_NAME:
		return "must be letters, digits, '_', '.' or '-'";
	}
	return "";
}

static const char *check_text(const struct body_scope *s, const char *name, size_t index,
			      const json_t *v, const struct body_text *bounds)
{
	size_t len;

	if (!json_is_string(v)) {
		fail(s, name, index, CODE_BAD_VALUE, "must be a string");
		return NULL;
	}
	len = json_string_length(v);
	if (len < bounds->min || len > bounds->max) {
		fail(s, name, index, CODE_BAD_VALUE, "must have %zu to %zu bytes", bounds->min,
		     bounds->max);
		return NULL;
	}
	if (!is_in_charset(json_string_value(v), len, bounds->charset)) {
		fail(s, name, index, CODE_BAD_VALUE, "%s", charset_words(bounds->charset));
		return NULL;
	}
	return json_string_value(v);
}

const char *body_text(struct body_scope *s, const char *name, enum body_need need,
		      const struct body_text *bounds)
{
	const json_t *v = field(s, name, need);

	return v != NULL ? check_text(s, name, 0, v, bounds) : NULL;
}

int64_t body_int(struct body_scope *s, const char *name, enum body_need need, int64_t min,
		 int64_t max, int64_t fallback)
{
	const json_t *v = field(s, name, need);
	int64_t n;

	if (v == NULL)
		return fallback;
	if (!json_is_integer(v)) {
		fail(s, name, 0, CODE_BAD_VALUE, "must be a whole number");
		return fallback;
	}
	n = json_integer_value(v);
	if (n < min || n > max) {
		fail(s, name, 0, CODE_BAD_VALUE, "must be from %" PRId64 " to %" PRId64, min, max);
		return fallback;
	}
	return n;
}

bool body_bool(struct body_scope *s, const char *name, enum body_need need, bool fallback)
{
	const json_t *v = field(s, name, need);

	if (v == NULL)
		return fallback;
	if (!json_is_boolean(v)) {
		fail(s, name, 0, CODE_BAD_VALUE, "must be true or false");
		return fallback;
	}
	return json_is_true(v);
}

json_t *body_raw(struct body_scope *s, const char *name, enum body_need need)
{
	return field(s, name, need);
}

int body_word(struct body_scope *s, const char *name, enum body_need need, const char *const *words)
{
	const json_t *v = field(s, name, need);
	char list[BODY_PARAM_BYTES] = "";
	size_t n = 0;

	if (v == NULL)
		return -1;
	for (int i = 0; words[i] != NULL; i++) {
		int r;

		if (json_is_string(v) && strcmp(json_string_value(v), words[i]) == 0)
			return i;
		r = snprintf(list + n, sizeof(list) - n, "%s%s", i > 0 ? ", " : "", words[i]);
		if (r > 0 && (size_t)r < sizeof(list) - n)
			n += (size_t)r;
	}
	fail(s, name, 0, CODE_BAD_VALUE, "must be one of %s", list);
	return -1;
}

static void enter(const struct body_scope *parent, const char *name, size_t index, json_t *value,
		  struct body_scope *ret)
{
	ret->body = parent->body;
	ret->parent = parent;
	ret->value = value;
	ret->name = name;
	ret->index = index;
	ret->n_known = 0;
}

bool body_object(struct body_scope *s, const char *name, enum body_need need,
		 struct body_scope *ret)
{
	json_t *v = field(s, name, need);

	enter(s, name, 0, NULL, ret);
	if (v == NULL)
		return false;
	if (!json_is_object(v)) {
		fail(s, name, 0, CODE_BAD_VALUE, "must be an object");
		return false;
	}
	ret->value = v;
	return true;
}

size_t body_array(struct body_scope *s, const char *name, enum body_need need, size_t min,
		  size_t max, struct body_scope *ret)
{
	json_t *v = field(s, name, need);
	size_t n;

	enter(s, name, 0, NULL, ret);
	if (v == NULL)
		return 0;
	if (!json_is_array(v)) {
		fail(s, name, 0, CODE_BAD_VALUE, "must be a list");
		return 0;
	}
	n = json_array_size(v);
	if (n < min || n > max) {
		fail(s, name, 0, CODE_BAD_VALUE, "must have %zu to %zu items", min, max);
		return 0;
	}
	ret->value = v;
	return n;
}

bool body_item(const struct body_scope *array, size_t i, struct body_scope *ret)
{
	json_t *v = json_array_get(array->value, i);

	enter(array, NULL, i, NULL, ret);
	if (array->body->code != CODE_OK || v == NULL)
		return false;
	if (!json_is_object(v)) {
		fail(array, NULL, i, CODE_BAD_VALUE, "must be an object");
		return false;
	}
	ret->value = v;
	return true;
}

const char *body_item_text(const struct body_scope *array, size_t i, const struct body_text *bounds)
{
	const json_t *v = json_array_get(array->value, i);

	if (array->body->code != CODE_OK || v == NULL)
		return NULL;
	return check_text(array, NULL, i, v, bounds);
}

static void fail_unknown(const struct body_scope *s, const char *key)
{
	const char *near = word_nearest(key, s->known, s->n_known);

	s->body->code = CODE_OK; /* what is missing is likely this one, misspelt */
	if (near != NULL)
		fail(s, key, 0, CODE_UNKNOWN_FIELD, "is not known here; did you mean '%s'?", near);
	else
		fail(s, key, 0, CODE_UNKNOWN_FIELD, "is not known here");
}

void body_end(struct body_scope *s)
{
	const char *key;
	json_t *v;

	if ((s->body->code != CODE_OK && s->body->code != CODE_MISSING_FIELD) || s->value == NULL)
		return;
	json_object_foreach(s->value, key, v)
	{
		size_t i;

		for (i = 0; i < s->n_known; i++)
			if (strcmp(s->known[i], key) == 0)
				break;
		if (i == s->n_known) {
			fail_unknown(s, key);
			return;
		}
	}
}

void body_fail(struct body_scope *s, const char *name, enum code code, const char *detail)
{
	fail(s, name, SIZE_MAX, code, "%s", detail);
}

void body_fail_item(struct body_scope *array, size_t i, enum code code, const char *detail)
{
	fail(array, NULL, i, code, "%s", detail);
}
