#include "keys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES 1024
#define NODE_KEYS_MAGIC "tributary-node-keys 1\n"

static void say(char *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(char *why, const char *fmt, ...)
{
	va_list ap;

	if (why == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(why, KEYS_WHY_BYTES, fmt, ap);
	va_end(ap);
}

/* ---- files ---- */

/* Make a new name in path's directory durable. */
static int sync_directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	int fd, r = 0;

	if (slash == NULL)
		(void)snprintf(dir, sizeof(dir), ".");
	else if (slash == path)
		(void)snprintf(dir, sizeof(dir), "/");
	else if ((size_t)(slash - path) < sizeof(dir))
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	else
		return ERR_IO;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return ERR_IO;
	if (fsync(fd) != 0)
		r = ERR_IO;
	(void)close(fd);
	return r;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_IO;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* It is filled under a temporary name and renamed into place, so that no crash leaves half a key
 * file that blocks the next start. */
int key_file_write(const char *path, const char *text, size_t len, char *why)
{
	char tmp[PATH_MAX];
	int fd, r, error;

	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp)) {
		say(why, "%s: the path is too long", path);
		return ERR_IO;
	}
	(void)unlink(tmp); /* of a start that was cut off */
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		say(why, "%s: cannot create: %s", tmp, strerror(errno));
		return ERR_IO;
	}
	r = fchmod(fd, 0600) != 0 ? ERR_IO : write_all(fd, text, len);
	if (r == 0 && fsync(fd) != 0)
		r = ERR_IO;
	error = errno;
	if (close(fd) != 0 && r == 0) {
		r = ERR_IO;
		error = errno;
	}
	if (r == 0 && renameat2(AT_FDCWD, tmp, AT_FDCWD, path, RENAME_NOREPLACE) != 0) {
		r = errno == EEXIST ? ERR_EXISTS : ERR_IO;
		error = errno;
	}
	if (r != 0)
		(void)unlink(tmp);
	if (r == 0 && sync_directory_of(path) != 0) {
		r = ERR_IO;
		error = errno;
	}
	if (r != 0)
		say(why, "%s: cannot create: %s", path, strerror(error));
	return r;
}

static int check_mode(int fd, const char *path, char *why)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		say(why, "%s: cannot read: %s", path, strerror(errno));
		return ERR_IO;
	}
	if (!S_ISREG(st.st_mode)) {
		say(why, "%s: not a regular file", path);
		return ERR_DENIED;
	}
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		say(why,
		    "%s: belongs to user %u, not to this process's user %u; mend it with: "
		    "chown %u '%s'",
		    path, (unsigned)st.st_uid, (unsigned)geteuid(), (unsigned)geteuid(), path);
		return ERR_DENIED;
	}
	if ((st.st_mode & 077) != 0) {
		say(why,
		    "%s: holds secrets but has mode %04o, open to others; mend it with: "
		    "chmod 600 '%s'",
		    path, (unsigned)(st.st_mode & 07777), path);
		return ERR_DENIED;
	}
	return 0;
}

int key_file_read(const char *path, char *ret_text, size_t cap, char *why)
{
	size_t len = 0;
	int fd, r;

	/* O_NONBLOCK: a FIFO in the file's place must not hang the start. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		int error = errno;

		say(why, "%s: cannot read: %s", path, strerror(error));
		return error == ENOENT ? ERR_NOT_FOUND : error == EACCES ? ERR_DENIED : ERR_IO;
	}
	r = check_mode(fd, path, why);
	while (r == 0 && len < cap) {
		ssize_t n = read(fd, ret_text + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			say(why, "%s: cannot read: %s", path, strerror(errno));
			r = ERR_IO;
		}
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	(void)close(fd);
	if (r == 0 && (len == 0 || len == cap || memchr(ret_text, '\0', len) != NULL)) {
		say(why, "%s: not a key file", path);
		r = ERR_INVALID;
	}
	if (r != 0) {
		sodium_memzero(ret_text, cap);
		return r;
	}
	ret_text[len] = '\0';
	return 0;
}

/* Exactly n bytes of hex at *p and a line feed; moves *p behind them. */
static int take_hex_line(const char **p, uint8_t *ret, size_t n)
{
	size_t got;
	const char *end;

	if (strnlen(*p, n * 2 + 1) != n * 2 + 1 || (*p)[n * 2] != '\n')
		return ERR_INVALID;
	if (sodium_hex2bin(ret, n, *p, n * 2, NULL, &got, &end) != 0 || got != n)
		return ERR_INVALID;
	*p += n * 2 + 1;
	return 0;
}

/* ---- node.keys ---- */

static const char *const labels[] = {
	"ed25519-seed ",
	"ed25519-public ",
	"curve-secret ",
	"curve-public ",
};

void node_keys_generate(struct node_keys *ret)
{
	if (sodium_init() < 0)
		abort();
	crypto_sign_ed25519_keypair(ret->sign_pub, ret->sign_secret);
	sign_key_id(ret->sign_pub, ret->key_id);
	/* CURVE's keys are those of crypto_box. */
	crypto_box_curve25519xsalsa20poly1305_keypair(ret->curve_pub, ret->curve_secret);
}

void node_keys_wipe(struct node_keys *k)
{
	sodium_memzero(k, sizeof(*k));
}

static void node_keys_print(const struct node_keys *k, char text[FILE_MAX_BYTES])
{
	/* The seed is the first half of libsodium's secret. */
	const uint8_t *values[] = { k->sign_secret, k->sign_pub, k->curve_secret, k->curve_pub };
	char hex[65];
	char *p = stpcpy(text, NODE_KEYS_MAGIC);
	size_t i;

	for (i = 0; i < 4; i++) {
		sodium_bin2hex(hex, sizeof(hex), values[i], 32);
		p = stpcpy(stpcpy(stpcpy(p, labels[i]), hex), "\n");
	}
	sodium_memzero(hex, sizeof(hex));
}

static int node_keys_scan(const char *text, struct node_keys *ret)
{
	uint8_t values[4][32];
	uint8_t pub[32];
	int r = ERR_INVALID;
	size_t i;

	if (strncmp(text, NODE_KEYS_MAGIC, strlen(NODE_KEYS_MAGIC)) != 0)
		return ERR_INVALID;
	text += strlen(NODE_KEYS_MAGIC);
	for (i = 0; i < 4; i++) {
		size_t n = strlen(labels[i]);

		if (strncmp(text, labels[i], n) != 0)
			goto out;
		text += n;
		if (take_hex_line(&text, values[i], 32) != 0)
			goto out;
	}
	if (*text != '\0')
		goto out;
	crypto_sign_ed25519_seed_keypair(ret->sign_pub, ret->sign_secret, values[0]);
	crypto_scalarmult_curve25519_base(pub, values[2]);
	if (memcmp(ret->sign_pub, values[1], 32) != 0 || memcmp(pub, values[3], 32) != 0)
		goto out;
	sign_key_id(ret->sign_pub, ret->key_id);
	memcpy(ret->curve_pub, pub, 32);
	memcpy(ret->curve_secret, values[2], 32);
	r = 0;
out:
	sodium_memzero(values, sizeof(values));
	return r;
}

static int key_path(const char *dir, char path[PATH_MAX], char *why)
{
	if (snprintf(path, PATH_MAX, "%s/%s", dir, KEYS_FILE) < PATH_MAX)
		return 0;
	say(why, "%s: the path is too long", dir);
	return ERR_IO;
}

int node_keys_create(const char *dir, struct node_keys *ret, char *why)
{
	struct node_keys k;
	char path[PATH_MAX];
	char text[FILE_MAX_BYTES];
	int r;

	r = key_path(dir, path, why);
	if (r != 0)
		return r;
	node_keys_generate(&k);
	node_keys_print(&k, text);
	r = key_file_write(path, text, strlen(text), why);
	if (r == 0)
		*ret = k;
	sodium_memzero(text, sizeof(text));
	node_keys_wipe(&k);
	return r;
}

int node_keys_load(const char *dir, struct node_keys *ret, char *why)
{
	struct node_keys k;
	char path[PATH_MAX];
	char text[FILE_MAX_BYTES];
	int r;

	if (sodium_init() < 0)
		abort();
	r = key_path(dir, path, why);
	if (r == 0)
		r = key_file_read(path, text, sizeof(text), why);
	if (r != 0)
		return r;
	r = node_keys_scan(text, &k);
	if (r == 0)
		*ret = k;
	else
		say(why, "%s: not a whole file of node keys; restore it, or replace the node",
		    path);
	sodium_memzero(text, sizeof(text));
	node_keys_wipe(&k);
	return r;
}

int node_keys_load_or_create(const char *dir, struct node_keys *ret, char *why)
{
	int r = node_keys_load(dir, ret, why);

	return r == ERR_NOT_FOUND ? node_keys_create(dir, ret, why) : r;
}

/* ---- small secrets ---- */

int secret_file_write(const char *path, const void *secret, size_t len, char *why)
{
	char text[SECRET_MAX_BYTES * 2 + 2];
	int r;

	if (len == 0 || len > SECRET_MAX_BYTES)
		abort();
	sodium_bin2hex(text, sizeof(text), secret, len);
	text[len * 2] = '\n';
	r = key_file_write(path, text, len * 2 + 1, why);
	sodium_memzero(text, sizeof(text));
	return r;
}

int secret_file_create(const char *path, void *ret_secret, size_t len, char *why)
{
	uint8_t secret[SECRET_MAX_BYTES];
	int r;

	if (len == 0 || len > SECRET_MAX_BYTES || sodium_init() < 0)
		abort();
	randombytes_buf(secret, len);
	r = secret_file_write(path, secret, len, why);
	if (r == 0)
		memcpy(ret_secret, secret, len);
	sodium_memzero(secret, sizeof(secret));
	return r;
}

int secret_file_read(const char *path, void *ret_secret, size_t len, char *why)
{
	uint8_t secret[SECRET_MAX_BYTES];
	char text[FILE_MAX_BYTES];
	const char *p = text;
	int r;

	if (len == 0 || len > SECRET_MAX_BYTES)
		abort();
	r = key_file_read(path, text, sizeof(text), why);
	if (r != 0)
		return r;
	r = take_hex_line(&p, secret, len);
	if (r == 0 && *p != '\0')
		r = ERR_INVALID;
	if (r == 0)
		memcpy(ret_secret, secret, len);
	else
		say(why, "%s: not a secret of %zu bytes in hex", path, len);
	sodium_memzero(text, sizeof(text));
	sodium_memzero(secret, sizeof(secret));
	return r;
}
