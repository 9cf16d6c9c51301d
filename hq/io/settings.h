/* What a store is told of itself and of this HQ: its settings, and the entry kinds accepted here.
 *
 *   enrolment ──────────────> first StoreSettings, incarnation.announced_kinds
 *   a newer HQ starts ──────> for each store that was told other kinds: one op with a StoreSettings
 *                             down message and the row's new announced_kinds
 *
 * Message and record are one transaction, so each store is told once. */
#ifndef TRIB_HQ_SETTINGS_H
#define TRIB_HQ_SETTINGS_H

#include "hqd.h"

/* A StoreSettings with this HQ's kinds. Borrows the strings. */
void settings_init(Trib__V1__StoreSettings *m, const char *code, const char *entity,
		   const char *time_zone, int32_t cutoff_min);

/* This HQ's kinds as the text of an integer[]; static. */
const char *settings_kinds(void);

/* Tell the kinds to every active store that was last told others. Called after each hq_load();
 * what fails is tried again. */
void settings_announce_due(struct hqd *h);

#endif
