/* Entries that lie a little, in every number. */
#ifndef TRIB_TESTS_NUDGE_H
#define TRIB_TESTS_NUDGE_H

#include "till_fixture.h"

/* Nudge one to three numbers of the last operation's entry, by the same amount or its opposite, in
 * every way. Entries that lie consistently pass the fold, but only when books and holdings still
 * agree; most must be refused. The entry is as it was afterwards. */
void nudge_all(struct shop *s);

#endif
