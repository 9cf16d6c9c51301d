#include "fingerprint.h"

#include <string.h>

static void update(struct fingerprint *f, const void *p, size_t len)
{
	crypto_generichash_update(&f->state, p, len);
}

void fingerprint_int(struct fingerprint *f, int64_t v)
{
	uint8_t bytes[9] = { 'i' };

	for (int i = 0; i < 8; i++)
		bytes[i + 1] = (uint8_t)((uint64_t)v >> (8 * i));
	update(f, bytes, sizeof(bytes));
}

void fingerprint_init(struct fingerprint *f, enum agent_verb verb)
{
	crypto_generichash_init(&f->state, NULL, 0, AGENT_FINGERPRINT_BYTES);
	fingerprint_int(f, verb);
}

void fingerprint_text(struct fingerprint *f, const char *s)
{
	if (s == NULL) {
		update(f, "-", 1);
		return;
	}
	fingerprint_int(f, (int64_t)strlen(s));
	update(f, s, strlen(s));
}

void fingerprint_final(struct fingerprint *f, uint8_t ret[AGENT_FINGERPRINT_BYTES])
{
	crypto_generichash_final(&f->state, ret, AGENT_FINGERPRINT_BYTES);
}
