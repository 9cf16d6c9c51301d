/* Bytes as text: RFC 4648 base32 (upper case, no padding) and Z85 for CURVE keys. */
#ifndef TRIB_IO_ENCODE_H
#define TRIB_IO_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* Characters and NUL that n bytes take. */
#define BASE32_TEXT_BYTES(n) (((n)*8 + 4) / 5 + 1)
#define Z85_KEY_BYTES 32
#define Z85_TEXT_BYTES 41 /* 40 characters and NUL */

/* ret_text has BASE32_TEXT_BYTES(len) bytes. */
void base32_encode(const void *data, size_t len, char *ret_text);

/* Decode exactly len bytes from BASE32_TEXT_BYTES(len) - 1 characters; lower case is taken too.
 * ERR_INVALID on another length, a foreign character or bits left over that are not zero; what
 * ret_data holds is undefined then. */
int MUST_CHECK base32_decode(const char *text, size_t text_len, void *ret_data, size_t len);

void z85_format_key(const uint8_t key[Z85_KEY_BYTES], char ret_text[Z85_TEXT_BYTES]);

/* ERR_INVALID leaves ret_key untouched. */
int MUST_CHECK z85_parse_key(const char *text, uint8_t ret_key[Z85_KEY_BYTES]);

#endif
