/* What a request says, as 16 bytes: the same for bodies that say the same, in whatever layout.
 *
 *   BLAKE2b-128(verb ‖ for each field, by name: name ‖ kind ‖ value)
 *
 *   of an array: BLAKE2b-128(for each item: its own 16 bytes), as kind "a"
 *
 * Only fields count that the request has and that differ from their default. So a version that
 * knows more fields finds the requests of this one again. Stored for ever: never change it. */
#ifndef TRIB_STORE_FINGERPRINT_H
#define TRIB_STORE_FINGERPRINT_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent_command.h"

#define FINGERPRINT_MAX_FIELDS 32
#define FINGERPRINT_NAME_BYTES 48

struct fingerprint {
	enum agent_verb verb;
	size_t n;
	struct fingerprint_field {
		char name[FINGERPRINT_NAME_BYTES]; /* "of.order_no" */
		const char *text; /* borrowed until fingerprint_final; NULL: number counts */
		int64_t number;
		bool is_array; /* digest counts */
		uint8_t digest[AGENT_FINGERPRINT_BYTES];
	} fields[FINGERPRINT_MAX_FIELDS];
};

/* An array of objects under way. */
struct fingerprint_array {
	crypto_generichash_state hash;
};

void fingerprint_init(struct fingerprint *f, enum agent_verb verb);

/* Add a field of the request; within is the name of the object that has it, or NULL. One that is
 * equal to its default is left out, as is a text that is absent (NULL). Secrets are never added. At
 * most FINGERPRINT_MAX_FIELDS, each once. */
void fingerprint_text(struct fingerprint *f, const char *within, const char *name, const char *text,
		      const char *fallback);
void fingerprint_int(struct fingerprint *f, const char *within, const char *name, int64_t v,
		     int64_t fallback);

/* The items of an array, in order, each with a fingerprint of its own, which is used up; then the
 * whole becomes a field of `into`. */
void fingerprint_array_init(struct fingerprint_array *a);
void fingerprint_array_add(struct fingerprint_array *a, struct fingerprint *item);
void fingerprint_array_final(struct fingerprint_array *a, struct fingerprint *into,
			     const char *name);

void fingerprint_final(struct fingerprint *f, uint8_t ret[AGENT_FINGERPRINT_BYTES]);

#endif
