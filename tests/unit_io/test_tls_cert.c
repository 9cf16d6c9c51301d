/* A listener's certificate: made once, kept, and told from what is not it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "tls_cert.h"

#define NOW_MS 1790000000000 /* in 2026 */
#define DAY_S ((int64_t)24 * 3600)

static const char *const names[] = { "store-0107", "192.168.1.5", "fd00::5", "till.lan", NULL };

struct place {
	char dir[64];
	char key[128], certificate[128];
	char err[TLS_CERT_ERROR_BYTES];
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	strcpy(p->dir, "/tmp/trib.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->key, sizeof(p->key), "%s/" TLS_KEY_FILE, p->dir);
	snprintf(p->certificate, sizeof(p->certificate), "%s/" TLS_CERT_FILE, p->dir);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	(void)unlink(p->key);
	(void)unlink(p->certificate);
	assert_int_equal(rmdir(p->dir), 0);
	free(p);
	return 0;
}

static struct tls_cert opened(struct place *p, int64_t wall_ms)
{
	struct tls_cert c;

	if (tls_cert_open(p->dir, names, wall_ms, &c, p->err) != 0)
		fail_msg("%s", p->err);
	return c;
}

static void expect_refused(struct place *p, int error, const char *text)
{
	struct tls_cert c;

	assert_int_equal(tls_cert_open(p->dir, names, NOW_MS, &c, p->err), error);
	if (strstr(p->err, text) == NULL)
		fail_msg("'%s' lacks '%s'", p->err, text);
}

static gnutls_x509_crt_t parsed(const struct tls_cert *c)
{
	const gnutls_datum_t text = { (void *)c->certificate, (unsigned)strlen(c->certificate) };
	gnutls_x509_crt_t crt;

	assert_int_equal(gnutls_x509_crt_init(&crt), 0);
	assert_int_equal(gnutls_x509_crt_import(crt, &text, GNUTLS_X509_FMT_PEM), 0);
	return crt;
}

static void certificate_is_made_once_and_kept(void **state)
{
	struct place *p = *state;
	struct tls_cert first = opened(p, NOW_MS), again = opened(p, NOW_MS + 1000 * DAY_S);
	struct stat st;

	assert_string_equal(first.certificate, again.certificate);
	assert_string_equal(first.key, again.key);
	assert_string_equal(first.fingerprint, again.fingerprint);
	assert_int_equal(strlen(first.fingerprint), 95);
	assert_int_equal(strspn(first.fingerprint, "0123456789abcdef:"), 95);
	assert_memory_equal(first.pin, "sha256//", 8);
	assert_int_equal(strlen(first.pin), 8 + 44);
	assert_int_equal(stat(p->key, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	tls_cert_finish(&first);
	tls_cert_finish(&again);
	assert_null(first.key);
}

static void it_is_an_ecdsa_leaf_for_ten_years_with_our_names(void **state)
{
	struct tls_cert c = opened(*state, NOW_MS);
	gnutls_x509_crt_t crt = parsed(&c);
	unsigned bits, is_ca;

	assert_int_equal(gnutls_x509_crt_get_pk_algorithm(crt, &bits), GNUTLS_PK_ECDSA);
	assert_int_equal(bits, 256);
	assert_int_equal(gnutls_x509_crt_get_version(crt), 3);
	assert_int_equal(gnutls_x509_crt_get_basic_constraints(crt, NULL, &is_ca, NULL), 0);
	assert_int_equal(gnutls_x509_crt_get_activation_time(crt), NOW_MS / 1000 - DAY_S);
	assert_int_equal(c.expires_ms / 1000, NOW_MS / 1000 + 3652 * DAY_S);
	for (const char *const *name = names; *name != NULL; name++)
		assert_true(tls_cert_has_name(&c, *name));
	assert_false(tls_cert_has_name(&c, "192.168.1.6"));
	assert_false(tls_cert_has_name(&c, "evil.lan"));
	gnutls_x509_crt_deinit(crt);
	tls_cert_finish(&c);
}

static void clock_of_1970_makes_one_that_is_good_today(void **state)
{
	struct tls_cert c = opened(*state, 1000);
	gnutls_x509_crt_t crt = parsed(&c);

	assert_true(gnutls_x509_crt_get_activation_time(crt) <= 1);
	assert_true(c.expires_ms > NOW_MS + 1000 * 365 * DAY_S);
	gnutls_x509_crt_deinit(crt);
	tls_cert_finish(&c);
}

static void key_without_certificate_gets_one(void **state)
{
	struct place *p = *state;
	struct tls_cert first = opened(p, NOW_MS), second;

	assert_int_equal(unlink(p->certificate), 0);
	second = opened(p, NOW_MS);
	assert_string_equal(first.key, second.key);
	assert_string_equal(first.pin, second.pin);
	tls_cert_finish(&first);
	tls_cert_finish(&second);
}

static void certificate_without_key_is_not_replaced(void **state)
{
	struct place *p = *state;
	struct tls_cert c = opened(p, NOW_MS);

	assert_int_equal(unlink(p->key), 0);
	expect_refused(p, ERR_NOT_FOUND, "tls.key is gone");
	assert_int_equal(access(p->key, F_OK), -1);
	assert_int_equal(access(p->certificate, F_OK), 0);
	tls_cert_finish(&c);
}

static void key_open_to_others_is_refused(void **state)
{
	struct place *p = *state;
	struct tls_cert c = opened(p, NOW_MS);

	assert_int_equal(chmod(p->key, 0640), 0);
	expect_refused(p, ERR_DENIED, "chmod 600");
	tls_cert_finish(&c);
}

static void files_that_do_not_belong_together_are_refused(void **state)
{
	struct place *p = *state;
	struct tls_cert old = opened(p, NOW_MS), fresh;

	assert_int_equal(unlink(p->key), 0);
	assert_int_equal(unlink(p->certificate), 0);
	fresh = opened(p, NOW_MS);
	assert_string_not_equal(old.fingerprint, fresh.fingerprint);
	assert_int_equal(file_write(p->dir, TLS_CERT_FILE, old.certificate, strlen(old.certificate),
				    0644),
			 0);
	expect_refused(p, ERR_INVALID, "cannot be used");
	assert_int_equal(file_write(p->dir, TLS_CERT_FILE, "rubbish", 7, 0644), 0);
	expect_refused(p, ERR_INVALID, "cannot be used");
	assert_int_equal(file_write(p->dir, TLS_KEY_FILE, "rubbish", 7, 0600), 0);
	assert_int_equal(file_write(p->dir, TLS_CERT_FILE, fresh.certificate,
				    strlen(fresh.certificate), 0644),
			 0);
	expect_refused(p, ERR_INVALID, "cannot be used");
	assert_int_equal(unlink(p->certificate), 0); /* no certificate can be made of it */
	expect_refused(p, ERR_INVALID, "cannot make a certificate");
	tls_cert_finish(&old);
	tls_cert_finish(&fresh);
}

static void folder_that_cannot_be_written_is_told(void **state)
{
	struct place *p = *state;
	struct tls_cert c;

	assert_int_equal(tls_cert_open("/proc/no/such", names, NOW_MS, &c, p->err), ERR_IO);
	assert_non_null(strstr(p->err, "/proc/no/such"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(certificate_is_made_once_and_kept, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(it_is_an_ecdsa_leaf_for_ten_years_with_our_names,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(clock_of_1970_makes_one_that_is_good_today, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(key_without_certificate_gets_one, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(certificate_without_key_is_not_replaced, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(key_open_to_others_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_that_do_not_belong_together_are_refused,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(folder_that_cannot_be_written_is_told, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
