/* tribctl's command line: a declared command, its positions and options, strictly read. */
#ifndef TRIB_CTL_ARGS_H
#define TRIB_CTL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define ARGS_MAX_OPTIONS 8
#define ARGS_MAX_POSITIONS 2

struct option_spec {
	const char *name; /* "reason" for --reason; NULL ends a list */
	const char *metavar; /* "TEXT"; NULL: a flag without a value */
	bool required;
	const char *en, *zh;
};

struct position_spec {
	const char *name; /* "CODE"; NULL ends a list */
	bool required;
};

struct ctl;
struct args;

struct command {
	const char *noun;
	const char *verb; /* NULL: the noun alone */
	struct position_spec positions[ARGS_MAX_POSITIONS + 1];
	struct option_spec options[ARGS_MAX_OPTIONS + 1];
	const char *en, *zh; /* one line */
	const char *more_en, *more_zh; /* further lines of help, or NULL */
	int (*run)(struct ctl *ctl, const struct args *args); /* enum exit_code */
};

struct args {
	const struct command *command;
	const char *positions[ARGS_MAX_POSITIONS];
	const char *values[ARGS_MAX_OPTIONS]; /* NULL: not given; "" for a flag */
};

enum format {
	FORMAT_TABLE,
	FORMAT_JSON,
	FORMAT_CSV
};
enum target {
	TARGET_HQ,
	TARGET_RELAY,
	TARGET_STORE
};

/* What holds for all commands. */
struct ctl {
	enum format format;
	bool color; /* stdout wants it */
	const char *urls[3]; /* by enum target: as given by flag, or NULL */
};

/* Read the whole command line. ctl and args borrow from argv.
 *
 * Returns 0 to go on with ret->command->run, or -1 with the exit code in *ret_exit: help was shown
 * (EXIT_OK), or a mistake told (EXIT_USAGE). */
int MUST_CHECK args_parse(int argc, char **argv, const struct command *commands, size_t n,
			  struct ctl *ctl, struct args *ret, int *ret_exit);

/* "store enroll" into a buffer of 64 bytes. */
const char *command_name(const struct command *c, char *buf);

/* Value of a declared option or NULL; asking for another is a bug and asserts. */
const char *args_value(const struct args *args, const char *name);

/* Parse a decimal in [min, max] given by the user as `what` ("--lane"). EXIT_OK, or EXIT_USAGE
 * after telling. */
int MUST_CHECK args_int(const struct args *args, const char *what, const char *text, int64_t min,
			int64_t max, int64_t *ret);

#endif
