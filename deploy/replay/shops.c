#include "shops.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_code(const void *a, const void *b)
{
	return strcmp(((const struct shop *)a)->code, ((const struct shop *)b)->code);
}

static void shop_finish(struct shop *s)
{
	free(s->code);
	free(s->url);
	free(s->token);
}

static int shop_parse(const json_t *store, struct shop *ret_shop)
{
	const char *code, *url, *token;
	struct shop s;

	if (json_unpack((json_t *)store, "{s:s,s:s,s:s}", "store", &code, "url", &url, "token",
			&token) < 0)
		return -1;
	s = (struct shop){ .code = strdup(code), .url = strdup(url), .token = strdup(token) };
	if (s.code == NULL || s.url == NULL || s.token == NULL) {
		shop_finish(&s);
		return -1;
	}
	*ret_shop = s;
	return 0;
}

static int shops_read(struct shops *s)
{
	json_error_t error;
	json_t *file = json_load_file(s->path, JSON_REJECT_DUPLICATES, &error);
	const json_t *stores = json_object_get(file, "stores");
	size_t n = json_array_size(stores);

	if (file == NULL) {
		fprintf(stderr, "trib-replay: %s: %s\n", s->path, error.text);
		return -1;
	}
	if (n == 0 || n > SHOPS_MAX)
		goto fail;
	s->shops = calloc(n, sizeof(*s->shops));
	if (s->shops == NULL)
		goto fail;
	for (; s->n_shops < n; s->n_shops++)
		if (shop_parse(json_array_get(stores, s->n_shops), &s->shops[s->n_shops]) < 0)
			goto fail;
	qsort(s->shops, n, sizeof(*s->shops), by_code);
	json_decref(file);
	return 0;
fail:
	fprintf(stderr, "trib-replay: %s: no proper list of stores\n", s->path);
	json_decref(file);
	return -1;
}

int shops_load(struct shops *s, const char *dir)
{
	*s = (struct shops){ 0 };
	if (asprintf(&s->path, "%s/chain.json", dir) < 0) {
		s->path = NULL;
		return -1;
	}
	if (shops_read(s) < 0) {
		shops_finish(s);
		return -1;
	}
	return 0;
}

void shops_reload(struct shops *s)
{
	struct shops fresh = { .path = s->path };

	if (shops_read(&fresh) == 0) {
		for (size_t i = 0; i < fresh.n_shops; i++) {
			int at = shops_find(s, fresh.shops[i].code);
			struct shop old;

			if (at < 0)
				continue;
			old = s->shops[at];
			s->shops[at] = fresh.shops[i];
			fresh.shops[i] = old;
		}
	}
	fresh.path = NULL;
	shops_finish(&fresh);
}

void shops_finish(struct shops *s)
{
	for (size_t i = 0; i < s->n_shops; i++)
		shop_finish(&s->shops[i]);
	free(s->shops);
	free(s->path);
	*s = (struct shops){ 0 };
}

int shops_find(const struct shops *s, const char *code)
{
	const struct shop wanted = { .code = (char *)code };
	const struct shop *found =
		bsearch(&wanted, s->shops, s->n_shops, sizeof(*s->shops), by_code);

	return found == NULL ? -1 : (int)(found - s->shops);
}
