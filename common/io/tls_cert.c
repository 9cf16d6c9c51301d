#include "tls_cert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "file.h"
#include "keys.h"

#define PEM_MAX_BYTES 16384
#define CHAIN_MAX 8
#define SERIAL_BYTES 16
#define DAY_S ((int64_t)24 * 3600)
#define YEARS_S (3652 * DAY_S)
#define NOT_BEFORE_S ((int64_t)1767225600) /* 2026: a clock that says less is wrong */

_Static_assert(TLS_CERT_ERROR_BYTES == KEYS_WHY_BYTES, "errors of key files fit");

static int gnutls_failed(char *err, const char *what, int code)
{
	snprintf(err, TLS_CERT_ERROR_BYTES, "%s: %s", what, gnutls_strerror(code));
	return ERR_INVALID;
}

static int out_of_memory(char *err)
{
	snprintf(err, TLS_CERT_ERROR_BYTES, "out of memory");
	return ERR_IO;
}

/* A copy of GnuTLS's text with a NUL behind it; frees GnuTLS's, wiped. NULL: no memory. */
static char *take_text(gnutls_datum_t *d)
{
	char *text = malloc((size_t)d->size + 1);

	if (text != NULL) {
		memcpy(text, d->data, d->size);
		text[d->size] = '\0';
	}
	sodium_memzero(d->data, d->size);
	gnutls_free(d->data);
	return text;
}

/* ---- making ---- */

static int generate_key(char **ret_pem, char *err)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_datum_t pem = { NULL, 0 };
	int r = gnutls_x509_privkey_init(&key);

	if (r == 0)
		r = gnutls_x509_privkey_generate2(key, GNUTLS_PK_ECDSA,
						  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
						  0, NULL, 0);
	if (r == 0)
		r = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem);
	gnutls_x509_privkey_deinit(key);
	if (r != 0)
		return gnutls_failed(err, "cannot make a TLS key", r);
	*ret_pem = take_text(&pem);
	return *ret_pem != NULL ? 0 : out_of_memory(err);
}

static int add_name(gnutls_x509_crt_t crt, const char *name)
{
	uint8_t address[16];

	if (inet_pton(AF_INET, name, address) == 1)
		return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address, 4,
							    GNUTLS_FSAN_APPEND);
	if (inet_pton(AF_INET6, name, address) == 1)
		return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address, 16,
							    GNUTLS_FSAN_APPEND);
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
						    (unsigned)strlen(name), GNUTLS_FSAN_APPEND);
}

static int fill_in(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *const *names,
		   int64_t wall_ms)
{
	int64_t now = wall_ms / 1000;
	uint8_t serial[SERIAL_BYTES];
	int r = gnutls_x509_crt_set_version(crt, 3);

	randombytes_buf(serial, sizeof(serial));
	serial[0] &= 0x7f; /* positive */
	if (r == 0)
		r = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	if (r == 0)
		r = gnutls_x509_crt_set_activation_time(crt, (time_t)(now - DAY_S));
	if (r == 0)
		r = gnutls_x509_crt_set_expiration_time(
			crt, (time_t)((now > NOT_BEFORE_S ? now : NOT_BEFORE_S) + YEARS_S));
	if (r == 0)
		r = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, names[0],
						  (unsigned)strlen(names[0]));
	for (const char *const *name = names; r == 0 && *name != NULL; name++)
		r = add_name(crt, *name);
	if (r == 0)
		r = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
	if (r == 0)
		r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (r == 0)
		r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
	if (r == 0)
		r = gnutls_x509_crt_set_key(crt, key);
	return r == 0 ? gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0) : r;
}

static int import_key(const char *pem, gnutls_x509_privkey_t *ret)
{
	const gnutls_datum_t text = { (void *)(uintptr_t)pem, (unsigned)strlen(pem) };
	int r = gnutls_x509_privkey_init(ret);

	return r == 0 ? gnutls_x509_privkey_import2(*ret, &text, GNUTLS_X509_FMT_PEM, NULL, 0) : r;
}

static int make_certificate(const char *key_pem, const char *const *names, int64_t wall_ms,
			    char **ret_pem, char *err)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crt_t crt = NULL;
	gnutls_datum_t pem = { NULL, 0 };
	int r = import_key(key_pem, &key);

	if (r == 0)
		r = gnutls_x509_crt_init(&crt);
	if (r == 0)
		r = fill_in(crt, key, names, wall_ms);
	if (r == 0)
		r = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
	if (r != 0)
		return gnutls_failed(err, "cannot make a certificate of " TLS_KEY_FILE, r);
	*ret_pem = take_text(&pem);
	return *ret_pem != NULL ? 0 : out_of_memory(err);
}

/* ---- reading ---- */

static void format_fingerprint(const uint8_t hash[32], char ret[TLS_FINGERPRINT_BYTES])
{
	for (size_t i = 0; i < 32; i++)
		snprintf(ret + 3 * i, 4, i < 31 ? "%02x:" : "%02x", hash[i]);
}

static int describe(gnutls_x509_crt_t crt, struct tls_cert *c)
{
	uint8_t hash[32];
	size_t size = sizeof(hash);
	int r = gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, hash, &size);

	if (r != 0)
		return r;
	format_fingerprint(hash, c->fingerprint);
	size = sizeof(hash);
	r = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, hash, &size);
	if (r != 0)
		return r;
	strcpy(c->pin, "sha256//");
	sodium_bin2base64(c->pin + 8, sizeof(c->pin) - 8, hash, sizeof(hash),
			  sodium_base64_VARIANT_ORIGINAL);
	c->expires_ms = (int64_t)gnutls_x509_crt_get_expiration_time(crt) * 1000;
	return 0;
}

static int import_first(const char *pem, gnutls_x509_crt_t *ret)
{
	const gnutls_datum_t text = { (void *)(uintptr_t)pem, (unsigned)strlen(pem) };
	gnutls_x509_crt_t list[CHAIN_MAX];
	unsigned n = CHAIN_MAX;
	int r = gnutls_x509_crt_list_import(list, &n, &text, GNUTLS_X509_FMT_PEM,
					    GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);

	if (r < 0)
		return r;
	for (unsigned i = 1; i < n; i++)
		gnutls_x509_crt_deinit(list[i]);
	if (n == 0)
		return GNUTLS_E_NO_CERTIFICATE_FOUND;
	*ret = list[0];
	return 0;
}

/* The key must be the certificate's. */
static int check_pair(const struct tls_cert *c)
{
	const gnutls_datum_t crt = { (void *)c->certificate, (unsigned)strlen(c->certificate) };
	const gnutls_datum_t key = { (void *)c->key, (unsigned)strlen(c->key) };
	gnutls_certificate_credentials_t credentials;
	int r = gnutls_certificate_allocate_credentials(&credentials);

	if (r != 0)
		return r;
	r = gnutls_certificate_set_x509_key_mem(credentials, &crt, &key, GNUTLS_X509_FMT_PEM);
	gnutls_certificate_free_credentials(credentials);
	return r < 0 ? r : 0;
}

static int judge(struct tls_cert *c, const char *dir, char *err)
{
	gnutls_x509_crt_t crt;
	int r = import_first(c->certificate, &crt);

	if (r == 0) {
		r = describe(crt, c);
		gnutls_x509_crt_deinit(crt);
	}
	if (r == 0)
		r = check_pair(c);
	if (r == 0)
		return 0;
	snprintf(err, TLS_CERT_ERROR_BYTES,
		 "%.200s: %s and %s cannot be used: %s. Restore them; or remove both to have new "
		 "ones, whose fingerprint every till must be told",
		 dir, TLS_KEY_FILE, TLS_CERT_FILE, gnutls_strerror(r));
	return ERR_INVALID;
}

static int read_key(const char *path, struct tls_cert *c, char *err)
{
	char text[PEM_MAX_BYTES];
	int r = key_file_read(path, text, sizeof(text), err);

	if (r < 0)
		return r;
	c->key = strdup(text);
	sodium_memzero(text, sizeof(text));
	return c->key != NULL ? 0 : out_of_memory(err);
}

/* The certificate is public: any mode will do. */
static int read_certificate(const char *dir, struct tls_cert *c, char *err)
{
	char text[PEM_MAX_BYTES + 1];
	size_t len;
	int r = file_read(dir, TLS_CERT_FILE, text, PEM_MAX_BYTES, &len);

	if (r < 0) {
		snprintf(err, TLS_CERT_ERROR_BYTES, "%.300s/%s: %s", dir, TLS_CERT_FILE,
			 r == ERR_FULL ? "too long for a certificate" : strerror(errno));
		return r;
	}
	text[len] = '\0';
	c->certificate = strdup(text);
	return c->certificate != NULL ? 0 : out_of_memory(err);
}

static int create_key(const char *path, struct tls_cert *c, char *err)
{
	int r = generate_key(&c->key, err);

	return r == 0 ? key_file_write(path, c->key, strlen(c->key), err) : r;
}

static int create_certificate(const char *dir, const char *const *names, int64_t wall_ms,
			      struct tls_cert *c, char *err)
{
	int r = make_certificate(c->key, names, wall_ms, &c->certificate, err);

	if (r < 0)
		return r;
	r = file_write(dir, TLS_CERT_FILE, c->certificate, strlen(c->certificate), 0644);
	if (r < 0)
		snprintf(err, TLS_CERT_ERROR_BYTES, "cannot write %.300s/%s: %s", dir,
			 TLS_CERT_FILE, strerror(errno));
	return r;
}

/* C2 */
static int key_is_gone(const char *dir, char *err)
{
	snprintf(err, TLS_CERT_ERROR_BYTES,
		 "%.200s: %s is gone, but tills know its %s. Restore it; or remove %s to have new "
		 "ones, whose fingerprint every till must be told",
		 dir, TLS_KEY_FILE, TLS_CERT_FILE, TLS_CERT_FILE);
	return ERR_NOT_FOUND;
}

/* Both files, read or made. */
static int read_or_create(const char *dir, const char *const *names, int64_t wall_ms,
			  struct tls_cert *c, char *err)
{
	int r = read_certificate(dir, c, err);
	bool is_new = r == ERR_NOT_FOUND;
	char path[4200];

	if (r < 0 && !is_new)
		return r;
	snprintf(path, sizeof(path), "%s/%s", dir, TLS_KEY_FILE);
	r = read_key(path, c, err);
	if (r == ERR_NOT_FOUND && !is_new)
		return key_is_gone(dir, err);
	if (r == ERR_NOT_FOUND) {
		r = create_key(path, c, err);
		FAULT_POINT("tls.after_key");
	}
	if (r < 0 || !is_new)
		return r;
	return create_certificate(dir, names, wall_ms, c, err);
}

int tls_cert_open(const char *dir, const char *const *names, int64_t wall_ms, struct tls_cert *ret,
		  char *err)
{
	struct tls_cert c = { .key = NULL };
	int r = read_or_create(dir, names, wall_ms, &c, err);

	if (r == 0)
		r = judge(&c, dir, err);
	if (r == 0)
		*ret = c;
	else
		tls_cert_finish(&c);
	return r;
}

bool tls_cert_has_name(const struct tls_cert *c, const char *name)
{
	gnutls_x509_crt_t crt;
	bool has;

	if (import_first(c->certificate, &crt) != 0)
		return false;
	has = gnutls_x509_crt_check_hostname2(crt, name, 0) != 0;
	gnutls_x509_crt_deinit(crt);
	return has;
}

void tls_cert_finish(struct tls_cert *c)
{
	if (c->key != NULL)
		sodium_memzero(c->key, strlen(c->key));
	free(c->key);
	free(c->certificate);
	memset(c, 0, sizeof(*c));
}
