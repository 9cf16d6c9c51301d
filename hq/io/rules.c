#include "rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "down.h"
#include "log.h"
#include "sign.h"

#define RULES_ARENA_BYTES (4u << 20)
#define SIGNED_EXTRA_BYTES 100 /* key id, signature and their headers; see signed_bound() */

struct publish {
	struct hqd *h;
	void (*done)(void *ctx, int err, const char *message, uint64_t version);
	void *ctx;
	char *reason;
	bool is_base; /* only where there is no rule set yet */
	struct arena arena;
	void *memory; /* of the arena; owned */
	Trib__V1__RuleSet *rules; /* in the arena */
	uint64_t version;
	uint8_t *signed_bytes; /* packed Signed; owned */
	size_t signed_len;
};

static void publish_free(struct publish *p)
{
	free(p->reason);
	free(p->memory);
	free(p->signed_bytes);
	free(p);
}

/* What the rule set takes when signed, whatever its version and time. */
static size_t signed_bound(struct publish *p)
{
	p->rules->version = INT64_MAX;
	p->rules->effective_ms = INT64_MAX;
	return trib__v1__rule_set__get_packed_size(p->rules) + SIGNED_EXTRA_BYTES;
}

/* Number, pack and sign the rule set as the next one. */
static int seal(struct publish *p)
{
	struct hqd *h = p->h;
	size_t mark = p->arena.used;
	Trib__V1__Signed *s;
	uint8_t *payload;
	size_t len;
	int r;

	p->version = h->rules_version + 1;
	p->rules->version = p->version;
	p->rules->effective_ms = hq_wall_ms();
	len = trib__v1__rule_set__get_packed_size(p->rules);
	payload = arena_alloc(&p->arena, len + 1);
	if (payload == NULL)
		return ERR_FULL;
	trib__v1__rule_set__pack(p->rules, payload);
	r = sign_payload(&p->arena, SIGN_DOMAIN_RULES, payload, len, h->keys.sign_secret, &s);
	if (r < 0)
		return r;
	p->signed_len = trib__v1__signed__get_packed_size(s);
	if (p->signed_len > RULES_MAX_SIGNED)
		return ERR_FULL;
	free(p->signed_bytes);
	p->signed_bytes = malloc(p->signed_len);
	if (p->signed_bytes == NULL)
		abort();
	trib__v1__signed__pack(s, p->signed_bytes);
	p->arena.used = mark;
	return 0;
}

static int fill(void *ctx, struct down_op *op)
{
	struct publish *p = ctx;
	struct sqltext version = { 0 }, bytes = { 0 };
	struct book_statement insert = {
		.sql = "INSERT INTO trib.rule_set (version, name, signed, source, reason)"
		       " VALUES ($1::bigint, $2, $3::bytea, $4, $5)",
		.n_params = 5,
		.want_rows = 1,
	};
	char *source;
	int r = p->is_base && p->h->rules_version > 0 ? ERR_STATE : seal(p);

	if (r < 0)
		return r;
	source = strndup((const char *)p->rules->source.data, p->rules->source.len);
	if (source == NULL)
		abort();
	sqltext_addf(&version, "%llu", (unsigned long long)p->version);
	sqltext_add_hex(&bytes, p->signed_bytes, p->signed_len);
	insert.values[0] = version.data;
	insert.values[1] = p->rules->name != NULL ? p->rules->name : "";
	insert.values[2] = bytes.data;
	insert.values[3] = source;
	insert.values[4] = p->reason;
	down_op_statement(op, &insert);
	free(source);
	sqltext_finish(&version);
	sqltext_finish(&bytes);
	for (uint32_t i = 0; r == 0 && i < p->h->n_streams; i++) {
		Trib__V1__DownMessage m = TRIB__V1__DOWN_MESSAGE__INIT;

		m.body_case = TRIB__V1__DOWN_MESSAGE__BODY_RULE_SET;
		m.rule_set = (ProtobufCBinaryData){ p->signed_len, p->signed_bytes };
		r = down_op_add(op, p->h->streams[i], &m);
	}
	return r;
}

static void on_published(void *ctx, int err, const char *message)
{
	struct publish *p = ctx;
	struct hqd *h = p->h;

	/* After an unknown outcome the state was read anew, and may have this version already. */
	if (err == 0 && h->rules_version < p->version) {
		free(h->rules_signed);
		h->rules_signed = p->signed_bytes;
		h->rules_signed_len = p->signed_len;
		h->rules_version = p->version;
		p->signed_bytes = NULL;
		log_event(LOG_LEVEL_NOTICE, "rules_published", "version=%llu",
			  (unsigned long long)p->version);
	}
	if (p->done != NULL)
		p->done(p->ctx, err, message, p->version);
	publish_free(p);
}

static int publish_create(struct hqd *h, const json_t *json, const char *reason,
			  struct publish **ret, char *err, size_t *ret_bytes)
{
	struct publish *p = calloc(1, sizeof(*p));
	int r;

	if (p == NULL)
		abort();
	p->h = h;
	p->reason = strdup(reason);
	p->memory = malloc(RULES_ARENA_BYTES);
	if (p->reason == NULL || p->memory == NULL)
		abort();
	arena_init(&p->arena, p->memory, RULES_ARENA_BYTES);
	r = rules_from_json(json, 1, 0, &p->arena, &p->rules, err);
	if (r < 0) {
		publish_free(p);
		return ERR_INVALID;
	}
	*ret_bytes = signed_bound(p);
	if (*ret_bytes > RULES_MAX_SIGNED) {
		snprintf(err, RULES_ERROR_BYTES,
			 "the rules take %zu bytes when signed; at most %u fit one message",
			 *ret_bytes, RULES_MAX_SIGNED);
		publish_free(p);
		return ERR_FULL;
	}
	*ret = p;
	return 0;
}

int rules_publish(struct hqd *h, const json_t *json, const char *reason,
		  void (*done)(void *ctx, int err, const char *message, uint64_t version),
		  void *ctx, char *err, size_t *ret_bytes)
{
	struct publish *p;
	int r = publish_create(h, json, reason, &p, err, ret_bytes);

	if (r < 0)
		return r;
	p->done = done;
	p->ctx = ctx;
	down_append_filled(h, fill, on_published, p);
	return 0;
}

void rules_ensure_base(struct hqd *h)
{
	char err[RULES_ERROR_BYTES] = "";
	struct log_value v;
	struct publish *p;
	json_t *json;
	size_t bytes;

	if (h->rules_version > 0)
		return;
	json = json_loads(rules_base_json, 0, NULL);
	if (json != NULL && publish_create(h, json, "the base rules", &p, err, &bytes) == 0) {
		p->is_base = true;
		down_append_filled(h, fill, on_published, p);
	} else {
		log_event(LOG_LEVEL_ERROR, "base_rules_refused", "why=%s", log_quote(&v, err));
	}
	json_decref(json);
}
