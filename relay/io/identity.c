#include "identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "sign.h"

#define CERTIFICATE_FILE "certificate.bin"
#define SIGN_FILE "hq.sign"
#define CURVE_FILE "hq.curve"
#define ENDPOINT_FILE "hq.endpoint"

static void say(char *why, const char *dir, const char *name, const char *what)
{
	if (why != NULL)
		snprintf(why, KEYS_WHY_BYTES, "%s/%s: %s", dir, name, what);
}

bool identity_exists(const char *dir)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, CERTIFICATE_FILE);
	return access(path, F_OK) == 0;
}

static int read_key(const char *dir, const char *name, uint8_t *ret, size_t len, char *why)
{
	uint8_t buf[65];
	size_t n;

	if (file_read(dir, name, buf, sizeof(buf), &n) != 0 || n != len) {
		say(why, dir, name, "cannot be read as a key");
		return ERR_INVALID;
	}
	memcpy(ret, buf, len);
	return 0;
}

/* The certificate must be HQ's, for a relay, and for these keys. */
static int check_certificate(struct identity *id, struct arena *a)
{
	const Trib__V1__Signed *s;
	const Trib__V1__Certificate *c;

	if (payload_unpack_signed(a, id->certificate, id->certificate_len, &s) != 0 ||
	    verify_signed(s, SIGN_DOMAIN_CERT, id->hq_sign_pub) != 0 ||
	    payload_unpack_certificate(a, s->payload.data, s->payload.len, &c) != 0)
		return ERR_INVALID;
	if (c->has_node || c->sign_key.len != SIGN_KEY_BYTES ||
	    memcmp(c->sign_key.data, id->keys.sign_pub, SIGN_KEY_BYTES) != 0 ||
	    memcmp(c->curve_key.data, id->keys.curve_pub, CURVE_KEY_BYTES) != 0)
		return ERR_INVALID;
	memcpy(id->chain, c->chain.data, CHAIN_ID_BYTES);
	id->region = c->region;
	return 0;
}

int identity_load(const char *dir, struct identity *ret, char *why)
{
	static uint8_t memory[64 * 1024];
	struct arena a;
	size_t len;
	int err;

	memset(ret, 0, sizeof(*ret));
	err = file_read(dir, CERTIFICATE_FILE, ret->certificate, sizeof(ret->certificate),
			&ret->certificate_len);
	if (err == ERR_NOT_FOUND) {
		say(why, dir, CERTIFICATE_FILE,
		    "not enrolled yet; get a code at headquarters (tribctl region enroll N --reason "
		    "TEXT) and run trib-relay enroll");
		return err;
	}
	if (err != 0) {
		say(why, dir, CERTIFICATE_FILE, "cannot be read");
		return err;
	}
	err = node_keys_load(dir, &ret->keys, why);
	if (err != 0)
		return err;
	err = read_key(dir, SIGN_FILE, ret->hq_sign_pub, SIGN_KEY_BYTES, why);
	if (err == 0)
		err = read_key(dir, CURVE_FILE, ret->hq_curve_pub, CURVE_KEY_BYTES, why);
	if (err != 0)
		return err;
	err = file_read(dir, ENDPOINT_FILE, ret->hq_endpoint, sizeof(ret->hq_endpoint) - 1, &len);
	if (err != 0) {
		say(why, dir, ENDPOINT_FILE, "cannot be read");
		return err;
	}
	ret->hq_endpoint[len] = '\0';
	ret->hq_endpoint[strcspn(ret->hq_endpoint, "\r\n")] = '\0';
	arena_init(&a, memory, sizeof(memory));
	if (check_certificate(ret, &a) != 0) {
		say(why, dir, CERTIFICATE_FILE,
		    "not headquarters' certificate for this relay's keys");
		return ERR_INVALID;
	}
	return 0;
}

int identity_store(const char *dir, const Trib__V1__EnrollGrant *grant, char *why)
{
	uint8_t packed[1024];
	size_t len = trib__v1__signed__get_packed_size(grant->certificate);

	if (len > sizeof(packed) - 1 || grant->peer_curve_key.len != CURVE_KEY_BYTES) {
		say(why, dir, CERTIFICATE_FILE, "the grant is not well formed");
		return ERR_INVALID;
	}
	trib__v1__signed__pack(grant->certificate, packed);
	if (file_write(dir, SIGN_FILE, grant->hq_sign_key.data, grant->hq_sign_key.len, 0600) ||
	    file_write(dir, CURVE_FILE, grant->peer_curve_key.data, grant->peer_curve_key.len,
		       0600) ||
	    file_write(dir, ENDPOINT_FILE, grant->peer_endpoint, strlen(grant->peer_endpoint),
		       0600) ||
	    file_write(dir, CERTIFICATE_FILE, packed, len, 0600)) {
		say(why, dir, CERTIFICATE_FILE, strerror(errno));
		return ERR_IO;
	}
	return 0;
}
