/* One proxied connection: a client's end, the target's end, and the bytes between. */
#ifndef TRIB_PROXY_LINK_H
#define TRIB_PROXY_LINK_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "flow.h"

/*            link_create                 target answered
 *   (none) ---------------> CONNECTING -----------------> OPEN
 *     |                          |                          |
 *     | link_create_held         | link_hold                | link_hold
 *     v                          v                          v
 *    HELD <---------------------------------------------------
 *
 * A held link moves no byte again; its owner destroys it. In the other states it destroys itself
 * when both ends have said all, or one is broken, and says so first. */
enum link_state {
	LINK_CONNECTING,
	LINK_OPEN,
	LINK_HELD,
};

enum link_end {
	LINK_CLIENT,
	LINK_TARGET,
};

struct link;

/* The link's owner: counts bytes, and forgets a link that goes. */
struct link_owner {
	void (*on_moved)(struct link_owner *o, enum link_end from, size_t n);
	void (*on_gone)(struct link_owner *o, struct link *l);
};

struct link {
	struct ev_loop *loop; /* borrowed */
	struct link_owner *owner; /* borrowed */
	struct link *prev, *next; /* the owner's list */
	enum link_state state;
	int fd[2]; /* by end; -1: none */
	ev_io readable[2];
	ev_io writable[2];
	ev_timer due[2]; /* the flow's next bytes may leave */
	struct flow flow[2]; /* by the end that it comes from */
	bool has_ended[2]; /* that end sends no more */
	bool is_shut[2]; /* and the other end has been told */
	double delay_s;
};

/* Take client_fd and connect to the target. NULL: client_fd is still the caller's. */
struct link *link_create(struct ev_loop *loop, struct link_owner *owner, int client_fd,
			 const struct sockaddr *target, socklen_t target_len, double delay_s);

/* Take client_fd and do nothing with it. NULL: client_fd is still the caller's. */
struct link *link_create_held(struct ev_loop *loop, struct link_owner *owner, int client_fd);

void link_hold(struct link *l);

/* Bytes read from now on leave delay_s later; 0 lets also those go that wait. */
void link_set_delay(struct link *l, double delay_s);

/* Reset both ends, free the link. Does not call on_gone. */
void link_destroy(struct link *l);

/* Close a socket with a reset; what was not sent yet is dropped. */
void link_reset_fd(int fd);

#endif
