/* What stores say. Who says it is the user id of the link, never a field of a message. */
#include <string.h>

#include "log.h"
#include "relayd.h"
#include "sign.h"

enum link_verdict relayd_admit(void *ctx, const uint8_t key[LINK_KEY_BYTES],
			       char ret_user_id[LINK_USER_ID_BYTES])
{
	struct relayd *d = ctx;
	const struct peer *p;

	if (peers_is_revoked(&d->peers, key))
		return LINK_REVOKED;
	p = peers_find_curve(&d->peers, key);
	if (p == NULL)
		return LINK_NOT_YET;
	memcpy(ret_user_id, p->user_id, LINK_USER_ID_BYTES);
	return LINK_ADMIT;
}

static int simple_event(struct relayd *d, const struct peer *p, struct relay_event *ev)
{
	ev->node = p->node;
	ev->incarnation = p->incarnation;
	return relayd_step(d, ev, NULL);
}

/* The stream is the sender's own, in this direction. */
static bool is_own_stream(struct relayd *d, const struct peer *p, const Trib__V1__Stream *s,
			  int direction)
{
	if (s->node == p->node && s->incarnation == p->incarnation &&
	    (int)s->direction == direction)
		return true;
	relayd_raise(d, RELAY_ALARM_WRONG_NODE, p);
	relayd_refuse_store(d, p, "identity");
	return false;
}

static void refuse_signature(struct relayd *d, const struct peer *p)
{
	relayd_raise(d, RELAY_ALARM_BAD_SIGNATURE, p);
	relayd_refuse_store(d, p, "signature");
}

static bool hello_is_of(const Trib__V1__HelloPayload *h, const struct relayd *d,
			const struct peer *p)
{
	return memcmp(h->chain.data, d->id.chain, CHAIN_ID_BYTES) == 0 && h->has_node &&
	       h->has_incarnation && h->node == p->node && h->incarnation == p->incarnation &&
	       h->journal != NULL && h->down != NULL;
}

static void on_hello(struct relayd *d, struct peer *p, const Trib__V1__Hello *m)
{
	struct relay_event ev = { .kind = RELAY_STORE_HELLO };
	const Trib__V1__Signed *own;
	const Trib__V1__HelloPayload *h;

	if (payload_unpack_signed(&d->reader.arena, p->certificate, p->certificate_len, &own) ||
	    own->payload.len != m->certificate->payload.len ||
	    memcmp(own->payload.data, m->certificate->payload.data, own->payload.len) != 0 ||
	    verify_signed(m->certificate, SIGN_DOMAIN_CERT, d->id.hq_sign_pub) != 0) {
		relayd_raise(d, RELAY_ALARM_BAD_SIGNATURE, p);
		relayd_refuse_store(d, p, "certificate");
		return;
	}
	if (verify_signed(m->hello, SIGN_DOMAIN_HELLO, p->sign_pub) != 0) {
		refuse_signature(d, p);
		return;
	}
	if (payload_unpack_hello(&d->reader.arena, m->hello->payload.data, m->hello->payload.len,
				 &h) != 0) {
		relayd_refuse_store(d, p, "malformed");
		return;
	}
	if (!hello_is_of(h, d, p)) {
		relayd_raise(d, RELAY_ALARM_WRONG_NODE, p);
		relayd_refuse_store(d, p, "identity");
		return;
	}
	if (h->protocol_max < ENVELOPE_PROTOCOL_MIN || h->protocol_min > ENVELOPE_PROTOCOL_MAX) {
		envelope_pack_version_refusal(&d->out);
		(void)!link_server_send(d->stores, p->user_id, d->out.data, d->out.len);
		return;
	}
	ev.hello = (struct relay_hello){ .window_bytes = m->window_bytes,
					 .journal_seq = h->journal->seq,
					 .down_seq = h->down->seq };
	if (simple_event(d, p, &ev) != 0)
		relayd_refuse_store(d, p, "not_listed");
}

int relayd_verify_head(struct relayd *d, const Trib__V1__Batch *b, const uint8_t *pub,
		       struct arena *a, const Trib__V1__SignedHead **ret)
{
	const Trib__V1__SignedHead *h;
	int err = verify_signed(b->head, SIGN_DOMAIN_HEAD, pub);

	if (err != 0)
		return ERR_SIGNATURE;
	err = payload_unpack_head(a, b->head->payload.data, b->head->payload.len, &h);
	if (err != 0)
		return ERR_INVALID;
	if (memcmp(h->chain.data, d->id.chain, CHAIN_ID_BYTES) != 0 ||
	    h->stream->direction != b->stream->direction || h->stream->node != b->stream->node ||
	    h->stream->incarnation != b->stream->incarnation)
		return ERR_SIGNATURE;
	*ret = h;
	return 0;
}

void relayd_batch_event(struct relayd *d, struct peer *p, const Trib__V1__Batch *b,
			const Trib__V1__SignedHead *h, struct sync_batch *sb,
			uint8_t own[HEAD_BYTES], struct relay_event *ev)
{
	bool is_up = b->stream->direction == TRIB__V1__DIRECTION__UP;
	size_t bytes = 0;

	for (size_t i = 0; i < b->n_items; i++)
		bytes += b->items[i].len;
	*sb = (struct sync_batch){ .first_seq = b->first_seq,
				   .prev_head = b->prev_head.data,
				   .n = b->n_items,
				   .items = b->items,
				   .signed_seq = h->seq,
				   .signed_head = h->head.data };
	*ev = (struct relay_event){ .kind = is_up ? RELAY_STORE_BATCH : RELAY_HQ_BATCH,
				    .node = p->node,
				    .incarnation = p->incarnation,
				    .batch = { .batch = sb, .bytes = bytes } };
	if (spool_head(d->spool, is_up ? &p->up : &p->down, h->seq, own) == 0)
		ev->batch.own_head = own;
}

static void on_batch(struct relayd *d, struct peer *p, const Trib__V1__Batch *b)
{
	const Trib__V1__SignedHead *h;
	struct sync_batch sb;
	uint8_t own[HEAD_BYTES];
	struct relay_event ev;
	int err;

	if (!is_own_stream(d, p, b->stream, TRIB__V1__DIRECTION__UP))
		return;
	err = relayd_verify_head(d, b, p->sign_pub, &d->reader.arena, &h);
	if (err == ERR_SIGNATURE) {
		refuse_signature(d, p);
		return;
	}
	if (err != 0) {
		relayd_refuse_store(d, p, "malformed");
		return;
	}
	relayd_batch_event(d, p, b, h, &sb, own, &ev);
	(void)!relayd_step(d, &ev, &(struct step_input){ .peer = p, .batch = b });
}

static void on_ack(struct relayd *d, struct peer *p, const Trib__V1__Ack *a)
{
	struct relay_event ev = { .kind = RELAY_STORE_ACK, .seq = a->seq };

	if (!is_own_stream(d, p, a->stream, TRIB__V1__DIRECTION__DOWN))
		return;
	if (a->stage != TRIB__V1__STAGE__APPLIED)
		relayd_refuse_store(d, p, "unexpected");
	else
		(void)!simple_event(d, p, &ev);
}

static void on_pull(struct relayd *d, struct peer *p, const Trib__V1__Pull *m)
{
	struct relay_event ev = { .kind = RELAY_STORE_PULL, .seq = m->from_seq };

	if (is_own_stream(d, p, m->stream, TRIB__V1__DIRECTION__DOWN))
		(void)!simple_event(d, p, &ev);
}

static void on_heartbeat(struct relayd *d, struct peer *p, const Trib__V1__Heartbeat *m)
{
	struct relay_event ev = { .kind = RELAY_STORE_HEARD };
	const Trib__V1__Health *h;
	const Trib__V1__Signed *s;
	size_t len;
	uint8_t *bytes;

	if (simple_event(d, p, &ev) != 0 || m->n_health == 0)
		return;
	s = m->health[m->n_health - 1];
	if (verify_signed(s, SIGN_DOMAIN_HEALTH, p->sign_pub) != 0 ||
	    payload_unpack_health(&d->reader.arena, s->payload.data, s->payload.len, &h) != 0 ||
	    memcmp(h->chain.data, d->id.chain, CHAIN_ID_BYTES) != 0 || h->node != p->node ||
	    h->incarnation != p->incarnation) {
		refuse_signature(d, p);
		return;
	}
	len = trib__v1__signed__get_packed_size(s);
	bytes = arena_alloc(&d->reader.arena, len);
	if (bytes == NULL)
		return;
	trib__v1__signed__pack(s, bytes);
	peer_keep_health(p, h->clock_ms, bytes, len);
}

static void on_body(struct relayd *d, struct peer *p, const Trib__V1__Envelope *e)
{
	struct relay_event ev = { .kind = RELAY_STORE_CREDIT };

	switch ((int)e->body_case) {
	case TRIB__V1__ENVELOPE__BODY_HELLO:
		on_hello(d, p, e->hello);
		break;
	case TRIB__V1__ENVELOPE__BODY_BATCH:
		on_batch(d, p, e->batch);
		break;
	case TRIB__V1__ENVELOPE__BODY_ACK:
		on_ack(d, p, e->ack);
		break;
	case TRIB__V1__ENVELOPE__BODY_PULL:
		on_pull(d, p, e->pull);
		break;
	case TRIB__V1__ENVELOPE__BODY_CREDIT:
		ev.window_bytes = e->credit->total_bytes;
		(void)!simple_event(d, p, &ev);
		break;
	case TRIB__V1__ENVELOPE__BODY_HEARTBEAT:
		on_heartbeat(d, p, e->heartbeat);
		break;
	case TRIB__V1__ENVELOPE__BODY_REFUSE:
		log_event(LOG_LEVEL_WARNING, "store_refused", "peer=%s code=%s", p->user_id,
			  log_quote(&(struct log_value){ 0 }, e->refuse->code));
		break;
	default:
		relayd_refuse_store(d, p, "unexpected");
		break;
	}
}

void relayd_on_store_message(void *ctx, const struct link_peer *from, const uint8_t *data,
			     size_t len)
{
	struct relayd *d = ctx;
	struct peer *p = peers_find_user(&d->peers, from->user_id);
	const Trib__V1__Envelope *e;
	int err;

	if (p == NULL || !p->is_listed) {
		envelope_pack_refuse(&d->out, "not_listed", NULL);
		(void)!link_server_send_to(d->stores, &from->route, d->out.data, d->out.len);
		return;
	}
	p->last_seen_ms = relayd_wall_ms();
	err = envelope_unpack(&d->reader, data, len, &e);
	if (err == ERR_VERSION) {
		envelope_pack_version_refusal(&d->out);
		(void)!link_server_send(d->stores, p->user_id, d->out.data, d->out.len);
	} else if (err != 0) {
		log_event(LOG_LEVEL_DEBUG, "malformed", "peer=%s len=%zu", p->user_id, len);
		relayd_refuse_store(d, p, "malformed");
	} else {
		on_body(d, p, e);
	}
}
