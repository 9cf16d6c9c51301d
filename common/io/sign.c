#include "sign.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(SIGN_SECRET_BYTES == crypto_sign_ed25519_SECRETKEYBYTES, "libsodium's form");
_Static_assert(SIGN_SIGNATURE_BYTES == crypto_sign_ed25519_BYTES, "libsodium's form");

#define STACK_BYTES 1024 /* heads, acks and certificates fit */

/* domain ‖ 0x00 ‖ payload in one piece, which libsodium wants; free with input_finish. */
struct input {
	uint8_t stack[STACK_BYTES];
	uint8_t *bytes;
	size_t len;
};

static void input_init(struct input *in, const char *domain, const void *payload, size_t len)
{
	size_t domain_len = strlen(domain) + 1;

	if (len > SIZE_MAX - domain_len)
		abort();
	in->len = domain_len + len;
	in->bytes = in->len <= sizeof(in->stack) ? in->stack : malloc(in->len);
	if (in->bytes == NULL)
		abort();
	memcpy(in->bytes, domain, domain_len);
	if (len > 0)
		memcpy(in->bytes + domain_len, payload, len);
}

static void input_finish(struct input *in)
{
	if (in->bytes != in->stack)
		free(in->bytes);
}

void sign_key_id(const uint8_t pub[SIGN_KEY_BYTES], uint8_t ret_id[SIGN_KEY_ID_BYTES])
{
	uint8_t hash[32];

	crypto_generichash(hash, sizeof(hash), pub, SIGN_KEY_BYTES, NULL, 0);
	memcpy(ret_id, hash, SIGN_KEY_ID_BYTES);
}

void sign_bytes(const char *domain, const void *payload, size_t len,
		const uint8_t secret[SIGN_SECRET_BYTES],
		uint8_t ret_signature[SIGN_SIGNATURE_BYTES])
{
	struct input in;

	input_init(&in, domain, payload, len);
	crypto_sign_ed25519_detached(ret_signature, NULL, in.bytes, in.len, secret);
	input_finish(&in);
}

int verify_bytes(const char *domain, const void *payload, size_t len,
		 const uint8_t signature[SIGN_SIGNATURE_BYTES], const uint8_t pub[SIGN_KEY_BYTES])
{
	struct input in;
	int r;

	input_init(&in, domain, payload, len);
	r = crypto_sign_ed25519_verify_detached(signature, in.bytes, in.len, pub);
	input_finish(&in);
	return r == 0 ? 0 : ERR_SIGNATURE;
}

/* Point field at a copy of len bytes in the arena. */
static int set_bytes(struct arena *a, ProtobufCBinaryData *field, const void *data, size_t len)
{
	field->data = arena_memdup(a, data, len);
	if (field->data == NULL)
		return ERR_FULL;
	field->len = len;
	return 0;
}

int sign_payload(struct arena *a, const char *domain, const void *payload, size_t len,
		 const uint8_t secret[SIGN_SECRET_BYTES], Trib__V1__Signed **ret)
{
	Trib__V1__Signed *s = arena_alloc(a, sizeof(*s));
	uint8_t id[SIGN_KEY_ID_BYTES];
	uint8_t signature[SIGN_SIGNATURE_BYTES];
	int r;

	if (s == NULL)
		return ERR_FULL;
	trib__v1__signed__init(s);
	/* The second half of libsodium's secret is the public key. */
	sign_key_id(secret + 32, id);
	sign_bytes(domain, payload, len, secret, signature);
	r = set_bytes(a, &s->payload, payload, len);
	if (r == 0)
		r = set_bytes(a, &s->key_id, id, sizeof(id));
	if (r == 0)
		r = set_bytes(a, &s->signature, signature, sizeof(signature));
	if (r == 0)
		*ret = s;
	return r;
}

int verify_signed(const Trib__V1__Signed *s, const char *domain, const uint8_t pub[SIGN_KEY_BYTES])
{
	uint8_t id[SIGN_KEY_ID_BYTES];

	if (s->key_id.len != SIGN_KEY_ID_BYTES || s->signature.len != SIGN_SIGNATURE_BYTES)
		return ERR_INVALID;
	sign_key_id(pub, id);
	if (memcmp(id, s->key_id.data, sizeof(id)) != 0)
		return ERR_UNKNOWN_KEY;
	return verify_bytes(domain, s->payload.data, s->payload.len, s->signature.data, pub);
}
