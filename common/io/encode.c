#include "encode.h"

#include <string.h>
#include <zmq.h>

static const char base32_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void base32_encode(const void *data, size_t len, char *ret_text)
{
	const uint8_t *p = data;
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		bits = bits << 8 | p[i];
		n_bits += 8;
		while (n_bits >= 5) {
			n_bits -= 5;
			*ret_text++ = base32_digits[bits >> n_bits & 31];
		}
	}
	if (n_bits > 0)
		*ret_text++ = base32_digits[bits << (5 - n_bits) & 31];
	*ret_text = '\0';
}

/* Value of one digit, or -1. */
static int base32_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	if (c >= '2' && c <= '7')
		return c - '2' + 26;
	return -1;
}

int base32_decode(const char *text, size_t text_len, void *ret_data, size_t len)
{
	uint8_t *p = ret_data;
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t i;

	if (len > SIZE_MAX / 8 - 1 || text_len != BASE32_TEXT_BYTES(len) - 1)
		return ERR_INVALID;
	for (i = 0; i < text_len; i++) {
		int v = base32_value(text[i]);

		if (v < 0)
			return ERR_INVALID;
		bits = bits << 5 | (uint32_t)v;
		n_bits += 5;
		if (n_bits >= 8) {
			n_bits -= 8;
			*p++ = (uint8_t)(bits >> n_bits);
		}
	}
	/* The rest of the last digit carries nothing, so one value has one text. */
	if ((bits & ((1u << n_bits) - 1)) != 0)
		return ERR_INVALID;
	return 0;
}

void z85_format_key(const uint8_t key[Z85_KEY_BYTES], char ret_text[Z85_TEXT_BYTES])
{
	zmq_z85_encode(ret_text, key, Z85_KEY_BYTES);
}

int z85_parse_key(const char *text, uint8_t ret_key[Z85_KEY_BYTES])
{
	uint8_t key[Z85_KEY_BYTES];
	char again[Z85_TEXT_BYTES];

	if (strlen(text) != Z85_TEXT_BYTES - 1 || zmq_z85_decode(key, text) == NULL)
		return ERR_INVALID;
	/* libzmq takes some foreign characters; only the canonical text is a key. */
	zmq_z85_encode(again, key, sizeof(key));
	if (strcmp(again, text) != 0)
		return ERR_INVALID;
	memcpy(ret_key, key, sizeof(key));
	return 0;
}
