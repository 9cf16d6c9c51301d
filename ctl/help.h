/* tribctl --help, at each level. */
#ifndef TRIB_CTL_HELP_H
#define TRIB_CTL_HELP_H

#include <stdio.h>

#include "args.h"

/* Help for a command where there is one, else for a noun, else for tribctl. */
void help_show(FILE *f, const struct command *commands, size_t n, const char *noun,
	       const struct command *command);

#endif
