#include "turn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "api_error.h"
#include "close.h"
#include "fault.h"
#include "http_server.h"
#include "log.h"
#include "pin.h"
#include "routes.h"
#include "store.h"

#define NO_SLOT UINT32_MAX

void turn_init(struct turn *t)
{
	memset(t, 0, sizeof(*t));
	for (uint32_t i = 0; i < AGENT_MAX_PENDING; i++)
		t->requests[i].next_free = i + 1 < AGENT_MAX_PENDING ? i + 1 : NO_SLOT;
}

static void slot_release(struct turn *t, uint32_t i)
{
	struct turn_request *q = &t->requests[i];

	free(q->answer); /* NULL where it went with the reply */
	memset(q, 0, sizeof(*q));
	q->next_free = t->first_free;
	t->first_free = i;
}

/* Let the core judge a command that has its slot. */
void turn_judge(struct store *s, struct agent_command *c)
{
	struct agent_event ev = { .kind = AGENT_COMMAND, .command = c };

	if (s->agent->n_pending == AGENT_MAX_PENDING)
		turn_end(s);
	(void)store_step(s, &ev); /* cannot be full */
	if (s->turn.is_broken)
		turn_end(s);
}

void turn_take(struct store *s, struct http_request *http, struct agent_command *c)
{
	struct turn *t = &s->turn;

	if (t->first_free == NO_SLOT)
		turn_end(s);
	/* Those whose PIN is under check, or whose day is summed, stay: fewer than there are slots. */
	assert(t->first_free != NO_SLOT);
	c->request = t->first_free;
	t->first_free = t->requests[c->request].next_free;
	t->requests[c->request].http = http;
	turn_judge(s, c);
}

static void on_pin_checked(void *ctx, const struct pin_result *result)
{
	struct command_reader *r = ctx;

	FAULT_POINT("store.pin_checked");
	r->command.pin = result->is_failed ? AGENT_PIN_FAILED :
			 result->is_right  ? AGENT_PIN_RIGHT :
					     AGENT_PIN_WRONG;
	turn_judge(r->call.store, &r->command);
	command_destroy(r);
}

void turn_check_pin(struct store *s, const struct agent_command *c)
{
	struct command_reader *r = command_reader_of(c);

	r->is_held = true;
	if (pin_check(s->pins, r->pin, s->turn.loaded->pin_verifier, on_pin_checked, r) == 0)
		return;
	/* The core lets fewer PINs be checked than the worker takes. */
	log_event(LOG_LEVEL_ERROR, "pin_check_refused", "lane=%u", (unsigned)c->lane);
	abort();
}

void turn_load(struct store *s, const struct agent_command *c)
{
	struct journal_loaded *l = journal_load(s->journal, c);
	struct agent_event ev = { .kind = AGENT_LOADED,
				  .loaded = { .command = c, .with = &l->core } };

	s->turn.loaded = l;
	(void)store_step(s, &ev);
	s->turn.loaded = NULL;
}

/* Keep a copy of the answer with room for today's members. */
static void keep_answer(struct turn_request *q, const char *answer, size_t len)
{
	q->answer = malloc(len + ANSWER_TODAY_BYTES);
	if (q->answer == NULL)
		abort();
	memcpy(q->answer, answer, len);
	q->len = len;
}

static void keep_account(struct turn_request *q, const uint8_t id[ACCOUNT_ID_BYTES])
{
	q->is_account = true;
	memcpy(q->account, id, sizeof(q->account));
}

static int keep_member(struct store *s, const uint8_t id[ACCOUNT_ID_BYTES], const struct member *m)
{
	uint8_t sealed[MEMBER_SEALED_BYTES];
	uint8_t phone[MEMBER_INDEX_BYTES], last4[MEMBER_INDEX_BYTES];
	bool has_phone = m->phone[0] != '\0';

	member_seal(&s->member_keys, id, m, sealed);
	if (has_phone) {
		member_phone_index(&s->member_keys, m->phone, phone);
		member_last4_index(&s->member_keys, m->phone, last4);
	}
	return journal_put_member(s->journal, id, sealed, has_phone ? phone : NULL,
				  has_phone ? last4 : NULL);
}

/* What a card's opening says beside its entry. */
static int keep_new_account(struct store *s, const struct agent_append *x)
{
	const struct command_reader *r = command_reader_of(x->command);
	int err = 0;

	if (x->command->open.has_pin)
		err = journal_set_pin(s->journal, x->account->id, r->pin_verifier);
	if (err == 0 && r->has_member)
		err = keep_member(s, x->account->id, &r->member);
	return err;
}

void turn_append(struct store *s, const struct agent_append *x)
{
	struct turn_request *q = &s->turn.requests[x->command->request];

	if (x->keeps == AGENT_KEEPS_NOTHING)
		text_clear(&s->text);
	else if (x->keeps == AGENT_KEEPS_SEAL)
		close_answer(s, x, &s->text);
	else
		answer_of_entry(s, x, &s->text);
	if (journal_append(s->journal, x, s->text.data, s->text.len) < 0 ||
	    (x->is_new_account && keep_new_account(s, x) < 0)) {
		s->turn.is_broken = true;
		return;
	}
	if (x->keeps == AGENT_KEEPS_NOTHING)
		return;
	keep_answer(q, s->text.data, s->text.len);
	if (x->is_new_account)
		keep_account(q, x->account->id);
	q->status = x->keeps == AGENT_KEEPS_CANCEL ? 200 : 201;
	q->seq = x->at.seq;
}

static void answer_replay(struct store *s, const struct agent_answer *x, struct turn_request *q)
{
	const struct journal_loaded *l = s->turn.loaded;
	const struct agent_record *r = &l->core.by_order;
	const char *answer = l->order_answer;
	size_t len = l->order_answer_len;

	q->status = r->status;
	q->seq = r->seq;
	if (x->outcome == AGENT_REPLAY_KEY) {
		answer = l->key_answer;
		len = l->key_answer_len;
		q->status = l->core.by_key.status;
		q->seq = l->core.by_key.seq;
	} else if (x->outcome == AGENT_REPLAY_CANCEL) {
		answer = l->cancel_answer;
		len = l->cancel_answer_len;
		q->status = 200;
		q->seq = r->cancel_seq;
	}
	keep_answer(q, answer, len);
	if (x->command->verb == AGENT_OPEN_CARD && q->status == 201 && l->core.has_account)
		keep_account(q, l->core.account->id);
	q->is_replay = true;
	if (x->keep_key &&
	    journal_keep_key(s->journal, x->command, q->status, q->seq, answer, len) < 0)
		s->turn.is_broken = true;
}

void turn_answer(struct store *s, const struct agent_answer *x)
{
	struct turn_request *q = &s->turn.requests[x->command->request];
	const struct agent_loaded *l = &s->turn.loaded->core;

	if (x->outcome == AGENT_QUOTED) {
		answer_of_quote(x, &s->text);
		keep_answer(q, s->text.data, s->text.len);
		q->status = 200;
		return;
	}
	if (x->outcome != AGENT_REFUSED) {
		answer_replay(s, x, q);
		return;
	}
	answer_of_refusal(s, x, l->has_account ? l->account : NULL, http_trace_id(q->http),
			  &s->text);
	keep_answer(q, s->text.data, s->text.len);
	q->status = code_status(x->code);
	q->code = x->code;
	if (x->keep_key &&
	    journal_keep_key(s->journal, x->command, q->status, 0, s->text.data, s->text.len) < 0)
		s->turn.is_broken = true;
}

void turn_release(struct store *s, const uint32_t *requests, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct turn_request *q = &s->turn.requests[requests[i]];

		if (q->is_account)
			answer_add_owner(s, q->account, &q->answer, &q->len);
		if (q->seq != 0)
			answer_add_today(s, q->seq, q->answer, &q->len);
		answer_headers(s, q->http);
		answer_retry(q->http, q->code);
		if (q->is_replay)
			http_reply_header(q->http, "Idempotent-Replayed", "true");
		http_reply_take(q->http, q->status, q->answer, q->len);
		q->answer = NULL;
		slot_release(&s->turn, requests[i]);
	}
}

void turn_refuse(struct store *s, const uint32_t *requests, size_t n, enum code code)
{
	for (size_t i = 0; i < n; i++) {
		answer_error(s, s->turn.requests[requests[i]].http, code, NULL, NULL);
		slot_release(&s->turn, requests[i]);
	}
}

int turn_commit(struct store *s)
{
	int r;

	if (!journal_has_writes(s->journal))
		return 0;
	uplink_keep(s); /* acks that came since */
	FAULT_POINT("store.before_commit");
	r = journal_commit(s->journal);
	FAULT_POINT("store.after_commit");
	if (r < 0) {
		uplink_forget_kept(s);
		disk_saw_full(s, "commit");
	}
	return r;
}

void turn_end(struct store *s)
{
	struct agent_event ev = { .kind = AGENT_COMMITTED };

	if (s->agent->n_pending == 0 && !journal_has_writes(s->journal))
		return;
	if (turn_commit(s) < 0)
		ev.kind = AGENT_ROLLED_BACK;
	s->turn.is_broken = false;
	(void)store_step(s, &ev);
	FAULT_POINT("store.after_release");
}
