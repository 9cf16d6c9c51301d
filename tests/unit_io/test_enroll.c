#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "enroll.h"
#include "envelope.h"
#include "sign.h"

static uint8_t memory[1u << 20];
static struct arena arena;
static struct node_keys hq, box, other;
static struct enroll_code code;
static struct enroll_exchange exchange;
static Trib__V1__Enroll *request;
static char why[ENROLL_WHY_BYTES];

/* What HQ grants; tests change it before sealing. */
static uint8_t chain[16] = "chain-of-a-test";
static uint8_t account_key[32] = "account key";
static Trib__V1__Certificate certificate;
static Trib__V1__EnrollGrant grant;
static const struct node_keys *signer;
static char store[] = "0107";
static char endpoint[] = "tcp://127.0.0.1:5600";

static ProtobufCBinaryData bytes(const void *data, size_t len)
{
	return (ProtobufCBinaryData){ len, (uint8_t *)(uintptr_t)data };
}

static int setup(void **state)
{
	(void)state;
	if (sodium_init() < 0)
		return -1;
	arena_init(&arena, memory, sizeof(memory));
	node_keys_generate(&hq);
	node_keys_generate(&box);
	node_keys_generate(&other);
	signer = &hq;
	enroll_code_create(hq.sign_pub, &code);
	why[0] = '\0';
	trib__v1__certificate__init(&certificate);
	certificate.chain = bytes(chain, sizeof(chain));
	certificate.has_node = certificate.has_incarnation = 1;
	certificate.node = 107;
	certificate.incarnation = 1;
	certificate.store = store;
	certificate.sign_key = bytes(box.sign_pub, 32);
	certificate.curve_key = bytes(box.curve_pub, 32);
	trib__v1__enroll_grant__init(&grant);
	grant.chain = bytes(chain, sizeof(chain));
	grant.hq_sign_key = bytes(hq.sign_pub, 32);
	grant.account_key = bytes(account_key, sizeof(account_key));
	grant.peer_curve_key = bytes(other.curve_pub, 32);
	grant.peer_endpoint = endpoint;
	return enroll_request_build(&arena, &code, &box, &request, &exchange);
}

static Trib__V1__EnrollReply *seal(void)
{
	static uint8_t packed[1024];
	struct enroll_exchange seen;
	const Trib__V1__EnrollRequest *opened;
	Trib__V1__EnrollReply *reply;
	size_t len = trib__v1__certificate__pack(&certificate, packed);

	assert_int_equal(enroll_request_open(&arena, request, &opened, &seen), 0);
	assert_int_equal(sign_payload(&arena, SIGN_DOMAIN_CERT, packed, len, signer->sign_secret,
				      &grant.certificate),
			 0);
	assert_int_equal(enroll_reply_seal(&arena, &code, &seen, &grant, &reply), 0);
	return reply;
}

static int open_reply(const Trib__V1__EnrollReply *reply)
{
	const Trib__V1__EnrollGrant *g = NULL;
	const Trib__V1__Certificate *c = NULL;
	int r = enroll_reply_open(&arena, &code, &exchange, reply, &g, &c);

	assert_true((r == 0) == (g != NULL));
	return r;
}

/* ---- the code ---- */

static void code_survives_how_people_type_it(void **state)
{
	char text[ENROLL_CODE_TEXT_BYTES];
	char typed[128];
	struct enroll_code back;
	size_t n = 0;

	(void)state;
	enroll_code_format(&code, text);
	assert_int_equal(strlen(text), 39);
	for (size_t i = 4; i < 39; i += 5)
		assert_int_equal(text[i], '-');
	assert_int_equal(enroll_code_parse(text, &back, why), 0);
	assert_memory_equal(&back, &code, sizeof(code));
	for (size_t i = 0; i < 39; i++) {
		if (text[i] == '-')
			continue;
		typed[n++] = (char)tolower((unsigned char)text[i]);
		if (i % 3 == 0)
			typed[n++] = i % 2 == 0 ? ' ' : '-';
	}
	typed[n++] = '\n';
	typed[n] = '\0';
	memset(&back, 0, sizeof(back));
	assert_int_equal(enroll_code_parse(typed, &back, why), 0);
	assert_memory_equal(&back, &code, sizeof(code));
	enroll_code_wipe(&back);
	assert_true(sodium_is_zero((uint8_t *)&back, sizeof(back)));
}

static void mistyped_code_is_explained_without_being_told(void **state)
{
	char text[ENROLL_CODE_TEXT_BYTES];
	struct enroll_code back, untouched;

	(void)state;
	memset(&back, 7, sizeof(back));
	untouched = back;
	enroll_code_format(&code, text);
	text[38] = '\0';
	assert_int_equal(enroll_code_parse(text, &back, why), ERR_INVALID);
	assert_string_equal(why, "the code has 31 characters; it must have 32, in groups of 4");
	assert_int_equal(enroll_code_parse("", &back, why), ERR_INVALID);
	text[38] = '0';
	text[39] = '\0';
	assert_int_equal(enroll_code_parse(text, &back, why), ERR_INVALID);
	assert_string_equal(
		why, "character 39 of the code is not one of A-Z and 2-7; is it the letter O?");
	assert_int_equal(enroll_code_parse("ABCD\xef\xbc\x8d", &back, NULL), ERR_INVALID);
	text[38] = 'A';
	for (int i = 0; i < 200; i++) {
		char longer[400];

		(void)snprintf(longer, sizeof(longer), "%s%0*d", text, i, 0);
		assert_int_equal(enroll_code_parse(longer, &back, why), ERR_INVALID);
	}
	assert_memory_equal(&back, &untouched, sizeof(back));
}

/* Against BLAKE2b by other hands: Python's hashlib.blake2b(..., key=bytes(range(10))). */
static void derived_values_are_those_of_the_protocol(void **state)
{
	static const uint8_t id[] = { 0xe1, 0xbb, 0xaa, 0xe7, 0x98, 0xd7, 0xb3, 0x34 };
	uint8_t mac[] = { 0x27, 0x5e, 0xd3, 0xc6, 0x1f, 0x48, 0xc2, 0x78, 0x1e, 0xc2, 0x3c,
			  0xfa, 0xa6, 0xe0, 0xdd, 0xab, 0x74, 0x90, 0x9b, 0xce, 0x28, 0xc8,
			  0x66, 0x5f, 0x14, 0xfe, 0x22, 0xe4, 0x56, 0xc5, 0x75, 0xc3 };
	uint8_t body[] = "request";
	Trib__V1__Enroll e = TRIB__V1__ENROLL__INIT;
	uint8_t got[ENROLL_CODE_ID_BYTES];

	(void)state;
	for (uint8_t i = 0; i < ENROLL_SECRET_BYTES; i++)
		code.secret[i] = i;
	enroll_code_id(&code, got);
	assert_memory_equal(got, id, sizeof(id));
	e.request = bytes(body, 7);
	e.mac = bytes(mac, sizeof(mac));
	assert_int_equal(enroll_request_verify(&e, &code), 0);
	mac[31] ^= 1;
	assert_int_equal(enroll_request_verify(&e, &code), ERR_SIGNATURE);
}

/* ---- request ---- */

static void request_proves_the_code_and_names_the_keys(void **state)
{
	const Trib__V1__EnrollRequest *r;
	struct enroll_exchange seen;
	struct enroll_code wrong = code;
	uint8_t id[ENROLL_CODE_ID_BYTES];

	(void)state;
	assert_int_equal(enroll_request_open(&arena, request, &r, &seen), 0);
	enroll_code_id(&code, id);
	assert_memory_equal(r->code_id.data, id, sizeof(id));
	assert_memory_equal(&seen, &exchange, sizeof(seen));
	assert_memory_equal(seen.sign_pub, box.sign_pub, 32);
	assert_memory_equal(seen.curve_pub, box.curve_pub, 32);
	assert_int_equal(enroll_request_verify(request, &code), 0);
	wrong.secret[9] ^= 1;
	assert_int_equal(enroll_request_verify(request, &wrong), ERR_SIGNATURE);
	for (size_t i = 0; i < request->request.len; i++) {
		request->request.data[i] ^= 4;
		assert_int_equal(enroll_request_verify(request, &code), ERR_SIGNATURE);
		request->request.data[i] ^= 4;
	}
	request->mac.len = 0;
	assert_int_equal(enroll_request_verify(request, &code), ERR_SIGNATURE);
}

static void request_fits_an_enrolment_socket(void **state)
{
	struct send_buffer out = { 0 };
	struct envelope_reader reader;
	const Trib__V1__Envelope *seen;
	Trib__V1__Envelope e;

	(void)state;
	envelope_reader_init(&reader);
	envelope_init(&e);
	e.body_case = TRIB__V1__ENVELOPE__BODY_ENROLL;
	e.enroll = request;
	assert_int_equal(envelope_pack(&out, &e), 0);
	assert_true(out.len < 4096);
	assert_int_equal(envelope_unpack(&reader, out.data, out.len, &seen), 0);
	assert_int_equal(enroll_request_verify(seen->enroll, &code), 0);

	e.body_case = TRIB__V1__ENVELOPE__BODY_ENROLL_REPLY;
	e.enroll_reply = seal();
	assert_int_equal(envelope_pack(&out, &e), 0);
	assert_true(out.len < 4096);
	assert_int_equal(envelope_unpack(&reader, out.data, out.len, &seen), 0);
	assert_int_equal(open_reply(seen->enroll_reply), 0);
	send_buffer_finish(&out);
	envelope_reader_finish(&reader);
}

/* ---- reply ---- */

static void grant_is_opened_by_the_box_that_asked(void **state)
{
	const Trib__V1__EnrollGrant *g;
	const Trib__V1__Certificate *c;

	(void)state;
	assert_int_equal(enroll_reply_open(&arena, &code, &exchange, seal(), &g, &c), 0);
	assert_memory_equal(g->account_key.data, account_key, 32);
	assert_string_equal(g->peer_endpoint, endpoint);
	assert_int_equal(c->node, 107);
	assert_string_equal(c->store, "0107");
}

static void tampered_grant_is_not_opened(void **state)
{
	Trib__V1__EnrollReply *reply = seal();
	struct enroll_exchange real;
	struct enroll_code real_code;
	size_t kept = arena.used;

	(void)state;
	for (size_t i = 0; i < reply->sealed.len; i++) {
		reply->sealed.data[i] ^= 1;
		assert_int_equal(open_reply(reply), ERR_SIGNATURE);
		reply->sealed.data[i] ^= 1;
		arena.used = kept; /* of the reply itself */
	}
	for (size_t n = reply->sealed.len; reply->sealed.len > 0; n--) {
		reply->sealed.len = n - 1;
		assert_int_equal(open_reply(reply), ERR_SIGNATURE);
	}
	assert_int_equal(setup(NULL), 0);
	reply = seal();
	real = exchange;
	real_code = code;
	exchange.nonce[0] ^= 1; /* an older request of this box */
	assert_int_equal(open_reply(reply), ERR_SIGNATURE);
	exchange = real;
	exchange.curve_pub[0] ^= 1;
	assert_int_equal(open_reply(reply), ERR_SIGNATURE);
	exchange = real;
	code.secret[0] ^= 1;
	assert_int_equal(open_reply(reply), ERR_SIGNATURE);
	code = real_code;
	assert_int_equal(open_reply(reply), 0);
}

static void grant_of_another_hq_is_refused(void **state)
{
	(void)state;
	/* One who learned the secret, but has not HQ's key. */
	signer = &other;
	grant.hq_sign_key = bytes(other.sign_pub, 32);
	assert_int_equal(open_reply(seal()), ERR_UNKNOWN_KEY);
	/* HQ's key, but a certificate of somebody else. */
	grant.hq_sign_key = bytes(hq.sign_pub, 32);
	assert_int_equal(open_reply(seal()), ERR_UNKNOWN_KEY);
}

static void certificate_for_other_keys_is_refused(void **state)
{
	static const uint8_t other_chain[16] = "another chain";

	(void)state;
	certificate.sign_key = bytes(other.sign_pub, 32);
	assert_int_equal(open_reply(seal()), ERR_UNKNOWN_KEY);
	certificate.sign_key = bytes(box.sign_pub, 32);
	certificate.curve_key = bytes(other.curve_pub, 32);
	assert_int_equal(open_reply(seal()), ERR_UNKNOWN_KEY);
	certificate.curve_key = bytes(box.curve_pub, 32);
	certificate.chain = bytes(other_chain, 16);
	assert_int_equal(open_reply(seal()), ERR_UNKNOWN_KEY);
	certificate.chain = bytes(chain, 15);
	assert_int_equal(open_reply(seal()), ERR_INVALID);
	certificate.chain = bytes(chain, 16);
	assert_int_equal(open_reply(seal()), 0);
}

static void refusal_is_denied(void **state)
{
	Trib__V1__EnrollReply reply = TRIB__V1__ENROLL_REPLY__INIT;
	char refused[] = "used_code";

	(void)state;
	reply.refused = refused;
	assert_int_equal(open_reply(&reply), ERR_DENIED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, NULL)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(code_survives_how_people_type_it),
		T(mistyped_code_is_explained_without_being_told),
		T(derived_values_are_those_of_the_protocol),
		T(request_proves_the_code_and_names_the_keys),
		T(request_fits_an_enrolment_socket),
		T(grant_is_opened_by_the_box_that_asked),
		T(tampered_grant_is_not_opened),
		T(grant_of_another_hq_is_refused),
		T(certificate_for_other_keys_is_refused),
		T(refusal_is_denied),
	};

	return cmocka_run_group_tests_name("enroll", tests, NULL, NULL);
}
