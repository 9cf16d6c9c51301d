#include "check.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check_run.h"
#include "envelope.h"
#include "keys.h"
#include "sign.h"

#define ARENA_BYTES (8u << 20) /* one entry of 64 KiB unpacks to at most 72 times that */
#define EXIT_DIFFERENT 5

static void *alloc_zeroed(size_t bytes)
{
	void *p = calloc(1, bytes);

	if (p == NULL)
		pg_die(NULL, "memory");
	return p;
}

static const struct grower grower = { alloc_zeroed, free };

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Under the snapshot nothing moves: what is compared belongs together. */
static void connect_snapshot(struct check_run *c, const char *postgres)
{
	static const char *const names[] = { "dbname", "application_name", NULL };
	const char *const values[] = { postgres, "trib-hq books-check", NULL };

	c->conn = PQconnectdbParams(names, values, 1);
	if (PQstatus(c->conn) != CONNECTION_OK)
		pg_die(c->conn, "connect");
	pg_run(c->conn, "SET statement_timeout = 0");
	pg_run(c->conn, "SET cursor_tuple_fraction = 1");
	pg_run(c->conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
}

/* The keys that everything must verify under are HQ's own, not the database's word. */
static int load_hq_key(struct check_run *c, const char *data_dir)
{
	static const uint8_t label[] = "trib.chain.v1";
	char why[KEYS_WHY_BYTES];
	struct node_keys keys;

	if (node_keys_load(data_dir, &keys, why) < 0) {
		fprintf(stderr, "trib-hq: books-check: %s\n", why);
		return ERR_IO;
	}
	memcpy(c->hq_key, keys.sign_pub, sizeof(c->hq_key));
	crypto_generichash(c->chain, sizeof(c->chain), label, sizeof(label), keys.sign_pub,
			   SIGN_KEY_BYTES);
	node_keys_wipe(&keys);
	return 0;
}

static void check_chain_row(struct check_run *c)
{
	struct pgcursor rows;
	size_t len, key_len;

	pgcursor_open(&rows, c->conn, "chain", "SELECT chain, hq_sign_key FROM trib.chain");
	if (!pgcursor_next(&rows) ||
	    memcmp(pgc_bytes(&rows, 0, &len), c->chain, sizeof(c->chain)) != 0 ||
	    memcmp(pgc_bytes(&rows, 1, &key_len), c->hq_key, sizeof(c->hq_key)) != 0)
		check_differ(c, "chain", "this HQ's", "another", "the chain's id and HQ's key");
	pgcursor_close(&rows);
}

/* Every store that any of the books' tables names, whether or not there is such a store. */
static void load_stores(struct check_run *c)
{
	struct pgcursor rows;
	size_t cap = 0;

#define NAMED(table, column)                                                              \
	"(WITH RECURSIVE t(s) AS ((SELECT min(" column ") FROM trib." table ") UNION ALL" \
	" SELECT (SELECT min(" column ") FROM trib." table " WHERE " column " > t.s)"     \
	" FROM t WHERE t.s IS NOT NULL) SELECT s FROM t WHERE s IS NOT NULL)"
	pgcursor_open(
		&rows, c->conn, "stores",
		"SELECT n.s, coalesce(st.code, '?' || n.s) FROM (SELECT store AS s FROM trib.store"
		" UNION " NAMED("journal", "store") " UNION " NAMED("holding", "node") " UNION " NAMED(
			"posting",
			"store") " UNION " NAMED("day_total",
						 "store") " UNION " NAMED("down_log",
									  "store") ") n LEFT JOIN trib.store st ON st.store = n.s ORDER BY n.s");
#undef NAMED
	while (pgcursor_next(&rows)) {
		struct check_store *s;

		if (c->n_stores == cap) {
			cap = cap == 0 ? 64 : 2 * cap;
			c->stores = reallocarray(c->stores, cap, sizeof(*c->stores));
			if (c->stores == NULL)
				pg_die(NULL, "memory");
		}
		s = &c->stores[c->n_stores++];
		s->store = (int32_t)pgc_int(&rows, 0);
		snprintf(s->code, sizeof(s->code), "%s", pgc_text(&rows, 1));
	}
	pgcursor_close(&rows);
}

/* The certificate is HQ's and this incarnation's, and its keys are those of the row. */
static const char *certificate_fault(struct check_run *c, struct check_incarnation *i,
				     const void *bytes, size_t len)
{
	const Trib__V1__Signed *s;
	const Trib__V1__Certificate *cert;

	arena_reset(&c->arena);
	if (payload_unpack_signed(&c->arena, bytes, len, &s) < 0)
		return "no certificate";
	chain_seed(TRIB__V1__DIRECTION__UP, s->payload.data, s->payload.len, i->up_seed);
	chain_seed(TRIB__V1__DIRECTION__DOWN, s->payload.data, s->payload.len, i->down_seed);
	if (verify_signed(s, SIGN_DOMAIN_CERT, c->hq_key) < 0)
		return "not signed by this HQ";
	if (payload_unpack_certificate(&c->arena, s->payload.data, s->payload.len, &cert) < 0)
		return "not readable";
	if (!cert->has_node || cert->node != i->store || cert->incarnation != i->incarnation)
		return "that of another store";
	if (memcmp(cert->sign_key.data, i->sign_key, sizeof(i->sign_key)) != 0)
		return "of another key than the row's";
	return NULL;
}

static void read_position(const struct pgcursor *rows, int col, struct position *ret)
{
	size_t len;
	const void *head = pgc_bytes(rows, col + 1, &len);

	ret->seq = (uint64_t)pgc_int(rows, col);
	if (len == HEAD_BYTES)
		memcpy(ret->head, head, HEAD_BYTES);
}

static void read_incarnation(struct check_run *c, const struct pgcursor *rows,
			     struct check_incarnation *i)
{
	const char *fault = NULL;
	size_t len, key_len;
	const void *certificate = pgc_bytes(rows, 2, &len), *key = pgc_bytes(rows, 3, &key_len);

	memset(i, 0, sizeof(*i));
	i->store = (int32_t)pgc_int(rows, 0);
	i->incarnation = (uint32_t)pgc_int(rows, 1);
	if (key_len == sizeof(i->sign_key))
		memcpy(i->sign_key, key, key_len);
	read_position(rows, 4, &i->booked);
	read_position(rows, 6, &i->down);
	if (i->store == 0) {
		hq_chain_seed(c->chain, i->incarnation, i->up_seed);
		hq_chain_seed(c->chain, i->incarnation, i->down_seed);
	} else {
		fault = certificate_fault(c, i, certificate, len);
	}
	if (fault != NULL)
		check_differ(c, "certificate", "HQ's word on this store's keys", fault,
			     "store %s, incarnation %u", check_code(c, i->store), i->incarnation);
}

static void load_incarnations(struct check_run *c)
{
	struct pgcursor rows;
	size_t cap = 0;

	pgcursor_open(&rows, c->conn, "incarnations",
		      "SELECT store, incarnation, certificate, sign_key, booked_seq, booked_head,"
		      " down_seq, down_head FROM trib.incarnation ORDER BY store, incarnation");
	while (pgcursor_next(&rows)) {
		if (c->n_incarnations == cap) {
			cap = cap == 0 ? 64 : 2 * cap;
			c->incarnations =
				reallocarray(c->incarnations, cap, sizeof(*c->incarnations));
			if (c->incarnations == NULL)
				pg_die(NULL, "memory");
		}
		read_incarnation(c, &rows, &c->incarnations[c->n_incarnations++]);
	}
	pgcursor_close(&rows);
}

static int by_place(const void *key, const void *item)
{
	const struct check_incarnation *a = key, *b = item;

	if (a->store != b->store)
		return a->store < b->store ? -1 : 1;
	return a->incarnation < b->incarnation ? -1 : a->incarnation > b->incarnation;
}

struct check_incarnation *check_find_incarnation(struct check_run *c, int32_t store,
						 uint32_t incarnation)
{
	const struct check_incarnation key = { .store = store, .incarnation = incarnation };

	return bsearch(&key, c->incarnations, c->n_incarnations, sizeof(key), by_place);
}

static int print_result(struct check_run *c, json_t *result)
{
	char *text;

	json_object_set(result, "differences", c->differences);
	text = json_dumps(result, JSON_COMPACT | JSON_REAL_PRECISION(9));
	if (text == NULL)
		pg_die(NULL, "result");
	if (puts(text) < 0 || fflush(stdout) != 0)
		pg_die(NULL, "result");
	free(text);
	json_decref(result);
	return c->n_differences > 0 ? EXIT_DIFFERENT : 0;
}

static int check_books(struct check_run *c, double started)
{
	size_t n_stores = 0;

	check_load_accounts(c);
	check_bookings_open(c);
	for (size_t i = 0; i < c->n_stores; i++) { /* HQ's own journal, store 0, is the first */
		check_journal(c, &c->stores[i]);
		check_store_tables(c, &c->stores[i]);
		check_down(c, &c->stores[i]);
		n_stores += c->stores[i].store > 0;
	}
	check_bookings_end(c);
	check_chain_tables(c);
	return print_result(c, json_pack("{s:I, s:I, s:I, s:I, s:I, s:f}", "difference",
					 (json_int_t)c->n_differences, "stores",
					 (json_int_t)n_stores, "entries", (json_int_t)c->n_entries,
					 "accounts", (json_int_t)growing_n(&c->refold.accounts),
					 "unsigned", (json_int_t)c->n_unsigned, "seconds",
					 (double)(int64_t)((now_s() - started) * 1000) / 1000));
}

static int check_one_journal(struct check_run *c, const char *code)
{
	const struct check_store *found = NULL;

	for (size_t i = 0; i < c->n_stores; i++) {
		if (strcmp(c->stores[i].code, code) == 0)
			found = &c->stores[i];
	}
	if (found == NULL) {
		fprintf(stderr, "trib-hq: books-check: there is no store %s\n", code);
		return 1;
	}
	if (c->stores[0].store == 0 && found->store != 0)
		check_journal(c, &c->stores[0]); /* tells what is in quarantine */
	c->n_entries = 0;
	check_journal(c, found);
	check_down(c, found);
	return print_result(c, json_pack("{s:s, s:I, s:b}", "store", code, "entries",
					 (json_int_t)c->n_entries, "ok", c->n_differences == 0));
}

int check_main(const char *postgres, const char *data_dir)
{
	static struct check_run c;
	const char *code = getenv("TRIB_CHECK_STORE");
	double started = now_s();
	int r;

	c.differences = json_array();
	c.memory = alloc_zeroed(ARENA_BYTES);
	arena_init(&c.arena, c.memory, ARENA_BYTES);
	refold_init(&c.refold, &grower);
	if (load_hq_key(&c, data_dir) < 0)
		return 1;
	connect_snapshot(&c, postgres);
	load_stores(&c);
	check_chain_row(&c);
	load_incarnations(&c);
	r = code != NULL && code[0] != '\0' ? check_one_journal(&c, code) :
					      check_books(&c, started);
	PQfinish(c.conn);
	refold_finish(&c.refold);
	json_decref(c.differences);
	free(c.stores);
	free(c.incarnations);
	free(c.memory);
	return r;
}
