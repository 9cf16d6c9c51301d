/* Who this store is: what enrolment left in the data directory.
 *
 *   node.keys        own Ed25519 and CURVE keys
 *   chain.keys       HQ's public signing key ‖ the key that turns card numbers into account ids
 *   relay            Z85 of the relay's CURVE key, and its endpoint
 *   journal.db       the journal of this incarnation, empty at first: see journal.h
 *   certificate.bin  HQ's signed certificate; written last: where it is, enrolment was whole */
#ifndef TRIB_STORE_IDENTITY_H
#define TRIB_STORE_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include "agent.h"
#include "err.h"
#include "keys.h"
#include "wire.pb-c.h"

#define IDENTITY_ERROR_BYTES 640
#define IDENTITY_CERTIFICATE_MAX 2048
#define CERTIFICATE_FILE "certificate.bin"
#define CHAIN_KEYS_FILE "chain.keys"
#define RELAY_FILE "relay"

struct identity { /* wipe with identity_wipe */
	struct node_keys keys;
	uint8_t chain[16];
	uint8_t hq_key[SIGN_KEY_BYTES];
	uint8_t relay_key[CURVE_KEY_BYTES];
	char relay_endpoint[256];
	struct agent_identity agent;
	int32_t region;
	size_t certificate_len; /* the whole Signed message */
	uint8_t certificate[IDENTITY_CERTIFICATE_MAX];
	size_t payload_len; /* of the certificate: seeds the chains */
	uint8_t payload[IDENTITY_CERTIFICATE_MAX];
};

/* Read and check all of it. ERR_NOT_FOUND: not enrolled. ERR_DENIED, ERR_INVALID, ERR_SIGNATURE,
 * ERR_IO. One line in err (IDENTITY_ERROR_BYTES). */
int MUST_CHECK identity_load(const char *dir, struct identity *ret, char *err);

/* Whether dir holds a whole enrolment. */
int identity_exists(const char *dir);

/* Write what HQ granted and an empty journal, the certificate last, over what an earlier, broken-off
 * enrolment left.
 * ERR_IO with one line in err. */
int MUST_CHECK identity_write(const char *dir, const Trib__V1__EnrollGrant *grant, char *err);

void identity_wipe(struct identity *id);

#endif
