#include "nearest.h"

#include <string.h>

#define WORD_MAX 64

/* Edits that make a of b: insert, delete, replace, swap two neighbours. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	size_t row[3][WORD_MAX + 1];

	if (n > WORD_MAX || m > WORD_MAX)
		return n + m;
	for (size_t j = 0; j <= m; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t d = last[j - 1] + (a[i - 1] != b[j - 1]);

			if (last[j] + 1 < d)
				d = last[j] + 1;
			if (now[j - 1] + 1 < d)
				d = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < d)
				d = before[j - 2] + 1;
			now[j] = d;
		}
	}
	return row[n % 3][m];
}

const char *word_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t best = strlen(word) < 3 ? 1 : (strlen(word) + 2) / 3;
	const char *ret = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = edit_distance(word, candidates[i]);

		if (d < best || (d == best && ret == NULL)) {
			best = d;
			ret = candidates[i];
		}
	}
	return ret;
}
