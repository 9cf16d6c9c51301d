/* What the files of the agent's core share. */
#ifndef TRIB_AGENT_INTERNAL_H
#define TRIB_AGENT_INTERNAL_H

#include "agent.h"

/* A cleared effect of that kind at the end of the list. */
struct agent_effect *agent_effect_add(struct agent_effects *out, enum agent_effect_kind kind);

void agent_effect_alarm(struct agent_effects *out, enum agent_alarm what, uint64_t own_seq,
			uint64_t peer_seq);

/* agent_till.c: commands and the turn's end. */
int MUST_CHECK agent_on_command(struct agent *a, const struct agent_command *c,
				struct agent_effects *out);
void agent_on_loaded(struct agent *a, const struct agent_command *c, struct agent_loaded *l,
		     struct agent_effects *out);
void agent_on_committed(struct agent *a, struct agent_effects *out);
void agent_on_rolled_back(struct agent *a, struct agent_effects *out);

struct agent_answer *agent_answer_add(struct agent_effects *out, const struct agent_command *c,
				      enum agent_outcome outcome);
struct agent_answer *agent_refuse(struct agent_effects *out, const struct agent_command *c,
				  enum code code);
void agent_refuse_value(struct agent_effects *out, const struct agent_command *c, const char *param,
			const char *detail);

/* agent_gate.c: may the box take the command at all? */
enum code agent_gate(const struct agent *a, const struct agent_command *c,
		     const struct agent_loaded *l);

/* agent_decide.c: judge a command that no record answers, or a quote. One or more effects. */
void agent_decide(struct agent *a, const struct agent_command *c, struct agent_loaded *l,
		  struct agent_effects *out);
void agent_quote(struct agent *a, const struct agent_command *c, struct agent_loaded *l,
		 struct agent_effects *out);
void agent_context(const struct agent *a, const struct agent_command *c, struct till_context *ret);
enum code agent_refund_receipt(struct agent *a, const struct agent_loaded *l,
			       const struct refund_command *how, const struct till_context *t,
			       Trib__V1__Entry *e, struct till_facts *facts);

/* Fold the decided entry, pack it and let it be written: the point of no return of the turn. e and
 * what it points at live in the agent's arena. NULL: it does not fold or fit, nothing changed. */
struct agent_append *agent_append_entry(struct agent *a, const struct agent_command *c,
					struct agent_loaded *l, const struct till_context *t,
					const Trib__V1__Entry *e, enum agent_keeps keeps,
					struct agent_effects *out);

/* agent_cancel.c: the entry that ends an order, as the verbs' decisions. */
enum code agent_cancel(struct agent *a, const struct agent_command *c, const struct agent_loaded *l,
		       const struct till_context *t, Trib__V1__Entry *e, struct till_facts *facts,
		       struct agent_effects *out);

/* agent_close.c: the entry that seals a day; SUM_DAY may stand in *out instead. */
enum code agent_close(struct agent *a, const struct agent_command *c, const struct agent_loaded *l,
		      Trib__V1__Entry *e, struct agent_effects *out);

/* The earliest business day that an entry may have now (G7, G14). */
int32_t agent_open_day(const struct agent *a);

/* agent_pin.c: CODE_OK, and the sale may be decided; else a refusal or CHECK_PIN may stand in *out
 * already. */
enum code agent_judge_pin(struct agent *a, const struct agent_command *c, struct agent_loaded *l,
			  const struct till_context *t, Trib__V1__Entry *e,
			  struct agent_effects *out);
bool agent_is_pin_needed(const struct agent_command *c, const struct agent_loaded *l);
bool agent_is_pin_locked(const struct agent_command *c, const struct agent_loaded *l);

/* agent_link.c: the relay. */
void agent_watch_booking(struct agent *a, uint64_t now_ms, struct agent_effects *out);
bool agent_claim_fits(const struct agent *a, const struct agent_claim *c);
int MUST_CHECK agent_on_link_event(struct agent *a, const struct agent_event *ev,
				   struct agent_effects *out);

/* agent_down.c: HQ's down log. */
void agent_on_down_batch(struct agent *a, const struct sync_batch *b, struct agent_effects *out);
void agent_on_down_compared(struct agent *a, const struct sync_batch *b, const uint8_t *own_head,
			    struct agent_effects *out);
void agent_on_down_committed(struct agent *a, struct agent_effects *out);
void agent_on_down_failed(struct agent *a, struct agent_effects *out);

/* SEND_BATCH, where the link, the window and the journal allow it. */
void agent_send_next(const struct agent *a, struct agent_effects *out);

#endif
