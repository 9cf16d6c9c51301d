#include "tickets.h"

#include <string.h>

void tickets_init(struct tickets *t, uint64_t first_no)
{
	memset(t, 0, sizeof(*t));
	t->last_no = first_no;
}

int tickets_open(struct tickets *t, uint64_t now_ms, const uint8_t route[TICKET_ROUTE_BYTES],
		 uint64_t *ret_no)
{
	if (now_ms >= t->second_ms + 1000) {
		t->second_ms = now_ms;
		t->taken = 0;
	}
	if (t->taken >= ENROLL_PER_SECOND)
		return ERR_AGAIN;
	t->taken++;
	for (unsigned i = 0; i < TICKETS_MAX; i++) {
		struct ticket *e = &t->list[i];

		if (e->no != 0 && e->until_ms > now_ms)
			continue;
		t->last_no += t->last_no == UINT64_MAX ? 2 : 1; /* never 0 */
		e->no = t->last_no;
		e->until_ms = now_ms + TICKET_LIFE_MS;
		memcpy(e->route, route, TICKET_ROUTE_BYTES);
		*ret_no = e->no;
		return 0;
	}
	return ERR_FULL;
}

int tickets_close(struct tickets *t, uint64_t now_ms, uint64_t no,
		  uint8_t ret_route[TICKET_ROUTE_BYTES])
{
	for (unsigned i = 0; i < TICKETS_MAX; i++) {
		struct ticket *e = &t->list[i];

		if (no == 0 || e->no != no)
			continue;
		e->no = 0;
		if (e->until_ms <= now_ms)
			return ERR_NOT_FOUND;
		memcpy(ret_route, e->route, TICKET_ROUTE_BYTES);
		return 0;
	}
	return ERR_NOT_FOUND;
}
