#include "envelope_check.h"

#include <stdint.h>

#include "chain.h"
#include "enroll.h"
#include "entry.h"
#include "envelope.h"
#include "ids.h"
#include "sign.h"
#include "sync.h"

#define MAC_BYTES 32
#define SMALL_SIGNED_MAX 4096 /* all but a roster */
#define HEALTH_MAX 4096 /* reports in one heartbeat */
#define TIME_MAX_MS INT64_C(253402300799999) /* the year 9999 */
#define COUNTER_MAX ((uint64_t)INT64_MAX) /* what SQL's bigint holds */

static bool has_len(ProtobufCBinaryData b, size_t len)
{
	return b.len == len;
}

static bool is_text(const char *s, size_t max)
{
	return s[0] != '\0' && text_is_valid(s, max);
}

static bool is_optional_text(const char *s, size_t max)
{
	return s == NULL || is_text(s, max);
}

static bool is_time(int64_t ms)
{
	return ms >= 0 && ms <= TIME_MAX_MS;
}

static bool is_seq(uint64_t seq)
{
	return seq <= WIRE_SEQ_MAX;
}

static bool is_node(int32_t node, uint32_t incarnation)
{
	return node >= 1 && node <= NODE_MAX && incarnation >= 1 && incarnation <= INCARNATION_MAX;
}

static bool stream_is_sound(const Trib__V1__Stream *s)
{
	return s->direction != TRIB__V1__DIRECTION__DIRECTION_NONE &&
	       is_node(s->node, s->incarnation);
}

static bool position_is_sound(const Trib__V1__Position *p)
{
	return is_seq(p->seq) && has_len(p->head, HEAD_BYTES);
}

bool signed_is_sound(const Trib__V1__Signed *s)
{
	return s->payload.len > 0 && has_len(s->key_id, SIGN_KEY_ID_BYTES) &&
	       has_len(s->signature, SIGN_SIGNATURE_BYTES);
}

static bool small_signed_is_sound(const Trib__V1__Signed *s)
{
	return signed_is_sound(s) && s->payload.len <= SMALL_SIGNED_MAX;
}

/* ---- payloads ---- */

static bool certificate_prev_is_sound(const Trib__V1__Certificate *c)
{
	if (!c->has_prev_incarnation)
		return !c->has_prev_seq && !c->has_prev_head;
	return c->has_node && c->has_prev_seq && c->has_prev_head && c->prev_incarnation >= 1 &&
	       c->prev_incarnation < c->incarnation && is_seq(c->prev_seq) &&
	       has_len(c->prev_head, HEAD_BYTES);
}

bool certificate_is_sound(const Trib__V1__Certificate *c)
{
	if (!has_len(c->chain, CHAIN_ID_BYTES) || !has_len(c->sign_key, SIGN_KEY_BYTES) ||
	    !has_len(c->curve_key, CURVE_KEY_BYTES) || c->region < 0 || !is_time(c->issued_ms))
		return false;
	if (c->has_node) {
		if (!c->has_incarnation || c->store == NULL || !is_node(c->node, c->incarnation) ||
		    !store_code_is_valid(c->store))
			return false;
	} else if (c->has_incarnation || c->store != NULL) {
		return false;
	}
	return certificate_prev_is_sound(c);
}

bool signed_head_is_sound(const Trib__V1__SignedHead *h)
{
	return has_len(h->chain, CHAIN_ID_BYTES) && stream_is_sound(h->stream) && is_seq(h->seq) &&
	       has_len(h->head, HEAD_BYTES);
}

bool booked_ack_is_sound(const Trib__V1__BookedAck *a)
{
	return has_len(a->chain, CHAIN_ID_BYTES) && is_node(a->node, a->incarnation) &&
	       is_seq(a->seq) && has_len(a->head, HEAD_BYTES) && is_time(a->at_ms);
}

bool hello_payload_is_sound(const Trib__V1__HelloPayload *h)
{
	if (!has_len(h->chain, CHAIN_ID_BYTES) || h->protocol_min < 1 ||
	    h->protocol_min > h->protocol_max || !is_text(h->software, SOFTWARE_MAX) ||
	    !is_time(h->clock_ms) || (h->has_roster_version && h->roster_version > COUNTER_MAX))
		return false;
	if (h->has_node)
		return h->has_incarnation && is_node(h->node, h->incarnation) && !h->has_region &&
		       h->listen_endpoint == NULL && h->enroll_endpoint == NULL &&
		       h->journal != NULL && position_is_sound(h->journal) && h->down != NULL &&
		       position_is_sound(h->down);
	return !h->has_incarnation && h->journal == NULL && h->down == NULL && h->has_region &&
	       h->region >= 0 && is_optional_text(h->listen_endpoint, ENDPOINT_MAX) &&
	       is_optional_text(h->enroll_endpoint, ENDPOINT_MAX);
}

bool health_is_sound(const Trib__V1__Health *h)
{
	return has_len(h->chain, CHAIN_ID_BYTES) && is_node(h->node, h->incarnation) &&
	       is_time(h->clock_ms) && is_seq(h->stored_seq) && is_seq(h->relayed_seq) &&
	       is_seq(h->booked_seq) && is_seq(h->down_seq) && h->rules_version <= COUNTER_MAX &&
	       is_text(h->software, SOFTWARE_MAX) && is_optional_text(h->mode, MODE_MAX);
}

bool roster_is_sound(const Trib__V1__Roster *r)
{
	size_t i;

	if (!has_len(r->chain, CHAIN_ID_BYTES) || r->region < 0 || r->version > COUNTER_MAX)
		return false;
	for (i = 0; i < r->n_certificates; i++) {
		if (!small_signed_is_sound(r->certificates[i]))
			return false;
	}
	for (i = 0; i < r->n_revoked; i++) {
		if (!has_len(r->revoked[i], CURVE_KEY_BYTES))
			return false;
	}
	return true;
}

bool enroll_request_is_sound(const Trib__V1__EnrollRequest *r)
{
	return has_len(r->sign_key, SIGN_KEY_BYTES) && has_len(r->curve_key, CURVE_KEY_BYTES) &&
	       has_len(r->nonce, ENROLL_NONCE_BYTES) && is_text(r->software, SOFTWARE_MAX) &&
	       has_len(r->code_id, ENROLL_CODE_ID_BYTES);
}

bool enroll_grant_is_sound(const Trib__V1__EnrollGrant *g)
{
	return has_len(g->chain, CHAIN_ID_BYTES) && has_len(g->hq_sign_key, SIGN_KEY_BYTES) &&
	       has_len(g->account_key, ACCOUNT_KEY_BYTES) &&
	       small_signed_is_sound(g->certificate) &&
	       has_len(g->peer_curve_key, CURVE_KEY_BYTES) &&
	       is_text(g->peer_endpoint, ENDPOINT_MAX);
}

/* ---- bodies ---- */

static bool hello_is_sound(const Trib__V1__Hello *h)
{
	return small_signed_is_sound(h->hello) && small_signed_is_sound(h->certificate) &&
	       h->window_bytes <= COUNTER_MAX;
}

static bool welcome_is_sound(const Trib__V1__Welcome *w)
{
	return w->protocol >= 1 && w->window_bytes <= COUNTER_MAX && is_time(w->clock_ms) &&
	       (w->relayed == NULL || position_is_sound(w->relayed)) &&
	       (w->booked == NULL || small_signed_is_sound(w->booked)) &&
	       (!w->has_rules_version || w->rules_version <= COUNTER_MAX) &&
	       is_text(w->software, SOFTWARE_MAX);
}

static bool batch_is_sound(const Trib__V1__Batch *b)
{
	size_t bytes = 0;
	size_t i;

	if (!stream_is_sound(b->stream) || !has_len(b->prev_head, HEAD_BYTES) ||
	    !small_signed_is_sound(b->head))
		return false;
	if (b->n_items == 0 || b->n_items > SYNC_BATCH_MAX_ITEMS || b->first_seq < 1 ||
	    b->first_seq > WIRE_SEQ_MAX || b->n_items - 1 > WIRE_SEQ_MAX - b->first_seq)
		return false;
	for (i = 0; i < b->n_items; i++) {
		if (b->items[i].len == 0 || b->items[i].len > ENTRY_MAX_BYTES)
			return false;
		bytes += b->items[i].len;
	}
	return bytes <= SYNC_BATCH_MAX_BYTES;
}

static bool ack_is_sound(const Trib__V1__Ack *a)
{
	bool is_up;

	if (!stream_is_sound(a->stream) || !is_seq(a->seq))
		return false;
	is_up = a->stream->direction == TRIB__V1__DIRECTION__UP;
	switch (a->stage) {
	case TRIB__V1__STAGE__RELAYED: /* of either direction: the relay spools both */
		return a->booked == NULL;
	case TRIB__V1__STAGE__BOOKED:
		return is_up && a->booked != NULL && small_signed_is_sound(a->booked);
	case TRIB__V1__STAGE__APPLIED:
		return !is_up && a->booked == NULL;
	case TRIB__V1__STAGE__STAGE_NONE:
	case _TRIB__V1__STAGE_IS_INT_SIZE:
		break;
	}
	return false;
}

static bool pull_is_sound(const Trib__V1__Pull *p)
{
	return stream_is_sound(p->stream) && p->from_seq >= 1 && is_seq(p->from_seq);
}

static bool heartbeat_is_sound(const Trib__V1__Heartbeat *h)
{
	size_t i;

	if (!is_time(h->clock_ms) || h->n_health > HEALTH_MAX)
		return false;
	for (i = 0; i < h->n_health; i++) {
		if (!small_signed_is_sound(h->health[i]))
			return false;
	}
	return true;
}

static bool enroll_is_sound(const Trib__V1__Enroll *e)
{
	return e->request.len > 0 && e->request.len <= SMALL_SIGNED_MAX &&
	       has_len(e->mac, MAC_BYTES);
}

static bool enroll_reply_is_sound(const Trib__V1__EnrollReply *r)
{
	if (r->has_sealed)
		return r->refused == NULL && r->sealed.len > 0 && r->sealed.len <= SMALL_SIGNED_MAX;
	return r->refused != NULL && is_text(r->refused, REFUSE_CODE_MAX);
}

static bool refuse_is_sound(const Trib__V1__Refuse *r)
{
	return is_text(r->code, REFUSE_CODE_MAX) &&
	       is_optional_text(r->detail, REFUSE_DETAIL_MAX) &&
	       r->has_protocol_min == r->has_protocol_max &&
	       (!r->has_protocol_min || r->protocol_min <= r->protocol_max) &&
	       (r->stream == NULL || stream_is_sound(r->stream));
}

static bool present_is_sound(const Trib__V1__Present *p)
{
	return small_signed_is_sound(p->certificate) && position_is_sound(p->spooled) &&
	       position_is_sound(p->down);
}

static bool resume_is_sound(const Trib__V1__Resume *r)
{
	return is_node(r->node, r->incarnation) && small_signed_is_sound(r->booked) &&
	       is_seq(r->down_seq);
}

bool envelope_is_sound(const Trib__V1__Envelope *e)
{
	switch (e->body_case) {
	case TRIB__V1__ENVELOPE__BODY_HELLO:
		return hello_is_sound(e->hello);
	case TRIB__V1__ENVELOPE__BODY_WELCOME:
		return welcome_is_sound(e->welcome);
	case TRIB__V1__ENVELOPE__BODY_BATCH:
		return batch_is_sound(e->batch);
	case TRIB__V1__ENVELOPE__BODY_ACK:
		return ack_is_sound(e->ack);
	case TRIB__V1__ENVELOPE__BODY_PULL:
		return pull_is_sound(e->pull);
	case TRIB__V1__ENVELOPE__BODY_CREDIT:
		return e->credit->total_bytes <= COUNTER_MAX;
	case TRIB__V1__ENVELOPE__BODY_HEARTBEAT:
		return heartbeat_is_sound(e->heartbeat);
	case TRIB__V1__ENVELOPE__BODY_ENROLL:
		return enroll_is_sound(e->enroll);
	case TRIB__V1__ENVELOPE__BODY_ENROLL_REPLY:
		return enroll_reply_is_sound(e->enroll_reply);
	case TRIB__V1__ENVELOPE__BODY_REFUSE:
		return refuse_is_sound(e->refuse);
	case TRIB__V1__ENVELOPE__BODY_ROSTER:
		return signed_is_sound(e->roster);
	case TRIB__V1__ENVELOPE__BODY_PRESENT:
		return present_is_sound(e->present);
	case TRIB__V1__ENVELOPE__BODY_RESUME:
		return resume_is_sound(e->resume);
	case TRIB__V1__ENVELOPE__BODY__NOT_SET:
	case _TRIB__V1__ENVELOPE__BODY__CASE_IS_INT_SIZE:
		break;
	}
	return false;
}
