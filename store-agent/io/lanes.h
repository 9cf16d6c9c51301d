/* Who may call, and how often: a bearer token per lane, and one for the administrator. Only hashes
 * are kept. The table is read again from the journal wherever a token was written or revoked, so it
 * is what every listener's next request is judged by. */
#ifndef TRIB_STORE_LANES_H
#define TRIB_STORE_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "journal.h"
#include "rate.h"

#define LANES_MAX 256
#define LANE_MAX 9999
#define LANE_TOKEN_BYTES 44 /* 43 characters of base64url and NUL */
#define PAIRING_CODE_BYTES 9 /* 8 characters and NUL */
#define PAIRING_TTL_MS (10 * 60 * 1000)
#define ADMIN_TOKEN_FILE "admin.token"

struct lane {
	uint32_t number;
	uint8_t token_hash[JOURNAL_HASH_BYTES];
	struct rate_bucket bucket;
	unsigned refused; /* not told in the log yet */
	uint64_t tell_refused_ms; /* not before */
};

struct lanes {
	size_t n;
	struct lane list[LANES_MAX];
	uint8_t admin_hash[JOURNAL_HASH_BYTES];
	unsigned rate; /* requests a second that a lane may make; 0: no limit */
	unsigned wrong_codes; /* since wrong_since_ms */
	uint64_t wrong_since_ms; /* monotonic */
};

struct caller {
	bool is_admin;
	uint32_t lane; /* where not the administrator */
	size_t index; /* of the lane in the table */
};

/* Read the lanes, and make the administrator's token at the first start. ERR_DENIED (its file is
 * open to others), ERR_INVALID, ERR_IO, with one line in err (KEYS_WHY_BYTES). */
int MUST_CHECK lanes_init(struct lanes *l, const char *dir, struct journal *j, unsigned rate,
			  char *err);

/* Read them again, after a commit; a lane that stays keeps its share. */
void lanes_load(struct lanes *l, struct journal *j);

/* Whose token it is; false: nobody's. Compares in constant time. */
bool lanes_find(const struct lanes *l, const char *token, struct caller *ret);

/* Take one request of a caller's share. False: it is used up for now. The administrator has no
 * limit. */
bool lanes_take(struct lanes *l, const struct caller *who, uint64_t now_ms);

/* Write a new pairing code for the lane. ERR_FULL: the disk. ERR_INVALID: LANES_MAX have tokens. */
int MUST_CHECK lanes_create_code(struct lanes *l, struct journal *j, uint32_t lane,
				 const char *label, int64_t wall_ms,
				 char ret_code[PAIRING_CODE_BYTES]);

/* Turn a code into a token. ERR_NOT_FOUND, ERR_AGAIN after too many wrong codes, ERR_FULL. */
int MUST_CHECK lanes_pair(struct lanes *l, struct journal *j, const char *code, int64_t wall_ms,
			  uint64_t now_ms, uint32_t *ret_lane, char ret_token[LANE_TOKEN_BYTES]);

#endif
