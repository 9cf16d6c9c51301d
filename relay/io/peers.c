#include "peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *take(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

static void *copy(const void *src, size_t len)
{
	void *p = take(malloc(len == 0 ? 1 : len));

	memcpy(p, src, len);
	return p;
}

void peers_init(struct peers *p, size_t cap)
{
	*p = (struct peers){ .cap = cap, .n_slots = 16 };
	while (p->n_slots < 2 * cap)
		p->n_slots *= 2;
	p->list = take(calloc(cap, sizeof(*p->list)));
	p->slots = take(calloc(p->n_slots, sizeof(*p->slots)));
}

void peers_finish(struct peers *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->list[i].certificate);
		free(p->list[i].health);
	}
	free(p->list);
	free(p->slots);
	free(p->revoked);
	*p = (struct peers){ 0 };
}

static size_t slot_of(const struct peers *p, int32_t node, uint32_t incarnation)
{
	uint64_t h = ((uint64_t)(uint32_t)node << 32 | incarnation) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(h >> 32) & (p->n_slots - 1);
}

struct peer *peers_find(struct peers *p, int32_t node, uint32_t incarnation)
{
	size_t i = slot_of(p, node, incarnation);

	for (; p->slots[i] != 0; i = (i + 1) & (p->n_slots - 1)) {
		struct peer *x = &p->list[p->slots[i] - 1];

		if (x->node == node && x->incarnation == incarnation)
			return x;
	}
	return NULL;
}

struct peer *peers_find_user(struct peers *p, const char *user_id)
{
	unsigned node, incarnation;
	char rest;

	if (sscanf(user_id, "%7u.%4u%c", &node, &incarnation, &rest) != 2)
		return NULL;
	return peers_find(p, (int32_t)node, incarnation);
}

struct peer *peers_find_curve(struct peers *p, const uint8_t key[LINK_KEY_BYTES])
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->list[i].is_listed && memcmp(p->list[i].curve_pub, key, LINK_KEY_BYTES) == 0)
			return &p->list[i];
	}
	return NULL;
}

struct peer *peers_add(struct peers *p, const Trib__V1__Certificate *c,
		       const ProtobufCBinaryData *payload, const void *signed_bytes, size_t len)
{
	size_t i = slot_of(p, c->node, c->incarnation);
	struct peer *x;

	if (p->n == p->cap)
		return NULL;
	while (p->slots[i] != 0)
		i = (i + 1) & (p->n_slots - 1);
	x = &p->list[p->n++];
	p->slots[i] = (uint32_t)p->n;
	x->node = c->node;
	x->incarnation = c->incarnation;
	snprintf(x->store, sizeof(x->store), "%s", c->store != NULL ? c->store : "");
	snprintf(x->user_id, sizeof(x->user_id), "%d.%u", x->node, x->incarnation);
	memcpy(x->sign_pub, c->sign_key.data, SIGN_KEY_BYTES);
	memcpy(x->curve_pub, c->curve_key.data, LINK_KEY_BYTES);
	x->certificate = copy(signed_bytes, len);
	x->certificate_len = len;
	chain_seed(TRIB__V1__DIRECTION__UP, payload->data, payload->len, x->up_seed);
	chain_seed(TRIB__V1__DIRECTION__DOWN, payload->data, payload->len, x->down_seed);
	return x;
}

void peer_keep_health(struct peer *p, int64_t clock_ms, const void *signed_bytes, size_t len)
{
	if (p->health != NULL && clock_ms <= p->health_clock_ms)
		return;
	free(p->health);
	p->health = copy(signed_bytes, len);
	p->health_len = len;
	p->health_clock_ms = clock_ms;
	p->health_is_news = true;
}

void peers_set_revoked(struct peers *p, const ProtobufCBinaryData *keys, size_t n)
{
	free(p->revoked);
	p->revoked = take(calloc(n + 1, LINK_KEY_BYTES));
	p->n_revoked = n;
	for (size_t i = 0; i < n; i++)
		memcpy(p->revoked[i], keys[i].data, LINK_KEY_BYTES);
}

bool peers_is_revoked(const struct peers *p, const uint8_t key[LINK_KEY_BYTES])
{
	for (size_t i = 0; i < p->n_revoked; i++) {
		if (memcmp(p->revoked[i], key, LINK_KEY_BYTES) == 0)
			return true;
	}
	return false;
}
