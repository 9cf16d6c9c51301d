#include "run.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "http.h"
#include "queue.h"
#include "till.h"

#define CALL_TIMEOUT_MS 15000
#define BACKOFF_MIN_S 0.05
#define BACKOFF_MAX_S 1.0
#define RELOAD_EVERY_S 0.5

/* What the tills know of a card. It waits in the queue of the shop of its next operation, or has
 * a call in flight. */
struct progress {
	uint32_t row; /* next operation, or ROW_NONE */
	bool is_issued;
	bool is_issuing; /* the next call issues it */
	bool is_issued_here; /* was issued for this operation */
	bool was_sent; /* this operation, at least once */
	double failed_since; /* 0: this operation did not fail */
	bool has_balance;
	struct till_balance balance; /* as last told */
};

/*          a call got no answer            time is over: one call goes
 *   OPEN -----------------------> CLOSED ----------------------------> PROBING
 *     ^                             ^                                    |  |
 *     |                             +------------- no answer ------------+  |
 *     +-------------------------------- an answer --------------------------+
 */
enum counter_state {
	COUNTER_OPEN,
	COUNTER_CLOSED,
	COUNTER_PROBING,
};

/* A shop as its tills see it. */
struct counter {
	enum counter_state state;
	struct queue waiting;
	double failing_since; /* 0: the last call was answered */
	double backoff_s;
	ev_timer closed;
	struct run *run;
};

struct lane {
	struct run *run;
	struct http_call call;
	struct lane *next; /* free ones */
	uint32_t card;
	uint16_t shop;
	double sent; /* by the monotonic clock */
};

struct run {
	struct ev_loop *loop; /* borrowed, as the next five */
	struct run_options options;
	const struct rows *rows;
	struct shops *shops;
	struct report *report;
	struct http *http;
	struct progress *cards; /* by card */
	struct counter *counters; /* by shop */
	struct lane *lanes;
	struct lane *idle;
	uint32_t n_sent; /* operations */
	ev_timer paced; /* the rate allows the next */
	double reloaded; /* when chain.json was read again */
};

/* Not the loop's time, which stands still while a burst of answers is read. */
static double monotonic_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run_fail(struct run *r)
{
	fputs("trib-replay: out of memory\n", stderr);
	ev_break(r->loop, EVBREAK_ALL);
}

static const struct row *row_of(const struct run *r, uint32_t card)
{
	return &r->rows->rows[r->cards[card].row];
}

/* Let the card wait for the shop of its next operation. */
static void run_enqueue(struct run *r, uint32_t card, uint32_t turn)
{
	if (queue_push(&r->counters[row_of(r, card)->shop].waiting, card, turn) < 0)
		run_fail(r);
}

static void run_end_if_done(struct run *r)
{
	report_progress(r->report, ev_now(r->loop));
	if (r->report->n_done == r->report->n_total)
		ev_break(r->loop, EVBREAK_ALL);
}

/* The card's operation has its final answer: its next one may go. */
static void run_advance(struct run *r, uint32_t card)
{
	struct progress *p = &r->cards[card];

	p->row = row_of(r, card)->next;
	p->is_issuing = !p->is_issued;
	p->is_issued_here = false;
	p->was_sent = false;
	p->failed_since = 0;
	if (p->row != ROW_NONE)
		run_enqueue(r, card, p->row);
	run_end_if_done(r);
}

/* Give up the card's operation, and the later ones, which follow from it. */
static void run_abandon(struct run *r, uint32_t card)
{
	struct progress *p = &r->cards[card];

	for (; p->row != ROW_NONE; p->row = row_of(r, card)->next) {
		r->report->n_unanswered++;
		r->report->n_done++;
	}
	run_end_if_done(r);
}

static void counter_close(struct run *r, struct counter *c)
{
	double now = ev_now(r->loop);

	if (c->failing_since == 0)
		c->failing_since = now;
	if (now - c->failing_since > r->options.patience_s)
		while (c->waiting.n > 0)
			run_abandon(r, queue_pop(&c->waiting));
	/* Calls that were in flight together fail together: they count once. */
	if (c->state == COUNTER_CLOSED)
		return;
	c->state = COUNTER_CLOSED;
	c->backoff_s = c->backoff_s == 0 ? BACKOFF_MIN_S : c->backoff_s * 2;
	if (c->backoff_s > BACKOFF_MAX_S)
		c->backoff_s = BACKOFF_MAX_S;
	ev_timer_stop(r->loop, &c->closed);
	ev_timer_set(&c->closed, c->backoff_s, 0.);
	ev_timer_start(r->loop, &c->closed);
	/* Restarted elsewhere, or with another token? */
	if (now - r->reloaded > RELOAD_EVERY_S) {
		r->reloaded = now;
		shops_reload(r->shops);
	}
}

static void counter_open(struct run *r, struct counter *c)
{
	ev_timer_stop(r->loop, &c->closed);
	c->state = COUNTER_OPEN;
	c->failing_since = 0;
	c->backoff_s = 0;
}

static bool counter_can_send(const struct counter *c)
{
	if (c->waiting.n == 0)
		return false;
	return c->state == COUNTER_OPEN ||
	       (c->state == COUNTER_CLOSED && !ev_is_active(&c->closed));
}

/* The shop whose front card's turn is the earliest, or NULL. */
static struct counter *run_next_counter(const struct run *r)
{
	struct counter *best = NULL;

	for (size_t i = 0; i < r->shops->n_shops; i++) {
		struct counter *c = &r->counters[i];

		if (counter_can_send(c) &&
		    (best == NULL || c->waiting.items[0].turn < best->waiting.items[0].turn))
			best = c;
	}
	return best;
}

static void run_send(struct run *r, struct lane *lane, struct counter *c)
{
	uint32_t card = queue_pop(&c->waiting);
	struct progress *p = &r->cards[card];
	const struct row *row = row_of(r, card);
	const struct shop *shop = &r->shops->shops[row->shop];
	struct till_call call;
	char url[512];
	int status;

	if (c->state == COUNTER_CLOSED)
		c->state = COUNTER_PROBING;
	lane->card = card;
	lane->shop = row->shop;
	lane->sent = monotonic_s();
	status = p->is_issuing ? till_issue(r->rows, row, &call) :
				 till_operate(r->rows, r->shops, row, &call);
	if (status == 0) {
		snprintf(url, sizeof(url), "%s%s", shop->url, call.path);
		status = http_post(&lane->call, url, shop->token, call.key, call.body);
		free(call.body);
	}
	if (status < 0) {
		run_fail(r);
		return;
	}
	if (!p->was_sent)
		r->n_sent++;
	p->was_sent = true;
}

/* Whether the rate lets a new operation start; else the timer will call. */
static bool run_is_due(struct run *r)
{
	double wait;

	if (r->options.rate == 0)
		return true;
	wait = r->report->started + r->n_sent / r->options.rate - ev_now(r->loop);
	if (wait <= 0)
		return true;
	if (!ev_is_active(&r->paced)) {
		ev_timer_set(&r->paced, wait, 0.);
		ev_timer_start(r->loop, &r->paced);
	}
	return false;
}

/* Send what can be sent. */
static void run_fill(struct run *r)
{
	while (r->idle != NULL) {
		struct counter *c = run_next_counter(r);
		struct lane *lane = r->idle;

		if (c == NULL)
			return;
		if (!r->cards[c->waiting.items[0].card].was_sent && !run_is_due(r))
			return;
		r->idle = lane->next;
		run_send(r, lane, c);
	}
}

static void on_again(struct run *r, uint32_t card, struct counter *c)
{
	struct progress *p = &r->cards[card];
	double now = ev_now(r->loop);

	r->report->n_retries++;
	if (p->failed_since == 0)
		p->failed_since = now;
	if (now - p->failed_since > r->options.patience_s)
		run_abandon(r, card);
	else
		run_enqueue(r, card, r->n_sent); /* behind the others: it may be the cause */
	counter_close(r, c);
}

static void on_issued(struct run *r, uint32_t card, const struct till_answer *a)
{
	struct progress *p = &r->cards[card];

	if (a->verdict != TILL_DONE && a->verdict != TILL_CARD_EXISTS) {
		report_refusal(r->report, a->code);
		run_advance(r, card);
		return;
	}
	if (a->verdict == TILL_DONE)
		r->report->n_cards++;
	p->is_issued = true;
	p->is_issuing = false;
	p->is_issued_here = true;
	run_enqueue(r, card, p->row);
}

static void on_operated(struct run *r, uint32_t card, const struct till_answer *a, double seconds)
{
	struct progress *p = &r->cards[card];

	report_latency(r->report, seconds);
	if (a->has_balance) {
		p->has_balance = true;
		p->balance = a->balance;
	}
	if (a->verdict == TILL_UNKNOWN_CARD && !p->is_issued_here) {
		p->is_issuing = true;
		run_enqueue(r, card, p->row);
		return;
	}
	if (a->verdict == TILL_DONE)
		report_success(r->report, row_of(r, card));
	else
		report_refusal(r->report, a->code);
	run_advance(r, card);
}

static void on_done(struct http_call *call, long status)
{
	struct lane *lane = call->data;
	struct run *r = lane->run;
	struct counter *c = &r->counters[lane->shop];
	struct till_answer a;

	till_read(status, call->answer, &a);
	lane->next = r->idle;
	r->idle = lane;
	if (a.verdict == TILL_AGAIN) {
		on_again(r, lane->card, c);
	} else {
		counter_open(r, c);
		if (call->is_replayed)
			r->report->n_replayed++;
		if (r->cards[lane->card].is_issuing)
			on_issued(r, lane->card, &a);
		else
			on_operated(r, lane->card, &a, monotonic_s() - lane->sent);
	}
	run_fill(r);
}

static void on_closed_over(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	run_fill(((struct counter *)w->data)->run);
}

static void on_paced(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	run_fill(w->data);
}

struct run *run_create(struct ev_loop *loop, const struct run_options *o, const struct rows *rows,
		       struct shops *shops, struct report *report)
{
	struct run *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	*r = (struct run){
		.loop = loop, .options = *o, .rows = rows, .shops = shops, .report = report
	};
	ev_init(&r->paced, on_paced);
	r->paced.data = r;
	r->cards = calloc(rows->n_cards + (size_t)1, sizeof(*r->cards));
	r->counters = calloc(shops->n_shops, sizeof(*r->counters));
	r->lanes = calloc(o->n_connections, sizeof(*r->lanes));
	r->http = http_create(loop, (long)o->n_connections * 4);
	if (r->cards == NULL || r->counters == NULL || r->lanes == NULL || r->http == NULL)
		goto fail;
	for (size_t i = 0; i < shops->n_shops; i++) {
		struct counter *c = &r->counters[i];

		c->run = r;
		ev_init(&c->closed, on_closed_over);
		c->closed.data = c;
	}
	for (unsigned int i = 0; i < o->n_connections; i++) {
		struct lane *lane = &r->lanes[i];

		if (http_call_init(&lane->call, r->http, CALL_TIMEOUT_MS) < 0)
			goto fail;
		lane->run = r;
		lane->call.on_done = on_done;
		lane->call.data = lane;
		lane->next = r->idle;
		r->idle = lane;
	}
	return r;
fail:
	run_destroy(r);
	return NULL;
}

void run_start(struct run *r)
{
	for (uint32_t card = 0; card < r->rows->n_cards; card++) {
		r->cards[card].row = r->rows->cards[card].first;
		r->cards[card].is_issuing = true;
		run_enqueue(r, card, r->cards[card].row);
	}
	run_fill(r);
}

int run_write_accounts(const struct run *r, FILE *to)
{
	if (fputs("card_no,principal,bonus,points\n", to) == EOF)
		return -1;
	for (uint32_t card = 0; card < r->rows->n_cards; card++) {
		const struct progress *p = &r->cards[card];

		if (p->has_balance &&
		    fprintf(to, "%s,%lld,%lld,%lld\n", r->rows->text + r->rows->cards[card].card_no,
			    (long long)p->balance.principal, (long long)p->balance.bonus,
			    (long long)p->balance.points) < 0)
			return -1;
	}
	return 0;
}

void run_destroy(struct run *r)
{
	if (r == NULL)
		return;
	for (unsigned int i = 0; r->lanes != NULL && i < r->options.n_connections; i++)
		http_call_finish(&r->lanes[i].call);
	for (size_t i = 0; r->counters != NULL && i < r->shops->n_shops; i++) {
		ev_timer_stop(r->loop, &r->counters[i].closed);
		queue_finish(&r->counters[i].waiting);
	}
	ev_timer_stop(r->loop, &r->paced);
	http_destroy(r->http);
	free(r->lanes);
	free(r->counters);
	free(r->cards);
	free(r);
}
