#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "down.h"
#include "enrolment.h"
#include "log.h"

struct issue {
	struct book_op op;
	void (*done)(void *ctx, int err, const char *message, const char *code, int64_t expires_ms);
	void *ctx;
	char text[ENROLL_CODE_TEXT_BYTES];
	int64_t expires_ms;
	struct sqltext region, cutoff, code_id, secret, expires;
	char *store, *entity, *time_zone, *name, *reason; /* owned; some NULL */
};

static char *dup_or_null(const char *s)
{
	char *copy = s != NULL ? strdup(s) : NULL;

	if (s != NULL && copy == NULL)
		abort();
	return copy;
}

static void on_done(struct book_op *op, int err, const char *message)
{
	struct issue *i = op->ctx;

	i->done(i->ctx, err, message, i->text, i->expires_ms);
	sodium_memzero(i->text, sizeof(i->text));
	sqltext_finish(&i->region);
	sqltext_finish(&i->cutoff);
	sqltext_finish(&i->code_id);
	sqltext_wipe(&i->secret);
	sqltext_finish(&i->expires);
	free(i->store);
	free(i->entity);
	free(i->time_zone);
	free(i->name);
	free(i->reason);
	free(i);
}

static void add(struct issue *i, const char *sql, int want_rows, int n, const char *const *values)
{
	struct book_statement *s = &i->op.statements[i->op.n_statements++];

	*s = (struct book_statement){ .sql = sql, .n_params = n, .want_rows = want_rows };
	for (int k = 0; k < n; k++)
		s->values[k] = values[k];
}

static void add_store(struct issue *i)
{
	const char *values[] = { i->store, i->region.data, i->entity, i->time_zone,
				 i->cutoff.data };

	add(i, "SELECT now() AT TIME ZONE coalesce($1, 'UTC')", -1, 1,
	    (const char *const[]){ i->time_zone });
	add(i,
	    "INSERT INTO trib.store AS t (store, code, region, entity, time_zone, cutoff_min, state)"
	    " SELECT (SELECT min(c.n) FROM (SELECT 1 AS n UNION ALL SELECT store + 1 FROM trib.store) c"
	    " WHERE NOT EXISTS (SELECT 1 FROM trib.store s WHERE s.store = c.n)), $1, $2::int,"
	    " coalesce($3, 'default'), coalesce($4, 'Asia/Shanghai'), coalesce($5::int, 0), 'new'"
	    " ON CONFLICT (code) DO UPDATE SET region = excluded.region,"
	    " entity = coalesce($3, t.entity), time_zone = coalesce($4, t.time_zone),"
	    " cutoff_min = coalesce($5::int, t.cutoff_min) WHERE t.state = 'new'",
	    1, 5, values);
}

static void add_code(struct issue *i)
{
	const char *values[] = { i->code_id.data, i->secret.data, i->region.data,
				 i->store,        i->reason,      i->expires.data };

	add(i,
	    "UPDATE trib.enroll_code c SET expires_at = now() WHERE used_at IS NULL"
	    " AND expires_at > now() AND CASE WHEN $2::text IS NULL THEN c.store IS NULL"
	    " AND c.region = $1::int ELSE c.store = (SELECT store FROM trib.store WHERE code = $2)"
	    " END",
	    -1, 2, (const char *const[]){ i->region.data, i->store });
	add(i,
	    "INSERT INTO trib.enroll_code (code_id, secret, region, store, reason, expires_at)"
	    " VALUES ($1::bytea, $2::bytea, $3::int, (SELECT store FROM trib.store WHERE code = $4),"
	    " $5, to_timestamp($6::bigint / 1000.0))",
	    1, 6, values);
}

void enroll_issue(struct hqd *h, int32_t region, const char *name,
		  const struct enroll_issue_store *store, const char *reason,
		  void (*done)(void *ctx, int err, const char *message, const char *code,
			       int64_t expires_ms),
		  void *ctx)
{
	struct issue *i = calloc(1, sizeof(*i));
	uint8_t id[ENROLL_CODE_ID_BYTES];
	struct enroll_code code;

	if (i == NULL)
		abort();
	enroll_code_create(h->keys.sign_pub, &code);
	enroll_code_id(&code, id);
	enroll_code_format(&code, i->text);
	sqltext_add_hex(&i->code_id, id, sizeof(id));
	sqltext_add_hex(&i->secret, code.secret, sizeof(code.secret));
	enroll_code_wipe(&code);
	i->expires_ms = hq_wall_ms() + ENROLL_CODE_LIFE_MS;
	sqltext_addf(&i->expires, "%lld", (long long)i->expires_ms);
	sqltext_addf(&i->region, "%d", region);
	i->reason = dup_or_null(reason);
	i->name = dup_or_null(name);
	i->done = done;
	i->ctx = ctx;
	i->op.done = on_done;
	i->op.ctx = i;
	if (store != NULL) {
		i->store = dup_or_null(store->code);
		i->entity = dup_or_null(store->entity);
		i->time_zone = dup_or_null(store->time_zone);
		if (store->cutoff_min >= 0)
			sqltext_addf(&i->cutoff, "%d", store->cutoff_min);
		add_store(i);
	} else {
		add(i,
		    "INSERT INTO trib.region AS r (region, name, state)"
		    " VALUES ($1::int, coalesce($2, 'region ' || $1), 'new')"
		    " ON CONFLICT (region) DO UPDATE SET name = coalesce($2, r.name)"
		    " WHERE r.state = 'new'",
		    1, 2, (const char *const[]){ i->region.data, i->name });
	}
	add_code(i);
	book_submit(h->book, &i->op);
}
