/* An enrolled store without an HQ: what a test needs to open a journal or to start an agent. */
#ifndef TRIB_TEST_ENROLMENT_H
#define TRIB_TEST_ENROLMENT_H

#include "identity.h"

struct enrolment {
	uint8_t hq_pub[SIGN_KEY_BYTES], hq_secret[SIGN_SECRET_BYTES];
	uint8_t chain[16];
};

/* Write a whole enrolment of store `code` into dir, which exists. `relay` is its endpoint,
 * relay_key its CURVE key. Asserts on failure. */
void enrolment_make(const char *dir, const char *code, int32_t node, const char *relay,
		    const uint8_t relay_key[32], struct enrolment *ret);

#endif
