#include "member.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "log.h"

#define KDF_CONTEXT "tribmemb"
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define PLAIN_VERSION 1
#define PATH_BYTES 4200

_Static_assert(MEMBER_SEALED_BYTES ==
		       MEMBER_KEY_ID_BYTES + NONCE_BYTES + MEMBER_PLAIN_BYTES + TAG_BYTES,
	       "a sealed member has its parts");
_Static_assert(1 + 3 + MEMBER_NAME_MAX + MEMBER_PHONE_MAX + MEMBER_BIRTHDAY_BYTES <=
		       MEMBER_PLAIN_BYTES,
	       "the longest member fits");

/* ---- keys ---- */

enum subkey { /* the numbers are in what is kept: never reuse one */
	SUBKEY_SEAL = 1,
	SUBKEY_PHONE = 2,
	SUBKEY_LAST4 = 3,
	SUBKEY_PRINT = 4,
	SUBKEY_ID = 5,
};

static void derive(struct member_keys *k, const uint8_t master[MEMBER_KEY_BYTES])
{
	_Static_assert(MEMBER_KEY_BYTES == crypto_kdf_KEYBYTES, "the file holds a KDF key");
	crypto_kdf_derive_from_key(k->seal, MEMBER_KEY_BYTES, SUBKEY_SEAL, KDF_CONTEXT, master);
	crypto_kdf_derive_from_key(k->phone, MEMBER_KEY_BYTES, SUBKEY_PHONE, KDF_CONTEXT, master);
	crypto_kdf_derive_from_key(k->last4, MEMBER_KEY_BYTES, SUBKEY_LAST4, KDF_CONTEXT, master);
	crypto_kdf_derive_from_key(k->print, MEMBER_KEY_BYTES, SUBKEY_PRINT, KDF_CONTEXT, master);
	crypto_kdf_derive_from_key(k->id, MEMBER_KEY_ID_BYTES, SUBKEY_ID, KDF_CONTEXT, master);
	k->state = MEMBER_KEY_READY;
}

static void key_path(const char *dir, char path[PATH_BYTES])
{
	int n = snprintf(path, PATH_BYTES, "%s/%s", dir, MEMBER_KEY_FILE);

	assert(n > 0 && n < PATH_BYTES); /* the folder's name is shorter than 4096 */
	(void)n;
}

/* Read the file into k; the errors of secret_file_read. */
static int read_key(struct member_keys *k, const char *dir, char *why)
{
	uint8_t master[MEMBER_KEY_BYTES];
	char path[PATH_BYTES];
	int r;

	key_path(dir, path);
	r = secret_file_read(path, master, sizeof(master), why);
	if (r == 0)
		derive(k, master);
	sodium_memzero(master, sizeof(master));
	return r;
}

int member_keys_load(struct member_keys *k, const char *dir,
		     const uint8_t sealed[MEMBER_SEALED_BYTES], char *err)
{
	char why[KEYS_WHY_BYTES] = "";
	struct log_value v;
	int r;

	memset(k, 0, sizeof(*k));
	r = read_key(k, dir, why);
	if (r == ERR_DENIED) {
		snprintf(err, KEYS_WHY_BYTES, "%s", why);
		return r;
	}
	if (r == ERR_NOT_FOUND && sealed == NULL)
		return 0;
	if (r < 0) {
		k->state = MEMBER_KEY_LOST;
		log_event(LOG_LEVEL_ERROR, "member_key_lost", "why=%s", log_quote(&v, why));
	} else if (sealed != NULL && memcmp(sealed, k->id, sizeof(k->id)) != 0) {
		log_event(LOG_LEVEL_ERROR, "member_key_differs", "file=%s", MEMBER_KEY_FILE);
	}
	return 0;
}

int member_keys_need(struct member_keys *k, const char *dir)
{
	char path[PATH_BYTES], why[KEYS_WHY_BYTES] = "";
	uint8_t master[MEMBER_KEY_BYTES] = { 0 };
	struct log_value v;

	if (k->state != MEMBER_KEY_NONE)
		return k->state == MEMBER_KEY_READY ? 0 : ERR_NOT_FOUND;
	key_path(dir, path);
	if (secret_file_create(path, master, sizeof(master), why) < 0) {
		log_event(LOG_LEVEL_ERROR, "member_key_not_made", "why=%s", log_quote(&v, why));
		return ERR_IO;
	}
	derive(k, master);
	sodium_memzero(master, sizeof(master));
	return 0;
}

void member_keys_wipe(struct member_keys *k)
{
	sodium_memzero(k, sizeof(*k));
}

/* ---- forms ---- */

static bool is_digits(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
	}
	return true;
}

int member_phone_parse(const char *text, char *ret)
{
	size_t len = strlen(text), plus = text[0] == '+';

	if (len < MEMBER_PHONE_MIN || len > MEMBER_PHONE_MAX || !is_digits(text + plus, len - plus))
		return ERR_INVALID;
	if (len == 14 && strncmp(text, "+861", 4) == 0) {
		text += 3;
		len -= 3;
	}
	memcpy(ret, text, len + 1);
	return 0;
}

bool member_birthday_is_valid(const char *text)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year, month, day;
	bool is_leap;

	if (strlen(text) != MEMBER_BIRTHDAY_BYTES || !is_digits(text, 4) || text[4] != '-' ||
	    !is_digits(text + 5, 2) || text[7] != '-' || !is_digits(text + 8, 2))
		return false;
	year = atoi(text);
	month = atoi(text + 5);
	day = atoi(text + 8);
	if (year < 1900 || month < 1 || month > 12 || day < 1)
		return false;
	is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return day <= days[month - 1] + (month == 2 && is_leap);
}

void member_phone_mask(const char *phone, char *ret)
{
	size_t n = strnlen(phone, MEMBER_PHONE_MAX);
	size_t shown = n >= 11 ? 7 : n * 7 / 11;
	size_t first = shown / 2, last = shown - first;

	for (size_t i = 0; i < n; i++)
		ret[i] = i < first || i + last >= n ? phone[i] : '*';
	ret[n] = '\0';
}

/* ---- sealing ---- */

static uint8_t *put_text(uint8_t *p, const char *s)
{
	size_t len = strlen(s);

	*p++ = (uint8_t)len;
	memcpy(p, s, len);
	return p + len;
}

/* Read a text of at most max bytes; NULL where there is none. */
static const uint8_t *get_text(const uint8_t *p, const uint8_t *end, size_t max, char *ret)
{
	size_t len;

	if (p == NULL || p == end)
		return NULL;
	len = *p++;
	if (len > max || len > (size_t)(end - p))
		return NULL;
	memcpy(ret, p, len);
	ret[len] = '\0';
	return p + len;
}

void member_seal(const struct member_keys *k, const uint8_t account[ACCOUNT_ID_BYTES],
		 const struct member *m, uint8_t ret[MEMBER_SEALED_BYTES])
{
	uint8_t plain[MEMBER_PLAIN_BYTES] = { PLAIN_VERSION };
	uint8_t *nonce = ret + MEMBER_KEY_ID_BYTES;

	assert(k->state == MEMBER_KEY_READY);
	(void)put_text(put_text(put_text(plain + 1, m->name), m->phone), m->birthday);
	memcpy(ret, k->id, MEMBER_KEY_ID_BYTES);
	randombytes_buf(nonce, NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE_BYTES, NULL, plain, sizeof(plain),
						   account, ACCOUNT_ID_BYTES, NULL, nonce, k->seal);
	sodium_memzero(plain, sizeof(plain));
}

int member_open(const struct member_keys *k, const uint8_t account[ACCOUNT_ID_BYTES],
		const uint8_t sealed[MEMBER_SEALED_BYTES], struct member *ret)
{
	const uint8_t *nonce = sealed + MEMBER_KEY_ID_BYTES, *p, *end;
	uint8_t plain[MEMBER_PLAIN_BYTES];
	struct member m;
	int r = ERR_SIGNATURE;

	assert(k->state == MEMBER_KEY_READY);
	if (memcmp(sealed, k->id, MEMBER_KEY_ID_BYTES) != 0 ||
	    crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, nonce + NONCE_BYTES,
						       MEMBER_PLAIN_BYTES + TAG_BYTES, account,
						       ACCOUNT_ID_BYTES, nonce, k->seal) != 0 ||
	    plain[0] != PLAIN_VERSION)
		return ERR_SIGNATURE;
	end = plain + sizeof(plain);
	p = get_text(plain + 1, end, MEMBER_NAME_MAX, m.name);
	p = get_text(p, end, MEMBER_PHONE_MAX, m.phone);
	p = get_text(p, end, MEMBER_BIRTHDAY_BYTES, m.birthday);
	if (p != NULL) {
		*ret = m;
		r = 0;
	}
	sodium_memzero(plain, sizeof(plain));
	sodium_memzero(&m, sizeof(m));
	return r;
}

static void keyed(const uint8_t key[MEMBER_KEY_BYTES], const char *s, size_t len,
		  uint8_t ret[MEMBER_INDEX_BYTES])
{
	crypto_generichash(ret, MEMBER_INDEX_BYTES, (const uint8_t *)s, len, key, MEMBER_KEY_BYTES);
}

void member_phone_index(const struct member_keys *k, const char *phone,
			uint8_t ret[MEMBER_INDEX_BYTES])
{
	assert(k->state == MEMBER_KEY_READY);
	keyed(k->phone, phone, strlen(phone), ret);
}

void member_last4_index(const struct member_keys *k, const char *phone,
			uint8_t ret[MEMBER_INDEX_BYTES])
{
	size_t len = strlen(phone);

	assert(k->state == MEMBER_KEY_READY && len >= MEMBER_LAST4);
	keyed(k->last4, phone + len - MEMBER_LAST4, MEMBER_LAST4, ret);
}

void member_print(const struct member_keys *k, const char *field, const char *text,
		  char ret[MEMBER_PRINT_BYTES])
{
	uint8_t hash[MEMBER_INDEX_BYTES];
	crypto_generichash_state st;

	assert(k->state == MEMBER_KEY_READY);
	crypto_generichash_init(&st, k->print, MEMBER_KEY_BYTES, sizeof(hash));
	crypto_generichash_update(&st, (const uint8_t *)field, strlen(field) + 1);
	crypto_generichash_update(&st, (const uint8_t *)text, strlen(text));
	crypto_generichash_final(&st, hash, sizeof(hash));
	sodium_bin2hex(ret, MEMBER_PRINT_BYTES, hash, sizeof(hash));
}
