#include "agent_internal.h"
#include "fold.h"

/* A sale's PIN.
 *
 *               LOADED, pin given            COMMAND again, pin right
 *   (no check) ──────────────────> CHECKING ──────────────────────────> the sale's own decision
 *       │                             │
 *       │ none given: pin_required    │ wrong: entry "pin event", failures + 1, pin_wrong;
 *       │ locked: pin_locked          │        from AGENT_PIN_TRIES on it is locked for a while
 *
 * A lock ends by time. One more wrong PIN after it locks it again: guessing is slow for ever. */

bool agent_is_pin_needed(const struct agent_command *c, const struct agent_loaded *l)
{
	const struct sale_command *s = &c->sale;

	if (!l->has_account || !l->pin.is_set)
		return false;
	for (size_t i = 0; i < s->n_tenders; i++) {
		if (tender_parse(s->tenders[i].type) == TENDER_KIND_STORED_VALUE)
			return true;
	}
	return s->n_tenders == 0;
}

bool agent_is_pin_locked(const struct agent_command *c, const struct agent_loaded *l)
{
	return c->wall_ms < l->pin.locked_until_ms;
}

/* A check costs a hundred times what a sale does: no lane may fill the queue. */
static bool has_room_to_check(const struct agent *a, uint32_t lane)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_checking; i++)
		n += a->checking[i]->lane == lane;
	return a->n_checking < AGENT_MAX_CHECKS && n < AGENT_MAX_LANE_CHECKS;
}

/* The wrong PIN's entry, and after it the refusal (G12). */
static enum code on_wrong(struct agent *a, const struct agent_command *c, struct agent_loaded *l,
			  const struct till_context *t, Trib__V1__Entry *e,
			  struct agent_effects *out)
{
	Trib__V1__PinEvent *body = arena_alloc(&a->arena, sizeof(*body));
	struct agent_pin pin = l->pin;
	struct agent_append *x;
	struct agent_answer *answer;

	if (body == NULL)
		return CODE_INTERNAL;
	trib__v1__pin_event__init(body);
	pin.failures += pin.failures < UINT32_MAX;
	pin.locked_until_ms = pin.failures >= AGENT_PIN_TRIES ? c->wall_ms + AGENT_PIN_LOCK_MS : 0;
	body->result = pin.locked_until_ms != 0 ? TRIB__V1__PIN_RESULT__PIN_LOCKED :
						  TRIB__V1__PIN_RESULT__PIN_FAILED;
	body->failures = pin.failures;
	body->has_locked_until_ms = pin.locked_until_ms != 0;
	body->locked_until_ms = pin.locked_until_ms;
	e->order_no = NULL; /* nothing came of the order */
	e->idempotency_key = NULL;
	e->has_fingerprint = 0;
	e->body_case = TRIB__V1__ENTRY__BODY_PIN_EVENT;
	e->pin_event = body;
	e->has_account = 1;
	e->account.data = l->account->id;
	e->account.len = ACCOUNT_ID_BYTES;
	x = agent_append_entry(a, c, l, t, e, AGENT_KEEPS_NOTHING, out);
	if (x == NULL)
		return CODE_INTERNAL;
	x->sets_pin = true;
	x->pin = pin;
	answer = agent_refuse(out, c, CODE_PIN_WRONG);
	answer->pin_tries_left = pin.failures < AGENT_PIN_TRIES ? AGENT_PIN_TRIES - pin.failures :
								  0;
	answer->pin_locked_until_ms = pin.locked_until_ms;
	return CODE_PIN_WRONG;
}

enum code agent_judge_pin(struct agent *a, const struct agent_command *c, struct agent_loaded *l,
			  const struct till_context *t, Trib__V1__Entry *e,
			  struct agent_effects *out)
{
	if (!agent_is_pin_needed(c, l))
		return CODE_OK;
	if (c->pin != AGENT_PIN_ABSENT && agent_is_pin_locked(c, l)) {
		agent_refuse(out, c, CODE_PIN_LOCKED)->pin_locked_until_ms = l->pin.locked_until_ms;
		return CODE_PIN_LOCKED;
	}
	switch (c->pin) {
	case AGENT_PIN_ABSENT:
		return CODE_PIN_REQUIRED;
	case AGENT_PIN_GIVEN:
		if (!has_room_to_check(a, c->lane))
			return CODE_RATE_LIMITED;
		agent_effect_add(out, AGENT_CHECK_PIN)->load = c;
		return CODE_PIN_REQUIRED;
	case AGENT_PIN_RIGHT:
		return CODE_OK;
	case AGENT_PIN_WRONG:
		return on_wrong(a, c, l, t, e, out);
	case AGENT_PIN_FAILED:
		break;
	}
	return CODE_INTERNAL;
}
