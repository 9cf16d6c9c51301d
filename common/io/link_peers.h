/* A server's bounded table of user ids: which connections of each still count, and the newest. */
#ifndef TRIB_IO_LINK_PEERS_H
#define TRIB_IO_LINK_PEERS_H

#include "link_internal.h"

/* serials: every admitted connection of the server has its own, rising.
 *
 *   connection      first_serial <= serial      counts
 *                   serial < first_serial       forgotten, or the slot's former owner
 *                   serial < newest_serial      replaced: a later one has spoken */
struct link_peer_slot {
	char user_id[LINK_USER_ID_BYTES]; /* empty: free */
	uint64_t first_serial;
	uint64_t newest_serial; /* that has spoken; 0: none */
	struct link_route route; /* of newest_serial; len 0: none or gone */
	uint32_t next; /* in its bucket or in the list of free slots; slot number + 1, 0 ends */
};

struct link_peers {
	struct link_peer_slot *slots; /* owned */
	uint32_t *buckets; /* owned; slot number + 1 */
	uint32_t n_buckets; /* a power of two */
	uint32_t n_slots; /* ever used */
	uint32_t cap_slots;
	uint32_t max_slots;
	uint32_t free; /* slot number + 1 */
	uint64_t last_serial;
};

enum link_heard {
	LINK_HEARD,
	LINK_HEARD_STALE,
	LINK_HEARD_FORGOTTEN,
	LINK_HEARD_MALFORMED
};

void link_peers_init(struct link_peers *p, unsigned max_peers);
void link_peers_finish(struct link_peers *p);

/* A new connection of user_id; ret_label becomes its User-Id. ERR_FULL. */
int MUST_CHECK link_peers_admit(struct link_peers *p, const char *user_id,
				char ret_label[LINK_LABEL_BYTES]);

/* A message came by the connection with this label. On LINK_HEARD *ret_user_id (in the table) is
 * whose, and route becomes where to answer. */
enum link_heard link_peers_hear(struct link_peers *p, const char *label,
				const struct link_route *route, const char **ret_user_id);

/* Slot of user_id, or NULL. */
struct link_peer_slot *link_peers_find(struct link_peers *p, const char *user_id);

void link_peers_forget(struct link_peers *p, const char *user_id);

#endif
