/* Publishing rule sets: numbered, signed, and sent to every store in one transaction. */
#ifndef TRIB_HQ_RULES_H
#define TRIB_HQ_RULES_H

#include <jansson.h>

#include "entry.h"
#include "hqd.h"
#include "rules_json.h"

/* What a signed rule set may have: it travels inside one down message, whose header needs some. */
#define RULES_MAX_SIGNED (ENTRY_MAX_BYTES - 256)

/* Publish authoring JSON (borrowed) as the next version. ERR_INVALID, or ERR_FULL when the rules
 * pass RULES_MAX_SIGNED (*ret_bytes is their size), with one line in err (RULES_ERROR_BYTES), and
 * done is not called; else 0, and done is called once: err as in book_op.done, version the one
 * published. */
int MUST_CHECK rules_publish(struct hqd *h, const json_t *json, const char *reason,
			     void (*done)(void *ctx, int err, const char *message,
					  uint64_t version),
			     void *ctx, char *err, size_t *ret_bytes);

#endif
