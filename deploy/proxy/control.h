/* The proxy's control socket: one command a line, one line of answer each.
 *
 *   mode pass | mode blackhole | mode reset | mode delay MS      ok mode=... links=...
 *   status                                                      the same, changing nothing
 *   anything else                                               error ...
 */
#ifndef TRIB_PROXY_CONTROL_H
#define TRIB_PROXY_CONTROL_H

#include <ev.h>

#include "proxy.h"

struct control;

/* Listen at path, a unix socket that only our user may write to; one left over is replaced.
 * Borrows p. NULL with errno set. */
struct control *control_create(struct ev_loop *loop, const char *path, struct proxy *p);

/* Removes the socket. */
void control_destroy(struct control *c);

#endif
