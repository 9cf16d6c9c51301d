/* Secrets on disk: a node's keys and small fixed-size secrets, in files of mode 0600.
 *
 * A file that group or others may read, write or execute is refused, as is one that is not a
 * regular file. Files are created with O_EXCL and are durable (file and directory fsynced) when
 * the call returns. `why` is NULL or KEYS_WHY_BYTES of storage: on failure it gets one sentence
 * for the operator that names the file and, where there is one, the command that mends it. */
#ifndef TRIB_IO_KEYS_H
#define TRIB_IO_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "sign.h"

#define KEYS_FILE "node.keys"
#define KEYS_WHY_BYTES 512
#define SECRET_MAX_BYTES 64
#define CURVE_KEY_BYTES 32

/* Write text[0..len) to a new file. ERR_EXISTS, ERR_IO. */
int MUST_CHECK key_file_write(const char *path, const char *text, size_t len, char *why);

/* Read a file of 1 to cap - 1 bytes, none of them NUL, and put a NUL behind it. ERR_NOT_FOUND,
 * ERR_DENIED, ERR_INVALID, ERR_IO, and then ret_text is wiped. */
int MUST_CHECK key_file_read(const char *path, char *ret_text, size_t cap, char *why);

/* A node's own keys. Wipe with node_keys_wipe before letting go of the storage. */
struct node_keys {
	uint8_t sign_pub[SIGN_KEY_BYTES];
	uint8_t sign_secret[SIGN_SECRET_BYTES];
	uint8_t key_id[SIGN_KEY_ID_BYTES]; /* of sign_pub */
	uint8_t curve_pub[CURVE_KEY_BYTES];
	uint8_t curve_secret[CURVE_KEY_BYTES];
};

/* New random keys in memory only. */
void node_keys_generate(struct node_keys *ret);

/* New random keys, written to dir/node.keys. ERR_EXISTS when there is such a file, ERR_IO. */
int MUST_CHECK node_keys_create(const char *dir, struct node_keys *ret, char *why);

/* Read dir/node.keys. ERR_NOT_FOUND, ERR_DENIED (mode, owner or no permission), ERR_INVALID
 * (not a key file, or public and secret keys do not belong together), ERR_IO. */
int MUST_CHECK node_keys_load(const char *dir, struct node_keys *ret, char *why);

/* Load, or create where there is no such file. Errors of both. */
int MUST_CHECK node_keys_load_or_create(const char *dir, struct node_keys *ret, char *why);

void node_keys_wipe(struct node_keys *k);

/* Write secret[0..len) to a new file as one line of hex. len 1..SECRET_MAX_BYTES.
 * ERR_EXISTS, ERR_IO. */
int MUST_CHECK secret_file_write(const char *path, const void *secret, size_t len, char *why);

/* len random bytes, written as above. */
int MUST_CHECK secret_file_create(const char *path, void *ret_secret, size_t len, char *why);

/* Read a secret of exactly len bytes. ERR_NOT_FOUND, ERR_DENIED, ERR_INVALID, ERR_IO. */
int MUST_CHECK secret_file_read(const char *path, void *ret_secret, size_t len, char *why);

#endif
