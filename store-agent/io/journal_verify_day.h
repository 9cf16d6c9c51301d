/* The part of verifying that is about business days: that they never go back, and that each seal
 * says what the entries of its day add up to. Inside of journal_verify.c. */
#ifndef TRIB_STORE_JOURNAL_VERIFY_DAY_H
#define TRIB_STORE_JOURNAL_VERIFY_DAY_H

#include "journal_internal.h"

struct verify_days;

/* Its temporary tables: v_seal has the seals that the entries are; v_day_fault the entries that have
 * a wrong business day, and the seals that say something else than the entries. */
extern const char verify_days_tables_sql[], verify_days_drop_sql[];

/* After its tables were made. Borrows j. Aborts when out of memory. */
struct verify_days *verify_days_start(struct journal *j, const struct agent_identity *id);

/* Take the next entry; `before` is where the journal stood. */
void verify_days_take(struct verify_days *v, const struct position *before,
		      const Trib__V1__Entry *e);
void verify_days_finish(struct verify_days *v);

#endif
