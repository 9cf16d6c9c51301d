#include "day_run.h"

#include <stdlib.h>
#include <string.h>

#include "day_sum.h"
#include "entry.h"
#include "log.h"

#define ARENA_BYTES (1024u * 1024)

struct day_run {
	struct journal *journal; /* borrowed */
	const struct agent_identity *id; /* borrowed */
	int32_t day;
	struct agent_day_sum result;
	struct agent_day seen; /* the day at the last step */
	struct text rows;
	size_t n_rows;
	bool has_more_rows;
	struct arena arena; /* over memory */
	void *memory; /* owned */
	struct day_sum sum;
};

struct day_run *day_run_start(struct journal *j, const struct agent_identity *id, int32_t day)
{
	struct day_run *r = calloc(1, sizeof(*r));

	if (r == NULL || (r->memory = malloc(ARENA_BYTES)) == NULL)
		abort();
	r->journal = j;
	r->id = id;
	r->day = day;
	day_sum_init(&r->sum);
	arena_init(&r->arena, r->memory, ARENA_BYTES);
	journal_day(j, day, &r->seen);
	r->result.of.first_seq = r->seen.first_seq;
	r->result.of.last.seq = r->seen.first_seq - 1;
	r->result.sum = &r->sum;
	return r;
}

/* "" where the entry is of no order. */
static const char *verb_of(const Trib__V1__Entry *e)
{
	int verb = entry_order_verb(e);

	if (e->has_cancels && e->body_case != TRIB__V1__ENTRY__BODY_ORDER_CANCELLED)
		return agent_verb_name(AGENT_CANCEL);
	return verb != 0 ? agent_verb_name((enum agent_verb)verb) : "";
}

static void put_row(struct day_run *r, const Trib__V1__Entry *e, int64_t stored_value)
{
	const char *verb = verb_of(e);
	struct text *t = &r->rows;
	char txn[TXN_TEXT_BYTES];

	if (verb[0] == '\0')
		return;
	r->has_more_rows = r->n_rows == DAY_RUN_MAX_ROWS;
	if (r->has_more_rows)
		return;
	r->n_rows++;
	txn_format(r->id->store, r->id->incarnation, e->seq, txn);
	text_comma(t);
	text_raw(t, "{");
	text_key_string(t, "order_no", e->order_no);
	text_key_string(t, "verb", verb);
	text_key_string(t, "kind", entry_kind_name(entry_kind(e)));
	text_key_string(t, "txn", txn);
	text_key_int(t, "amount", entry_amount(e));
	text_key_int(t, "stored_value", stored_value);
	if (e->operator_ != NULL)
		text_key_string(t, "operator", e->operator_);
	text_raw(t, "}");
}

static bool take(void *ctx, const struct position *at, const uint8_t *bytes, size_t len)
{
	struct day_run *r = ctx;
	const char *why = "it does not fold";
	struct log_value v;
	int64_t stored_value;
	Trib__V1__Entry *e;

	arena_reset(&r->arena);
	if (entry_unpack(bytes, len, r->id->node, r->id->incarnation, at->seq, &r->arena, &e,
			 &why) < 0 ||
	    day_sum_add(&r->sum, e, &stored_value) < 0) {
		log_event(LOG_LEVEL_CRITICAL, "day_not_summed", "seq=%llu why=%s",
			  (unsigned long long)at->seq, log_quote(&v, why));
		r->result.sum = NULL;
		return false;
	}
	put_row(r, e, stored_value);
	r->result.of.last = *at;
	return true;
}

bool day_run_step(struct day_run *r, size_t n)
{
	struct agent_day *of = &r->result.of, now;
	uint64_t end;

	journal_day(r->journal, r->day, &now);
	if (of->last.seq < of->first_seq) /* none yet: an empty day's place may have moved */
		*of = (struct agent_day){ .first_seq = now.first_seq,
					  .last = { .seq = now.first_seq - 1 } };
	end = of->last.seq + n + (now.last.seq - r->seen.last.seq);
	if (end > now.last.seq)
		end = now.last.seq;
	r->seen = now;
	journal_each_entry(r->journal, of->last.seq + 1, end, take, r);
	if (r->result.sum != NULL && end < now.last.seq)
		return false;
	if (now.last.seq < now.first_seq)
		of->last = now.last;
	return true;
}

const struct agent_day_sum *day_run_sum(const struct day_run *r)
{
	return &r->result;
}

const struct text *day_run_rows(const struct day_run *r, bool *ret_has_more)
{
	*ret_has_more = r->has_more_rows;
	return &r->rows;
}

void day_run_finish(struct day_run *r)
{
	if (r == NULL)
		return;
	text_finish(&r->rows);
	free(r->memory);
	free(r);
}
