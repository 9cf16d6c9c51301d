#include "enroll.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "enrolment.h"
#include "down.h"
#include "log.h"

#define REQUEST_MAX_BYTES 4096
#define UNDER_WAY_MAX 64
#define RATE_PER_S 50.0
#define BURST 200.0
#define ARENA_BYTES (32u * 1024)

/* One request from its arrival to its reply. */
struct request {
	struct hqd *h;
	struct enroll_bucket *bucket; /* one of its under_way is ours */
	void (*reply)(void *ctx, const Trib__V1__EnrollReply *r);
	void *ctx;
	bool has_ticket;
	uint64_t ticket;
	bool is_second_look; /* another request used the code in between */
	struct enroll_subject subject;
	Trib__V1__Enroll enroll; /* points into memory */
	struct arena arena;
	_Alignas(16) uint8_t memory[ARENA_BYTES];
};

/* An open socket takes anybody's requests: bound what they cost. */
static bool take_token(struct enroll_bucket *b)
{
	int64_t now = hq_mono_ms();

	b->taken -= (double)(now - b->at_ms) / 1000 * RATE_PER_S;
	b->taken = b->taken < 0 ? 0 : b->taken;
	b->at_ms = now;
	if (b->taken + 1 > BURST || b->under_way >= UNDER_WAY_MAX)
		return false;
	b->taken += 1;
	return true;
}

static void request_free(struct request *q)
{
	enroll_code_wipe(&q->subject.code);
	free(q->subject.entity);
	free(q->subject.time_zone);
	sodium_memzero(q->memory, sizeof(q->memory));
	q->bucket->under_way--;
	free(q);
}

static void answer(struct request *q, const char *refused, const void *sealed, size_t sealed_len)
{
	Trib__V1__EnrollReply r = TRIB__V1__ENROLL_REPLY__INIT;

	r.has_ticket = q->has_ticket;
	r.ticket = q->ticket;
	r.refused = (char *)(uintptr_t)refused;
	r.has_sealed = refused == NULL;
	r.sealed = (ProtobufCBinaryData){ sealed_len, (uint8_t *)(uintptr_t)sealed };
	if (refused != NULL)
		log_event(LOG_LEVEL_NOTICE, "enrolment_refused", "code=%s", refused);
	q->reply(q->ctx, &r);
	request_free(q);
}

static void look_up(struct request *q);

static void on_granted(void *ctx, int err, const char *refused, const ProtobufCBinaryData *sealed)
{
	struct request *q = ctx;

	if (err == 0) {
		answer(q, NULL, sealed->data, sealed->len);
	} else if (err == ERR_STATE && !q->is_second_look) {
		/* Perhaps the same request was on its way twice: then its grant is there now. */
		q->is_second_look = true;
		look_up(q);
	} else if (refused != NULL) {
		answer(q, refused, NULL, 0);
	} else {
		answer(q, "unavailable", NULL, 0);
	}
}

enum {
	SECRET,
	REGION,
	STORE,
	IS_USED,
	IS_EXPIRED,
	HASH,
	GRANT,
	CODE,
	ENTITY,
	TIME_ZONE,
	CUTOFF,
	STATE
};

static const char look_up_sql[] =
	"SELECT c.secret, c.region, coalesce(c.store, 0), c.used_at IS NOT NULL,"
	" c.expires_at <= now(), c.request_hash, c.grant_sealed, s.code, s.entity, s.time_zone,"
	" s.cutoff_min, coalesce(s.state, r.state) FROM trib.enroll_code c JOIN trib.region r"
	" USING (region) LEFT JOIN trib.store s ON s.store = c.store WHERE c.code_id = $1::bytea";

/* The same request again, after a lost reply: the same grant. */
static bool answer_again(struct request *q, const PGresult *rows)
{
	uint8_t hash[32];
	uint8_t *sealed;
	size_t len;

	if (pg_null(rows, 0, GRANT) || pg_bytes(rows, 0, HASH, hash, sizeof(hash)) < 0 ||
	    sodium_memcmp(hash, q->subject.request_hash, sizeof(hash)) != 0 ||
	    pg_bytes_dup(rows, 0, GRANT, &sealed, &len) < 0)
		return false;
	log_event(LOG_LEVEL_INFO, "enrolment_answered_again", "region=%lld",
		  (long long)pg_int(rows, 0, REGION));
	answer(q, NULL, sealed, len);
	free(sealed);
	return true;
}

static void judge(struct request *q, const PGresult *rows)
{
	struct enroll_subject *s = &q->subject;

	if (answer_again(q, rows))
		return;
	if (pg_bool(rows, 0, IS_USED)) {
		answer(q, "used_code", NULL, 0);
		return;
	}
	if (pg_bool(rows, 0, IS_EXPIRED)) {
		answer(q, "expired_code", NULL, 0);
		return;
	}
	if (strcmp(pg_text(rows, 0, STATE), "new") != 0) {
		answer(q, "already_enrolled", NULL, 0);
		return;
	}
	free(s->entity);
	free(s->time_zone);
	s->region = (int32_t)pg_int(rows, 0, REGION);
	s->node = (int32_t)pg_int(rows, 0, STORE);
	s->cutoff_min = (int32_t)pg_int(rows, 0, CUTOFF);
	strncpy(s->store, pg_text(rows, 0, CODE), sizeof(s->store) - 1);
	s->entity = strdup(pg_text(rows, 0, ENTITY));
	s->time_zone = strdup(pg_text(rows, 0, TIME_ZONE));
	if (s->entity == NULL || s->time_zone == NULL)
		abort();
	enroll_grant(q->h, s, on_granted, q);
}

static void on_row(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct request *q = ctx;
	struct log_value v;
	uint8_t hash[32];
	int r;

	if (err != 0) {
		log_event(LOG_LEVEL_WARNING, "enrolment_unread", "why=%s", log_quote(&v, message));
		answer(q, "unavailable", NULL, 0);
		return;
	}
	if (PQntuples(rows) != 1) {
		answer(q, "bad_code", NULL, 0);
		return;
	}
	r = pg_bytes(rows, 0, SECRET, q->subject.code.secret, ENROLL_SECRET_BYTES);
	pg_wipe(rows, 0, SECRET);
	crypto_generichash(hash, sizeof(hash), q->h->keys.sign_pub, SIGN_KEY_BYTES, NULL, 0);
	memcpy(q->subject.code.fingerprint, hash, ENROLL_FINGERPRINT_BYTES);
	if (r < 0 || enroll_request_verify(&q->enroll, &q->subject.code) < 0) {
		answer(q, "bad_code", NULL, 0);
		return;
	}
	judge(q, rows);
}

static void look_up(struct request *q)
{
	struct sqltext id = { 0 };

	sqltext_add_hex(&id, q->subject.code_id, sizeof(q->subject.code_id));
	db_query(q->h->db, look_up_sql, 1, (const char *const[]){ id.data }, on_row, q);
	sqltext_finish(&id);
}

static void refuse(const Trib__V1__Enroll *e, const char *code,
		   void (*reply)(void *ctx, const Trib__V1__EnrollReply *r), void *ctx)
{
	Trib__V1__EnrollReply r = TRIB__V1__ENROLL_REPLY__INIT;

	r.has_ticket = e->has_ticket;
	r.ticket = e->ticket;
	r.refused = (char *)(uintptr_t)code;
	reply(ctx, &r);
}

/* Copy the request and read it; nothing is proven yet. */
static int request_open(struct request *q, const Trib__V1__Enroll *e)
{
	const Trib__V1__EnrollRequest *r;
	int ret;

	trib__v1__enroll__init(&q->enroll);
	q->enroll.request.data = arena_memdup(&q->arena, e->request.data, e->request.len);
	q->enroll.request.len = e->request.len;
	q->enroll.mac.data = arena_memdup(&q->arena, e->mac.data, e->mac.len);
	q->enroll.mac.len = e->mac.len;
	if (q->enroll.request.data == NULL || q->enroll.mac.data == NULL)
		return ERR_FULL;
	ret = enroll_request_open(&q->arena, &q->enroll, &r, &q->subject.exchange);
	if (ret < 0)
		return ret;
	if (r->code_id.len != ENROLL_CODE_ID_BYTES)
		return ERR_INVALID;
	memcpy(q->subject.code_id, r->code_id.data, ENROLL_CODE_ID_BYTES);
	crypto_generichash(q->subject.request_hash, sizeof(q->subject.request_hash),
			   q->enroll.request.data, q->enroll.request.len, NULL, 0);
	return 0;
}

void enroll_request(struct hqd *h, struct enroll_bucket *b, const Trib__V1__Enroll *e,
		    void (*reply)(void *ctx, const Trib__V1__EnrollReply *r), void *ctx)
{
	struct request *q;

	if (!h->is_ready || !take_token(b)) {
		refuse(e, "unavailable", reply, ctx);
		return;
	}
	if (e->request.len > REQUEST_MAX_BYTES || e->mac.len > 64) {
		refuse(e, "bad_code", reply, ctx);
		return;
	}
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		abort();
	b->under_way++;
	arena_init(&q->arena, q->memory, sizeof(q->memory));
	q->h = h;
	q->bucket = b;
	q->reply = reply;
	q->ctx = ctx;
	q->has_ticket = e->has_ticket;
	q->ticket = e->ticket;
	if (request_open(q, e) < 0) {
		answer(q, "bad_code", NULL, 0);
		return;
	}
	look_up(q);
}
