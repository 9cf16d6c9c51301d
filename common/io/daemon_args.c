#include "daemon_args.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

int daemon_args_refuse(const struct daemon_cli *cli, const char *what)
{
	fprintf(stderr, "%s: %s\nTry '%s --help'.\n", cli->program, what, cli->program);
	return 2;
}

int daemon_args_parse(int argc, char **argv, const struct daemon_cli *cli, struct daemon_args *ret)
{
	char above_key[32];
	struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ cli->above != NULL ? "code" : NULL, required_argument, NULL, 'k' },
		{ cli->above, required_argument, NULL, 'a' },
		{ above_key, required_argument, NULL, 'y' },
		{ 0 },
	};
	int c;

	snprintf(above_key, sizeof(above_key), "%s-key", cli->above != NULL ? cli->above : "");
	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			ret->config = optarg;
			break;
		case 'k':
			ret->code = optarg;
			break;
		case 'a':
			ret->above = optarg;
			break;
		case 'y':
			ret->above_key = optarg;
			break;
		case 'h':
			fputs(cli->usage, stdout);
			return 0;
		case 'v':
			printf("%s %s\n", cli->program, TRIB_VERSION);
			return 0;
		default: /* getopt has said what is wrong */
			fprintf(stderr, "Try '%s --help'.\n", cli->program);
			return 2;
		}
	}
	for (; optind < argc; optind++) {
		if (ret->n_words == 2)
			return daemon_args_refuse(cli, "too many words");
		ret->words[ret->n_words++] = argv[optind];
	}
	return -1;
}

bool daemon_args_are(const struct daemon_args *a, const char *first, const char *second)
{
	int n = first == NULL ? 0 : second == NULL ? 1 : 2;

	return a->n_words == n && (n < 1 || strcmp(a->words[0], first) == 0) &&
	       (n < 2 || strcmp(a->words[1], second) == 0);
}
