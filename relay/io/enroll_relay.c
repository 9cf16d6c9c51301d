/* Boxes without a certificate: their requests go to HQ and its answers back, unread. */
#include <string.h>

#include "log.h"
#include "relayd.h"

_Static_assert(sizeof(struct link_route) <= TICKET_ROUTE_BYTES, "a route fits a ticket");

static void reply_to(struct relayd *d, const struct link_route *route,
		     const Trib__V1__EnrollReply *reply)
{
	Trib__V1__Envelope e;

	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_ENROLL_REPLY;
	e.enroll_reply = (Trib__V1__EnrollReply *)(uintptr_t)reply;
	if (envelope_pack(&d->out, &e) == 0)
		(void)!link_server_send_to(d->enroll, route, d->out.data, d->out.len);
}

static void refuse(struct relayd *d, const struct link_route *route, const char *code)
{
	Trib__V1__EnrollReply r = TRIB__V1__ENROLL_REPLY__INIT;

	r.refused = (char *)(uintptr_t)code;
	reply_to(d, route, &r);
}

void relayd_on_enroll_message(void *ctx, const struct link_peer *from, const uint8_t *data,
			      size_t len)
{
	struct relayd *d = ctx;
	uint8_t route[TICKET_ROUTE_BYTES] = { 0 };
	const Trib__V1__Envelope *e;
	Trib__V1__Envelope out;
	Trib__V1__Enroll m;
	uint64_t no;
	int err;

	memcpy(route, &from->route, sizeof(from->route));
	err = tickets_open(&d->tickets, relayd_now_ms(), route, &no);
	if (err != 0) {
		refuse(d, &from->route, "rate_limited");
		return;
	}
	err = envelope_unpack(&d->reader, data, len, &e);
	if (err == ERR_VERSION) {
		envelope_pack_version_refusal(&d->out);
		(void)!link_server_send_to(d->enroll, &from->route, d->out.data, d->out.len);
	}
	if (err != 0 || e->body_case != TRIB__V1__ENVELOPE__BODY_ENROLL) {
		(void)!tickets_close(&d->tickets, relayd_now_ms(), no, route);
		return;
	}
	m = *e->enroll;
	m.has_ticket = 1;
	m.ticket = no;
	envelope_init(&out);
	out.body_case = TRIB__V1__ENVELOPE__BODY_ENROLL;
	out.enroll = &m;
	if (relay_hq(d->core) != RELAY_HQ_OPEN || relayd_send_hq(d, &out) != 0) {
		(void)!tickets_close(&d->tickets, relayd_now_ms(), no, route);
		refuse(d, &from->route, "hq_unreachable");
		return;
	}
	log_event(LOG_LEVEL_INFO, "enroll_passed", "ticket=%llu", (unsigned long long)no);
}

void relayd_on_enroll_reply(struct relayd *d, const Trib__V1__EnrollReply *reply)
{
	uint8_t bytes[TICKET_ROUTE_BYTES];
	struct relay_event ev = { .kind = RELAY_HQ_HEARD };
	Trib__V1__EnrollReply r = *reply;
	struct link_route route;

	(void)!relayd_step(d, &ev, NULL);
	if (!reply->has_ticket ||
	    tickets_close(&d->tickets, relayd_now_ms(), reply->ticket, bytes) != 0)
		return; /* the box has given up, or asked another relay */
	memcpy(&route, bytes, sizeof(route));
	r.has_ticket = 0;
	reply_to(d, &route, &r);
}
