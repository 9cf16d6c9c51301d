/* A till that sells one order for stored value, whatever becomes of the line.
 *
 * usage: STORE=http://127.0.0.1:7311 TOKEN=... till ORDER CARD AMOUNT
 *
 * Prints sold, refused, cancelled or unknown; exit status 0, 1, 2, 3. After "unknown" the order must
 * be cancelled, or asked for, before it is paid otherwise. TIMEOUT: seconds for one answer. */
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIES 3

/* One call; its answer, or NULL where none came and nobody knows. body may be NULL. */
static json_t *call(const char *path, const char *header, json_t *body)
{
	char url[512], *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	CURL *c = curl_easy_init();
	CURLcode r;

	snprintf(url, sizeof(url), "%s%s", getenv("STORE"), path);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
	curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, getenv("TOKEN"));
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, curl_slist_append(NULL, header));
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c, CURLOPT_TIMEOUT, getenv("TIMEOUT") ? atol(getenv("TIMEOUT")) : 3L);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, to);
	if (body != NULL)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, json_dumps(body, 0));
	r = curl_easy_perform(c);
	fclose(to);
	return r == CURLE_OK ? json_loads(text, 0, NULL) : NULL;
}

/* End where the answer, or what is known of the order, decides it; else return. */
static void judge(json_t *answer, const char *order)
{
	const char *code = "", *verb = "sale", *state = "done", *txn = "";
	int later = 1;

	(void)json_unpack(answer, "{s?s, s?s, s?s, s?{s:s, s:b}}", "verb", &verb, "state", &state,
			  "txn", &txn, "error", "code", &code, "retryable", &later);
	if (strcmp(verb, "sale") != 0)
		return; /* another order of this number */
	if (strcmp(state, "cancelled") == 0 || strcmp(code, "order_cancelled") == 0)
		exit((printf("cancelled %s\n", order), 2));
	if (txn[0] != '\0')
		exit((printf("sold %s %s\n", order, txn), 0));
	if (!later)
		exit((printf("refused %s %s\n", order, code), 1));
}

int main(int argc, char **argv)
{
	char path[300], key[64] = "Idempotency-Key: ";
	FILE *random = fopen("/proc/sys/kernel/random/uuid", "r");
	json_t *body, *known;

	if (argc != 4 || random == NULL || fgets(key + strlen(key), 37, random) == NULL)
		return fputs("usage: till ORDER CARD AMOUNT\n", stderr), 3;
	body = json_pack("{s:s, s:s, s:I}", "order_no", argv[1], "card_no", argv[2], "amount",
			 (json_int_t)atoll(argv[3]));
	snprintf(path, 290, "/v1/orders/%s", curl_easy_escape(NULL, argv[1], 0));
	for (unsigned n = 0; n < TRIES; sleep(n++)) {
		judge(call("/v1/sales", key, body), argv[1]);
		/* No answer, or "later". Did it happen? If not, the same request is harmless. */
		known = json_object_get(call(path, "Accept:", NULL), "orders");
		for (size_t i = 0; i < json_array_size(known); i++)
			judge(json_array_get(known, i), argv[1]);
	}
	strcat(path, "/cancel"); /* paid otherwise: it must never happen now */
	for (unsigned n = 0; n < TRIES; sleep(n++))
		judge(call(path, "Accept:", json_pack("{s:s}", "verb", "sale")), argv[1]);
	return printf("unknown %s\n", argv[1]), 3;
}
