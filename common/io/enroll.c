#include "enroll.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "envelope.h"

#define CODE_CHARS 32
#define CODE_GROUP 4
#define SEAL_NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define SEAL_TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define MAC_BYTES 32

_Static_assert(BASE32_TEXT_BYTES(ENROLL_FINGERPRINT_BYTES + ENROLL_SECRET_BYTES) - 1 == CODE_CHARS,
	       "the code fills its characters");

/* ---- the code ---- */

static void fingerprint(const uint8_t hq_sign_pub[SIGN_KEY_BYTES],
			uint8_t ret[ENROLL_FINGERPRINT_BYTES])
{
	uint8_t hash[32];

	crypto_generichash(hash, sizeof(hash), hq_sign_pub, SIGN_KEY_BYTES, NULL, 0);
	memcpy(ret, hash, ENROLL_FINGERPRINT_BYTES);
}

void enroll_code_create(const uint8_t hq_sign_pub[SIGN_KEY_BYTES], struct enroll_code *ret)
{
	if (sodium_init() < 0)
		abort();
	fingerprint(hq_sign_pub, ret->fingerprint);
	randombytes_buf(ret->secret, sizeof(ret->secret));
}

static void say(char *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(char *why, const char *fmt, ...)
{
	va_list ap;

	if (why == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(why, ENROLL_WHY_BYTES, fmt, ap);
	va_end(ap);
}

static bool is_code_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7');
}

int enroll_code_parse(const char *text, struct enroll_code *ret, char *why)
{
	uint8_t bytes[ENROLL_FINGERPRINT_BYTES + ENROLL_SECRET_BYTES];
	char chars[CODE_CHARS];
	size_t n = 0;
	size_t i;
	int r;

	for (i = 0; text[i] != '\0'; i++) {
		char c = text[i];

		if (c == ' ' || c == '-' || c == '\t' || c == '\r' || c == '\n')
			continue;
		if (!is_code_char(c)) {
			say(why, "character %zu of the code is not one of A-Z and 2-7%s", i + 1,
			    c == '0'        ? "; is it the letter O?" :
			    c == '1'        ? "; is it the letter I or L?" :
			    c == '8'        ? "; is it the letter B?" :
			    (c & 0x80) != 0 ? "; it is a full-width or accented one" :
					      "");
			sodium_memzero(chars, sizeof(chars));
			return ERR_INVALID;
		}
		if (n < CODE_CHARS)
			chars[n] = c;
		n++;
	}
	if (n != CODE_CHARS) {
		say(why, "the code has %zu characters; it must have %d, in groups of %d", n,
		    CODE_CHARS, CODE_GROUP);
		sodium_memzero(chars, sizeof(chars));
		return ERR_INVALID;
	}
	r = base32_decode(chars, CODE_CHARS, bytes, sizeof(bytes));
	if (r == 0) {
		memcpy(ret->fingerprint, bytes, ENROLL_FINGERPRINT_BYTES);
		memcpy(ret->secret, bytes + ENROLL_FINGERPRINT_BYTES, ENROLL_SECRET_BYTES);
	}
	sodium_memzero(chars, sizeof(chars));
	sodium_memzero(bytes, sizeof(bytes));
	return r;
}

void enroll_code_format(const struct enroll_code *c, char ret_text[ENROLL_CODE_TEXT_BYTES])
{
	uint8_t bytes[ENROLL_FINGERPRINT_BYTES + ENROLL_SECRET_BYTES];
	char chars[CODE_CHARS + 1];
	char *p = ret_text;
	size_t i;

	memcpy(bytes, c->fingerprint, ENROLL_FINGERPRINT_BYTES);
	memcpy(bytes + ENROLL_FINGERPRINT_BYTES, c->secret, ENROLL_SECRET_BYTES);
	base32_encode(bytes, sizeof(bytes), chars);
	for (i = 0; i < CODE_CHARS; i++) {
		if (i > 0 && i % CODE_GROUP == 0)
			*p++ = '-';
		*p++ = chars[i];
	}
	*p = '\0';
	sodium_memzero(chars, sizeof(chars));
	sodium_memzero(bytes, sizeof(bytes));
}

void enroll_code_wipe(struct enroll_code *c)
{
	sodium_memzero(c, sizeof(*c));
}

/* ---- what follows from the secret ---- */

/* ret[0..len) = keyed BLAKE2b of domain, and of 0x00 ‖ rest where there is one. */
static void derive(const struct enroll_code *c, const char *domain, const void *rest,
		   size_t rest_len, uint8_t *ret, size_t len)
{
	crypto_generichash_blake2b_state st;

	/* The blake2b functions take a key shorter than crypto_generichash's advised minimum. */
	crypto_generichash_blake2b_init(&st, c->secret, ENROLL_SECRET_BYTES, len);
	crypto_generichash_blake2b_update(&st, (const uint8_t *)domain,
					  strlen(domain) + (rest != NULL ? 1 : 0));
	if (rest != NULL)
		crypto_generichash_blake2b_update(&st, rest, rest_len);
	crypto_generichash_blake2b_final(&st, ret, len);
	sodium_memzero(&st, sizeof(st));
}

void enroll_code_id(const struct enroll_code *c, uint8_t ret_id[ENROLL_CODE_ID_BYTES])
{
	/* BLAKE2b below 16 bytes of output is not in crypto_generichash's advised range either. */
	derive(c, "trib.code-id.v1", NULL, 0, ret_id, ENROLL_CODE_ID_BYTES);
}

static void request_mac(const struct enroll_code *c, ProtobufCBinaryData request,
			uint8_t ret[MAC_BYTES])
{
	derive(c, "trib.enroll.v1", request.data, request.len, ret, MAC_BYTES);
}

static void seal_key(const struct enroll_code *c, const struct enroll_exchange *x,
		     uint8_t ret[crypto_aead_xchacha20poly1305_ietf_KEYBYTES])
{
	uint8_t rest[ENROLL_NONCE_BYTES + SIGN_KEY_BYTES + CURVE_KEY_BYTES];

	memcpy(rest, x->nonce, ENROLL_NONCE_BYTES);
	memcpy(rest + ENROLL_NONCE_BYTES, x->sign_pub, SIGN_KEY_BYTES);
	memcpy(rest + ENROLL_NONCE_BYTES + SIGN_KEY_BYTES, x->curve_pub, CURVE_KEY_BYTES);
	derive(c, "trib.seal.v1", rest, sizeof(rest), ret,
	       crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
}

/* The same code and keys make the same nonce and so the same request: a box that lost its answer, or
 * died before it wrote it down, asks again and is answered alike. */
static void request_nonce(const struct enroll_code *c, struct enroll_exchange *x)
{
	uint8_t keys[SIGN_KEY_BYTES + CURVE_KEY_BYTES];

	memcpy(keys, x->sign_pub, SIGN_KEY_BYTES);
	memcpy(keys + SIGN_KEY_BYTES, x->curve_pub, CURVE_KEY_BYTES);
	derive(c, "trib.nonce.v1", keys, sizeof(keys), x->nonce, sizeof(x->nonce));
}

bool enroll_refusal_may_pass(const char *code)
{
	return strcmp(code, "hq_unreachable") == 0 || strcmp(code, "rate_limited") == 0 ||
	       strcmp(code, "unavailable") == 0;
}

/* ---- request ---- */

int enroll_request_build(struct arena *a, const struct enroll_code *c, const struct node_keys *keys,
			 Trib__V1__Enroll **ret, struct enroll_exchange *ret_exchange)
{
	Trib__V1__EnrollRequest request = TRIB__V1__ENROLL_REQUEST__INIT;
	char software[] = TRIB_VERSION;
	uint8_t code_id[ENROLL_CODE_ID_BYTES];
	struct enroll_exchange x;
	Trib__V1__Enroll *e;

	if (sodium_init() < 0)
		abort();
	memcpy(x.sign_pub, keys->sign_pub, SIGN_KEY_BYTES);
	memcpy(x.curve_pub, keys->curve_pub, CURVE_KEY_BYTES);
	request_nonce(c, &x);
	enroll_code_id(c, code_id);
	request.sign_key = (ProtobufCBinaryData){ sizeof(x.sign_pub), x.sign_pub };
	request.curve_key = (ProtobufCBinaryData){ sizeof(x.curve_pub), x.curve_pub };
	request.nonce = (ProtobufCBinaryData){ sizeof(x.nonce), x.nonce };
	request.software = software;
	request.code_id = (ProtobufCBinaryData){ sizeof(code_id), code_id };

	e = arena_alloc(a, sizeof(*e));
	if (e == NULL)
		return ERR_FULL;
	trib__v1__enroll__init(e);
	e->request.len = trib__v1__enroll_request__get_packed_size(&request);
	e->request.data = arena_alloc(a, e->request.len);
	e->mac.len = MAC_BYTES;
	e->mac.data = arena_alloc(a, MAC_BYTES);
	if (e->request.data == NULL || e->mac.data == NULL)
		return ERR_FULL;
	trib__v1__enroll_request__pack(&request, e->request.data);
	request_mac(c, e->request, e->mac.data);
	*ret = e;
	*ret_exchange = x;
	return 0;
}

int enroll_request_open(struct arena *a, const Trib__V1__Enroll *e,
			const Trib__V1__EnrollRequest **ret_request,
			struct enroll_exchange *ret_exchange)
{
	const Trib__V1__EnrollRequest *request;
	int r;

	r = payload_unpack_enroll_request(a, e->request.data, e->request.len, &request);
	if (r != 0)
		return r;
	memcpy(ret_exchange->nonce, request->nonce.data, ENROLL_NONCE_BYTES);
	memcpy(ret_exchange->sign_pub, request->sign_key.data, SIGN_KEY_BYTES);
	memcpy(ret_exchange->curve_pub, request->curve_key.data, CURVE_KEY_BYTES);
	*ret_request = request;
	return 0;
}

int enroll_request_verify(const Trib__V1__Enroll *e, const struct enroll_code *c)
{
	uint8_t mac[MAC_BYTES];

	if (e->mac.len != MAC_BYTES || e->request.len == 0)
		return ERR_SIGNATURE;
	request_mac(c, e->request, mac);
	return sodium_memcmp(mac, e->mac.data, MAC_BYTES) == 0 ? 0 : ERR_SIGNATURE;
}

/* ---- reply ---- */

int enroll_reply_seal(struct arena *a, const struct enroll_code *c, const struct enroll_exchange *x,
		      const Trib__V1__EnrollGrant *grant, Trib__V1__EnrollReply **ret)
{
	size_t len = trib__v1__enroll_grant__get_packed_size(grant);
	uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
	Trib__V1__EnrollReply *reply = arena_alloc(a, sizeof(*reply));
	uint8_t *plain = arena_alloc(a, len);
	uint8_t *sealed = arena_alloc(a, SEAL_NONCE_BYTES + len + SEAL_TAG_BYTES);

	if (sodium_init() < 0)
		abort();
	if (reply == NULL || plain == NULL || sealed == NULL)
		return ERR_FULL;
	trib__v1__enroll_grant__pack(grant, plain);
	seal_key(c, x, key);
	randombytes_buf(sealed, SEAL_NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + SEAL_NONCE_BYTES, NULL, plain, len,
						   NULL, 0, NULL, sealed, key);
	sodium_memzero(plain, len); /* holds the chain's account key */
	sodium_memzero(key, sizeof(key));
	trib__v1__enroll_reply__init(reply);
	reply->has_sealed = true;
	reply->sealed.data = sealed;
	reply->sealed.len = SEAL_NONCE_BYTES + len + SEAL_TAG_BYTES;
	*ret = reply;
	return 0;
}

/* The grant is of the HQ that the code names, and its certificate is for this box. */
static int check_grant(const struct enroll_code *c, const struct enroll_exchange *x,
		       const Trib__V1__EnrollGrant *grant, struct arena *a,
		       const Trib__V1__Certificate **ret)
{
	const Trib__V1__Signed *s = grant->certificate;
	const Trib__V1__Certificate *cert;
	uint8_t hq[ENROLL_FINGERPRINT_BYTES];
	int r;

	fingerprint(grant->hq_sign_key.data, hq);
	if (memcmp(hq, c->fingerprint, sizeof(hq)) != 0)
		return ERR_UNKNOWN_KEY;
	if (verify_signed(s, SIGN_DOMAIN_CERT, grant->hq_sign_key.data) != 0)
		return ERR_UNKNOWN_KEY;
	r = payload_unpack_certificate(a, s->payload.data, s->payload.len, &cert);
	if (r != 0)
		return r;
	if (memcmp(cert->chain.data, grant->chain.data, CHAIN_ID_BYTES) != 0 ||
	    memcmp(cert->sign_key.data, x->sign_pub, SIGN_KEY_BYTES) != 0 ||
	    memcmp(cert->curve_key.data, x->curve_pub, CURVE_KEY_BYTES) != 0)
		return ERR_UNKNOWN_KEY;
	*ret = cert;
	return 0;
}

int enroll_reply_open(struct arena *a, const struct enroll_code *c, const struct enroll_exchange *x,
		      const Trib__V1__EnrollReply *reply, const Trib__V1__EnrollGrant **ret_grant,
		      const Trib__V1__Certificate **ret_certificate)
{
	uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
	const Trib__V1__EnrollGrant *grant;
	const uint8_t *sealed = reply->sealed.data;
	unsigned long long plain_len;
	uint8_t *plain;
	int r;

	if (!reply->has_sealed)
		return ERR_DENIED;
	if (reply->sealed.len < SEAL_NONCE_BYTES + SEAL_TAG_BYTES)
		return ERR_SIGNATURE;
	plain = arena_alloc(a, reply->sealed.len);
	if (plain == NULL)
		return ERR_FULL;
	seal_key(c, x, key);
	r = crypto_aead_xchacha20poly1305_ietf_decrypt(plain, &plain_len, NULL,
						       sealed + SEAL_NONCE_BYTES,
						       reply->sealed.len - SEAL_NONCE_BYTES, NULL,
						       0, sealed, key);
	sodium_memzero(key, sizeof(key));
	if (r != 0)
		return ERR_SIGNATURE;
	r = payload_unpack_enroll_grant(a, plain, (size_t)plain_len, &grant);
	sodium_memzero(plain, (size_t)plain_len);
	if (r == 0)
		r = check_grant(c, x, grant, a, ret_certificate);
	if (r == 0)
		*ret_grant = grant;
	return r;
}
