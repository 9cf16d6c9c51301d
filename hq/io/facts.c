/* Telling a store about an account that it opened and that had its home elsewhere already.
 *
 *   rows of facts_due ──query──> totals and holders ──one op──> down messages, rows deleted */
#include <stdlib.h>
#include <string.h>

#include "down.h"
#include "log.h"

#define FACTS_AT_ONCE "500"
#define SILENT_AFTER_MS 30000
#define RETRY_S 2.0

/* One round at a time; asked for again meanwhile, another follows. */
struct facts {
	struct hqd *h;
	bool is_running;
	bool is_wanted;
	ev_timer retry;
	PGresult *rows; /* a copy; owned while the op is out */
};

static struct facts facts; /* a process has one HQ */

static const char facts_sql[] =
	"WITH due AS (SELECT store, account FROM trib.facts_due ORDER BY store, account"
	" LIMIT " FACTS_AT_ONCE ")"
	" SELECT d.store, replace(d.account::text, '-', ''), home.code, hs.code,"
	" coalesce(sum(h.principal) FILTER (WHERE h.unit = 1), 0)::bigint,"
	" coalesce(sum(h.bonus) FILTER (WHERE h.unit = 1), 0)::bigint,"
	" coalesce(sum(h.principal) FILTER (WHERE h.unit = 2), 0)::bigint,"
	" (extract(epoch FROM max(i.last_seen)) * 1000)::bigint, d.account, s.incarnation"
	" FROM due d JOIN trib.account a USING (account)"
	" JOIN trib.store home ON home.store = a.home_store"
	" LEFT JOIN trib.incarnation s ON s.store = d.store AND s.state = 'active'"
	" LEFT JOIN trib.holding h ON h.account = d.account"
	" LEFT JOIN trib.store hs ON hs.store = h.node"
	" LEFT JOIN trib.incarnation i ON i.store = h.node AND i.state = 'active'"
	" GROUP BY d.store, d.account, home.code, hs.code, s.incarnation"
	" ORDER BY d.store, d.account, hs.code";

enum {
	STORE,
	ACCOUNT,
	HOME,
	HOLDER,
	PRINCIPAL,
	BONUS,
	POINTS,
	SEEN,
	UUID,
	INCARNATION
};

static bool same_due(const PGresult *r, int a, int b)
{
	return strcmp(pg_text(r, a, STORE), pg_text(r, b, STORE)) == 0 &&
	       strcmp(pg_text(r, a, ACCOUNT), pg_text(r, b, ACCOUNT)) == 0;
}

static void set_holder(Trib__V1__HolderFact *f, const PGresult *r, int row, int64_t now_ms)
{
	int64_t seen = pg_int(r, row, SEEN);

	trib__v1__holder_fact__init(f);
	f->store = (char *)(uintptr_t)pg_text(r, row, HOLDER);
	f->principal = pg_int(r, row, PRINCIPAL);
	f->has_bonus = true;
	f->bonus = pg_int(r, row, BONUS);
	f->has_silent_since_ms = pg_null(r, row, SEEN) || now_ms - seen > SILENT_AFTER_MS;
	f->silent_since_ms = seen;
}

/* The message of rows [from, to): one account and one store. */
static int add_message(struct down_op *op, struct hq_stream *s, const PGresult *r, int from, int to)
{
	Trib__V1__DownMessage m = TRIB__V1__DOWN_MESSAGE__INIT;
	Trib__V1__AccountFacts body = TRIB__V1__ACCOUNT_FACTS__INIT;
	size_t n = (size_t)(to - from);
	Trib__V1__HolderFact *holders = calloc(n, sizeof(*holders));
	Trib__V1__HolderFact **list = calloc(n, sizeof(*list));
	uint8_t id[ACCOUNT_ID_BYTES];
	char hex[3 + 2 * ACCOUNT_ID_BYTES];
	size_t got = 0;
	int ret;

	if (holders == NULL || list == NULL)
		abort();
	strncpy(hex, pg_text(r, from, ACCOUNT), sizeof(hex) - 1);
	hex[sizeof(hex) - 1] = '\0';
	for (size_t i = 0; i < sizeof(id); i++) {
		char digits[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		id[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	body.account = (ProtobufCBinaryData){ sizeof(id), id };
	body.home_store = (char *)(uintptr_t)pg_text(r, from, HOME);
	body.as_of_ms = hq_wall_ms();
	body.has_bonus = body.has_points = true;
	for (int row = from; row < to; row++) {
		if (pg_null(r, row, HOLDER))
			continue;
		body.principal += pg_int(r, row, PRINCIPAL);
		body.bonus += pg_int(r, row, BONUS);
		body.points += pg_int(r, row, POINTS);
		set_holder(&holders[got], r, row, body.as_of_ms);
		list[got] = &holders[got];
		got++;
	}
	body.holders = list;
	body.n_holders = got;
	m.body_case = TRIB__V1__DOWN_MESSAGE__BODY_ACCOUNT_FACTS;
	m.account_facts = &body;
	ret = down_op_add(op, s, &m);
	free(holders);
	free(list);
	return ret;
}

static int fill(void *ctx, struct down_op *op)
{
	struct facts *f = ctx;
	const PGresult *r = f->rows;
	struct sqltext stores = { 0 }, accounts = { 0 };
	struct book_statement drop = {
		.sql = "DELETE FROM trib.facts_due f USING unnest($1::int[], $2::uuid[])"
		       " AS d(store, account) WHERE f.store = d.store AND f.account = d.account",
		.n_params = 2,
		.want_rows = -1,
	};
	int ret = 0;

	for (int from = 0, to; from < PQntuples(r) && ret == 0; from = to) {
		struct hq_stream *s = NULL;

		for (to = from + 1; to < PQntuples(r) && same_due(r, from, to);)
			to++;
		if (!pg_null(r, from, INCARNATION))
			s = hq_find_stream(f->h, (int32_t)pg_int(r, from, STORE),
					   (uint32_t)pg_int(r, from, INCARNATION));
		if (s != NULL && s->is_active)
			ret = add_message(op, s, r, from, to);
		sqltext_item_int(&stores, pg_int(r, from, STORE));
		sqltext_addf(&accounts, "%c%s", accounts.len == 0 ? '{' : ',',
			     pg_text(r, from, UUID));
	}
	sqltext_array_end(&stores);
	sqltext_array_end(&accounts);
	drop.values[0] = stores.data;
	drop.values[1] = accounts.data;
	down_op_statement(op, &drop);
	sqltext_finish(&stores);
	sqltext_finish(&accounts);
	return ret;
}

static void start(struct facts *f);

static void round_ended(struct facts *f, bool is_failed)
{
	PQclear(f->rows);
	f->rows = NULL;
	f->is_running = false;
	if (is_failed) {
		ev_timer_stop(f->h->loop, &f->retry);
		ev_timer_set(&f->retry, RETRY_S, 0);
		ev_timer_start(f->h->loop, &f->retry);
	} else if (f->is_wanted) {
		start(f);
	}
}

static void on_appended(void *ctx, int err, const char *message)
{
	(void)message;
	round_ended(ctx, err != 0);
}

static void on_rows(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct facts *f = ctx;
	struct log_value v;

	if (err != 0)
		log_event(LOG_LEVEL_WARNING, "facts_unread", "why=%s", log_quote(&v, message));
	if (err != 0 || PQntuples(rows) == 0) {
		round_ended(f, err != 0);
		return;
	}
	f->rows = PQcopyResult(rows, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
	if (f->rows == NULL)
		abort();
	f->is_wanted = true; /* there may be more than one round holds */
	down_append_filled(f->h, fill, on_appended, f);
}

static void start(struct facts *f)
{
	f->is_running = true;
	f->is_wanted = false;
	db_query(f->h->db, facts_sql, 0, NULL, on_rows, f);
}

static void on_retry(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct facts *f = w->data;

	(void)loop;
	(void)revents;
	if (!f->is_running)
		start(f);
}

void facts_send_due(struct hqd *h)
{
	if (facts.h == NULL) {
		facts.h = h;
		ev_init(&facts.retry, on_retry);
		facts.retry.data = &facts;
	}
	if (facts.is_running)
		facts.is_wanted = true;
	else
		start(&facts);
}
