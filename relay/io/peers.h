/* The stores that this relay has to do with, past and present: keys, certificate, spool, health. */
#ifndef TRIB_RELAY_PEERS_H
#define TRIB_RELAY_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids.h"
#include "link.h"
#include "sign.h"
#include "spool.h"

struct peer {
	int32_t node;
	uint32_t incarnation;
	char store[STORE_CODE_MAX];
	char user_id[LINK_USER_ID_BYTES]; /* "107.1" */
	uint8_t sign_pub[SIGN_KEY_BYTES];
	uint8_t curve_pub[LINK_KEY_BYTES];
	bool is_listed;
	uint8_t *certificate; /* Signed; owned */
	size_t certificate_len;
	uint8_t *health; /* newest, Signed; owned */
	size_t health_len;
	int64_t health_clock_ms;
	bool health_is_news; /* HQ has not got it */
	int64_t last_seen_ms; /* wall time; 0: not since the start */
	uint8_t up_seed[HEAD_BYTES], down_seed[HEAD_BYTES];
	struct spool_stream up, down;
};

struct peers {
	size_t n, cap;
	struct peer *list; /* owned; in order of first acquaintance, never moved */
	size_t n_slots;
	uint32_t *slots; /* index + 1 by (node, incarnation); owned */
	size_t n_revoked;
	uint8_t (*revoked)[LINK_KEY_BYTES]; /* owned */
};

/* Room for cap peers. Aborts when out of memory. */
void peers_init(struct peers *p, size_t cap);
void peers_finish(struct peers *p);

struct peer *peers_find(struct peers *p, int32_t node, uint32_t incarnation);
struct peer *peers_find_user(struct peers *p, const char *user_id);

/* A listed peer with this CURVE key. */
struct peer *peers_find_curve(struct peers *p, const uint8_t key[LINK_KEY_BYTES]);

/* A new peer of a verified certificate; signed_bytes is its Signed form. NULL: no room. Its
 * streams are not loaded. */
struct peer *peers_add(struct peers *p, const Trib__V1__Certificate *c,
		       const ProtobufCBinaryData *payload, const void *signed_bytes, size_t len);

/* Keep a store's newest health; older clocks are ignored. */
void peer_keep_health(struct peer *p, int64_t clock_ms, const void *signed_bytes, size_t len);

void peers_set_revoked(struct peers *p, const ProtobufCBinaryData *keys, size_t n);
bool peers_is_revoked(const struct peers *p, const uint8_t key[LINK_KEY_BYTES]);

#endif
