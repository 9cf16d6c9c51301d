/* The hash chain over a stream's items.
 *
 *   certificate ──seed──> head(0) ──item 1──> head(1) ──item 2──> head(2) …
 *
 *   head(n) = BLAKE2b-256(head(n-1) ‖ length of item n, 4 bytes little-endian ‖ item n)
 */
#ifndef TRIB_CORE_CHAIN_H
#define TRIB_CORE_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#define HEAD_BYTES 32

/* A place in a stream: after `seq` items, the head is `head`. */
struct position {
	uint64_t seq;
	uint8_t head[HEAD_BYTES];
};

/* head(0) of a stream: BLAKE2b-256("trib.up.v1" or "trib.down.v1" ‖ 0x00 ‖ certificate payload).
 * direction is a Trib__V1__Direction. HQ's own journal (node 0) is seeded by the chain's id and
 * its epoch in place of a certificate: see hq_chain_seed(). */
void chain_seed(int direction, const void *certificate, size_t len, uint8_t ret_head[HEAD_BYTES]);

/* head(0) of HQ's own journal: as a store's, over the chain's id (16 bytes) ‖ epoch (4 bytes,
 * little-endian) in place of the certificate. */
void hq_chain_seed(const uint8_t chain[16], uint32_t hq_epoch, uint8_t ret_head[HEAD_BYTES]);

/* ret_head = the head after one more item. ret_head may be `head`. */
void chain_next(const uint8_t head[HEAD_BYTES], const void *item, size_t len,
		uint8_t ret_head[HEAD_BYTES]);

/* Equal heads; not secret, so no constant time is needed. */
int head_equal(const uint8_t a[HEAD_BYTES], const uint8_t b[HEAD_BYTES]);

#endif
