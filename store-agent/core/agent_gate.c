#include <string.h>

#include "agent_internal.h"

/* What keeps the box from taking a command, whatever the command says. */

/* Does the till know of a later life of this journal, or of another one? Spends only. */
static enum code judge_witness(const struct agent *a, const struct agent_command *c,
			       const struct agent_loaded *l)
{
	const struct agent_witness *w = &c->witness;

	if (c->verb != AGENT_SALE && c->verb != AGENT_REFUND && c->verb != AGENT_REDEMPTION)
		return CODE_OK;
	if (!w->present || w->incarnation < a->id.incarnation)
		return CODE_OK;
	if (w->incarnation > a->id.incarnation)
		return CODE_STORE_FENCED;
	if (w->seq > a->durable.seq || l->witness_head == NULL ||
	    memcmp(w->prefix, l->witness_head, AGENT_WITNESS_PREFIX_BYTES) != 0)
		return CODE_JOURNAL_ROLLED_BACK;
	return CODE_OK;
}

enum code agent_gate(const struct agent *a, const struct agent_command *c,
		     const struct agent_loaded *l)
{
	/* What a rolled-back journal remembers is not all there was, and HQ books nothing of it. */
	if (a->is_rolled_back)
		return CODE_JOURNAL_ROLLED_BACK;
	return judge_witness(a, c, l);
}
