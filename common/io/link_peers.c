#include "link_peers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void link_peers_init(struct link_peers *p, unsigned max_peers)
{
	*p = (struct link_peers){ .max_slots = max_peers, .n_buckets = 16 };
	while (p->n_buckets < max_peers && p->n_buckets < 1u << 30)
		p->n_buckets *= 2;
	p->buckets = calloc(p->n_buckets, sizeof(*p->buckets));
	if (p->buckets == NULL)
		abort();
}

void link_peers_finish(struct link_peers *p)
{
	free(p->slots);
	free(p->buckets);
	*p = (struct link_peers){ 0 };
}

/* FNV-1a; user ids are the daemon's own, so nobody chooses them to collide. */
static uint32_t *bucket_of(struct link_peers *p, const char *user_id)
{
	uint32_t h = 2166136261u;

	for (; *user_id != '\0'; user_id++)
		h = (h ^ (uint8_t)*user_id) * 16777619u;
	return &p->buckets[h & (p->n_buckets - 1)];
}

struct link_peer_slot *link_peers_find(struct link_peers *p, const char *user_id)
{
	uint32_t i;

	for (i = *bucket_of(p, user_id); i != 0; i = p->slots[i - 1].next) {
		if (strcmp(p->slots[i - 1].user_id, user_id) == 0)
			return &p->slots[i - 1];
	}
	return NULL;
}

/* A slot in no list, or NULL. */
static struct link_peer_slot *take_slot(struct link_peers *p)
{
	if (p->free != 0) {
		struct link_peer_slot *slot = &p->slots[p->free - 1];

		p->free = slot->next;
		return slot;
	}
	if (p->n_slots == p->max_slots)
		return NULL;
	if (p->n_slots == p->cap_slots) {
		uint32_t cap = p->cap_slots == 0 ? 16 : p->cap_slots * 2;

		if (cap > p->max_slots || cap < p->cap_slots)
			cap = p->max_slots;
		p->slots = reallocarray(p->slots, cap, sizeof(*p->slots));
		if (p->slots == NULL)
			abort();
		p->cap_slots = cap;
	}
	return &p->slots[p->n_slots++];
}

int link_peers_admit(struct link_peers *p, const char *user_id, char ret_label[LINK_LABEL_BYTES])
{
	struct link_peer_slot *slot = link_peers_find(p, user_id);

	if (slot == NULL) {
		uint32_t *bucket = bucket_of(p, user_id);

		slot = take_slot(p);
		if (slot == NULL)
			return ERR_FULL;
		*slot = (struct link_peer_slot){ .first_serial = p->last_serial + 1,
						 .next = *bucket };
		(void)snprintf(slot->user_id, sizeof(slot->user_id), "%s", user_id);
		*bucket = (uint32_t)(slot - p->slots) + 1;
	}
	p->last_serial++;
	(void)snprintf(ret_label, LINK_LABEL_BYTES, "%" PRIu32 ".%" PRIu64 ":%s",
		       (uint32_t)(slot - p->slots), p->last_serial, user_id);
	return 0;
}

enum link_heard link_peers_hear(struct link_peers *p, const char *label,
				const struct link_route *route, const char **ret_user_id)
{
	struct link_peer_slot *slot;
	uint64_t serial;
	uint32_t i;

	/* Labels are our own words, brought back by libzmq. */
	if (sscanf(label, "%" SCNu32 ".%" SCNu64 ":", &i, &serial) != 2 || i >= p->n_slots)
		return LINK_HEARD_MALFORMED;
	slot = &p->slots[i];
	if (slot->user_id[0] == '\0' || serial < slot->first_serial)
		return LINK_HEARD_FORGOTTEN;
	if (serial < slot->newest_serial)
		return LINK_HEARD_STALE;
	slot->newest_serial = serial;
	slot->route = *route;
	*ret_user_id = slot->user_id;
	return LINK_HEARD;
}

void link_peers_forget(struct link_peers *p, const char *user_id)
{
	struct link_peer_slot *slot = link_peers_find(p, user_id);
	uint32_t *at;

	if (slot == NULL)
		return;
	at = bucket_of(p, user_id);
	while (*at != (uint32_t)(slot - p->slots) + 1)
		at = &p->slots[*at - 1].next;
	*at = slot->next;
	slot->user_id[0] = '\0';
	slot->route.len = 0;
	slot->next = p->free;
	p->free = (uint32_t)(slot - p->slots) + 1;
}
