/* A listener's own TLS certificate: self-signed, made once, and trusted by its fingerprint, which is
 * told where a till is paired.
 *
 *   tls.key   private key (ECDSA P-256), PEM, mode 0600; written first
 *   tls.crt   certificate, PEM, mode 0644
 *
 * C1 A key without a certificate is what a crash between the two leaves: the certificate is made.
 * C2 A certificate without its key is never replaced: tills have been told of it.
 * C3 Another pair may be put in their place; the key must be the certificate's. */
#ifndef TRIB_IO_TLS_CERT_H
#define TRIB_IO_TLS_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define TLS_KEY_FILE "tls.key"
#define TLS_CERT_FILE "tls.crt"
#define TLS_FINGERPRINT_BYTES 96 /* 32 pairs of hex digits, colons, NUL */
#define TLS_PIN_BYTES 56 /* "sha256//", base64 of 32 bytes, NUL */
#define TLS_CERT_ERROR_BYTES 512

struct tls_cert { /* finish with tls_cert_finish */
	char *key; /* PEM, owned */
	char *certificate; /* PEM, owned; the first is ours, what signed it may follow */
	char fingerprint[TLS_FINGERPRINT_BYTES]; /* SHA-256 of the certificate: "0a:1b:..." */
	char pin[TLS_PIN_BYTES]; /* SHA-256 of its public key, as curl's --pinnedpubkey takes it */
	int64_t expires_ms;
};

/* Read dir's certificate, or make it for these names: subject and DNS name, then host names and
 * numeric addresses, NULL-ended. A new one is valid from one day ago for ten years.
 *
 * ERR_NOT_FOUND (C2), ERR_DENIED, ERR_INVALID, ERR_IO, with one line in err (TLS_CERT_ERROR_BYTES). */
int MUST_CHECK tls_cert_open(const char *dir, const char *const *names, int64_t wall_ms,
			     struct tls_cert *ret, char *err);

/* Whether a client that checks names finds this one, a host name or a numeric address. */
bool tls_cert_has_name(const struct tls_cert *c, const char *name);

void tls_cert_finish(struct tls_cert *c);

#endif
