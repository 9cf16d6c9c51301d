#include "close.h"

#include <assert.h>
#include <string.h>

#include "day_run.h"
#include "day_sum.h"
#include "fault.h"
#include "routes.h"
#include "store.h"

#define STEP_ENTRIES 500

static void start_next(struct store *s)
{
	if (s->closing.n > 0)
		ev_timer_start(s->loop, &s->closing.timer);
}

/* The first of the queue was judged for good. */
static void drop_first(struct closing *x)
{
	command_destroy(x->queue[0]);
	x->n--;
	memmove(x->queue, x->queue + 1, x->n * sizeof(x->queue[0]));
	day_run_finish(x->run);
	x->run = NULL;
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct store *s = w->data;
	struct closing *x = &s->closing;
	struct agent_command *c = &x->queue[0]->command;
	(void)loop;
	(void)revents;

	if (journal_has_writes(s->journal)) /* what is summed must not be rolled back */
		turn_end(s);
	if (x->run == NULL)
		x->run = day_run_start(s->journal, &s->identity.agent, c->close.day);
	if (day_run_step(x->run, STEP_ENTRIES)) {
		x->is_asked_again = false;
		c->close.sum = day_run_sum(x->run);
		turn_judge(s, c);
		if (!x->is_asked_again)
			drop_first(x);
	}
	FAULT_POINT("store.mid_close");
	start_next(s);
}

void close_init(struct store *s)
{
	ev_timer_init(&s->closing.timer, on_timer, 0., 0.);
	s->closing.timer.data = s;
}

void close_sum_day(struct store *s, const struct agent_command *c)
{
	struct closing *x = &s->closing;
	struct command_reader *r = command_reader_of(c);

	if (x->n > 0 && x->queue[0] == r) {
		x->is_asked_again = true;
		return;
	}
	assert(x->n < AGENT_MAX_CLOSES); /* the core asks for no more */
	r->is_held = true;
	x->queue[x->n++] = r;
	start_next(s);
}

void close_finish(struct store *s)
{
	struct closing *x = &s->closing;

	ev_timer_stop(s->loop, &x->timer);
	while (x->n > 0)
		drop_first(x);
}

static void put_totals(struct text *t, const Trib__V1__DaySealed *b)
{
	text_key(t, "totals");
	text_raw(t, "[");
	for (size_t i = 0; i < b->n_totals; i++) {
		const Trib__V1__SealedTotal *x = b->totals[i];

		text_comma(t);
		text_raw(t, "{");
		text_key_string(t, "kind", total_kind_name((enum total_kind)x->kind));
		text_key_string(t, "tender", tender_name((enum tender_kind)x->tender));
		text_key_string(t, "unit", ledger_unit_name((enum ledger_unit)x->unit));
		if (x->operator_ != NULL)
			text_key_string(t, "operator", x->operator_);
		text_key_int(t, "count", x->count);
		text_key_int(t, "amount", x->amount);
		text_raw(t, "}");
	}
	text_raw(t, "]");
}

static void put_figure(struct text *t, const char *name, bool is_given, int64_t pos,
		       int64_t journal)
{
	if (!is_given || pos == journal)
		return;
	text_key(t, name);
	text_raw(t, "{");
	text_key_int(t, "pos", pos);
	text_key_int(t, "journal", journal);
	text_raw(t, "}");
}

/* What the till needs to find the difference. */
static void put_difference(struct text *t, const Trib__V1__DaySealed *b, const struct day_run *run)
{
	const struct day_sum *sum = day_run_sum(run)->sum;
	bool has_more;
	const struct text *rows = day_run_rows(run, &has_more);

	text_key(t, "diff");
	text_raw(t, "{");
	put_figure(t, "stored_value", b->has_pos_stored_value, b->pos_stored_value,
		   sum->stored_value);
	put_figure(t, "count", b->has_pos_count, b->pos_count, sum->orders);
	text_raw(t, "}");
	text_key(t, "rows");
	text_raw(t, "[");
	text_bytes(t, rows->data != NULL ? rows->data : "", rows->len);
	text_raw(t, "]");
	if (has_more)
		text_key_bool(t, "more", true);
}

void close_answer(struct store *s, const struct agent_append *x, struct text *t)
{
	const Trib__V1__DaySealed *b = x->entry->day_sealed;
	char txn[TXN_TEXT_BYTES];

	txn_format(s->identity.agent.store, s->identity.agent.incarnation, x->at.seq, txn);
	text_clear(t);
	text_raw(t, "{");
	text_key_string(t, "state", b->is_mismatch ? "mismatch" : "sealed");
	text_key_day(t, "business_day", b->day);
	text_key_string(t, "txn", txn);
	put_totals(t, b);
	if (b->is_mismatch)
		put_difference(t, b, s->closing.run);
	text_raw(t, "}");
}
