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
