#include "lanes.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "encode.h"
#include "keys.h"
#include "log.h"

#define ADMIN_TOKEN_MAX 128
#define TELL_REFUSED_MS 60000
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

/* A table under construction, and the one that it follows. */
struct loading {
	struct lanes *lanes;
	const struct lane *old;
	size_t n_old;
};

static void add_lane(void *ctx, uint32_t number, const uint8_t token_hash[JOURNAL_HASH_BYTES],
		     const char *label)
{
	struct loading *loading = ctx;
	struct lanes *l = loading->lanes;
	struct lane *lane = &l->list[l->n];

	(void)label;
	if (l->n == LANES_MAX)
		return;
	l->n++;
	memset(lane, 0, sizeof(*lane));
	for (size_t i = 0; i < loading->n_old; i++)
		if (loading->old[i].number == number)
			*lane = loading->old[i];
	if (lane->number == 0)
		rate_init(&lane->bucket, l->rate, clock_monotonic_ms());
	lane->number = number;
	memcpy(lane->token_hash, token_hash, JOURNAL_HASH_BYTES);
}

void lanes_load(struct lanes *l, struct journal *j)
{
	struct lane old[LANES_MAX];
	struct loading loading = { .lanes = l, .old = old, .n_old = l->n };

	memcpy(old, l->list, sizeof(old));
	l->n = 0;
	journal_each_lane(j, add_lane, &loading);
}

static int create_admin_token(const char *path, char *token, char *err)
{
	token_create(token);
	strcat(token, "\n");
	return key_file_write(path, token, strlen(token), err);
}

int lanes_init(struct lanes *l, const char *dir, struct journal *j, unsigned rate, char *err)
{
	char token[ADMIN_TOKEN_MAX], path[4200];
	size_t len;
	int r;

	memset(l, 0, sizeof(*l));
	l->rate = rate;
	lanes_load(l, j);
	snprintf(path, sizeof(path), "%s/%s", dir, ADMIN_TOKEN_FILE);
	r = key_file_read(path, token, sizeof(token), err);
	if (r == ERR_NOT_FOUND)
		r = create_admin_token(path, token, err);
	if (r < 0)
		return r;
	len = strlen(token);
	while (len > 0 && isspace((unsigned char)token[len - 1]))
		len--;
	token[len] = '\0';
	if (len < 16) {
		snprintf(err, KEYS_WHY_BYTES, "%.300s holds no token; remove it to get a new one",
			 path);
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
			*ret = (struct caller){ .lane = l->list[i].number, .index = i };
			found = true;
		}
	}
	return found;
}

/* That a lane is held back stands in the log once a minute: a till in a loop looks like this. */
static void tell_refused(struct lane *lane, uint64_t now_ms)
{
	lane->refused++;
	if (now_ms < lane->tell_refused_ms)
		return;
	log_event(LOG_LEVEL_WARNING, "lane_rate_limited", "lane=%u refused=%u",
		  (unsigned)lane->number, lane->refused);
	lane->refused = 0;
	lane->tell_refused_ms = now_ms + TELL_REFUSED_MS;
}

bool lanes_take(struct lanes *l, const struct caller *who, uint64_t now_ms)
{
	if (who->is_admin || l->rate == 0)
		return true;
	if (rate_take(&l->list[who->index].bucket, l->rate, now_ms))
		return true;
	tell_refused(&l->list[who->index], now_ms);
	return false;
}

static bool has_room(const struct lanes *l, uint32_t lane)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->list[i].number == lane)
			return true;
	}
	return l->n < LANES_MAX;
}

int lanes_create_code(struct lanes *l, struct journal *j, uint32_t lane, const char *label,
		      int64_t wall_ms, char ret_code[PAIRING_CODE_BYTES])
{
	uint8_t random[5], h[JOURNAL_HASH_BYTES];

	if (!has_room(l, lane))
		return ERR_INVALID;
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
