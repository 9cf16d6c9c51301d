/* A TCP proxy for one link, which can be cut and slowed: what the control socket commands. */
#ifndef TRIB_PROXY_PROXY_H
#define TRIB_PROXY_PROXY_H

#include <ev.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct proxy;

enum proxy_mode {
	PROXY_PASS, /* bytes pass in both directions */
	PROXY_BLACKHOLE, /* connections stay and are accepted, no byte moves */
	PROXY_RESET, /* connections are reset, new ones as soon as they are there */
	PROXY_DELAY, /* bytes pass, each a fixed time later */
};

struct proxy_status {
	enum proxy_mode mode;
	unsigned int delay_ms;
	unsigned int n_links; /* open now */
	uint64_t n_accepted; /* ever */
	uint64_t bytes_up; /* from clients to the target */
	uint64_t bytes_down;
};

/* Serve the listening socket listen_fd (taken, non-blocking) on the loop. Returns NULL without
 * memory; then listen_fd is still the caller's. */
struct proxy *proxy_create(struct ev_loop *loop, int listen_fd, const struct sockaddr *target,
			   socklen_t target_len);

/* Closes everything. */
void proxy_destroy(struct proxy *p);

/* Change the mode. Connections that stood in a black hole are reset by any change: what they lost
 * the time for, their ends find out at once. delay_ms counts with PROXY_DELAY. */
void proxy_set_mode(struct proxy *p, enum proxy_mode mode, unsigned int delay_ms);

void proxy_get_status(const struct proxy *p, struct proxy_status *ret_status);

const char *proxy_mode_name(enum proxy_mode mode);

#endif
