#include "envelope.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "envelope_check.h"
#include "wire_check.h"

void envelope_reader_init(struct envelope_reader *r)
{
	r->memory = malloc(ENVELOPE_ARENA_BYTES);
	if (r->memory == NULL)
		abort();
	arena_init(&r->arena, r->memory, ENVELOPE_ARENA_BYTES);
}

void envelope_reader_finish(struct envelope_reader *r)
{
	free(r->memory);
	r->memory = NULL;
}

void envelope_init(Trib__V1__Envelope *ret)
{
	trib__v1__envelope__init(ret);
	ret->protocol = ENVELOPE_PROTOCOL;
}

/* ---- packing ---- */

static void send_buffer_reserve(struct send_buffer *b, size_t len)
{
	size_t cap = b->cap == 0 ? 1024 : b->cap;

	if (len <= b->cap)
		return;
	while (cap < len)
		cap *= 2; /* len is at most ENVELOPE_MAX_BYTES */
	free(b->data); /* the old content is replaced anyway */
	b->data = malloc(cap);
	if (b->data == NULL)
		abort();
	b->cap = cap;
}

int envelope_pack(struct send_buffer *b, const Trib__V1__Envelope *e)
{
	size_t len = trib__v1__envelope__get_packed_size(e);

	b->len = 0;
	if (len > ENVELOPE_MAX_BYTES)
		return ERR_FULL;
	send_buffer_reserve(b, len);
	b->len = trib__v1__envelope__pack(e, b->data);
	return 0;
}

void send_buffer_finish(struct send_buffer *b)
{
	free(b->data);
	*b = (struct send_buffer){ 0 };
}

static void pack_refuse(struct send_buffer *b, Trib__V1__Refuse *refuse)
{
	Trib__V1__Envelope e;

	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_REFUSE;
	e.refuse = refuse;
	if (envelope_pack(b, &e) != 0)
		abort(); /* its texts are bounded */
}

/* Copy s cut to max bytes without cutting a UTF-8 sequence. */
static void copy_cut(char *ret, const char *s, size_t max)
{
	size_t len = strnlen(s, max + 1);

	if (len > max) {
		len = max;
		while (len > 0 && ((uint8_t)s[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(ret, s, len);
	ret[len] = '\0';
}

void envelope_pack_refuse(struct send_buffer *b, const char *code, const char *detail)
{
	Trib__V1__Refuse refuse = TRIB__V1__REFUSE__INIT;
	char code_text[REFUSE_CODE_MAX + 1];
	char detail_text[REFUSE_DETAIL_MAX + 1];

	copy_cut(code_text, code, REFUSE_CODE_MAX);
	refuse.code = code_text;
	if (detail != NULL && detail[0] != '\0') {
		copy_cut(detail_text, detail, REFUSE_DETAIL_MAX);
		refuse.detail = detail_text;
	}
	pack_refuse(b, &refuse);
}

void envelope_pack_version_refusal(struct send_buffer *b)
{
	Trib__V1__Refuse refuse = TRIB__V1__REFUSE__INIT;
	char code[] = "protocol";

	refuse.code = code;
	refuse.has_protocol_min = true;
	refuse.protocol_min = ENVELOPE_PROTOCOL_MIN;
	refuse.has_protocol_max = true;
	refuse.protocol_max = ENVELOPE_PROTOCOL_MAX;
	pack_refuse(b, &refuse);
}

/* ---- unpacking ---- */

/* NULL for what is not a message of this type, or does not fit the arena (as hostile bytes). */
static void *unpack(const ProtobufCMessageDescriptor *type, struct arena *a, const void *data,
		    size_t len)
{
	if (len > ENVELOPE_MAX_BYTES || wire_check(type, data, len) != 0)
		return NULL;
	return protobuf_c_message_unpack(type, &a->allocator, len, data);
}

int envelope_unpack(struct envelope_reader *r, const void *data, size_t len,
		    const Trib__V1__Envelope **ret)
{
	Trib__V1__Envelope *e;
	uint32_t protocol;

	arena_reset(&r->arena);
	/* The version first: what follows from it may be of another shape. */
	if (len > ENVELOPE_MAX_BYTES || wire_find_uint32(data, len, 1, &protocol) != 0)
		return ERR_INVALID;
	if (protocol < ENVELOPE_PROTOCOL_MIN || protocol > ENVELOPE_PROTOCOL_MAX)
		return ERR_VERSION;
	e = unpack(&trib__v1__envelope__descriptor, &r->arena, data, len);
	if (e == NULL || !envelope_is_sound(e))
		return ERR_INVALID;
	*ret = e;
	return 0;
}

#define PAYLOAD(name, type, descriptor, is_sound)                                                  \
	int payload_unpack_##name(struct arena *a, const void *data, size_t len, const type **ret) \
	{                                                                                          \
		type *m = unpack(&(descriptor), a, data, len);                                     \
                                                                                                   \
		if (m == NULL || !is_sound(m))                                                     \
			return ERR_INVALID;                                                        \
		*ret = m;                                                                          \
		return 0;                                                                          \
	}

PAYLOAD(certificate, Trib__V1__Certificate, trib__v1__certificate__descriptor, certificate_is_sound)
PAYLOAD(head, Trib__V1__SignedHead, trib__v1__signed_head__descriptor, signed_head_is_sound)
PAYLOAD(booked_ack, Trib__V1__BookedAck, trib__v1__booked_ack__descriptor, booked_ack_is_sound)
PAYLOAD(hello, Trib__V1__HelloPayload, trib__v1__hello_payload__descriptor, hello_payload_is_sound)
PAYLOAD(health, Trib__V1__Health, trib__v1__health__descriptor, health_is_sound)
PAYLOAD(roster, Trib__V1__Roster, trib__v1__roster__descriptor, roster_is_sound)
PAYLOAD(enroll_request, Trib__V1__EnrollRequest, trib__v1__enroll_request__descriptor,
	enroll_request_is_sound)
PAYLOAD(enroll_grant, Trib__V1__EnrollGrant, trib__v1__enroll_grant__descriptor,
	enroll_grant_is_sound)
PAYLOAD(signed, Trib__V1__Signed, trib__v1__signed__descriptor, signed_is_sound)
