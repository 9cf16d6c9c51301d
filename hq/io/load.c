#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envelope.h"
#include "hqd.h"
#include "log.h"
#include "relays.h"
#include "settings.h"

/* The chain's rows hold HQ's public facts, so their statements are made when the keys are known. */
static char chain_sql[512], hq_incarnation_sql[768];

const char *hq_load_sqls[HQ_LOAD_SQLS] = {
	chain_sql,
	"INSERT INTO trib.store (store, code, entity, time_zone, cutoff_min, state)"
	" VALUES (0, 'HQ', 'HQ', 'UTC', 0, 'enrolled') ON CONFLICT DO NOTHING",
	hq_incarnation_sql,
	"SELECT chain, hq_epoch, hq_sign_key, roster_version FROM trib.chain",
	"SELECT region, state, sign_key, curve_key, coalesce(listen_endpoint, ''),"
	" coalesce(enroll_endpoint, ''), coalesce(software, '') FROM trib.region ORDER BY region",
	"SELECT i.store, i.incarnation, s.code, coalesce(s.region, 0), i.state = 'active',"
	" i.certificate, i.sign_key, coalesce(i.curve_key, ''), i.booked_seq, i.booked_head,"
	" i.down_seq, i.down_head, i.down_applied, i.stored_seq, i.relayed_seq,"
	" coalesce(i.rules_version, 0), coalesce(i.software, ''),"
	" coalesce((extract(epoch FROM i.last_seen) * 1000)::int8, 0), i.is_forked,"
	" coalesce(i.announced_kinds::text, '')"
	" FROM trib.incarnation i JOIN trib.store s USING (store) ORDER BY 1, 2",
	"SELECT version, signed FROM trib.rule_set ORDER BY version DESC LIMIT 1",
	"SELECT DISTINCT store, account FROM trib.quarantine WHERE account IS NOT NULL",
};

void hq_load_prepare(const struct hqd *h)
{
	char chain[33], key[65], seed[65];
	uint8_t head[HEAD_BYTES];

	sodium_bin2hex(chain, sizeof(chain), h->chain, sizeof(h->chain));
	sodium_bin2hex(key, sizeof(key), h->keys.sign_pub, 32);
	hq_chain_seed(h->chain, h->hq_epoch, head);
	sodium_bin2hex(seed, sizeof(seed), head, sizeof(head));
	snprintf(chain_sql, sizeof(chain_sql),
		 "INSERT INTO trib.chain (chain, name, hq_epoch, hq_sign_key)"
		 " VALUES ('\\x%s', 'tributary', %u, '\\x%s') ON CONFLICT DO NOTHING",
		 chain, h->hq_epoch, key);
	snprintf(hq_incarnation_sql, sizeof(hq_incarnation_sql),
		 "INSERT INTO trib.incarnation (store, incarnation, state, certificate, sign_key,"
		 " booked_head, down_head) VALUES (0, %u, 'active', '', '\\x%s', '\\x%s', '\\x%s')"
		 " ON CONFLICT DO NOTHING",
		 h->hq_epoch, key, seed, seed);
}

/* Bytes of a bytea in text format. False when there are more or fewer than len. */
static bool get_bytes(const PGresult *r, int row, int col, void *ret, size_t len)
{
	const char *s = PQgetvalue(r, row, col);
	size_t n;

	return strncmp(s, "\\x", 2) == 0 && strlen(s) == 2 + 2 * len &&
	       sodium_hex2bin(ret, len, s + 2, 2 * len, NULL, &n, NULL) == 0 && n == len;
}

static uint64_t get_u64(const PGresult *r, int row, int col)
{
	return strtoull(PQgetvalue(r, row, col), NULL, 10);
}

static int load_chain(struct hqd *h, const PGresult *r)
{
	uint8_t chain[16], key[32];

	if (PQntuples(r) != 1 || !get_bytes(r, 0, 0, chain, sizeof(chain)) ||
	    !get_bytes(r, 0, 2, key, sizeof(key)))
		return ERR_INVALID;
	if (memcmp(chain, h->chain, sizeof(chain)) != 0 ||
	    memcmp(key, h->keys.sign_pub, sizeof(key)) != 0) {
		log_event(LOG_LEVEL_CRITICAL, "other_chain",
			  "hint=\"the database was made by an HQ with other keys; give trib-hq the"
			  " data_dir that belongs to it\"");
		return ERR_INVALID;
	}
	h->hq_epoch = (uint32_t)get_u64(r, 0, 1);
	h->roster_version = get_u64(r, 0, 3);
	return 0;
}

static int load_regions(struct hqd *h, const PGresult *r)
{
	for (int i = 0; i < PQntuples(r); i++) {
		int32_t number = atoi(PQgetvalue(r, i, 0));
		struct hq_region *region = hq_find_region(h, number);

		for (size_t k = 0; region == NULL && k < HQ_MAX_REGIONS; k++) {
			if (h->regions[k].region == 0)
				region = &h->regions[k];
		}
		if (region == NULL)
			return ERR_FULL;
		region->region = number;
		region->is_enrolled = strcmp(PQgetvalue(r, i, 1), "enrolled") == 0;
		if (region->is_enrolled && (!get_bytes(r, i, 2, region->sign_key, 32) ||
					    !get_bytes(r, i, 3, region->curve_key, 32)))
			return ERR_INVALID;
		if (region->is_up)
			continue; /* what the relay said itself is newer */
		snprintf(region->listen_endpoint, sizeof(region->listen_endpoint), "%s",
			 PQgetvalue(r, i, 4));
		snprintf(region->enroll_endpoint, sizeof(region->enroll_endpoint), "%s",
			 PQgetvalue(r, i, 5));
		snprintf(region->software, sizeof(region->software), "%s", PQgetvalue(r, i, 6));
	}
	return 0;
}

/* The certificate's bytes; they are the stream's for ever. */
static int load_certificate(const PGresult *r, int row, struct hq_stream *s)
{
	const Trib__V1__Signed *signed_certificate;
	unsigned char *bytes;
	uint8_t memory[4096];
	struct arena a;

	bytes = PQunescapeBytea((const unsigned char *)PQgetvalue(r, row, 5), &s->certificate_len);
	if (bytes == NULL)
		abort();
	arena_init(&a, memory, sizeof(memory));
	if (payload_unpack_signed(&a, bytes, s->certificate_len, &signed_certificate) < 0) {
		PQfreemem(bytes);
		return ERR_INVALID;
	}
	s->certificate = malloc(s->certificate_len);
	if (s->certificate == NULL)
		abort();
	memcpy(s->certificate, bytes, s->certificate_len);
	PQfreemem(bytes);
	return 0;
}

static void went_back(const struct hq_stream *s, uint64_t booked_seq)
{
	log_event(LOG_LEVEL_CRITICAL, "books_went_back",
		  "store=%s incarnation=%u had=%llu has=%llu hint=\"the database was restored to an"
		  " earlier point; restart trib-hq\"",
		  s->code, s->incarnation, (unsigned long long)s->up.durable.seq,
		  (unsigned long long)booked_seq);
}

/* A stream that is in memory already: what the database says counts, and it never goes back. */
static int reload_stream(struct hqd *h, struct hq_stream *s, const struct hq_stream *row,
			 const struct position *booked)
{
	if (booked->seq < s->up.durable.seq || row->down_end.seq < s->down_end.seq) {
		went_back(s, booked->seq);
		return ERR_INVALID;
	}
	sync_in_init(&s->up, booked);
	s->up.is_forked = row->up.is_forked;
	ingest_set_booked(h->ingest, s->index, booked);
	s->down_end = row->down_end;
	s->is_active = row->is_active;
	s->has_kinds = row->has_kinds;
	sync_out_extend(&s->down, s->down_end.seq);
	return 0;
}

static int load_stream(struct hqd *h, const PGresult *r, int i)
{
	struct hq_stream row = { .node = atoi(PQgetvalue(r, i, 0)),
				 .incarnation = (uint32_t)get_u64(r, i, 1),
				 .region = atoi(PQgetvalue(r, i, 3)),
				 .is_active = PQgetvalue(r, i, 4)[0] == 't' };
	struct position booked = { .seq = get_u64(r, i, 8) };
	struct hq_stream *s;

	row.down_end.seq = get_u64(r, i, 10);
	row.up.is_forked = PQgetvalue(r, i, 18)[0] == 't';
	row.has_kinds = strcmp(PQgetvalue(r, i, 19), settings_kinds()) == 0;
	if (!get_bytes(r, i, 6, row.sign_key, 32) || !get_bytes(r, i, 9, booked.head, HEAD_BYTES) ||
	    !get_bytes(r, i, 11, row.down_end.head, HEAD_BYTES))
		return ERR_INVALID;
	if (row.node == 0) {
		if (row.incarnation == h->hq_epoch)
			ingest_set_hq_journal(h->ingest, &booked);
		return 0;
	}
	s = hq_find_stream(h, row.node, row.incarnation);
	if (s != NULL) {
		s->is_loaded = true;
		return reload_stream(h, s, &row, &booked);
	}
	if (!get_bytes(r, i, 7, row.curve_key, 32) || load_certificate(r, i, &row) < 0)
		return ERR_INVALID;
	snprintf(row.code, sizeof(row.code), "%s", PQgetvalue(r, i, 2));
	snprintf(row.software, sizeof(row.software), "%s", PQgetvalue(r, i, 16));
	row.down_applied = get_u64(r, i, 12);
	row.stored_seq = get_u64(r, i, 13);
	row.relayed_seq = get_u64(r, i, 14);
	row.rules_version = get_u64(r, i, 15);
	row.last_seen_ms = (int64_t)get_u64(r, i, 17);
	row.is_loaded = true;
	return hq_add_stream(h, &row, &booked, &s);
}

static int load_rules(struct hqd *h, const PGresult *r)
{
	unsigned char *bytes;
	size_t len;

	if (PQntuples(r) == 0 || get_u64(r, 0, 0) == h->rules_version)
		return 0;
	bytes = PQunescapeBytea((const unsigned char *)PQgetvalue(r, 0, 1), &len);
	free(h->rules_signed);
	h->rules_signed = bytes != NULL ? malloc(len) : NULL;
	if (h->rules_signed == NULL)
		abort();
	memcpy(h->rules_signed, bytes, len);
	PQfreemem(bytes);
	h->rules_signed_len = len;
	h->rules_version = get_u64(r, 0, 0);
	return 0;
}

static int load_blocked(struct hqd *h, const PGresult *r)
{
	for (int i = 0; i < PQntuples(r); i++) {
		uint8_t account[ACCOUNT_ID_BYTES];
		size_t n;

		if (sodium_hex2bin(account, sizeof(account), PQgetvalue(r, i, 1), 36, "-", &n,
				   NULL) != 0 ||
		    n != sizeof(account))
			return ERR_INVALID;
		ingest_block(h->ingest, atoi(PQgetvalue(r, i, 0)), account);
	}
	return 0;
}

int hq_load(struct hqd *h, PGresult *const *results)
{
	int r = load_chain(h, results[0]);

	if (r == 0)
		r = load_regions(h, results[1]);
	for (uint32_t i = 0; i < h->n_streams; i++)
		h->streams[i]->is_loaded = false;
	for (int i = 0; r == 0 && i < PQntuples(results[2]); i++)
		r = load_stream(h, results[2], i);
	for (uint32_t i = 0; r == 0 && i < h->n_streams; i++) {
		if (!h->streams[i]->is_loaded) {
			went_back(h->streams[i], 0);
			r = ERR_INVALID;
		}
	}
	if (r == 0)
		r = load_rules(h, results[3]);
	if (r == 0)
		r = load_blocked(h, results[4]);
	if (r < 0)
		log_event(LOG_LEVEL_CRITICAL, "state_unusable", "error=%d", r);
	return r;
}

int hq_add_stream(struct hqd *h, const struct hq_stream *proto, const struct position *booked,
		  struct hq_stream **ret)
{
	struct hq_stream *s;
	int64_t index;

	index = ingest_add_stream(h->ingest, proto->node, proto->incarnation, booked);
	if (index < 0)
		return (int)index;
	assert((uint32_t)index == h->n_streams);
	s = malloc(sizeof(*s));
	if (s == NULL)
		abort();
	*s = *proto;
	s->index = (uint32_t)index;
	sync_in_init(&s->up, booked);
	s->up.is_forked = proto->up.is_forked;
	sync_out_init(&s->down, s->down_end.seq);
	s->older = h->by_node[s->node];
	h->by_node[s->node] = s;
	h->streams[h->n_streams++] = s;
	*ret = s;
	return 0;
}

struct hq_stream *hq_find_stream(struct hqd *h, int32_t node, uint32_t incarnation)
{
	struct hq_stream *s = node > 0 && node <= NODE_MAX ? h->by_node[node] : NULL;

	while (s != NULL && s->incarnation != incarnation)
		s = s->older;
	return s;
}

struct hq_stream *hq_find_active(struct hqd *h, const char *code)
{
	for (uint32_t i = 0; i < h->n_streams; i++) {
		if (h->streams[i]->is_active && strcmp(h->streams[i]->code, code) == 0)
			return h->streams[i];
	}
	return NULL;
}

struct hq_region *hq_find_region(struct hqd *h, int32_t region)
{
	for (size_t i = 0; i < HQ_MAX_REGIONS; i++) {
		if (h->regions[i].region == region && region != 0)
			return &h->regions[i];
	}
	return NULL;
}

/* ---- what was reported, for store_status ---- */

static void on_status_written(void *ctx, int err, const PGresult *rows, const char *message)
{
	(void)ctx;
	(void)rows;
	if (err < 0)
		log_event(LOG_LEVEL_WARNING, "status_not_written", "message=\"%s\"", message);
}

static void write_region(struct hqd *h, struct hq_region *r)
{
	char number[16], seen[24];
	const char *values[5] = { number, r->listen_endpoint, r->enroll_endpoint, r->software,
				  seen };

	snprintf(number, sizeof(number), "%d", r->region);
	snprintf(seen, sizeof(seen), "%lld", (long long)r->last_seen_ms);
	db_query(h->db,
		 "UPDATE trib.region SET listen_endpoint = $2, enroll_endpoint = $3, software = $4,"
		 " last_seen = to_timestamp($5::int8 / 1000.0) WHERE region = $1::int4",
		 5, values, on_status_written, NULL);
	r->is_status_dirty = false;
}

#define STATUS_ROWS 200 /* per statement */

struct status_arrays {
	size_t n;
	char text[7][STATUS_ROWS * 24];
};

static void add_status(struct status_arrays *a, size_t col, long long v)
{
	size_t used = strlen(a->text[col]);

	snprintf(a->text[col] + used, sizeof(a->text[col]) - used, "%c%lld", a->n == 0 ? '{' : ',',
		 v);
}

static void send_status(struct hqd *h, struct status_arrays *a)
{
	const char *values[7];

	for (size_t i = 0; i < 7; i++) {
		strcat(a->text[i], "}"); /* room is left by 24 characters a number */
		values[i] = a->text[i];
	}
	db_query(h->db,
		 "WITH d AS (SELECT * FROM unnest($1::int4[], $2::int4[], $3::int8[], $4::int8[],"
		 " $5::int8[], $6::int8[], $7::int8[])"
		 " AS d(store, incarnation, stored, relayed, applied, rules, seen)),"
		 " l AS (SELECT i.store, i.incarnation FROM trib.incarnation i JOIN d USING (store,"
		 " incarnation) FOR UPDATE OF i SKIP LOCKED)" /* ingest goes first: no deadlock */
		 " UPDATE trib.incarnation i SET stored_seq = d.stored, relayed_seq = d.relayed,"
		 " down_applied = d.applied, rules_version = d.rules,"
		 " last_seen = CASE WHEN d.seen = 0 THEN i.last_seen ELSE"
		 " to_timestamp(d.seen / 1000.0) END FROM d JOIN l USING (store, incarnation)"
		 " WHERE i.store = d.store AND i.incarnation = d.incarnation",
		 7, values, on_status_written, NULL);
	memset(a, 0, sizeof(*a));
}

void hq_write_status(struct hqd *h)
{
	static struct status_arrays a;

	if (!h->is_ready)
		return;
	memset(&a, 0, sizeof(a));
	for (size_t i = 0; i < HQ_MAX_REGIONS; i++) {
		if (h->regions[i].region != 0 && h->regions[i].is_status_dirty)
			write_region(h, &h->regions[i]);
	}
	for (uint32_t i = 0; i < h->n_streams; i++) {
		struct hq_stream *s = h->streams[i];

		if (!s->is_status_dirty)
			continue;
		s->is_status_dirty = false;
		add_status(&a, 0, s->node);
		add_status(&a, 1, s->incarnation);
		add_status(&a, 2, (long long)s->stored_seq);
		add_status(&a, 3, (long long)s->relayed_seq);
		add_status(&a, 4, (long long)s->down_applied);
		add_status(&a, 5, (long long)s->rules_version);
		add_status(&a, 6, s->last_seen_ms);
		if (++a.n == STATUS_ROWS)
			send_status(h, &a);
	}
	if (a.n > 0)
		send_status(h, &a);
}
