#include <string.h>

#include "agent_internal.h"

/* What keeps the box from taking a command, whatever the command says.
 *
 *   the journal was rolled back       all                  journal_rolled_back
 *   disk, level n (agent_disk.h)      ranks 1 to n         disk_low
 *   clock, level n (agent_clock.h)    ranks 1 to n         clock_untrusted
 *   the till's witness                spends and refunds   journal_rolled_back, store_fenced
 *
 * A cancel undoes what a customer disputes, and a day's close is what a manager waits for at night:
 * they stop last. A spend can wait until the shop takes cash for it: it stops first. */

/* Spends 1, what brings value in or back 2, what ends an order or a day 3. */
static unsigned rank_of(enum agent_verb v)
{
	switch (v) {
	case AGENT_SALE:
	case AGENT_REDEMPTION:
		return 1;
	case AGENT_OPEN_CARD:
	case AGENT_TOP_UP:
	case AGENT_REFUND:
		return 2;
	case AGENT_CANCEL:
	case AGENT_CLOSE_DAY:
		break;
	}
	return 3;
}

/* Does the till know of a later life of this journal, or of another one? What pays out, be it by a
 * cancel, might have been paid out there already; top-ups are money that comes in. */
static enum code judge_witness(const struct agent *a, const struct agent_command *c,
			       const struct agent_loaded *l)
{
	const struct agent_witness *w = &c->witness;

	if (c->verb != AGENT_SALE && c->verb != AGENT_REFUND && c->verb != AGENT_REDEMPTION &&
	    c->verb != AGENT_CANCEL)
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
	unsigned rank = rank_of(c->verb);

	/* What a rolled-back journal remembers is not all there was, and HQ books nothing of it. */
	if (a->is_rolled_back)
		return CODE_JOURNAL_ROLLED_BACK;
	if (rank <= a->disk.level)
		return CODE_DISK_LOW;
	if (rank <= a->clock.level)
		return CODE_CLOCK_UNTRUSTED;
	return judge_witness(a, c, l);
}
