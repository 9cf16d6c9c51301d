/* The command line that the daemons share: words, --config and what enrolment needs. */
#ifndef TRIB_IO_DAEMON_ARGS_H
#define TRIB_IO_DAEMON_ARGS_H

#include <stdbool.h>

struct daemon_cli {
	const char *program; /* "trib-store" */
	const char *usage; /* printed by --help */
	const char *above; /* whom it enrols at, "relay": gives --relay and --relay-key; or NULL */
};

struct daemon_args { /* NULL where not given; borrowed from argv */
	const char *config, *code, *above, *above_key;
	const char *words[2];
	int n_words;
};

/* Read the command line. Returns -1 to go on, else the exit status: --help and --version were
 * answered, or what is wrong was said on stderr (2). */
int daemon_args_parse(int argc, char **argv, const struct daemon_cli *cli, struct daemon_args *ret);

/* The words are exactly these; NULL ends them early: (NULL, NULL) is no word at all. */
bool daemon_args_are(const struct daemon_args *a, const char *first, const char *second);

/* Say "PROGRAM: what" and where help is, on stderr; returns 2. */
int daemon_args_refuse(const struct daemon_cli *cli, const char *what);

#endif
