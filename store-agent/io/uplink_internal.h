/* What the files of the uplink share. */
#ifndef TRIB_STORE_UPLINK_INTERNAL_H
#define TRIB_STORE_UPLINK_INTERNAL_H

#include "uplink.h"

/* Pack and send, if the link takes it. */
void uplink_send(struct store *s, Trib__V1__Envelope *e);

/* A message signed by this store, in the uplink's arena. */
Trib__V1__Signed *uplink_sign(struct store *s, const char *domain, const ProtobufCMessage *m);

ProtobufCBinaryData uplink_bytes(const void *p, size_t len);
void uplink_stream(struct store *s, Trib__V1__Direction d, Trib__V1__Stream *ret);

/* Whether the stream is ours in that direction. */
bool uplink_is_own(const struct store *s, const Trib__V1__Stream *stream, Trib__V1__Direction d);

/* link_client_handler's: decode, verify, step. ctx is the store. */
void uplink_on_message(void *ctx, const uint8_t *data, size_t len);

#endif
