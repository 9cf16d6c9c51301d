/* Enrolment: a code of 32 characters, told once by a person, lets a box and HQ prove themselves to
 * each other through a relay that neither needs to trust.
 *
 *   ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567
 *   └─ fingerprint ───┘ └─ secret ────────┘   10 bytes each, base32
 *
 * fingerprint = first 10 bytes of BLAKE2b-256(HQ's Ed25519 public key). All keys are keyed BLAKE2b
 * under the secret:
 *   code_id  = 8 bytes over "trib.code-id.v1"
 *   mac      = 32 bytes over "trib.enroll.v1" ‖ 0x00 ‖ request
 *   seal key = 32 bytes over "trib.seal.v1" ‖ 0x00 ‖ nonce ‖ sign key ‖ CURVE key of the request
 *   nonce    = 24 bytes over "trib.nonce.v1" ‖ 0x00 ‖ sign key ‖ CURVE key
 *   sealed   = 24 random bytes ‖ XChaCha20-Poly1305(grant), nothing associated */
#ifndef TRIB_IO_ENROLL_H
#define TRIB_IO_ENROLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "keys.h"
#include "wire.pb-c.h"

#define ENROLL_FINGERPRINT_BYTES 10
#define ENROLL_SECRET_BYTES 10
#define ENROLL_CODE_TEXT_BYTES 40 /* 39 characters and NUL */
#define ENROLL_CODE_ID_BYTES 8
#define ENROLL_NONCE_BYTES 24
#define ENROLL_WHY_BYTES 160

struct enroll_code { /* wipe with enroll_code_wipe */
	uint8_t fingerprint[ENROLL_FINGERPRINT_BYTES]; /* of HQ's signing key */
	uint8_t secret[ENROLL_SECRET_BYTES];
};

/* What ties a reply to its request: kept by the box, and taken from the request by HQ. */
struct enroll_exchange {
	uint8_t nonce[ENROLL_NONCE_BYTES];
	uint8_t sign_pub[SIGN_KEY_BYTES];
	uint8_t curve_pub[CURVE_KEY_BYTES];
};

/* A new code for this HQ with a random secret. */
void enroll_code_create(const uint8_t hq_sign_pub[SIGN_KEY_BYTES], struct enroll_code *ret);

/* Read a code as people type it: any case, spaces and dashes anywhere. ERR_INVALID with one
 * sentence in why (NULL or ENROLL_WHY_BYTES), which never repeats the code. */
int MUST_CHECK enroll_code_parse(const char *text, struct enroll_code *ret, char *why);

void enroll_code_format(const struct enroll_code *c, char ret_text[ENROLL_CODE_TEXT_BYTES]);

/* Names the code without telling it: what HQ looks it up by. */
void enroll_code_id(const struct enroll_code *c, uint8_t ret_id[ENROLL_CODE_ID_BYTES]);

void enroll_code_wipe(struct enroll_code *c);

/* The box's request for `keys`, in the arena; the same for the same code and keys. ERR_FULL. */
int MUST_CHECK enroll_request_build(struct arena *a, const struct enroll_code *c,
				    const struct node_keys *keys, Trib__V1__Enroll **ret,
				    struct enroll_exchange *ret_exchange);

/* Unpack a request at HQ, which then looks up ret_request->code_id. Nothing is proven yet.
 * ERR_INVALID, ERR_FULL. */
int MUST_CHECK enroll_request_open(struct arena *a, const Trib__V1__Enroll *e,
				   const Trib__V1__EnrollRequest **ret_request,
				   struct enroll_exchange *ret_exchange);

/* The request was made by one who knows the code. 0 or ERR_SIGNATURE. */
int MUST_CHECK enroll_request_verify(const Trib__V1__Enroll *e, const struct enroll_code *c);

/* Seal a grant for the box of this exchange, into a reply in the arena (its ticket is not set).
 * ERR_FULL. */
int MUST_CHECK enroll_reply_seal(struct arena *a, const struct enroll_code *c,
				 const struct enroll_exchange *s,
				 const Trib__V1__EnrollGrant *grant, Trib__V1__EnrollReply **ret);

/* A refusal for a reason of the moment: the same request may be granted later. */
bool enroll_refusal_may_pass(const char *code);

/* Open a reply at the box. What comes out is HQ's word: the grant's HQ key has the code's
 * fingerprint; the certificate verifies under it, is of the grant's chain and carries the exchange's
 * keys.
 *
 * ERR_DENIED: refused, the reason is reply->refused (said by nobody in particular). ERR_SIGNATURE:
 * not sealed for this exchange. ERR_UNKNOWN_KEY: the key or certificate is not that of the code or
 * of this box. ERR_INVALID, ERR_FULL. */
int MUST_CHECK enroll_reply_open(struct arena *a, const struct enroll_code *c,
				 const struct enroll_exchange *s,
				 const Trib__V1__EnrollReply *reply,
				 const Trib__V1__EnrollGrant **ret_grant,
				 const Trib__V1__Certificate **ret_certificate);

#endif
