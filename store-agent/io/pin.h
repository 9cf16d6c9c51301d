/* PINs are hashed and compared off the loop: argon2id takes milliseconds and 8 MiB, on purpose.
 *
 *   pin_hash ─┐                          ┌─> done(ctx, verifier)
 *             ├─> queue ─> one thread ───┤      on the loop
 *   pin_check ┘                          └─> done(ctx, is_right)
 *
 * Jobs are done in the order in which they came. The thread knows nothing but its jobs. */
#ifndef TRIB_STORE_PIN_H
#define TRIB_STORE_PIN_H

#include <ev.h>
#include <stdbool.h>

#include "err.h"

#define PIN_MIN 4 /* digits */
#define PIN_MAX 12
#define PIN_VERIFIER_BYTES 128
#define PIN_MAX_HASHES 64 /* waiting, beside as many checks as there may be: */
#define PIN_MAX_JOBS 128

struct pin_worker;

struct pin_result {
	bool is_right; /* of a check */
	bool is_failed; /* memory ran out: nothing is known */
	const char *verifier; /* of a hash that did not fail */
};
typedef void pin_done(void *ctx, const struct pin_result *result);

/* Start the thread. Borrows loop. ERR_IO. */
int MUST_CHECK pin_worker_create(struct ev_loop *loop, struct pin_worker **ret);

/* Waits for the job under way; the others are dropped. NULL is fine. */
void pin_worker_destroy(struct pin_worker *w);

/* Make a verifier of a PIN, or compare one. The strings are copied. `done` is called once, later, on
 * the loop. ERR_FULL: PIN_MAX_HASHES jobs are waiting, or PIN_MAX_JOBS for a check. */
int MUST_CHECK pin_hash(struct pin_worker *w, const char *pin, pin_done *done, void *ctx);
int MUST_CHECK pin_check(struct pin_worker *w, const char *pin, const char *verifier,
			 pin_done *done, void *ctx);

#endif
