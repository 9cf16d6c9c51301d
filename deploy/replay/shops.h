/* The shops of a running chain, as its chain.json has them: where their tills' calls go. */
#ifndef TRIB_REPLAY_SHOPS_H
#define TRIB_REPLAY_SHOPS_H

#include <stddef.h>
#include <stdint.h>

#define SHOPS_MAX 20000

struct shop {
	char *code;
	char *url;
	char *token; /* of a lane */
};

struct shops {
	char *path; /* of chain.json */
	struct shop *shops; /* by code */
	size_t n_shops;
};

/* Read DIR/chain.json. 0, or -1 after saying on stderr what is wrong. */
int shops_load(struct shops *s, const char *dir) __attribute__((warn_unused_result));

/* Read the file again for new URLs and tokens; a file that cannot be read changes nothing. */
void shops_reload(struct shops *s);

void shops_finish(struct shops *s);

/* Index of the shop, or -1. */
int shops_find(const struct shops *s, const char *code);

#endif
