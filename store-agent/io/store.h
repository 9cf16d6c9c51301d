/* The daemon: one loop that turns requests and the relay's messages into events of the core, and
 * the core's effects into writes, answers and messages.
 *
 *   requests, messages ──> store_step ──> effects: journal writes ... held answers
 *                                                         │
 *        prepare watcher, once per turn:  turn_end ──> commit ──> answers, batch up */
#ifndef TRIB_STORE_STORE_H
#define TRIB_STORE_STORE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent.h"
#include "close.h"
#include "disk.h"
#include "identity.h"
#include "journal.h"
#include "lanes.h"
#include "listeners.h"
#include "member.h"
#include "pin.h"
#include "rule_cache.h"
#include "settings.h"
#include "text.h"
#include "turn.h"
#include "uplink.h"
#include "verify.h"

#define STORE_ERROR_BYTES 1024

struct store {
	struct ev_loop *loop;
	char data_dir[4096];
	struct identity identity;
	struct journal *journal;
	struct agent *agent;
	struct listeners listeners;
	struct lanes lanes;
	struct member_keys member_keys;
	struct rule_cache rules;
	struct turn turn;
	struct uplink uplink;
	struct verify verify;
	struct closing closing;
	struct pin_worker *pins;
	struct disk disk;
	struct text text; /* scratch: the answer under construction */
	struct text today; /* scratch: its members of today */
	int64_t maintained_ms;
	ev_prepare prepare;
	ev_timer tick; /* at the core's deadline, and for housekeeping */
	ev_signal sigterm, sigint;
	bool is_stopping;
};

/* Open everything, bind, write DATA/endpoints.json. One line in err (STORE_ERROR_BYTES). Borrows loop
 * and settings; s must not move. On failure nothing is left open. */
int MUST_CHECK store_open(struct store *s, struct ev_loop *loop, const struct settings *settings,
			  char *err);
void store_close(struct store *s);

/* Give the core an event, stamped with the clocks, and run its effects. An event that the core
 * refuses is logged; its error is the result. */
int store_step(struct store *s, struct agent_event *ev);

/* The box's time, or where its clock is not believed the one that entries are dated by. */
int64_t store_time_ms(const struct store *s);

/* Rule sets known now, to the core. */
void store_load_rules(struct store *s);

/* Time zone and cut-off from the kept StoreSettings. */
void store_load_settings(struct store *s);

#endif
