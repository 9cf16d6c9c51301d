/* What messages must say to be well formed, beyond their types. Used by envelope.c only. */
#ifndef TRIB_IO_ENVELOPE_CHECK_H
#define TRIB_IO_ENVELOPE_CHECK_H

#include <stdbool.h>

#include "wire.pb-c.h"

bool envelope_is_sound(const Trib__V1__Envelope *e);
bool signed_is_sound(const Trib__V1__Signed *s);
bool certificate_is_sound(const Trib__V1__Certificate *c);
bool signed_head_is_sound(const Trib__V1__SignedHead *h);
bool booked_ack_is_sound(const Trib__V1__BookedAck *a);
bool hello_payload_is_sound(const Trib__V1__HelloPayload *h);
bool health_is_sound(const Trib__V1__Health *h);
bool roster_is_sound(const Trib__V1__Roster *r);
bool enroll_request_is_sound(const Trib__V1__EnrollRequest *r);
bool enroll_grant_is_sound(const Trib__V1__EnrollGrant *g);

#endif
