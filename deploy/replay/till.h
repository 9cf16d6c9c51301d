/* One operation as a call to a shop's HTTP interface, and what an answer says. */
#ifndef TRIB_REPLAY_TILL_H
#define TRIB_REPLAY_TILL_H

#include <stdbool.h>
#include <stdint.h>

#include "report.h"
#include "rows.h"
#include "shops.h"

struct till_call {
	const char *path;
	char *body; /* owned: free() it */
	char key[64]; /* Idempotency-Key */
};

/* The call that issues the row's card, and the one that does its operation. 0, or -1 without
 * memory. */
int till_issue(const struct rows *rows, const struct row *row, struct till_call *ret_call)
	__attribute__((warn_unused_result));
int till_operate(const struct rows *rows, const struct shops *shops, const struct row *row,
		 struct till_call *ret_call) __attribute__((warn_unused_result));

struct till_balance {
	int64_t principal;
	int64_t bonus;
	int64_t points;
};

enum till_verdict {
	TILL_DONE,
	TILL_AGAIN, /* no answer, or one that holds only for now: the same call again */
	TILL_UNKNOWN_CARD,
	TILL_CARD_EXISTS,
	TILL_REFUSED,
};

struct till_answer {
	enum till_verdict verdict;
	bool has_balance;
	struct till_balance balance;
	char code[CODE_BYTES]; /* of an error */
};

/* status 0: no answer came. */
void till_read(long status, const char *body, struct till_answer *ret_answer);

#endif
