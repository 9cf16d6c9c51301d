/* Cutting text without cutting a character. */
#ifndef TRIB_IO_UTF8_H
#define TRIB_IO_UTF8_H

#include <stddef.h>

/* The most bytes, up to len, of the valid UTF-8 s[0..len) that end with a whole character. */
static inline size_t utf8_cut(const char *s, size_t len)
{
	size_t back = 0, need;
	unsigned char lead;

	while (back < 3 && back < len && ((unsigned char)s[len - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back == len)
		return len;
	lead = (unsigned char)s[len - 1 - back];
	need = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
	return back < need ? len - 1 - back : len;
}

#endif
