#include "enrolment.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "sign.h"

static ProtobufCBinaryData bytes(const void *p, size_t len)
{
	return (ProtobufCBinaryData){ .len = len, .data = (uint8_t *)(uintptr_t)p };
}

void enrolment_make(const char *dir, const char *code, int32_t node, const char *relay,
		    const uint8_t relay_key[32], struct enrolment *ret)
{
	Trib__V1__Certificate c = TRIB__V1__CERTIFICATE__INIT;
	Trib__V1__EnrollGrant g = TRIB__V1__ENROLL_GRANT__INIT;
	_Alignas(16) uint8_t memory[16384];
	uint8_t payload[1024], account_key[ACCOUNT_KEY_BYTES];
	char err[IDENTITY_ERROR_BYTES] = "";
	struct node_keys keys;
	struct arena a;
	size_t len;
	int r;

	arena_init(&a, memory, sizeof(memory));
	crypto_sign_keypair(ret->hq_pub, ret->hq_secret);
	memset(ret->chain, 7, sizeof(ret->chain));
	memset(account_key, 9, sizeof(account_key));
	r = node_keys_create(dir, &keys, err);
	assert(r == 0);
	c.chain = bytes(ret->chain, sizeof(ret->chain));
	c.hq_epoch = 1;
	c.has_node = 1;
	c.node = node;
	c.has_incarnation = 1;
	c.incarnation = 1;
	c.store = (char *)(uintptr_t)code;
	c.region = 1;
	c.sign_key = bytes(keys.sign_pub, sizeof(keys.sign_pub));
	c.curve_key = bytes(keys.curve_pub, sizeof(keys.curve_pub));
	c.issued_ms = 1;
	len = trib__v1__certificate__pack(&c, payload);
	assert(len <= sizeof(payload));
	r = sign_payload(&a, SIGN_DOMAIN_CERT, payload, len, ret->hq_secret, &g.certificate);
	assert(r == 0);
	g.chain = c.chain;
	g.hq_sign_key = bytes(ret->hq_pub, sizeof(ret->hq_pub));
	g.account_key = bytes(account_key, sizeof(account_key));
	g.peer_curve_key = bytes(relay_key, 32);
	g.peer_endpoint = (char *)(uintptr_t)relay;
	r = identity_write(dir, &g, err);
	assert(r == 0);
	node_keys_wipe(&keys);
}
