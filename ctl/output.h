/* Data on stdout: tables for people, JSON and CSV for scripts. */
#ifndef TRIB_CTL_OUTPUT_H
#define TRIB_CTL_OUTPUT_H

#include <jansson.h>

#include "args.h"

/* Print one object, or a list of flat objects: an array, or {"items": [...]}. EXIT_OK, or
 * EXIT_FAILED where stdout cannot be written. Borrows data. */
int MUST_CHECK output_print(const struct ctl *ctl, const json_t *data);

/* The array in {"items": [...]} or {"accounts": [...]}, data itself where it is one, else NULL. */
json_t *output_items(const json_t *data);

/* Heading of a field in the chosen language; the field's name in capitals where it is not known.
 * Holds until the fourth call after. */
const char *output_heading(const char *field);

/* How soon a column is left out of a table that is too wide: 0 last, 9 first. */
int output_dispensable(const char *field);

/* Place of a field among the columns; unknown ones come after all known, as received. */
int output_rank(const char *field);

#endif
