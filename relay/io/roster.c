/* Whom HQ says this relay serves. */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "relayd.h"
#include "sign.h"

/* Tell the core of a peer whose streams are loaded. */
static int announce(struct relayd *d, const struct peer *p, uint64_t booked_seq)
{
	struct relay_event ev = { .kind = RELAY_KNOWN,
				  .node = p->node,
				  .incarnation = p->incarnation,
				  .known = { .is_listed = p->is_listed,
					     .up_base_seq = p->up.base.seq,
					     .up_end = p->up.end,
					     .down_end = p->down.end,
					     .up_is_forked = p->up.is_forked,
					     .down_is_forked = p->down.is_forked,
					     .booked_seq = booked_seq } };

	return relayd_step(d, &ev, NULL);
}

/* A verified certificate of a store of this region; NULL where it is not. */
static const Trib__V1__Certificate *open_certificate(struct relayd *d, const Trib__V1__Signed *s,
						     struct arena *a)
{
	const Trib__V1__Certificate *c;

	if (verify_signed(s, SIGN_DOMAIN_CERT, d->id.hq_sign_pub) != 0 ||
	    payload_unpack_certificate(a, s->payload.data, s->payload.len, &c) != 0)
		return NULL;
	if (!c->has_node || memcmp(c->chain.data, d->id.chain, CHAIN_ID_BYTES) != 0)
		return NULL;
	return c;
}

static struct peer *add_peer(struct relayd *d, const Trib__V1__Certificate *c,
			     const Trib__V1__Signed *s, const void *bytes, size_t len)
{
	struct peer *p = peers_add(&d->peers, c, &s->payload, bytes, len);

	if (p == NULL) {
		relayd_raise(d, RELAY_ALARM_TABLE_FULL, NULL);
		return NULL;
	}
	spool_stream_load(d->spool, TRIB__V1__DIRECTION__UP, p->node, p->incarnation, p->up_seed,
			  &p->up);
	spool_stream_load(d->spool, TRIB__V1__DIRECTION__DOWN, p->node, p->incarnation,
			  p->down_seed, &p->down);
	return p;
}

static void list_store(struct relayd *d, const Trib__V1__Signed *s, struct arena *a)
{
	const Trib__V1__Certificate *c = open_certificate(d, s, a);
	size_t len = trib__v1__signed__get_packed_size(s);
	uint8_t *bytes = arena_alloc(a, len);
	struct peer *p;

	if (c == NULL || bytes == NULL) {
		relayd_raise(d, RELAY_ALARM_BAD_SIGNATURE, NULL);
		return;
	}
	p = peers_find(&d->peers, c->node, c->incarnation);
	if (p == NULL) {
		trib__v1__signed__pack(s, bytes);
		p = add_peer(d, c, s, bytes, len);
		if (p == NULL)
			return;
		spool_add_store(d->spool, p->node, p->incarnation, bytes, len);
	} else if (memcmp(p->sign_pub, c->sign_key.data, SIGN_KEY_BYTES) != 0) {
		relayd_raise(d, RELAY_ALARM_BAD_SIGNATURE, p); /* an incarnation has one key */
		return;
	}
	p->is_listed = true;
	(void)!announce(d, p, 0);
}

int relayd_apply_roster(struct relayd *d, const Trib__V1__Signed *roster, bool from_spool,
			struct arena *a)
{
	const Trib__V1__Roster *r;
	size_t len = trib__v1__signed__get_packed_size(roster);
	uint8_t *bytes = arena_alloc(a, len);

	if (bytes == NULL)
		return ERR_FULL;
	if (verify_signed(roster, SIGN_DOMAIN_ROSTER, d->id.hq_sign_pub) != 0)
		return ERR_SIGNATURE;
	if (payload_unpack_roster(a, roster->payload.data, roster->payload.len, &r) != 0 ||
	    memcmp(r->chain.data, d->id.chain, CHAIN_ID_BYTES) != 0 || r->region != d->id.region)
		return ERR_INVALID;
	if (r->version <= d->roster_version && d->roster_version != 0)
		return ERR_VERSION;
	d->roster_version = r->version;
	peers_set_revoked(&d->peers, r->revoked, r->n_revoked);
	for (size_t i = 0; i < d->peers.n; i++)
		d->peers.list[i].is_listed = false;
	for (size_t i = 0; i < r->n_certificates; i++)
		list_store(d, r->certificates[i], a);
	for (size_t i = 0; i < d->peers.n; i++) {
		struct peer *p = &d->peers.list[i];

		if (p->is_listed)
			continue;
		(void)!announce(d, p, 0);
		link_server_forget(d->stores, p->user_id);
	}
	if (!from_spool) {
		trib__v1__signed__pack(roster, bytes);
		spool_keep_roster(d->spool, r->version, bytes, len);
	}
	log_event(LOG_LEVEL_NOTICE, "roster", "version=%llu stores=%zu revoked=%zu",
		  (unsigned long long)r->version, r->n_certificates, r->n_revoked);
	return 0;
}

struct load {
	struct relayd *d;
	int err;
	uint64_t *booked; /* by index of the peer */
};

static void load_store(void *ctx, const struct spool_store *s)
{
	struct load *l = ctx;
	struct relayd *d = l->d;
	const Trib__V1__Signed *sig;
	const Trib__V1__Certificate *c;
	struct peer *p;

	arena_reset(&d->scratch);
	if (payload_unpack_signed(&d->scratch, s->certificate, s->certificate_len, &sig) != 0) {
		l->err = ERR_INVALID;
		return;
	}
	c = open_certificate(d, sig, &d->scratch);
	if (c == NULL || c->node != s->node || c->incarnation != s->incarnation) {
		l->err = ERR_INVALID;
		return;
	}
	p = peers_add(&d->peers, c, &sig->payload, s->certificate, s->certificate_len);
	if (p == NULL) {
		l->err = ERR_FULL;
		return;
	}
	l->booked[d->peers.n - 1] = s->booked_seq;
}

int relayd_load_stores(struct relayd *d)
{
	struct load l = { .d = d };
	ProtobufCBinaryData bytes;
	const Trib__V1__Signed *roster;
	int err;

	l.booked = calloc(d->peers.cap, sizeof(*l.booked));
	if (l.booked == NULL)
		abort();
	spool_each_store(d->spool, load_store, &l);
	for (size_t i = 0; l.err == 0 && i < d->peers.n; i++) {
		struct peer *p = &d->peers.list[i];

		spool_stream_load(d->spool, TRIB__V1__DIRECTION__UP, p->node, p->incarnation,
				  p->up_seed, &p->up);
		spool_stream_load(d->spool, TRIB__V1__DIRECTION__DOWN, p->node, p->incarnation,
				  p->down_seed, &p->down);
		l.err = announce(d, p, l.booked[i]);
	}
	free(l.booked);
	if (l.err != 0)
		return l.err;
	arena_reset(&d->reader.arena);
	err = spool_roster(d->spool, &d->reader.arena, &bytes);
	if (err == ERR_NOT_FOUND)
		return 0;
	if (err == 0)
		err = payload_unpack_signed(&d->reader.arena, bytes.data, bytes.len, &roster);
	if (err == 0)
		err = relayd_apply_roster(d, roster, true, &d->reader.arena);
	return err;
}
