#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "entry.h"
#include "envelope.h"
#include "ids.h"
#include "sync.h"

/* ---- one sound message of each kind ---- */

static struct samples {
	Trib__V1__Envelope e;
	Trib__V1__Signed signed_;
	Trib__V1__Signed *signed_list[2];
	Trib__V1__Stream stream;
	Trib__V1__Position position;
	Trib__V1__Hello hello;
	Trib__V1__Welcome welcome;
	Trib__V1__Batch batch;
	Trib__V1__Ack ack;
	Trib__V1__Pull pull;
	Trib__V1__Credit credit;
	Trib__V1__Heartbeat heartbeat;
	Trib__V1__Enroll enroll;
	Trib__V1__EnrollReply enroll_reply;
	Trib__V1__Refuse refuse;
	Trib__V1__Present present;
	Trib__V1__Resume resume;
	/* payloads */
	Trib__V1__Certificate certificate;
	Trib__V1__SignedHead head;
	Trib__V1__BookedAck booked_ack;
	Trib__V1__HelloPayload hello_payload;
	Trib__V1__Health health;
	Trib__V1__Roster roster;
	Trib__V1__EnrollRequest enroll_request;
	Trib__V1__EnrollGrant enroll_grant;

	ProtobufCBinaryData items[2];
	ProtobufCBinaryData revoked[1];
	char text[400];
} x;

static uint8_t zeros[2 * ENTRY_MAX_BYTES];
static struct envelope_reader reader;
static struct send_buffer out;

static ProtobufCBinaryData bytes(size_t len)
{
	return (ProtobufCBinaryData){ len, zeros };
}

static void make_samples(void)
{
	memset(&x, 0, sizeof(x));
	strcpy(x.text, "0.1.0");
	envelope_init(&x.e);
	trib__v1__signed__init(&x.signed_);
	x.signed_.payload = bytes(40);
	x.signed_.key_id = bytes(8);
	x.signed_.signature = bytes(64);
	x.signed_list[0] = x.signed_list[1] = &x.signed_;
	trib__v1__stream__init(&x.stream);
	x.stream.direction = TRIB__V1__DIRECTION__UP;
	x.stream.node = 107;
	x.stream.incarnation = 1;
	trib__v1__position__init(&x.position);
	x.position.seq = 5;
	x.position.head = bytes(32);

	trib__v1__hello__init(&x.hello);
	x.hello.hello = x.hello.certificate = &x.signed_;
	trib__v1__welcome__init(&x.welcome);
	x.welcome.protocol = 1;
	x.welcome.relayed = &x.position;
	x.welcome.booked = &x.signed_;
	x.welcome.software = x.text;
	trib__v1__batch__init(&x.batch);
	x.items[0] = bytes(1);
	x.items[1] = bytes(ENTRY_MAX_BYTES);
	x.batch.stream = &x.stream;
	x.batch.first_seq = 1;
	x.batch.prev_head = bytes(32);
	x.batch.n_items = 2;
	x.batch.items = x.items;
	x.batch.head = &x.signed_;
	trib__v1__ack__init(&x.ack);
	x.ack.stream = &x.stream;
	x.ack.stage = TRIB__V1__STAGE__BOOKED;
	x.ack.booked = &x.signed_;
	trib__v1__pull__init(&x.pull);
	x.pull.stream = &x.stream;
	x.pull.from_seq = 1;
	trib__v1__credit__init(&x.credit);
	trib__v1__heartbeat__init(&x.heartbeat);
	x.heartbeat.n_health = 2;
	x.heartbeat.health = x.signed_list;
	trib__v1__enroll__init(&x.enroll);
	x.enroll.request = bytes(100);
	x.enroll.mac = bytes(32);
	trib__v1__enroll_reply__init(&x.enroll_reply);
	x.enroll_reply.has_sealed = 1;
	x.enroll_reply.sealed = bytes(300);
	trib__v1__refuse__init(&x.refuse);
	x.refuse.code = x.text;
	x.refuse.stream = &x.stream;
	trib__v1__present__init(&x.present);
	x.present.certificate = &x.signed_;
	x.present.spooled = x.present.down = &x.position;
	trib__v1__resume__init(&x.resume);
	x.resume.node = 107;
	x.resume.incarnation = 1;
	x.resume.booked = &x.signed_;

	trib__v1__certificate__init(&x.certificate);
	x.certificate.chain = bytes(16);
	x.certificate.has_node = x.certificate.has_incarnation = 1;
	x.certificate.node = 107;
	x.certificate.incarnation = 2;
	strcpy(x.text + 100, "0107");
	x.certificate.store = x.text + 100;
	x.certificate.sign_key = x.certificate.curve_key = bytes(32);
	x.certificate.has_prev_incarnation = x.certificate.has_prev_seq =
		x.certificate.has_prev_head = 1;
	x.certificate.prev_incarnation = 1;
	x.certificate.prev_head = bytes(32);
	trib__v1__signed_head__init(&x.head);
	x.head.chain = bytes(16);
	x.head.stream = &x.stream;
	x.head.head = bytes(32);
	trib__v1__booked_ack__init(&x.booked_ack);
	x.booked_ack.chain = bytes(16);
	x.booked_ack.node = 1;
	x.booked_ack.incarnation = 1;
	x.booked_ack.head = bytes(32);
	trib__v1__hello_payload__init(&x.hello_payload);
	x.hello_payload.chain = bytes(16);
	x.hello_payload.has_node = x.hello_payload.has_incarnation = 1;
	x.hello_payload.node = 1;
	x.hello_payload.incarnation = 1;
	x.hello_payload.journal = x.hello_payload.down = &x.position;
	x.hello_payload.protocol_min = x.hello_payload.protocol_max = 1;
	x.hello_payload.software = x.text;
	trib__v1__health__init(&x.health);
	x.health.chain = bytes(16);
	x.health.node = 1;
	x.health.incarnation = 1;
	x.health.software = x.text;
	trib__v1__roster__init(&x.roster);
	x.roster.chain = bytes(16);
	x.roster.n_certificates = 2;
	x.roster.certificates = x.signed_list;
	x.revoked[0] = bytes(32);
	x.roster.n_revoked = 1;
	x.roster.revoked = x.revoked;
	trib__v1__enroll_request__init(&x.enroll_request);
	x.enroll_request.sign_key = x.enroll_request.curve_key = bytes(32);
	x.enroll_request.nonce = bytes(24);
	x.enroll_request.software = x.text;
	x.enroll_request.code_id = bytes(8);
	trib__v1__enroll_grant__init(&x.enroll_grant);
	x.enroll_grant.chain = bytes(16);
	x.enroll_grant.hq_sign_key = x.enroll_grant.account_key = x.enroll_grant.peer_curve_key =
		bytes(32);
	x.enroll_grant.certificate = &x.signed_;
	x.enroll_grant.peer_endpoint = x.text;
}

#define BODY(field, CASE) (x.e.body_case = TRIB__V1__ENVELOPE__BODY_##CASE, x.e.field = &x.field)
#define N_BODIES 13

static void set_body(int i)
{
	switch (i) {
	case 0:
		BODY(hello, HELLO);
		break;
	case 1:
		BODY(welcome, WELCOME);
		break;
	case 2:
		BODY(batch, BATCH);
		break;
	case 3:
		BODY(ack, ACK);
		break;
	case 4:
		BODY(pull, PULL);
		break;
	case 5:
		BODY(credit, CREDIT);
		break;
	case 6:
		BODY(heartbeat, HEARTBEAT);
		break;
	case 7:
		BODY(enroll, ENROLL);
		break;
	case 8:
		BODY(enroll_reply, ENROLL_REPLY);
		break;
	case 9:
		BODY(refuse, REFUSE);
		break;
	case 10:
		x.e.body_case = TRIB__V1__ENVELOPE__BODY_ROSTER;
		x.e.roster = &x.signed_;
		break;
	case 11:
		BODY(present, PRESENT);
		break;
	default:
		BODY(resume, RESUME);
		break;
	}
}

static int unpack(const void *data, size_t len)
{
	const Trib__V1__Envelope *e = NULL;
	int r = envelope_unpack(&reader, data, len, &e);

	assert_true((r == 0) == (e != NULL));
	return r;
}

/* What the envelope becomes at the other side. */
static int carry(void)
{
	int r = envelope_pack(&out, &x.e);

	return r != 0 ? r : unpack(out.data, out.len);
}

/* The statement, made of a sound message, makes it unsound. */
#define REFUSED(body, statement)                           \
	do {                                               \
		make_samples();                            \
		set_body(body);                            \
		assert_int_equal(carry(), 0);              \
		statement;                                 \
		if (carry() != ERR_INVALID)                \
			fail_msg("taken: %s", #statement); \
	} while (0)

#define TAKEN(body, statement)                               \
	do {                                                 \
		make_samples();                              \
		set_body(body);                              \
		statement;                                   \
		if (carry() != 0)                            \
			fail_msg("refused: %s", #statement); \
	} while (0)

static int setup(void **state)
{
	(void)state;
	envelope_reader_init(&reader);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	envelope_reader_finish(&reader);
	send_buffer_finish(&out);
	return 0;
}

/* ---- tests ---- */

static void each_body_arrives_as_it_was_sent(void **state)
{
	const Trib__V1__Envelope *e;

	(void)state;
	for (int i = 0; i < N_BODIES; i++) {
		make_samples();
		set_body(i);
		assert_int_equal(carry(), 0);
		assert_int_equal(envelope_unpack(&reader, out.data, out.len, &e), 0);
		assert_int_equal(e->body_case, x.e.body_case);
	}
	make_samples();
	set_body(2);
	assert_int_equal(envelope_pack(&out, &x.e), 0);
	assert_int_equal(envelope_unpack(&reader, out.data, out.len, &e), 0);
	assert_int_equal(e->batch->n_items, 2);
	assert_int_equal(e->batch->items[1].len, ENTRY_MAX_BYTES);
	assert_int_equal(e->batch->stream->node, 107);
	memset(out.data, 0xff, out.len); /* nothing is borrowed from the bytes */
	assert_int_equal(e->batch->first_seq, 1);
	assert_memory_equal(e->batch->prev_head.data, zeros, 32);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (int i = 0; i < N_BODIES; i++) {
		make_samples();
		x.items[1] = bytes(50);
		set_body(i);
		assert_int_equal(envelope_pack(&out, &x.e), 0);
		for (size_t len = 0; len < out.len; len++) {
			/* Exactly as long, so that the sanitizer sees a byte read too many. */
			uint8_t *cut = malloc(len > 0 ? len : 1);

			assert_non_null(cut);
			memcpy(cut, out.data, len);
			assert_int_equal(unpack(cut, len), ERR_INVALID);
			free(cut);
		}
	}
}

static uint64_t seed = 20240607;

static uint32_t random32(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33);
}

static void garbage_and_damage_are_survived(void **state)
{
	static uint8_t data[100000];
	size_t n_taken = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)random32();
	for (size_t at = 0; at < sizeof(data); at += 1 + random32() % 200) {
		size_t len = random32() % (sizeof(data) - at);

		assert_int_not_equal(unpack(data + at, len), 0);
	}
	for (int i = 0; i < 20000; i++) {
		make_samples();
		x.items[1] = bytes(50);
		set_body(i % N_BODIES);
		assert_int_equal(envelope_pack(&out, &x.e), 0);
		for (uint32_t n = 1 + random32() % 4; n > 0; n--)
			out.data[random32() % out.len] ^= (uint8_t)(1u << random32() % 8);
		n_taken += unpack(out.data, out.len) == 0;
	}
	assert_true(n_taken > 1000); /* damage inside a payload is for the signature to find */
}

static void other_protocol_versions_are_told_apart_from_garbage(void **state)
{
	/* protocol 2 with a body that this version cannot read */
	static const uint8_t v2[] = { 0x08, 0x02, 0xfa, 0x07, 0x01, 0x00 };
	static const uint8_t twice[] = { 0x08, 0x01, 0x08, 0x01 };
	static const uint8_t huge[] = { 0x08, 0xff, 0xff, 0xff, 0xff, 0x7f };
	const Trib__V1__Envelope *e;

	(void)state;
	assert_int_equal(unpack(v2, sizeof(v2)), ERR_VERSION);
	assert_int_equal(unpack(twice, sizeof(twice)), ERR_INVALID);
	assert_int_equal(unpack(huge, sizeof(huge)), ERR_INVALID);
	assert_int_equal(unpack("", 0), ERR_INVALID);
	make_samples();
	set_body(5);
	x.e.protocol = 0;
	assert_int_equal(carry(), ERR_VERSION);
	x.e.protocol = 2;
	assert_int_equal(carry(), ERR_VERSION);

	envelope_pack_version_refusal(&out);
	assert_int_equal(envelope_unpack(&reader, out.data, out.len, &e), 0);
	assert_string_equal(e->refuse->code, "protocol");
	assert_int_equal(e->refuse->protocol_min, 1);
	assert_int_equal(e->refuse->protocol_max, 1);
}

static void refusal_is_cut_to_its_bounds(void **state)
{
	const Trib__V1__Envelope *e;
	char detail[600];
	size_t i;

	(void)state;
	for (i = 0; i + 3 < sizeof(detail); i += 3)
		memcpy(detail + i, "\xe5\x8d\xa1", 3);
	detail[i] = '\0';
	envelope_pack_refuse(&out, "malformed", detail);
	assert_int_equal(envelope_unpack(&reader, out.data, out.len, &e), 0);
	assert_int_equal(strlen(e->refuse->detail), 255); /* 85 characters of three bytes */
	envelope_pack_refuse(&out, "malformed", NULL);
	assert_int_equal(envelope_unpack(&reader, out.data, out.len, &e), 0);
	assert_null(e->refuse->detail);
}

/* What protobuf-c itself lets pass. */
static void lax_encodings_are_refused(void **state)
{
	static const struct {
		const char *what;
		uint8_t data[24];
		size_t len;
		int r;
	} cases[] = {
		{ "credit", { 8, 1, 0x3a, 2, 8, 5 }, 6, 0 },
		{ "field twice", { 8, 1, 0x3a, 4, 8, 5, 8, 6 }, 8, ERR_INVALID },
		{ "body twice", { 8, 1, 0x3a, 2, 8, 5, 0x3a, 2, 8, 5 }, 10, ERR_INVALID },
		{ "two bodies", { 8, 1, 0x3a, 2, 8, 5, 0x42, 2, 8, 5 }, 10, ERR_INVALID },
		{ "no body", { 8, 1 }, 2, ERR_INVALID },
		{ "unknown body", { 8, 1, 0x82, 0x01, 0 }, 5, ERR_INVALID },
		{ "unknown field", { 8, 1, 0x3a, 5, 8, 5, 0x78, 1, 0, 0 }, 8, ERR_INVALID },
		{ "unknown field passed over", { 8, 1, 0x3a, 4, 8, 5, 0x78, 1 }, 8, 0 },
		{ "group", { 8, 1, 0x3a, 4, 8, 5, 0x7b, 0x7c }, 8, ERR_INVALID },
		{ "field number 0", { 8, 1, 0x3a, 4, 8, 5, 0x00, 1 }, 8, ERR_INVALID },
		{ "wrong wire type", { 8, 1, 0x3a, 3, 0x0a, 1, 5 }, 7, ERR_INVALID },
		{ "varint of 11 bytes",
		  { 8, 1, 0x3a, 12, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1 },
		  16,
		  ERR_INVALID },
		{ "varint over 64 bits",
		  { 8, 1, 0x3a, 11, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2 },
		  15,
		  ERR_INVALID },
		{ "NUL in a text", { 8, 1, 0x5a, 5, 0x0a, 3, 'a', 0, 'b' }, 9, ERR_INVALID },
		{ "a text", { 8, 1, 0x5a, 5, 0x0a, 3, 'a', '_', 'b' }, 9, 0 },
		{ "control character", { 8, 1, 0x5a, 5, 0x0a, 3, 'a', 10, 'b' }, 9, ERR_INVALID },
		{ "not UTF-8", { 8, 1, 0x5a, 5, 0x0a, 3, 'a', 0xc0, 0x80 }, 9, ERR_INVALID },
		{ "required field missing", { 8, 1, 0x3a, 0 }, 4, ERR_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (unpack(cases[i].data, cases[i].len) != cases[i].r)
			fail_msg("%s", cases[i].what);
	}
	REFUSED(3, x.ack.stage = (Trib__V1__Stage)9);
	REFUSED(3, x.stream.direction = (Trib__V1__Direction)7);
}

static void common_parts_are_bounded(void **state)
{
	(void)state;
	REFUSED(4, x.stream.direction = TRIB__V1__DIRECTION__DIRECTION_NONE);
	REFUSED(4, x.stream.node = 0);
	REFUSED(4, x.stream.node = -1);
	REFUSED(4, x.stream.node = NODE_MAX + 1);
	TAKEN(4, x.stream.node = NODE_MAX);
	REFUSED(4, x.stream.incarnation = 0);
	REFUSED(4, x.stream.incarnation = INCARNATION_MAX + 1);
	REFUSED(11, x.position.head = bytes(31));
	REFUSED(11, x.position.head = bytes(33));
	REFUSED(11, x.position.seq = UINT64_C(1) << 32);
	REFUSED(0, x.signed_.payload.len = 0);
	REFUSED(0, x.signed_.payload.len = 4097);
	TAKEN(10, x.signed_.payload.len = 100000);
	REFUSED(0, x.signed_.key_id.len = 7);
	REFUSED(0, x.signed_.signature.len = 65);
	REFUSED(1, x.text[0] = '\0');
	REFUSED(1, memset(x.text, 'a', SOFTWARE_MAX + 1));
	TAKEN(1, memset(x.text, 'a', SOFTWARE_MAX));
	REFUSED(1, x.welcome.clock_ms = -1);
}

static void batch_is_bounded(void **state)
{
	static ProtobufCBinaryData many[SYNC_BATCH_MAX_ITEMS + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(many) / sizeof(*many); i++)
		many[i] = bytes(1);
	REFUSED(2, x.batch.n_items = 0);
	REFUSED(2, x.items[0].len = 0);
	REFUSED(2, x.items[1].len = ENTRY_MAX_BYTES + 1);
	REFUSED(2, x.batch.first_seq = 0);
	REFUSED(2, x.batch.first_seq = WIRE_SEQ_MAX); /* the second item is beyond */
	TAKEN(2, x.batch.first_seq = WIRE_SEQ_MAX - 1);
	REFUSED(2, x.batch.first_seq = UINT64_MAX);
	REFUSED(2, x.batch.prev_head.len = 0);
	TAKEN(2, (x.batch.items = many, x.batch.n_items = SYNC_BATCH_MAX_ITEMS));
	REFUSED(2, (x.batch.items = many, x.batch.n_items = SYNC_BATCH_MAX_ITEMS + 1));
	for (size_t i = 0; i < 5; i++)
		many[i] = bytes(ENTRY_MAX_BYTES);
	TAKEN(2, (x.batch.items = many, x.batch.n_items = 4)); /* 256 KiB */
	many[4] = bytes(1);
	REFUSED(2, (x.batch.items = many, x.batch.n_items = 5));
}

static void ack_carries_its_proof_and_only_then(void **state)
{
	(void)state;
	REFUSED(3, x.ack.booked = NULL);
	REFUSED(3, x.ack.stage = TRIB__V1__STAGE__STAGE_NONE);
	REFUSED(3, x.ack.stage = TRIB__V1__STAGE__RELAYED);
	TAKEN(3, (x.ack.stage = TRIB__V1__STAGE__RELAYED, x.ack.booked = NULL));
	REFUSED(3, (x.ack.stage = TRIB__V1__STAGE__APPLIED, x.ack.booked = NULL));
	REFUSED(3, x.stream.direction = TRIB__V1__DIRECTION__DOWN);
	TAKEN(3, (x.ack.stage = TRIB__V1__STAGE__APPLIED, x.ack.booked = NULL,
		  x.stream.direction = TRIB__V1__DIRECTION__DOWN));
	REFUSED(4, x.pull.from_seq = 0);
	REFUSED(5, x.credit.total_bytes = UINT64_MAX);
}

static void enrolment_and_refusal_are_bounded(void **state)
{
	(void)state;
	REFUSED(7, x.enroll.mac.len = 31);
	REFUSED(7, x.enroll.request.len = 0);
	REFUSED(8, x.enroll_reply.refused = x.text);
	REFUSED(8, x.enroll_reply.has_sealed = 0);
	TAKEN(8, (x.enroll_reply.has_sealed = 0, x.enroll_reply.refused = x.text));
	REFUSED(9, memset(x.text, 'a', REFUSE_CODE_MAX + 1));
	REFUSED(9,
		(x.refuse.detail = x.text + 10, memset(x.text + 10, 'a', REFUSE_DETAIL_MAX + 1)));
	REFUSED(9, x.refuse.has_protocol_min = 1);
	REFUSED(12, x.resume.node = 0);
	REFUSED(12, x.resume.down_seq = UINT64_MAX);
}

static void envelope_over_a_mebibyte_is_refused(void **state)
{
	static uint8_t big[ENVELOPE_MAX_BYTES + 100];
	const Trib__V1__Envelope *e;

	(void)state;
	make_samples();
	set_body(10);
	x.signed_.payload = (ProtobufCBinaryData){ ENVELOPE_MAX_BYTES - 100, big };
	assert_int_equal(carry(), 0);
	x.signed_.payload.len = ENVELOPE_MAX_BYTES;
	assert_int_equal(envelope_pack(&out, &x.e), ERR_FULL);
	assert_int_equal(out.len, 0);
	assert_int_equal(envelope_unpack(&reader, big, sizeof(big), &e), ERR_INVALID);
}

/* A mebibyte of empty health reports would be 80 MiB of structs. */
static void amplification_ends_at_the_arena(void **state)
{
	static uint8_t data[ENVELOPE_MAX_BYTES];
	size_t body = sizeof(data) - 8 - 2;
	size_t i = 0;

	(void)state;
	data[i++] = 8;
	data[i++] = 1;
	data[i++] = 0x42; /* heartbeat */
	for (size_t v = body; v > 0; v >>= 7)
		data[i++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
	body = i + body;
	data[i++] = 8;
	data[i++] = 0;
	for (; i + 1 < body; i += 2)
		data[i] = 0x12;
	assert_int_equal(unpack(data, body), ERR_INVALID);
	assert_true(reader.arena.used <= ENVELOPE_ARENA_BYTES);
}

/* ---- payloads ---- */

#define PAYLOAD(name, field, type)                                         \
	static int carry_##name(void)                                      \
	{                                                                  \
		static uint8_t data[8192];                                 \
		const type *m = NULL;                                      \
		size_t len = protobuf_c_message_pack(&x.field.base, data); \
		int r;                                                     \
                                                                           \
		arena_reset(&reader.arena);                                \
		r = payload_unpack_##name(&reader.arena, data, len, &m);   \
		assert_true((r == 0) == (m != NULL));                      \
		return r;                                                  \
	}

PAYLOAD(certificate, certificate, Trib__V1__Certificate)
PAYLOAD(head, head, Trib__V1__SignedHead)
PAYLOAD(booked_ack, booked_ack, Trib__V1__BookedAck)
PAYLOAD(hello, hello_payload, Trib__V1__HelloPayload)
PAYLOAD(health, health, Trib__V1__Health)
PAYLOAD(roster, roster, Trib__V1__Roster)
PAYLOAD(enroll_request, enroll_request, Trib__V1__EnrollRequest)
PAYLOAD(enroll_grant, enroll_grant, Trib__V1__EnrollGrant)
PAYLOAD(signed, signed_, Trib__V1__Signed)

#define PAYLOAD_REFUSED(name, statement)                   \
	do {                                               \
		make_samples();                            \
		assert_int_equal(carry_##name(), 0);       \
		statement;                                 \
		if (carry_##name() != ERR_INVALID)         \
			fail_msg("taken: %s", #statement); \
	} while (0)

static void make_relay_hello(void)
{
	Trib__V1__HelloPayload *h = &x.hello_payload;

	h->has_node = h->has_incarnation = 0;
	h->journal = h->down = NULL;
	h->has_region = 1;
	h->region = 3;
	h->listen_endpoint = x.text;
}

static void payloads_are_bounded(void **state)
{
	(void)state;
	PAYLOAD_REFUSED(certificate, x.certificate.chain.len = 15);
	PAYLOAD_REFUSED(certificate, x.certificate.sign_key.len = 31);
	PAYLOAD_REFUSED(certificate, x.certificate.curve_key.len = 33);
	PAYLOAD_REFUSED(certificate, x.certificate.has_node = 0);
	PAYLOAD_REFUSED(certificate, x.certificate.store = NULL);
	PAYLOAD_REFUSED(certificate, strcpy(x.certificate.store, "01-07"));
	PAYLOAD_REFUSED(certificate, x.certificate.has_prev_head = 0);
	PAYLOAD_REFUSED(certificate, x.certificate.prev_incarnation = 2);
	PAYLOAD_REFUSED(certificate, x.certificate.region = -1);
	PAYLOAD_REFUSED(head, x.head.head.len = 0);
	PAYLOAD_REFUSED(head, x.stream.node = 0);
	PAYLOAD_REFUSED(booked_ack, x.booked_ack.chain.len = 17);
	PAYLOAD_REFUSED(booked_ack, x.booked_ack.seq = UINT64_C(1) << 40);
	PAYLOAD_REFUSED(hello, x.hello_payload.journal = NULL);
	PAYLOAD_REFUSED(hello, x.hello_payload.down = NULL);
	PAYLOAD_REFUSED(hello, x.hello_payload.has_region = 1);
	PAYLOAD_REFUSED(hello, x.hello_payload.protocol_min = 0);
	PAYLOAD_REFUSED(hello, x.hello_payload.protocol_min = 2);
	PAYLOAD_REFUSED(hello, x.hello_payload.listen_endpoint = x.text);
	PAYLOAD_REFUSED(hello, (make_relay_hello(), x.hello_payload.has_region = 0));
	PAYLOAD_REFUSED(hello, (make_relay_hello(), x.hello_payload.down = &x.position));
	PAYLOAD_REFUSED(health, x.health.stored_seq = UINT64_MAX);
	PAYLOAD_REFUSED(health, (x.health.mode = x.text, x.text[0] = 7));
	PAYLOAD_REFUSED(roster, x.revoked[0].len = 31);
	PAYLOAD_REFUSED(roster, x.signed_.signature.len = 0);
	PAYLOAD_REFUSED(roster, x.roster.version = UINT64_MAX);
	PAYLOAD_REFUSED(enroll_request, x.enroll_request.nonce.len = 23);
	PAYLOAD_REFUSED(enroll_request, x.enroll_request.code_id.len = 9);
	PAYLOAD_REFUSED(enroll_grant, x.enroll_grant.account_key.len = 16);
	PAYLOAD_REFUSED(enroll_grant, x.text[0] = '\0');
	PAYLOAD_REFUSED(signed, x.signed_.payload.len = 0);
	make_samples();
	make_relay_hello();
	assert_int_equal(carry_hello(), 0);
	x.certificate.has_node = x.certificate.has_incarnation = 0;
	x.certificate.has_prev_incarnation = x.certificate.has_prev_seq =
		x.certificate.has_prev_head = 0;
	x.certificate.store = NULL;
	assert_int_equal(carry_certificate(), 0); /* a relay's */
}

static void full_arena_refuses_a_payload(void **state)
{
	uint8_t data[2048], little[200];
	const Trib__V1__Certificate *c;
	struct arena a;
	size_t len;

	(void)state;
	make_samples();
	len = trib__v1__certificate__pack(&x.certificate, data);
	arena_init(&a, little, sizeof(little));
	assert_int_equal(payload_unpack_certificate(&a, data, len, &c), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_body_arrives_as_it_was_sent),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(garbage_and_damage_are_survived),
		cmocka_unit_test(other_protocol_versions_are_told_apart_from_garbage),
		cmocka_unit_test(refusal_is_cut_to_its_bounds),
		cmocka_unit_test(lax_encodings_are_refused),
		cmocka_unit_test(common_parts_are_bounded),
		cmocka_unit_test(batch_is_bounded),
		cmocka_unit_test(ack_carries_its_proof_and_only_then),
		cmocka_unit_test(enrolment_and_refusal_are_bounded),
		cmocka_unit_test(envelope_over_a_mebibyte_is_refused),
		cmocka_unit_test(amplification_ends_at_the_arena),
		cmocka_unit_test(payloads_are_bounded),
		cmocka_unit_test(full_arena_refuses_a_payload),
	};

	return cmocka_run_group_tests_name("envelope", tests, setup, teardown);
}
