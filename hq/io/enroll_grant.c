#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "down.h"
#include "enrolment.h"
#include "log.h"
#include "money.h"
#include "roster.h"
#include "settings.h"
#include "sign.h"

#define ARENA_BYTES (32u * 1024)
#define FIRST_INCARNATION 1

struct enroll_op {
	struct book_op op;
	struct hqd *h;
	const struct enroll_subject *subject;
	void (*done)(void *ctx, int err, const char *refused, const ProtobufCBinaryData *sealed);
	void *ctx;
	const char *refused;
	ProtobufCBinaryData sealed; /* in memory */
	uint8_t *certificate; /* packed Signed; owned */
	size_t certificate_len;
	struct position booked, down_end;
	uint64_t roster_version;
	struct down_rows rows;
	/* parameters */
	struct sqltext region, node, roster, code_id, hash, grant, cert, sign_key, curve_key,
		booked_head, down_head, down_seq;
	struct arena arena;
	_Alignas(16) uint8_t memory[ARENA_BYTES];
};

size_t enroll_certificate_pack(const struct hqd *h, const struct enroll_subject *s,
			       uint32_t incarnation, int64_t issued_ms, uint8_t *ret, size_t cap)
{
	Trib__V1__Certificate c = TRIB__V1__CERTIFICATE__INIT;
	size_t len;

	c.chain = (ProtobufCBinaryData){ sizeof(h->chain), (uint8_t *)(uintptr_t)h->chain };
	c.hq_epoch = h->hq_epoch;
	if (s->node > 0) {
		c.has_node = c.has_incarnation = true;
		c.node = s->node;
		c.incarnation = incarnation;
		c.store = (char *)(uintptr_t)s->store;
	}
	c.region = s->region;
	c.sign_key =
		(ProtobufCBinaryData){ SIGN_KEY_BYTES, (uint8_t *)(uintptr_t)s->exchange.sign_pub };
	c.curve_key = (ProtobufCBinaryData){ CURVE_KEY_BYTES,
					     (uint8_t *)(uintptr_t)s->exchange.curve_pub };
	c.issued_ms = issued_ms;
	len = trib__v1__certificate__get_packed_size(&c);
	assert(len <= cap);
	(void)cap;
	return trib__v1__certificate__pack(&c, ret);
}

static void add(struct enroll_op *e, const char *sql, int want_rows, int n,
		const char *const *values)
{
	struct book_statement *s = &e->op.statements[e->op.n_statements++];

	*s = (struct book_statement){ .sql = sql, .n_params = n, .want_rows = want_rows };
	for (int k = 0; k < n; k++)
		s->values[k] = values[k];
}

/* What a store needs before it can sell: who it is, and the rules. */
static int first_messages(struct enroll_op *e)
{
	const struct enroll_subject *s = e->subject;
	Trib__V1__DownMessage m = TRIB__V1__DOWN_MESSAGE__INIT;
	Trib__V1__StoreSettings settings;
	int r;

	settings_init(&settings, s->store, s->entity, s->time_zone, s->cutoff_min);
	m.body_case = TRIB__V1__DOWN_MESSAGE__BODY_STORE_SETTINGS;
	m.store_settings = &settings;
	r = down_rows_add(e->h, &e->rows, s->node, FIRST_INCARNATION, &e->down_end, &m);
	if (r < 0 || e->h->rules_signed == NULL)
		return r;
	trib__v1__down_message__init(&m);
	m.body_case = TRIB__V1__DOWN_MESSAGE__BODY_RULE_SET;
	m.rule_set = (ProtobufCBinaryData){ e->h->rules_signed_len, e->h->rules_signed };
	return down_rows_add(e->h, &e->rows, s->node, FIRST_INCARNATION, &e->down_end, &m);
}

/* Certificate and sealed grant, as long as the subject's peer is known. */
static int seal(struct enroll_op *e)
{
	struct hqd *h = e->h;
	const struct enroll_subject *s = e->subject;
	const struct hq_region *region = s->node > 0 ? hq_find_region(h, s->region) : NULL;
	Trib__V1__EnrollGrant grant = TRIB__V1__ENROLL_GRANT__INIT;
	Trib__V1__EnrollReply *reply;
	Trib__V1__Signed *certificate;
	uint8_t payload[512];
	size_t len;
	int r;

	if (s->node > 0 && (region == NULL || !region->is_enrolled || !region->listen_endpoint[0]))
		return ERR_STATE;
	len = enroll_certificate_pack(h, s, FIRST_INCARNATION, hq_wall_ms(), payload,
				      sizeof(payload));
	chain_seed(TRIB__V1__DIRECTION__UP, payload, len, e->booked.head);
	chain_seed(TRIB__V1__DIRECTION__DOWN, payload, len, e->down_end.head);
	r = sign_payload(&e->arena, SIGN_DOMAIN_CERT, payload, len, h->keys.sign_secret,
			 &certificate);
	if (r < 0)
		return r;
	e->certificate_len = trib__v1__signed__get_packed_size(certificate);
	e->certificate = malloc(e->certificate_len);
	if (e->certificate == NULL)
		abort();
	trib__v1__signed__pack(certificate, e->certificate);
	grant.chain = (ProtobufCBinaryData){ sizeof(h->chain), h->chain };
	grant.hq_sign_key = (ProtobufCBinaryData){ sizeof(h->keys.sign_pub), h->keys.sign_pub };
	grant.account_key = (ProtobufCBinaryData){ sizeof(h->account_key), h->account_key };
	grant.certificate = certificate;
	grant.peer_curve_key = (ProtobufCBinaryData){ CURVE_KEY_BYTES, h->keys.curve_pub };
	grant.peer_endpoint = (char *)(uintptr_t)h->advertise;
	if (region != NULL) {
		grant.peer_curve_key.data = (uint8_t *)(uintptr_t)region->curve_key;
		grant.peer_endpoint = (char *)(uintptr_t)region->listen_endpoint;
	}
	r = enroll_reply_seal(&e->arena, &s->code, &s->exchange, &grant, &reply);
	if (r == 0)
		e->sealed = reply->sealed;
	return r;
}

static void common_params(struct enroll_op *e)
{
	const struct enroll_subject *s = e->subject;

	sqltext_addf(&e->region, "%d", s->region);
	sqltext_add_hex(&e->code_id, s->code_id, sizeof(s->code_id));
	sqltext_add_hex(&e->hash, s->request_hash, sizeof(s->request_hash));
	sqltext_add_hex(&e->grant, e->sealed.data, e->sealed.len);
	sqltext_add_hex(&e->cert, e->certificate, e->certificate_len);
	sqltext_add_hex(&e->sign_key, s->exchange.sign_pub, sizeof(s->exchange.sign_pub));
	sqltext_add_hex(&e->curve_key, s->exchange.curve_pub, sizeof(s->exchange.curve_pub));
	add(e,
	    "UPDATE trib.enroll_code SET used_at = now(), request_hash = $2::bytea,"
	    " grant_sealed = $3::bytea WHERE code_id = $1::bytea AND used_at IS NULL"
	    " AND expires_at > now()",
	    1, 3, (const char *const[]){ e->code_id.data, e->hash.data, e->grant.data });
}

static int prepare_relay(struct enroll_op *e)
{
	const struct hq_region *r = hq_find_region(e->h, e->subject->region);

	if (r != NULL && r->is_enrolled) {
		e->refused = "already_enrolled";
		return ERR_STATE;
	}
	if (seal(e) < 0)
		return ERR_STATE;
	common_params(e);
	add(e,
	    "UPDATE trib.region SET state = 'enrolled', certificate = $2::bytea,"
	    " sign_key = $3::bytea, curve_key = $4::bytea WHERE region = $1::int AND state = 'new'",
	    1, 4,
	    (const char *const[]){ e->region.data, e->cert.data, e->sign_key.data,
				   e->curve_key.data });
	return 0;
}

static int prepare_store(struct enroll_op *e)
{
	const struct enroll_subject *s = e->subject;

	if (hq_find_stream(e->h, s->node, FIRST_INCARNATION) != NULL) {
		e->refused = "already_enrolled";
		return ERR_STATE;
	}
	if (e->h->n_streams >= INGEST_MAX_STREAMS || seal(e) < 0 || first_messages(e) < 0)
		return ERR_STATE;
	if (!roster_has_room(e->h, s->region, e->certificate_len)) {
		e->refused = "region_full";
		return ERR_STATE;
	}
	common_params(e);
	e->roster_version = e->h->roster_version + 1;
	sqltext_addf(&e->node, "%d", s->node);
	sqltext_addf(&e->roster, "%llu", (unsigned long long)e->roster_version);
	sqltext_addf(&e->down_seq, "%llu", (unsigned long long)e->down_end.seq);
	sqltext_add_hex(&e->booked_head, e->booked.head, HEAD_BYTES);
	sqltext_add_hex(&e->down_head, e->down_end.head, HEAD_BYTES);
	add(e,
	    "UPDATE trib.chain SET roster_version = $1::bigint WHERE roster_version < $1::bigint",
	    1, 1, (const char *const[]){ e->roster.data });
	add(e, "UPDATE trib.store SET state = 'enrolled' WHERE store = $1::int AND state = 'new'",
	    1, 1, (const char *const[]){ e->node.data });
	add(e,
	    "INSERT INTO trib.incarnation (store, incarnation, state, certificate, sign_key,"
	    " curve_key, booked_head, down_seq, down_head, announced_kinds) VALUES ($1::int, 1,"
	    " 'active', $2::bytea, $3::bytea, $4::bytea, $5::bytea, $6::bigint, $7::bytea,"
	    " $8::int[])",
	    1, 8,
	    (const char *const[]){ e->node.data, e->cert.data, e->sign_key.data, e->curve_key.data,
				   e->booked_head.data, e->down_seq.data, e->down_head.data,
				   settings_kinds() });
	down_rows_statement(&e->rows, &e->op.statements[e->op.n_statements++]);
	return 0;
}

static int on_prepare(struct book_op *op)
{
	struct enroll_op *e = op->ctx;

	return e->subject->node > 0 ? prepare_store(e) : prepare_relay(e);
}

static void relay_enrolled(struct enroll_op *e)
{
	struct hqd *h = e->h;
	struct hq_region *r = hq_find_region(h, e->subject->region);

	for (int i = 0; r == NULL && i < HQ_MAX_REGIONS; i++) {
		if (h->regions[i].region == 0)
			r = &h->regions[i];
	}
	if (r == NULL) {
		log_event(LOG_LEVEL_ERROR, "too_many_regions", "region=%d", e->subject->region);
		return;
	}
	r->region = e->subject->region;
	r->is_enrolled = true;
	memcpy(r->sign_key, e->subject->exchange.sign_pub, sizeof(r->sign_key));
	memcpy(r->curve_key, e->subject->exchange.curve_pub, sizeof(r->curve_key));
	log_event(LOG_LEVEL_NOTICE, "relay_enrolled", "region=%d", r->region);
}

static void store_enrolled(struct enroll_op *e)
{
	const struct enroll_subject *s = e->subject;
	struct hqd *h = e->h;
	struct hq_stream proto = {
		.node = s->node,
		.incarnation = FIRST_INCARNATION,
		.region = s->region,
		.is_active = true,
		.has_kinds = true,
		.certificate = e->certificate,
		.certificate_len = e->certificate_len,
		.down_end = e->down_end,
	};
	struct hq_stream *stream;

	memcpy(proto.code, s->store, sizeof(proto.code));
	memcpy(proto.sign_key, s->exchange.sign_pub, sizeof(proto.sign_key));
	memcpy(proto.curve_key, s->exchange.curve_pub, sizeof(proto.curve_key));
	if (h->roster_version < e->roster_version)
		h->roster_version = e->roster_version;
	if (hq_add_stream(h, &proto, &e->booked, &stream) < 0) {
		log_event(LOG_LEVEL_ERROR, "too_many_streams", "store=%s", s->store);
		return;
	}
	e->certificate = NULL; /* the stream's now */
	log_event(LOG_LEVEL_NOTICE, "store_enrolled", "store=%s node=%d region=%d", s->store,
		  s->node, s->region);
	relays_roster_changed(h, s->region);
	relays_down_extended(h, stream);
}

static void finish(struct enroll_op *e)
{
	struct sqltext *all[] = { &e->region,    &e->node,        &e->roster,    &e->code_id,
				  &e->hash,      &e->grant,       &e->cert,      &e->sign_key,
				  &e->curve_key, &e->booked_head, &e->down_head, &e->down_seq };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		sqltext_finish(all[i]);
	down_rows_finish(&e->rows);
	free(e->certificate);
	sodium_memzero(e->memory, sizeof(e->memory));
	free(e);
}

static void on_done(struct book_op *op, int err, const char *message)
{
	struct enroll_op *e = op->ctx;
	struct log_value v;

	if (err == 0 && e->subject->node > 0)
		store_enrolled(e);
	else if (err == 0)
		relay_enrolled(e);
	else
		log_event(LOG_LEVEL_WARNING, "enrolment_failed", "region=%d store=%s err=%d why=%s",
			  e->subject->region, e->subject->store, err, log_quote(&v, message));
	e->done(e->ctx, err, e->refused, err == 0 ? &e->sealed : NULL);
	finish(e);
}

void enroll_grant(struct hqd *h, const struct enroll_subject *s,
		  void (*done)(void *ctx, int err, const char *refused,
			       const ProtobufCBinaryData *sealed),
		  void *ctx)
{
	struct enroll_op *e = calloc(1, sizeof(*e));

	if (e == NULL)
		abort();
	arena_init(&e->arena, e->memory, sizeof(e->memory));
	e->h = h;
	e->subject = s;
	e->done = done;
	e->ctx = ctx;
	e->op.prepare = on_prepare;
	e->op.done = on_done;
	e->op.ctx = e;
	rules_ensure_base(h); /* before this op, so that the store's first messages have rules */
	book_submit(h->book, &e->op);
}
