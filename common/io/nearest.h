/* "Did you mean ...": the word that a typing error was meant to be. */
#ifndef TRIB_IO_NEAREST_H
#define TRIB_IO_NEAREST_H

#include <stddef.h>

/* The candidate that is fewest edits away from `word`, or NULL where more than a third of it would
 * have to change. Borrowed from candidates. */
const char *word_nearest(const char *word, const char *const *candidates, size_t n);

#endif
