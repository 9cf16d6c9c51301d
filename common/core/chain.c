#include "chain.h"

#include <sodium.h>
#include <string.h>

#include "wire.pb-c.h"

void chain_seed(int direction, const void *certificate, size_t len, uint8_t ret_head[HEAD_BYTES])
{
	static const char up[] = "trib.up.v1", down[] = "trib.down.v1"; /* NUL included */
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, HEAD_BYTES);
	if (direction == TRIB__V1__DIRECTION__UP)
		crypto_generichash_update(&st, (const uint8_t *)up, sizeof(up));
	else
		crypto_generichash_update(&st, (const uint8_t *)down, sizeof(down));
	crypto_generichash_update(&st, certificate, len);
	crypto_generichash_final(&st, ret_head, HEAD_BYTES);
}

void hq_chain_seed(const uint8_t chain[16], uint32_t hq_epoch, uint8_t ret_head[HEAD_BYTES])
{
	uint8_t seed[20];

	memcpy(seed, chain, 16);
	for (size_t i = 0; i < 4; i++)
		seed[16 + i] = (uint8_t)(hq_epoch >> (8 * i));
	chain_seed(TRIB__V1__DIRECTION__UP, seed, sizeof(seed), ret_head);
}

void chain_next(const uint8_t head[HEAD_BYTES], const void *item, size_t len,
		uint8_t ret_head[HEAD_BYTES])
{
	const uint8_t le[4] = { (uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16),
				(uint8_t)(len >> 24) };
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, HEAD_BYTES);
	crypto_generichash_update(&st, head, HEAD_BYTES);
	crypto_generichash_update(&st, le, sizeof(le));
	crypto_generichash_update(&st, item, len);
	crypto_generichash_final(&st, ret_head, HEAD_BYTES);
}

int head_equal(const uint8_t a[HEAD_BYTES], const uint8_t b[HEAD_BYTES])
{
	return memcmp(a, b, HEAD_BYTES) == 0;
}
