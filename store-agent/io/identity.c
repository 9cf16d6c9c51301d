#include "identity.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "encode.h"
#include "envelope.h"
#include "fault.h"
#include "file.h"
#include "journal.h"
#include "sign.h"

#define CHAIN_KEYS_BYTES (SIGN_KEY_BYTES + ACCOUNT_KEY_BYTES)
#define ARENA_BYTES (16u * 1024)

int identity_exists(const char *dir)
{
	char path[4096];

	return snprintf(path, sizeof(path), "%s/%s", dir, CERTIFICATE_FILE) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

static int load_chain_keys(const char *dir, struct identity *id, char *err)
{
	uint8_t keys[CHAIN_KEYS_BYTES];
	char path[4096];
	int r;

	if (snprintf(path, sizeof(path), "%s/%s", dir, CHAIN_KEYS_FILE) >= (int)sizeof(path)) {
		snprintf(err, IDENTITY_ERROR_BYTES, "the data directory's name is too long");
		return ERR_INVALID;
	}
	r = secret_file_read(path, keys, sizeof(keys), err);
	if (r < 0)
		return r;
	memcpy(id->hq_key, keys, SIGN_KEY_BYTES);
	memcpy(id->agent.account_key, keys + SIGN_KEY_BYTES, ACCOUNT_KEY_BYTES);
	sodium_memzero(keys, sizeof(keys));
	return 0;
}

static int load_relay(const char *dir, struct identity *id, char *err)
{
	char text[512], *end;
	size_t len;

	if (file_read(dir, RELAY_FILE, text, sizeof(text) - 1, &len) < 0)
		goto fail;
	text[len] = '\0';
	end = strchr(text, '\n');
	if (end == NULL)
		goto fail;
	*end++ = '\0';
	if (z85_parse_key(text, id->relay_key) < 0)
		goto fail;
	end[strcspn(end, "\n")] = '\0';
	snprintf(id->relay_endpoint, sizeof(id->relay_endpoint), "%.255s", end);
	return 0;
fail:
	snprintf(err, IDENTITY_ERROR_BYTES, "%.300s/%s does not name the relay's key and endpoint",
		 dir, RELAY_FILE);
	return ERR_INVALID;
}

/* The certificate is HQ's, and is this box's. */
static int take_certificate(struct identity *id, struct arena *a, char *err)
{
	const Trib__V1__Signed *s;
	const Trib__V1__Certificate *c;

	if (payload_unpack_signed(a, id->certificate, id->certificate_len, &s) < 0 ||
	    verify_signed(s, SIGN_DOMAIN_CERT, id->hq_key) < 0 ||
	    payload_unpack_certificate(a, s->payload.data, s->payload.len, &c) < 0) {
		snprintf(err, IDENTITY_ERROR_BYTES, "%s is not signed by the enrolled HQ",
			 CERTIFICATE_FILE);
		return ERR_SIGNATURE;
	}
	if (!c->has_node || !c->has_incarnation || c->store == NULL ||
	    !store_code_is_valid(c->store) || c->node < 1 || c->node > NODE_MAX ||
	    c->incarnation < 1 || c->incarnation > INCARNATION_MAX ||
	    memcmp(c->sign_key.data, id->keys.sign_pub, SIGN_KEY_BYTES) != 0 ||
	    memcmp(c->curve_key.data, id->keys.curve_pub, CURVE_KEY_BYTES) != 0) {
		snprintf(err, IDENTITY_ERROR_BYTES, "%s is not of a store with the keys of %s",
			 CERTIFICATE_FILE, KEYS_FILE);
		return ERR_INVALID;
	}
	memcpy(id->chain, c->chain.data, sizeof(id->chain));
	id->agent.node = c->node;
	id->agent.incarnation = c->incarnation;
	snprintf(id->agent.store, sizeof(id->agent.store), "%s", c->store);
	id->region = c->region;
	memcpy(id->payload, s->payload.data, s->payload.len); /* no longer than the whole */
	id->payload_len = s->payload.len;
	return 0;
}

int identity_load(const char *dir, struct identity *ret, char *err)
{
	_Alignas(16) uint8_t memory[ARENA_BYTES];
	struct arena a;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = file_read(dir, CERTIFICATE_FILE, ret->certificate, sizeof(ret->certificate),
		      &ret->certificate_len);
	if (r < 0) {
		snprintf(err, IDENTITY_ERROR_BYTES,
			 r == ERR_NOT_FOUND ?
				 "this store is not enrolled: %.300s has no %s; run trib-store "
				 "enroll --code CODE" :
				 "cannot read %.300s/%s",
			 dir, CERTIFICATE_FILE);
		return r;
	}
	arena_init(&a, memory, sizeof(memory));
	r = node_keys_load(dir, &ret->keys, err);
	if (r == 0)
		r = load_chain_keys(dir, ret, err);
	if (r == 0)
		r = load_relay(dir, ret, err);
	if (r == 0)
		r = take_certificate(ret, &a, err);
	if (r < 0)
		identity_wipe(ret);
	return r;
}

static int write_chain_keys(const char *dir, const Trib__V1__EnrollGrant *g, char *err)
{
	uint8_t keys[CHAIN_KEYS_BYTES];
	char text[2 * CHAIN_KEYS_BYTES + 2]; /* as secret_file_read takes it */
	int r;

	memcpy(keys, g->hq_sign_key.data, SIGN_KEY_BYTES);
	memcpy(keys + SIGN_KEY_BYTES, g->account_key.data, ACCOUNT_KEY_BYTES);
	sodium_bin2hex(text, sizeof(text), keys, sizeof(keys));
	text[sizeof(text) - 2] = '\n';
	r = file_write(dir, CHAIN_KEYS_FILE, text, sizeof(text) - 1, 0600);
	if (r < 0)
		snprintf(err, IDENTITY_ERROR_BYTES, "cannot write %.300s/%s: %s", dir,
			 CHAIN_KEYS_FILE, strerror(errno));
	sodium_memzero(keys, sizeof(keys));
	sodium_memzero(text, sizeof(text));
	return r;
}

int identity_write(const char *dir, const Trib__V1__EnrollGrant *g, char *err)
{
	uint8_t certificate[IDENTITY_CERTIFICATE_MAX];
	char relay[512], key[Z85_TEXT_BYTES];
	size_t len;
	int n, r;

	len = trib__v1__signed__get_packed_size(g->certificate);
	if (len > sizeof(certificate)) {
		snprintf(err, IDENTITY_ERROR_BYTES, "the certificate is too large");
		return ERR_INVALID;
	}
	trib__v1__signed__pack(g->certificate, certificate);
	z85_format_key(g->peer_curve_key.data, key);
	n = snprintf(relay, sizeof(relay), "%s\n%.255s\n", key, g->peer_endpoint);
	r = write_chain_keys(dir, g, err);
	if (r < 0)
		return r;
	r = journal_create(dir, g->certificate->payload.data, g->certificate->payload.len, err);
	if (r < 0)
		return r;
	FAULT_POINT("enroll.after_journal");
	if (file_write(dir, RELAY_FILE, relay, (size_t)n, 0600) < 0 ||
	    file_write(dir, CERTIFICATE_FILE, certificate, len, 0600) < 0) {
		snprintf(err, IDENTITY_ERROR_BYTES, "cannot write into %.300s: %s", dir,
			 strerror(errno));
		return ERR_IO;
	}
	return 0;
}

void identity_wipe(struct identity *id)
{
	sodium_memzero(id, sizeof(*id));
}
