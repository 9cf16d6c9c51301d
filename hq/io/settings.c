#include "settings.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "down.h"
#include "log.h"

#define RETRY_S 5.0

/* One round at a time. */
struct announcement {
	struct hqd *h;
	bool is_running;
	ev_timer retry;
	PGresult *rows; /* a copy; owned while the op is out */
	struct hq_stream **told; /* owned, as long */
	size_t n_told;
};

static struct announcement announcement; /* a process has one HQ */

static const char due_sql[] =
	"SELECT i.store, i.incarnation, s.entity, s.time_zone, s.cutoff_min"
	" FROM trib.incarnation i JOIN trib.store s USING (store) WHERE i.state = 'active'"
	" AND i.store <> 0 AND i.announced_kinds IS DISTINCT FROM $1::int[] ORDER BY 1, 2";

enum {
	STORE,
	INCARNATION,
	ENTITY,
	TIME_ZONE,
	CUTOFF
};

void settings_init(Trib__V1__StoreSettings *m, const char *code, const char *entity,
		   const char *time_zone, int32_t cutoff_min)
{
	trib__v1__store_settings__init(m);
	m->code = (char *)(uintptr_t)code;
	m->entity = (char *)(uintptr_t)entity;
	m->time_zone = (char *)(uintptr_t)time_zone;
	m->cutoff_min = cutoff_min;
	m->currency = (char *)(uintptr_t) "CNY";
	m->exponent = 2;
	m->kinds = (uint32_t *)(uintptr_t)ingest_kinds;
	m->n_kinds = ingest_n_kinds;
}

const char *settings_kinds(void)
{
	static char text[256];
	size_t n = 0;

	for (size_t i = 0; i < ingest_n_kinds; i++) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%c%u", i == 0 ? '{' : ',',
				      ingest_kinds[i]);
		assert(n < sizeof(text) - 2);
	}
	memcpy(text + n, "}", 2);
	return text;
}

static void start(struct announcement *a);

static void end_round(struct announcement *a, bool is_failed)
{
	PQclear(a->rows);
	free(a->told);
	a->rows = NULL;
	a->told = NULL;
	a->n_told = 0;
	a->is_running = false;
	if (!is_failed)
		return;
	ev_timer_stop(a->h->loop, &a->retry);
	ev_timer_set(&a->retry, RETRY_S, 0.);
	ev_timer_start(a->h->loop, &a->retry);
}

static int add_message(struct down_op *op, struct hq_stream *s, const PGresult *r, int row)
{
	Trib__V1__DownMessage m = TRIB__V1__DOWN_MESSAGE__INIT;
	Trib__V1__StoreSettings body;

	settings_init(&body, s->code, pg_text(r, row, ENTITY), pg_text(r, row, TIME_ZONE),
		      (int32_t)pg_int(r, row, CUTOFF));
	m.body_case = TRIB__V1__DOWN_MESSAGE__BODY_STORE_SETTINGS;
	m.store_settings = &body;
	return down_op_add(op, s, &m);
}

/* The record goes from what was read to ours, or the op fails: somebody else told it meanwhile. */
static int fill(void *ctx, struct down_op *op)
{
	struct announcement *a = ctx;
	struct sqltext stores = { 0 }, incarnations = { 0 };
	struct book_statement record = {
		.sql = "UPDATE trib.incarnation i SET announced_kinds = $3::int[] FROM"
		       " unnest($1::int[], $2::int[]) AS d(store, incarnation)"
		       " WHERE i.store = d.store AND i.incarnation = d.incarnation"
		       " AND i.announced_kinds IS DISTINCT FROM $3::int[]",
		.n_params = 3,
	};
	int ret = 0;

	a->n_told = 0;
	for (int i = 0; i < PQntuples(a->rows) && ret == 0; i++) {
		struct hq_stream *s = hq_find_stream(a->h, (int32_t)pg_int(a->rows, i, STORE),
						     (uint32_t)pg_int(a->rows, i, INCARNATION));

		if (s == NULL || !s->is_active || s->has_kinds)
			continue;
		ret = add_message(op, s, a->rows, i);
		sqltext_item_int(&stores, s->node);
		sqltext_item_int(&incarnations, s->incarnation);
		a->told[a->n_told++] = s;
	}
	sqltext_array_end(&stores);
	sqltext_array_end(&incarnations);
	record.values[0] = stores.data;
	record.values[1] = incarnations.data;
	record.values[2] = settings_kinds();
	record.want_rows = (int)a->n_told;
	down_op_statement(op, &record);
	sqltext_finish(&stores);
	sqltext_finish(&incarnations);
	return ret;
}

static void on_appended(void *ctx, int err, const char *message)
{
	struct announcement *a = ctx;

	(void)message; /* told by the op */
	for (size_t i = 0; err == 0 && i < a->n_told; i++)
		a->told[i]->has_kinds = true;
	if (err == 0)
		log_event(LOG_LEVEL_NOTICE, "kinds_announced", "stores=%zu", a->n_told);
	end_round(a, err != 0);
}

static void on_rows(void *ctx, int err, const PGresult *rows, const char *message)
{
	struct announcement *a = ctx;
	struct log_value v;

	if (err != 0)
		log_event(LOG_LEVEL_WARNING, "settings_unread", "why=%s", log_quote(&v, message));
	if (err != 0 || PQntuples(rows) == 0) {
		end_round(a, err != 0);
		return;
	}
	a->rows = PQcopyResult(rows, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
	a->told = calloc((size_t)PQntuples(rows), sizeof(struct hq_stream *));
	if (a->rows == NULL || a->told == NULL)
		abort();
	down_append_filled(a->h, fill, on_appended, a);
}

static void start(struct announcement *a)
{
	const char *kinds = settings_kinds();

	a->is_running = true;
	ev_timer_stop(a->h->loop, &a->retry);
	db_query(a->h->db, due_sql, 1, &kinds, on_rows, a);
}

static void on_retry(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	settings_announce_due(((struct announcement *)w->data)->h);
}

void settings_announce_due(struct hqd *h)
{
	struct announcement *a = &announcement;
	bool is_due = false;

	if (a->h == NULL) {
		a->h = h;
		ev_init(&a->retry, on_retry);
		a->retry.data = a;
	}
	for (uint32_t i = 0; i < h->n_streams; i++)
		is_due |= h->streams[i]->is_active && !h->streams[i]->has_kinds;
	if (is_due && !a->is_running)
		start(a);
}
