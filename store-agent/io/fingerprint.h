/* What a request says, as 16 bytes: the same for bodies that differ in layout only. */
#ifndef TRIB_STORE_FINGERPRINT_H
#define TRIB_STORE_FINGERPRINT_H

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>

#include "agent_command.h"

struct fingerprint {
	crypto_generichash_state state;
};

void fingerprint_init(struct fingerprint *f, enum agent_verb verb);

/* An absent text (NULL) differs from every other. */
void fingerprint_text(struct fingerprint *f, const char *s);
void fingerprint_int(struct fingerprint *f, int64_t v);
void fingerprint_final(struct fingerprint *f, uint8_t ret[AGENT_FINGERPRINT_BYTES]);

#endif
