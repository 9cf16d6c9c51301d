/* Ed25519 over domain ‖ 0x00 ‖ payload, so that a signature holds in one place of the protocol
 * only. The domain is a constant of the place that reads, never a field of a message. */
#ifndef TRIB_IO_SIGN_H
#define TRIB_IO_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "wire.pb-c.h"

#define SIGN_DOMAIN_CERT "trib.cert.v1"
#define SIGN_DOMAIN_HEAD "trib.head.v1"
#define SIGN_DOMAIN_ACK "trib.ack.v1"
#define SIGN_DOMAIN_HELLO "trib.hello.v1"
#define SIGN_DOMAIN_HEALTH "trib.health.v1"
#define SIGN_DOMAIN_ROSTER "trib.roster.v1"
#define SIGN_DOMAIN_RULES "trib.rules.v1"

#define SIGN_KEY_BYTES 32 /* public key */
#define SIGN_SECRET_BYTES 64
#define SIGN_KEY_ID_BYTES 8
#define SIGN_SIGNATURE_BYTES 64

/* First 8 bytes of BLAKE2b-256(pub). */
void sign_key_id(const uint8_t pub[SIGN_KEY_BYTES], uint8_t ret_id[SIGN_KEY_ID_BYTES]);

/* Sign payload[0..len). secret is libsodium's 64-byte form. Aborts when out of memory. */
void sign_bytes(const char *domain, const void *payload, size_t len,
		const uint8_t secret[SIGN_SECRET_BYTES],
		uint8_t ret_signature[SIGN_SIGNATURE_BYTES]);

/* 0 or ERR_SIGNATURE. Aborts when out of memory, so bound len first. */
int MUST_CHECK verify_bytes(const char *domain, const void *payload, size_t len,
			    const uint8_t signature[SIGN_SIGNATURE_BYTES],
			    const uint8_t pub[SIGN_KEY_BYTES]);

/* A Signed message over a copy of payload[0..len), all of it in the arena. ERR_FULL. */
int MUST_CHECK sign_payload(struct arena *a, const char *domain, const void *payload, size_t len,
			    const uint8_t secret[SIGN_SECRET_BYTES], Trib__V1__Signed **ret);

/* s was signed by pub in this domain. ERR_INVALID when key id or signature have a wrong length,
 * ERR_UNKNOWN_KEY when the key id names another key, ERR_SIGNATURE. */
int MUST_CHECK verify_signed(const Trib__V1__Signed *s, const char *domain,
			     const uint8_t pub[SIGN_KEY_BYTES]);

#endif
