/* Who may call: a bearer token per lane, and one for the administrator. Only hashes are kept. */
#ifndef TRIB_STORE_LANES_H
#define TRIB_STORE_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "journal.h"

#define LANES_MAX 256
#define LANE_MAX 9999
#define LANE_TOKEN_BYTES 44 /* 43 characters of base64url and NUL */
#define PAIRING_CODE_BYTES 9 /* 8 characters and NUL */
#define PAIRING_TTL_MS (10 * 60 * 1000)
#define ADMIN_TOKEN_FILE "admin.token"

struct lanes {
	size_t n;
	struct {
		uint32_t lane;
		uint8_t token_hash[JOURNAL_HASH_BYTES];
	} list[LANES_MAX];
	uint8_t admin_hash[JOURNAL_HASH_BYTES];
	unsigned wrong_codes; /* since wrong_since_ms */
	uint64_t wrong_since_ms; /* monotonic */
};

struct caller {
	bool is_admin;
	uint32_t lane; /* where not the administrator */
};

/* Read the lanes, and make the administrator's token at the first start. ERR_DENIED (its file is
 * open to others), ERR_INVALID, ERR_IO, with one line in err (KEYS_WHY_BYTES). */
int MUST_CHECK lanes_init(struct lanes *l, const char *dir, struct journal *j, char *err);
void lanes_load(struct lanes *l, struct journal *j);

/* Whose token it is; false: nobody's. Compares in constant time. */
bool lanes_find(const struct lanes *l, const char *token, struct caller *ret);

/* Write a new pairing code for the lane. ERR_FULL: disk or table. */
int MUST_CHECK lanes_create_code(struct lanes *l, struct journal *j, uint32_t lane,
				 const char *label, int64_t wall_ms,
				 char ret_code[PAIRING_CODE_BYTES]);

/* Turn a code into a token. ERR_NOT_FOUND, ERR_AGAIN after too many wrong codes, ERR_FULL. */
int MUST_CHECK lanes_pair(struct lanes *l, struct journal *j, const char *code, int64_t wall_ms,
			  uint64_t now_ms, uint32_t *ret_lane, char ret_token[LANE_TOKEN_BYTES]);

#endif
