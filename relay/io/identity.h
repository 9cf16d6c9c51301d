/* Who this relay is and whom it trusts: what enrolment wrote into its data folder.
 *
 *   node.keys        its own keys
 *   hq.sign          HQ's Ed25519 key, hq.curve its CURVE key, both public
 *   hq.endpoint      where HQ listens
 *   certificate.bin  its certificate, written last: where it exists, enrolment is done */
#ifndef TRIB_RELAY_IDENTITY_H
#define TRIB_RELAY_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include "enroll.h"
#include "envelope.h"
#include "keys.h"
#include "link.h"

struct identity { /* wipe keys with node_keys_wipe */
	struct node_keys keys;
	uint8_t hq_sign_pub[SIGN_KEY_BYTES];
	uint8_t hq_curve_pub[CURVE_KEY_BYTES];
	char hq_endpoint[LINK_ENDPOINT_BYTES];
	uint8_t chain[CHAIN_ID_BYTES];
	int32_t region;
	uint8_t certificate[1024]; /* Signed */
	size_t certificate_len;
};

/* Load and verify. ERR_NOT_FOUND: not enrolled. ERR_INVALID, ERR_DENIED, ERR_IO. why has
 * KEYS_WHY_BYTES. */
int MUST_CHECK identity_load(const char *dir, struct identity *ret, char *why);

/* Is there a certificate already? */
bool identity_exists(const char *dir);

/* Write what HQ granted; the certificate last. */
int MUST_CHECK identity_store(const char *dir, const Trib__V1__EnrollGrant *grant, char *why);

#endif
