/* Days that are being closed: their entries are summed in small steps between the turns of the
 * loop, one day after the other, while the tills go on.
 *
 *   SUM_DAY ──> queue ──> step ... step ──> COMMAND again, in the turn in which the sum caught up
 *
 * A request that came this far is carried out, whether its client waits for the answer or not; a
 * stopping daemon ends after it. */
#ifndef TRIB_STORE_CLOSE_H
#define TRIB_STORE_CLOSE_H

#include <ev.h>
#include <stddef.h>

#include "agent.h"

struct command_reader;
struct day_run;
struct store;
struct text;

struct closing {
	size_t n;
	struct command_reader *queue[AGENT_MAX_CLOSES]; /* owned */
	struct day_run *run; /* owned: the first one's sum; NULL: not begun */
	bool is_asked_again; /* the core wants more of it */
	ev_timer timer;
};

void close_init(struct store *s);

/* AGENT_SUM_DAY: the command is that of a command_reader, which is taken. */
void close_sum_day(struct store *s, const struct agent_command *c);

/* The answer of the seal under way, without today's members, into t (cleared first). */
void close_answer(struct store *s, const struct agent_append *x, struct text *t);

/* Drop what is not done: its requests are never answered. */
void close_finish(struct store *s);

#endif
