#include <string.h>

#include "clock.h"
#include "fault.h"
#include "log.h"
#include "sign.h"
#include "store.h"
#include "uplink_internal.h"

bool uplink_is_own(const struct store *s, const Trib__V1__Stream *stream, Trib__V1__Direction d)
{
	return stream->direction == d && stream->node == s->identity.agent.node &&
	       stream->incarnation == s->identity.agent.incarnation;
}

/* The peer broke the protocol: nothing it says is worth hearing on this connection. */
static void distrust(struct store *s, const char *why)
{
	log_event(LOG_LEVEL_WARNING, "relay_misbehaves", "why=%s", why);
	link_client_restart(s->uplink.client, why);
}

/* Our own head at the claimed place, into storage; NULL beyond the journal. */
static const uint8_t *own_head(struct store *s, uint64_t seq, uint8_t storage[HEAD_BYTES])
{
	return journal_head_at(s->journal, seq, storage) ? storage : NULL;
}

/* HQ's signed word about our journal. False: not HQ's, or not about us. */
static bool read_booked(struct store *s, const Trib__V1__Signed *signed_ack,
			struct agent_claim *ret, uint8_t storage[HEAD_BYTES])
{
	const Trib__V1__BookedAck *b;

	if (verify_signed(signed_ack, SIGN_DOMAIN_ACK, s->identity.hq_key) < 0 ||
	    payload_unpack_booked_ack(&s->uplink.reader.arena, signed_ack->payload.data,
				      signed_ack->payload.len, &b) < 0 ||
	    b->chain.len != sizeof(s->identity.chain) ||
	    memcmp(b->chain.data, s->identity.chain, sizeof(s->identity.chain)) != 0 ||
	    b->node != s->identity.agent.node || b->incarnation != s->identity.agent.incarnation)
		return false;
	ret->present = true;
	ret->at.seq = b->seq;
	memcpy(ret->at.head, b->head.data, HEAD_BYTES);
	ret->own_head = own_head(s, b->seq, storage);
	s->uplink.booked = signed_ack;
	return true;
}

static void set_clock(struct store *s, int64_t clock_ms)
{
	s->uplink.has_clock = true;
	s->uplink.clock_offset_ms = clock_ms - clock_wall_ms();
}

static void on_welcome(struct store *s, const Trib__V1__Welcome *w)
{
	struct agent_event ev = { .kind = AGENT_WELCOME };
	uint8_t relayed_head[HEAD_BYTES], booked_head[HEAD_BYTES];

	if (w->booked != NULL && !read_booked(s, w->booked, &ev.welcome.booked, booked_head)) {
		distrust(s, "booked_ack_invalid");
		return;
	}
	if (w->relayed != NULL) {
		ev.welcome.relayed.present = true;
		ev.welcome.relayed.at.seq = w->relayed->seq;
		memcpy(ev.welcome.relayed.at.head, w->relayed->head.data, HEAD_BYTES);
		ev.welcome.relayed.own_head = own_head(s, w->relayed->seq, relayed_head);
	}
	ev.welcome.window_bytes = w->window_bytes;
	ev.welcome.clock_ms = w->clock_ms;
	set_clock(s, w->clock_ms);
	if (store_step(s, &ev) < 0) {
		distrust(s, "welcome_twice");
		return;
	}
	log_event(LOG_LEVEL_NOTICE, "uplink_up", "relayed=%llu booked=%llu stored=%llu",
		  (unsigned long long)s->agent->relayed_seq,
		  (unsigned long long)s->agent->booked_seq,
		  (unsigned long long)s->agent->durable.seq);
}

static void on_ack(struct store *s, const Trib__V1__Ack *a)
{
	struct agent_event ev = { .kind = AGENT_ACK };
	uint8_t storage[HEAD_BYTES];

	if (!uplink_is_own(s, a->stream, TRIB__V1__DIRECTION__UP)) {
		distrust(s, "ack_of_another_stream");
		return;
	}
	ev.ack.seq = a->seq;
	if (a->stage == TRIB__V1__STAGE__BOOKED) {
		ev.ack.is_booked = true;
		if (a->booked == NULL || !read_booked(s, a->booked, &ev.ack.booked, storage)) {
			distrust(s, "booked_ack_invalid");
			return;
		}
	} else if (a->stage != TRIB__V1__STAGE__RELAYED) {
		distrust(s, "ack_of_another_stage");
		return;
	}
	if (store_step(s, &ev) < 0)
		distrust(s, "ack_before_welcome");
}

static void on_pull(struct store *s, const Trib__V1__Pull *p)
{
	struct agent_event ev = { .kind = AGENT_PULL, .pull_from = p->from_seq };

	if (!uplink_is_own(s, p->stream, TRIB__V1__DIRECTION__UP) || store_step(s, &ev) < 0)
		distrust(s, "pull_misplaced");
}

static struct sync_batch as_sync_batch(const Trib__V1__Batch *b, const Trib__V1__SignedHead *h)
{
	return (struct sync_batch){
		.first_seq = b->first_seq,
		.prev_head = b->prev_head.data,
		.n = b->n_items,
		.items = b->items,
		.signed_seq = h->seq,
		.signed_head = h->head.data,
	};
}

/* HQ signed that our down log's head is so. */
static bool read_down_head(struct store *s, const Trib__V1__Batch *b,
			   const Trib__V1__SignedHead **ret)
{
	const Trib__V1__SignedHead *h;

	if (verify_signed(b->head, SIGN_DOMAIN_HEAD, s->identity.hq_key) < 0 ||
	    payload_unpack_head(&s->uplink.reader.arena, b->head->payload.data,
				b->head->payload.len, &h) < 0 ||
	    h->chain.len != sizeof(s->identity.chain) ||
	    memcmp(h->chain.data, s->identity.chain, sizeof(s->identity.chain)) != 0 ||
	    !uplink_is_own(s, h->stream, TRIB__V1__DIRECTION__DOWN))
		return false;
	*ret = h;
	return true;
}

static void on_batch(struct store *s, const Trib__V1__Batch *b)
{
	struct agent_event ev = { .kind = AGENT_DOWN_BATCH };
	const Trib__V1__SignedHead *h;

	if (!uplink_is_own(s, b->stream, TRIB__V1__DIRECTION__DOWN) || !read_down_head(s, b, &h)) {
		distrust(s, "down_batch_invalid");
		return;
	}
	turn_end(s); /* down messages come in a transaction of their own */
	s->uplink.down = b;
	ev.down = as_sync_batch(b, h);
	if (store_step(s, &ev) < 0)
		distrust(s, "batch_before_welcome");
	s->uplink.down = NULL;
}

void uplink_down_compare(struct store *s, uint64_t seq)
{
	struct agent_event ev = { .kind = AGENT_DOWN_COMPARED };
	const Trib__V1__SignedHead *h;
	uint8_t head[HEAD_BYTES];

	if (s->uplink.down == NULL || !read_down_head(s, s->uplink.down, &h))
		return;
	ev.compared.batch = as_sync_batch(s->uplink.down, h);
	ev.compared.own_head = journal_down_head_at(s->journal, seq, head) ? head : NULL;
	(void)store_step(s, &ev);
}

static int persist_down(struct store *s, const Trib__V1__Batch *b, size_t skip, bool *ret_rules,
			bool *ret_settings)
{
	struct position at;
	uint8_t packed[BOOKED_BYTES];
	size_t len = trib__v1__signed__get_packed_size(b->head);
	int r = 0;

	journal_down_end(s->journal, &at);
	for (size_t i = skip; i < b->n_items && r == 0; i++) {
		struct arena *a = &s->uplink.reader.arena;
		size_t mark = a->used; /* below it lies the batch itself */

		at.seq++;
		chain_next(at.head, b->items[i].data, b->items[i].len, at.head);
		r = journal_down_append(s->journal, &at, b->items[i].data, b->items[i].len);
		if (r == 0)
			r = down_apply(s, at.seq, b->items[i].data, b->items[i].len, a, ret_rules,
				       ret_settings);
		a->used = mark;
	}
	if (r == 0 && len <= sizeof(packed)) {
		trib__v1__signed__pack(b->head, packed);
		r = journal_put(s->journal, "down_signed", packed, len);
	}
	return r;
}

void uplink_down_persist(struct store *s, size_t skip)
{
	struct agent_event ev = { .kind = AGENT_DOWN_COMMITTED };
	bool has_rules = false, has_settings = false;
	int r;

	r = persist_down(s, s->uplink.down, skip, &has_rules, &has_settings);
	FAULT_POINT("store.down_before_commit");
	if (r == 0)
		r = journal_commit(s->journal);
	FAULT_POINT("store.down_after_commit");
	if (r < 0) {
		journal_rollback(s->journal);
		disk_saw_full(s, "down");
		ev.kind = AGENT_DOWN_FAILED;
	}
	(void)store_step(s, &ev);
	if (r == 0 && has_settings)
		store_load_settings(s);
	if (r == 0 && has_rules)
		store_load_rules(s);
}

static void on_heartbeat(struct store *s, const Trib__V1__Heartbeat *b)
{
	struct agent_event ev = { .kind = AGENT_HEARD, .heard_clock_ms = b->clock_ms };

	set_clock(s, b->clock_ms);
	(void)store_step(s, &ev);
}

static void on_refuse(struct store *s, const Trib__V1__Refuse *r)
{
	struct log_value code, detail;

	log_event(LOG_LEVEL_ERROR, "relay_refuses", "code=%s detail=%s", log_quote(&code, r->code),
		  log_quote(&detail, r->detail));
	link_client_restart(s->uplink.client, "refused");
}

void uplink_on_message(void *ctx, const uint8_t *data, size_t len)
{
	struct store *s = ctx;
	struct agent_event heard = { .kind = AGENT_CREDIT };
	const Trib__V1__Envelope *e;

	if (envelope_unpack(&s->uplink.reader, data, len, &e) < 0) {
		distrust(s, "malformed");
		return;
	}
	s->uplink.booked = NULL;
	switch ((int)e->body_case) {
	case TRIB__V1__ENVELOPE__BODY_WELCOME:
		on_welcome(s, e->welcome);
		break;
	case TRIB__V1__ENVELOPE__BODY_ACK:
		on_ack(s, e->ack);
		break;
	case TRIB__V1__ENVELOPE__BODY_PULL:
		on_pull(s, e->pull);
		break;
	case TRIB__V1__ENVELOPE__BODY_CREDIT:
		heard.credit_total = e->credit->total_bytes;
		if (store_step(s, &heard) < 0)
			distrust(s, "credit_before_welcome");
		break;
	case TRIB__V1__ENVELOPE__BODY_BATCH:
		on_batch(s, e->batch);
		break;
	case TRIB__V1__ENVELOPE__BODY_HEARTBEAT:
		on_heartbeat(s, e->heartbeat);
		break;
	case TRIB__V1__ENVELOPE__BODY_REFUSE:
		on_refuse(s, e->refuse);
		break;
	default:
		distrust(s, "not_for_a_store");
		break;
	}
	s->uplink.booked = NULL;
}

/* Pack the ack under judgement; 0 where there is none or it is too large. */
static size_t pack_booked(const struct uplink *u, uint8_t ret[BOOKED_BYTES])
{
	if (u->booked == NULL || trib__v1__signed__get_packed_size(u->booked) > BOOKED_BYTES)
		return 0;
	return trib__v1__signed__pack(u->booked, ret);
}

void uplink_keep_booked(struct store *s)
{
	struct uplink *u = &s->uplink;

	u->kept_len = pack_booked(u, u->kept);
	u->is_kept_dirty = u->kept_len > 0;
}

void uplink_keep_proof(struct store *s)
{
	struct uplink *u = &s->uplink;

	u->proof_len = pack_booked(u, u->proof);
	u->is_proof_dirty = u->is_proof_new = u->proof_len > 0;
}

bool uplink_has_to_keep(const struct store *s)
{
	return s->uplink.is_kept_dirty || s->uplink.is_proof_dirty ||
	       s->uplink.relayed_written != (int64_t)s->agent->relayed_seq;
}

void uplink_keep(struct store *s)
{
	struct uplink *u = &s->uplink;

	u->is_proof_new = false;
	if (u->is_proof_dirty && journal_put(s->journal, UPLINK_PROOF, u->proof, u->proof_len) == 0)
		u->is_proof_dirty = false;
	if (u->is_kept_dirty && journal_put(s->journal, UPLINK_BOOKED, u->kept, u->kept_len) == 0)
		u->is_kept_dirty = false;
	if (u->relayed_written != (int64_t)s->agent->relayed_seq &&
	    journal_put_int(s->journal, "relayed", (int64_t)s->agent->relayed_seq) == 0)
		u->relayed_written = (int64_t)s->agent->relayed_seq;
}

void uplink_forget_kept(struct store *s)
{
	s->uplink.is_kept_dirty = s->uplink.kept_len > 0;
	s->uplink.is_proof_dirty = s->uplink.proof_len > 0;
	s->uplink.relayed_written = -1;
}

struct agent_claim uplink_kept(struct store *s, const char *name, uint8_t storage[HEAD_BYTES])
{
	struct uplink *u = &s->uplink;
	struct agent_claim claim = { 0 };
	uint8_t packed[BOOKED_BYTES];
	const Trib__V1__Signed *signed_ack;
	size_t len;

	if (!journal_get(s->journal, name, packed, sizeof(packed), &len))
		return claim;
	arena_reset(&u->reader.arena);
	if (payload_unpack_signed(&u->reader.arena, packed, len, &signed_ack) == 0 &&
	    read_booked(s, signed_ack, &claim, storage))
		u->booked = NULL; /* it is no message's */
	return claim;
}
