#include "ids.h"

#include <sodium.h>
#include <string.h>

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

int64_t lot_id(int32_t node, uint32_t incarnation, uint64_t seq)
{
	if (node < 0 || node > NODE_MAX || incarnation > INCARNATION_MAX || seq > LOT_SEQ_MAX)
		return 0;
	return ((int64_t)node << 42) | ((int64_t)incarnation << 32) | (int64_t)seq;
}

int32_t lot_issuer(int64_t lot)
{
	return (int32_t)((lot >> 42) & NODE_MAX);
}

void account_id(const uint8_t key[ACCOUNT_KEY_BYTES], const void *card_no, size_t len,
		uint8_t ret_id[ACCOUNT_ID_BYTES])
{
	crypto_generichash(ret_id, ACCOUNT_ID_BYTES, card_no, len, key, ACCOUNT_KEY_BYTES);
}

void account_format(const uint8_t id[ACCOUNT_ID_BYTES], char ret_text[ACCOUNT_TEXT_BYTES])
{
	unsigned bits = 0, value = 0;
	size_t n = 0;

	for (size_t i = 0; i < ACCOUNT_ID_BYTES; i++) {
		value = (value << 8) | id[i];
		bits += 8;
		while (bits >= 5) {
			ret_text[n++] = alphabet[(value >> (bits - 5)) & 31];
			bits -= 5;
		}
		value &= (1u << bits) - 1;
	}
	ret_text[n++] = alphabet[(value << (5 - bits)) & 31]; /* 128 = 25 * 5 + 3 */
	ret_text[n] = '\0';
}

static int base32_digit(char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= '2' && c <= '7')
		return c - '2' + 26;
	return -1;
}

int account_parse(const char *text, uint8_t ret_id[ACCOUNT_ID_BYTES])
{
	uint8_t id[ACCOUNT_ID_BYTES];
	unsigned bits = 0, value = 0;
	size_t n = 0;

	if (strlen(text) != ACCOUNT_TEXT_BYTES - 1)
		return ERR_INVALID;
	for (size_t i = 0; text[i] != '\0'; i++) {
		int digit = base32_digit(text[i]);

		if (digit < 0)
			return ERR_INVALID;
		value = (value << 5) | (unsigned)digit;
		bits += 5;
		if (bits >= 8) {
			id[n++] = (uint8_t)(value >> (bits - 8));
			bits -= 8;
			value &= (1u << bits) - 1;
		}
	}
	if (value != 0) /* one spelling per id */
		return ERR_INVALID;
	memcpy(ret_id, id, sizeof(id));
	return 0;
}

static char *put_decimal(char *p, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	while (n > 0)
		*p++ = digits[--n];
	return p;
}

void txn_format(const char *store, uint32_t incarnation, uint64_t seq,
		char ret_text[TXN_TEXT_BYTES])
{
	size_t n = strnlen(store, STORE_CODE_MAX - 1);
	char *p = ret_text + n;

	memcpy(ret_text, store, n);
	*p++ = '-';
	p = put_decimal(p, incarnation);
	*p++ = '-';
	p = put_decimal(p, seq);
	*p = '\0';
}

static const char *get_decimal(const char *p, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (*p < '1' || *p > '9') /* no zero, no leading zeros: one spelling per number */
		return NULL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (v > (max - (uint64_t)(*p - '0')) / 10)
			return NULL;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	*ret = v;
	return p;
}

int txn_parse(const char *text, char *ret_store, uint32_t *ret_incarnation, uint64_t *ret_seq)
{
	const char *dash = strchr(text, '-');
	char store[STORE_CODE_MAX];
	uint64_t incarnation, seq;
	const char *p;

	if (dash == NULL || (size_t)(dash - text) >= sizeof(store))
		return ERR_INVALID;
	memcpy(store, text, (size_t)(dash - text));
	store[dash - text] = '\0';
	p = get_decimal(dash + 1, INCARNATION_MAX, &incarnation);
	if (!store_code_is_valid(store) || p == NULL || *p != '-')
		return ERR_INVALID;
	p = get_decimal(p + 1, LOT_SEQ_MAX, &seq);
	if (p == NULL || *p != '\0')
		return ERR_INVALID;
	memcpy(ret_store, store, sizeof(store));
	*ret_incarnation = (uint32_t)incarnation;
	*ret_seq = seq;
	return 0;
}

int store_code_is_valid(const char *code)
{
	size_t n = 0;

	for (; code[n] != '\0'; n++) {
		char c = code[n];

		if (n + 1 >= STORE_CODE_MAX || !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
						 (c >= 'a' && c <= 'z') || c == '_'))
			return 0;
	}
	return n > 0;
}

void card_mask(const char *card_no, char *ret_text)
{
	size_t n = strnlen(card_no, CARD_NO_MAX);
	size_t shown = n > 8 ? 4 : n / 3;

	for (size_t i = 0; i < n; i++)
		ret_text[i] = i + shown < n ? '*' : card_no[i];
	ret_text[n] = '\0';
}
