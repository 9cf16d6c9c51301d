#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "encode.h"
#include "keys.h"
#include "sign.h"

static char dir[] = "/tmp/trib-keys.XXXXXX";
static char path[64];
static char why[KEYS_WHY_BYTES];

static int setup_group(void **state)
{
	(void)state;
	return sodium_init() < 0 || mkdtemp(dir) == NULL ? -1 : 0;
}

static int teardown_group(void **state)
{
	(void)state;
	return rmdir(dir);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "%s/node.keys", dir);
	why[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)chmod(path, 0600);
	(void)unlink(path);
	return 0;
}

static size_t slurp(char *text, size_t cap)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, cap - 1, f);
	fclose(f);
	text[n] = '\0';
	return n;
}

static void spill(const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static void created_keys_are_loaded_again(void **state)
{
	struct node_keys a, b;
	struct stat st;
	char z85[Z85_TEXT_BYTES], zmq_pub[Z85_TEXT_BYTES];

	(void)state;
	assert_int_equal(node_keys_load(dir, &b, why), ERR_NOT_FOUND);
	assert_non_null(strstr(why, path));
	assert_int_equal(node_keys_load_or_create(dir, &a, why), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(node_keys_load_or_create(dir, &b, NULL), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(node_keys_create(dir, &b, why), ERR_EXISTS);
	assert_int_equal(node_keys_load(dir, &b, why), 0);
	assert_memory_equal(&a, &b, sizeof(a));

	/* libzmq agrees on the CURVE pair. */
	z85_format_key(a.curve_secret, z85);
	assert_int_equal(zmq_curve_public(zmq_pub, z85), 0);
	z85_format_key(a.curve_pub, z85);
	assert_string_equal(z85, zmq_pub);
	node_keys_wipe(&a);
	assert_true(sodium_is_zero((uint8_t *)&a, sizeof(a)));
	node_keys_wipe(&b);
}

static void key_file_open_to_others_is_refused_with_its_cure(void **state)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0660, 0666, 0777, 0601 };
	struct node_keys k;
	char cure[128];

	(void)state;
	assert_int_equal(node_keys_create(dir, &k, why), 0);
	(void)snprintf(cure, sizeof(cure), "chmod 600 '%s'", path);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_int_equal(node_keys_load(dir, &k, why), ERR_DENIED);
		assert_non_null(strstr(why, cure));
		assert_int_equal(node_keys_load_or_create(dir, &k, why), ERR_DENIED);
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(node_keys_load(dir, &k, why), 0);
	node_keys_wipe(&k);
}

static void what_is_not_a_regular_file_is_refused(void **state)
{
	struct node_keys k;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(node_keys_load(dir, &k, why), ERR_DENIED);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(node_keys_load(dir, &k, why), ERR_DENIED);
	assert_int_equal(rmdir(path), 0);
}

static void damaged_key_file_is_refused(void **state)
{
	char text[1024], damaged[1024];
	struct node_keys k, untouched, real;
	size_t len;

	(void)state;
	assert_int_equal(node_keys_create(dir, &real, why), 0);
	len = slurp(text, sizeof(text));
	memset(&k, 7, sizeof(k));
	untouched = k;
	for (size_t n = 0; n < len; n += 7) {
		spill(text, n);
		assert_int_equal(node_keys_load(dir, &k, why), ERR_INVALID);
	}
	for (size_t i = 0; i < len; i++) {
		memcpy(damaged, text, len);
		damaged[i] = damaged[i] == '0' ? '1' : '0';
		spill(damaged, len);
		if (node_keys_load(dir, &k, why) == 0) {
			/* Five bits of a CURVE secret do not matter; the key is the same. */
			assert_memory_equal(k.curve_pub, real.curve_pub, 32);
			assert_memory_equal(k.sign_secret, real.sign_secret, 64);
			k = untouched;
		}
	}
	memcpy(damaged, text, len);
	damaged[len] = 'x';
	spill(damaged, len + 1);
	assert_int_equal(node_keys_load(dir, &k, why), ERR_INVALID);
	assert_null(strstr(why, "ed25519")); /* never the content */
	assert_memory_equal(&k, &untouched, sizeof(k));
	sodium_memzero(text, sizeof(text));
}

static void cut_off_creation_does_not_block_the_next(void **state)
{
	struct node_keys k;
	char half[80];
	FILE *f;

	(void)state;
	(void)snprintf(half, sizeof(half), "%s.new", path);
	f = fopen(half, "w");
	assert_non_null(f);
	fputs("tributary-no", f);
	fclose(f);
	assert_int_equal(node_keys_load_or_create(dir, &k, why), 0);
	assert_int_equal(access(half, F_OK), -1);
	node_keys_wipe(&k);
}

static void creation_in_a_missing_directory_says_where(void **state)
{
	struct node_keys k;

	(void)state;
	assert_int_equal(node_keys_create("/nonexistent/place", &k, why), ERR_IO);
	assert_non_null(strstr(why, "/nonexistent/place/node.keys"));
}

static void secret_file_holds_what_was_put_in(void **state)
{
	uint8_t a[32], b[32];

	(void)state;
	assert_int_equal(secret_file_create(path, a, sizeof(a), why), 0);
	assert_int_equal(secret_file_read(path, b, sizeof(b), why), 0);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(secret_file_create(path, a, sizeof(a), why), ERR_EXISTS);
	assert_int_equal(secret_file_read(path, b, 31, why), ERR_INVALID);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(secret_file_read(path, b, sizeof(b), why), ERR_DENIED);
	assert_non_null(strstr(why, "chmod 600"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(secret_file_read(path, b, sizeof(b), why), ERR_NOT_FOUND);
	assert_int_equal(secret_file_write(path, "0123456789abcdef", 16, why), 0);
	assert_int_equal(secret_file_read(path, b, 16, why), 0);
	assert_memory_equal(b, "0123456789abcdef", 16);
}

/* ---- text ---- */

static void base32_follows_rfc_4648(void **state)
{
	static const struct {
		const char *plain;
		const char *text;
	} vectors[] = {
		{ "", "" },
		{ "f", "MY" },
		{ "fo", "MZXQ" },
		{ "foo", "MZXW6" },
		{ "foob", "MZXW6YQ" },
		{ "fooba", "MZXW6YTB" },
		{ "foobar", "MZXW6YTBOI" },
	};
	char text[32];
	uint8_t data[32];

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		size_t n = strlen(vectors[i].plain);

		base32_encode(vectors[i].plain, n, text);
		assert_string_equal(text, vectors[i].text);
		assert_int_equal(base32_decode(text, strlen(text), data, n), 0);
		assert_memory_equal(data, vectors[i].plain, n);
	}
	assert_int_equal(base32_decode("mzxw6", 5, data, 3), 0);
	assert_int_equal(base32_decode("MZXW6", 5, data, 4), ERR_INVALID);
	assert_int_equal(base32_decode("MZXW6Y", 6, data, 3), ERR_INVALID);
	assert_int_equal(base32_decode("MZ", 2, data, 1), ERR_INVALID); /* bits left over */
	assert_int_equal(base32_decode("M1", 2, data, 1), ERR_INVALID);
	assert_int_equal(base32_decode("M=", 2, data, 1), ERR_INVALID);
}

static void z85_takes_the_canonical_text_only(void **state)
{
	char text[Z85_TEXT_BYTES];
	uint8_t key[32], again[32];

	(void)state;
	randombytes_buf(key, sizeof(key));
	z85_format_key(key, text);
	assert_int_equal(strlen(text), 40);
	assert_int_equal(z85_parse_key(text, again), 0);
	assert_memory_equal(key, again, 32);
	text[39] = ' ';
	assert_int_equal(z85_parse_key(text, again), ERR_INVALID);
	text[39] = '\0';
	assert_int_equal(z85_parse_key(text, again), ERR_INVALID);
	assert_int_equal(z85_parse_key("", again), ERR_INVALID);
	assert_int_equal(
		z85_parse_key("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
			      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
			      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
			      again),
		ERR_INVALID);
	assert_memory_equal(key, again, 32);
}

/* ---- signatures ---- */

static void signature_holds_in_its_domain_for_its_key_only(void **state)
{
	static uint8_t memory[16384], big[5000];
	struct node_keys a, b;
	Trib__V1__Signed *s;
	struct arena arena;
	const size_t lens[] = { 0, 1, 100, sizeof(big) };

	(void)state;
	node_keys_generate(&a);
	node_keys_generate(&b);
	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		arena_init(&arena, memory, sizeof(memory));
		assert_int_equal(
			sign_payload(&arena, SIGN_DOMAIN_HEAD, big, lens[i], a.sign_secret, &s), 0);
		assert_int_equal(s->payload.len, lens[i]);
		assert_memory_equal(s->key_id.data, a.key_id, 8);
		assert_int_equal(verify_signed(s, SIGN_DOMAIN_HEAD, a.sign_pub), 0);
		assert_int_equal(verify_signed(s, SIGN_DOMAIN_ACK, a.sign_pub), ERR_SIGNATURE);
		assert_int_equal(verify_signed(s, SIGN_DOMAIN_HEAD, b.sign_pub), ERR_UNKNOWN_KEY);
		s->signature.data[5] ^= 1;
		assert_int_equal(verify_signed(s, SIGN_DOMAIN_HEAD, a.sign_pub), ERR_SIGNATURE);
		s->signature.data[5] ^= 1;
		if (lens[i] > 0) {
			s->payload.data[lens[i] - 1] ^= 1;
			assert_int_equal(verify_signed(s, SIGN_DOMAIN_HEAD, a.sign_pub),
					 ERR_SIGNATURE);
		}
		s->signature.len = 63;
		assert_int_equal(verify_signed(s, SIGN_DOMAIN_HEAD, a.sign_pub), ERR_INVALID);
		s->signature.len = 64;
		s->key_id.len = 0;
		assert_int_equal(verify_signed(s, SIGN_DOMAIN_HEAD, a.sign_pub), ERR_INVALID);
	}
	arena_init(&arena, memory, 100);
	assert_int_equal(sign_payload(&arena, SIGN_DOMAIN_HEAD, big, 80, a.sign_secret, &s),
			 ERR_FULL);
}

/* Domain, NUL and payload in one piece, by libsodium alone. */
static void signature_is_what_the_protocol_says(void **state)
{
	uint8_t seed[32], pub[32], secret[64], message[64], sig[64], again[64], id[8], hash[32];
	size_t domain = strlen(SIGN_DOMAIN_CERT);

	(void)state;
	memset(seed, 1, sizeof(seed));
	crypto_sign_ed25519_seed_keypair(pub, secret, seed);
	memcpy(message, SIGN_DOMAIN_CERT, domain);
	message[domain] = 0;
	memcpy(message + domain + 1, "payload", 7);
	crypto_sign_ed25519_detached(again, NULL, message, domain + 8, secret);
	sign_bytes(SIGN_DOMAIN_CERT, "payload", 7, secret, sig);
	assert_memory_equal(sig, again, 64);
	crypto_generichash(hash, 32, pub, 32, NULL, 0);
	sign_key_id(pub, id);
	assert_memory_equal(id, hash, 8);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(created_keys_are_loaded_again),
		T(key_file_open_to_others_is_refused_with_its_cure),
		T(what_is_not_a_regular_file_is_refused),
		T(damaged_key_file_is_refused),
		T(cut_off_creation_does_not_block_the_next),
		T(creation_in_a_missing_directory_says_where),
		T(secret_file_holds_what_was_put_in),
		T(base32_follows_rfc_4648),
		T(z85_takes_the_canonical_text_only),
		T(signature_holds_in_its_domain_for_its_key_only),
		T(signature_is_what_the_protocol_says),
	};

	return cmocka_run_group_tests_name("keys", tests, setup_group, teardown_group);
}
