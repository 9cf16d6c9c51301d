#include "lanes.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "encode.h"
#include "file.h"
#include "keys.h"

#define TOKEN_RANDOM_BYTES 32
#define WRONG_CODES_MAX 10 /* per minute */

static void hash(const char *text, uint8_t ret[JOURNAL_HASH_BYTES])
{
	crypto_generichash(ret, JOURNAL_HASH_BYTES, (const uint8_t *)text, strlen(text), NULL, 0);
}

static void token_create(char ret_token[LANE_TOKEN_BYTES])
{
	uint8_t random[TOKEN_RANDOM_BYTES];

	randombytes_buf(random, sizeof(random));
	sodium_bin2base64(ret_token, LANE_TOKEN_BYTES, random, sizeof(random),
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(random, sizeof(random));
}

static void add_lane(void *ctx, uint32_t lane, const uint8_t token_hash[JOURNAL_HASH_BYTES])
{
	struct lanes *l = ctx;

	if (l->n == LANES_MAX)
		return;
	l->list[l->n].lane = lane;
	memcpy(l->list[l->n++].token_hash, token_hash, JOURNAL_HASH_BYTES);
}

void lanes_load(struct lanes *l, struct journal *j)
{
	l->n = 0;
	journal_each_lane(j, add_lane, l);
}

/* As key files are: nobody else may read it. */
static int check_token_file(const char *dir, char *err)
{
	char path[4200];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, ADMIN_TOKEN_FILE);
	if (stat(path, &st) != 0)
		return 0; /* reading it tells */
	if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0)) {
		snprintf(err, KEYS_WHY_BYTES, "%.300s: not a regular file of this process's user",
			 path);
		return ERR_DENIED;
	}
	if ((st.st_mode & 077) != 0) {
		snprintf(err, KEYS_WHY_BYTES,
			 "%.200s: holds a secret but has mode %04o, open to others; mend it with: "
			 "chmod 600 '%.200s'",
			 path, (unsigned)(st.st_mode & 07777), path);
		return ERR_DENIED;
	}
	return 0;
}

int lanes_init(struct lanes *l, const char *dir, struct journal *j, char *err)
{
	char token[128];
	size_t len;
	int r;

	memset(l, 0, sizeof(*l));
	lanes_load(l, j);
	r = check_token_file(dir, err);
	if (r < 0)
		return r;
	r = file_read(dir, ADMIN_TOKEN_FILE, token, sizeof(token) - 1, &len);
	if (r == ERR_NOT_FOUND) {
		token_create(token);
		len = strlen(token);
		token[len++] = '\n';
		r = file_write(dir, ADMIN_TOKEN_FILE, token, len, 0600);
	}
	if (r < 0) {
		snprintf(err, KEYS_WHY_BYTES, "cannot read or write %.300s/%s: %s", dir,
			 ADMIN_TOKEN_FILE, strerror(errno));
		return ERR_IO;
	}
	while (len > 0 && isspace((unsigned char)token[len - 1]))
		len--;
	token[len] = '\0';
	if (len < 16) {
		snprintf(err, KEYS_WHY_BYTES,
			 "%.300s/%s holds no token; remove it to get a new one", dir,
			 ADMIN_TOKEN_FILE);
		return ERR_INVALID;
	}
	hash(token, l->admin_hash);
	sodium_memzero(token, sizeof(token));
	return 0;
}

bool lanes_find(const struct lanes *l, const char *token, struct caller *ret)
{
	uint8_t h[JOURNAL_HASH_BYTES];
	bool found = false;

	if (token == NULL)
		return false;
	hash(token, h);
	if (sodium_memcmp(h, l->admin_hash, sizeof(h)) == 0) {
		*ret = (struct caller){ .is_admin = true };
		found = true;
	}
	for (size_t i = 0; i < l->n; i++) {
		if (sodium_memcmp(h, l->list[i].token_hash, sizeof(h)) == 0) {
			*ret = (struct caller){ .lane = l->list[i].lane };
			found = true;
		}
	}
	return found;
}

static bool has_room(const struct lanes *l, uint32_t lane)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->list[i].lane == lane)
			return true;
	}
	return l->n < LANES_MAX;
}

int lanes_create_code(struct lanes *l, struct journal *j, uint32_t lane, const char *label,
		      int64_t wall_ms, char ret_code[PAIRING_CODE_BYTES])
{
	uint8_t random[5], h[JOURNAL_HASH_BYTES];

	if (!has_room(l, lane))
		return ERR_FULL;
	randombytes_buf(random, sizeof(random));
	base32_encode(random, sizeof(random), ret_code);
	hash(ret_code, h);
	return journal_put_pairing(j, h, lane, label, wall_ms + PAIRING_TTL_MS);
}

/* Codes are guessed at most WRONG_CODES_MAX times a minute. */
static bool is_throttled(struct lanes *l, uint64_t now_ms)
{
	if (now_ms - l->wrong_since_ms > 60000) {
		l->wrong_since_ms = now_ms;
		l->wrong_codes = 0;
	}
	return l->wrong_codes >= WRONG_CODES_MAX;
}

int lanes_pair(struct lanes *l, struct journal *j, const char *code, int64_t wall_ms,
	       uint64_t now_ms, uint32_t *ret_lane, char ret_token[LANE_TOKEN_BYTES])
{
	char upper[PAIRING_CODE_BYTES], label[LANE_LABEL_MAX + 1];
	uint8_t h[JOURNAL_HASH_BYTES];
	uint32_t lane;
	int r;

	if (is_throttled(l, now_ms))
		return ERR_AGAIN;
	snprintf(upper, sizeof(upper), "%s", code);
	for (char *p = upper; *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	hash(strlen(code) < PAIRING_CODE_BYTES ? upper : code, h);
	r = journal_take_pairing(j, h, wall_ms, &lane, label);
	if (r == ERR_NOT_FOUND)
		l->wrong_codes++;
	if (r < 0)
		return r;
	token_create(ret_token);
	hash(ret_token, h);
	r = journal_put_lane(j, lane, h, label);
	if (r == 0)
		*ret_lane = lane;
	return r;
}
