#include "roster.h"

#include "envelope.h"
#include "log.h"
#include "sign.h"

#define ROSTER_HEADER_BYTES 512 /* more than roster, signature and envelope take besides items */
#define ITEM_HEADER_BYTES 4

static int add_stream(Trib__V1__Roster *roster, struct arena *a, const struct hq_stream *s)
{
	const Trib__V1__Signed *certificate;
	int r;

	if (!s->is_active) {
		uint8_t *key = arena_memdup(a, s->curve_key, sizeof(s->curve_key));

		if (key == NULL)
			return ERR_FULL;
		roster->revoked[roster->n_revoked++] =
			(ProtobufCBinaryData){ sizeof(s->curve_key), key };
		return 0;
	}
	r = payload_unpack_signed(a, s->certificate, s->certificate_len, &certificate);
	if (r < 0) {
		log_event(LOG_LEVEL_ERROR, "certificate_unreadable", "store=%s incarnation=%u",
			  s->code, s->incarnation);
		return 0;
	}
	roster->certificates[roster->n_certificates++] = (Trib__V1__Signed *)(uintptr_t)certificate;
	return 0;
}

bool roster_has_room(const struct hqd *h, int32_t region, size_t certificate_len)
{
	size_t len = ROSTER_HEADER_BYTES + certificate_len + ITEM_HEADER_BYTES;

	for (uint32_t i = 0; i < h->n_streams; i++) {
		const struct hq_stream *s = h->streams[i];

		if (s->region == region)
			len += ITEM_HEADER_BYTES +
			       (s->is_active ? s->certificate_len : sizeof(s->curve_key));
	}
	return len <= ENVELOPE_MAX_BYTES;
}

int roster_build(struct hqd *h, int32_t region, struct arena *a, Trib__V1__Signed **ret)
{
	Trib__V1__Roster roster = TRIB__V1__ROSTER__INIT;
	uint8_t *payload;
	size_t n = 0, len;

	for (uint32_t i = 0; i < h->n_streams; i++)
		n += h->streams[i]->region == region;
	roster.chain = (ProtobufCBinaryData){ sizeof(h->chain), h->chain };
	roster.region = region;
	roster.version = h->roster_version;
	roster.certificates = arena_alloc(a, (n + 1) * sizeof(*roster.certificates));
	roster.revoked = arena_alloc(a, (n + 1) * sizeof(*roster.revoked));
	if (roster.certificates == NULL || roster.revoked == NULL)
		return ERR_FULL;
	for (uint32_t i = 0; i < h->n_streams; i++) {
		int r = h->streams[i]->region == region ? add_stream(&roster, a, h->streams[i]) : 0;

		if (r < 0)
			return r;
	}
	len = trib__v1__roster__get_packed_size(&roster);
	payload = arena_alloc(a, len + 1);
	if (payload == NULL)
		return ERR_FULL;
	trib__v1__roster__pack(&roster, payload);
	return sign_payload(a, SIGN_DOMAIN_ROSTER, payload, len, h->keys.sign_secret, ret);
}
