#include "fingerprint.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

void fingerprint_init(struct fingerprint *f, enum agent_verb verb)
{
	f->verb = verb;
	f->n = 0;
}

static struct fingerprint_field *add(struct fingerprint *f, const char *within, const char *name)
{
	size_t within_len = within != NULL ? strlen(within) + 1 : 0, len = strlen(name);
	struct fingerprint_field *field;

	/* the verb's own fields: no peer chooses them */
	assert(f->n < FINGERPRINT_MAX_FIELDS && within_len + len < sizeof(field->name));
	field = &f->fields[f->n++];
	memset(field, 0, sizeof(*field));
	if (within_len > 0) {
		memcpy(field->name, within, within_len - 1);
		field->name[within_len - 1] = '.';
	}
	memcpy(field->name + within_len, name, len + 1);
	return field;
}

void fingerprint_text(struct fingerprint *f, const char *within, const char *name, const char *text,
		      const char *fallback)
{
	if (text != NULL && (fallback == NULL || strcmp(text, fallback) != 0))
		add(f, within, name)->text = text;
}

void fingerprint_int(struct fingerprint *f, const char *within, const char *name, int64_t v,
		     int64_t fallback)
{
	if (v != fallback)
		add(f, within, name)->number = v;
}

static void update_number(crypto_generichash_state *st, uint64_t v)
{
	uint8_t bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(v >> (8 * i));
	crypto_generichash_update(st, bytes, sizeof(bytes));
}

static void update_text(crypto_generichash_state *st, const char *s)
{
	update_number(st, strlen(s));
	crypto_generichash_update(st, (const uint8_t *)s, strlen(s));
}

static int compare(const void *x, const void *y)
{
	return strcmp(((const struct fingerprint_field *)x)->name,
		      ((const struct fingerprint_field *)y)->name);
}

static void update_value(crypto_generichash_state *st, const struct fingerprint_field *f)
{
	const char *kind = f->is_array ? "a" : f->text != NULL ? "t" : "i";

	crypto_generichash_update(st, (const uint8_t *)kind, 1);
	if (f->is_array)
		crypto_generichash_update(st, f->digest, sizeof(f->digest));
	else if (f->text != NULL)
		update_text(st, f->text);
	else
		update_number(st, (uint64_t)f->number);
}

void fingerprint_array_init(struct fingerprint_array *a)
{
	crypto_generichash_init(&a->hash, NULL, 0, AGENT_FINGERPRINT_BYTES);
}

void fingerprint_array_add(struct fingerprint_array *a, struct fingerprint *item)
{
	uint8_t digest[AGENT_FINGERPRINT_BYTES];

	fingerprint_final(item, digest);
	crypto_generichash_update(&a->hash, digest, sizeof(digest));
}

void fingerprint_array_final(struct fingerprint_array *a, struct fingerprint *into,
			     const char *name)
{
	struct fingerprint_field *f = add(into, NULL, name);

	f->is_array = true;
	crypto_generichash_final(&a->hash, f->digest, sizeof(f->digest));
}

void fingerprint_final(struct fingerprint *f, uint8_t ret[AGENT_FINGERPRINT_BYTES])
{
	crypto_generichash_state st;

	qsort(f->fields, f->n, sizeof(f->fields[0]), compare);
	crypto_generichash_init(&st, NULL, 0, AGENT_FINGERPRINT_BYTES);
	update_number(&st, f->verb);
	for (size_t i = 0; i < f->n; i++) {
		const struct fingerprint_field *field = &f->fields[i];

		update_text(&st, field->name);
		update_value(&st, field);
	}
	crypto_generichash_final(&st, ret, AGENT_FINGERPRINT_BYTES);
}
