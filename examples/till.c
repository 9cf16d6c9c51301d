/* A till that sells one order for stored value, whatever becomes of the line.
 * usage: STORE=http://127.0.0.1:7311 TOKEN=... till ORDER CARD FEN (a whole number)
 * build: cc -o till till.c -lcurl -ljansson
 *
 * Prints sold, refused, cancelled or unknown; exit status 0, 1, 2, 3, or 64 where called wrongly. After
 * "unknown" (why: on stderr) the order must be cancelled, or asked for, before it is paid otherwise.
 * TIMEOUT: seconds for one answer. SSL_CERT_FILE: the certificate (tls.crt) of an https STORE. */
#include <curl/curl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

/* One call; its answer, or NULL where none came and nobody knows. body may be NULL. */
static json_t *call(const char *path, const char *header, json_t *body)
{
	char url[512], why[CURL_ERROR_SIZE] = "", text[1 << 20] = "";
	FILE *to = fmemopen(text, sizeof(text), "w");
	CURL *c = curl_easy_init();

	snprintf(url, sizeof(url), "%s%s", getenv("STORE"), path);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
	curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, getenv("TOKEN"));
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, curl_slist_append(NULL, header));
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c, CURLOPT_TIMEOUT, getenv("TIMEOUT") ? atol(getenv("TIMEOUT")) : 3L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, to);
	curl_easy_setopt(c, CURLOPT_CAINFO, getenv("SSL_CERT_FILE"));
	if (body != NULL)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, json_dumps(body, 0));
	if (curl_easy_perform(c) == CURLE_OK && fflush(to) == 0 && text[0] == '{')
		return json_loads(text, 0, NULL);
	return fprintf(stderr, "till: %s: %s\n", path, why[0] != '\0' ? why : "no JSON"), NULL;
}

/* End where the answer, or what is known of the order, decides it; else return. */
static void judge(json_t *answer, const char *order)
{
	const char *code = "", *verb = "sale", *state = "done", *txn = "", *message = "";
	json_int_t payable = 0;
	int later = 1;

	(void)json_unpack(answer, "{s?s, s?s, s?s, s?I, s?{s:s, s:b, s:{s:s}}}", "verb", &verb,
			  "state", &state, "txn", &txn, "payable", &payable, "error", "code", &code,
			  "retryable", &later, "message", "zh", &message);
	if (strcmp(verb, "sale") != 0)
		return; /* another order of this number */
	if (strcmp(state, "cancelled") == 0 || strcmp(code, "order_cancelled") == 0)
		exit((printf("cancelled %s\n", order), 2));
	if (txn[0] != '\0')
		exit((printf("sold %s %s %lld\n", order, txn, (long long)payable), 0));
	if (!later)
		exit((printf("refused %s %s %s\n", order, code, message), 1));
}

int main(int argc, char **argv)
{
	char path[300], key[64] = "Idempotency-Key: ", *end = "";
	json_int_t fen = argc == 4 ? strtoll(argv[3], &end, 10) : 0;
	FILE *random = fopen("/proc/sys/kernel/random/uuid", "r");
	json_t *body, *known;

	if (fen <= 0 || *end != '\0' || getenv("STORE") == NULL || getenv("TOKEN") == NULL ||
	    random == NULL || fgets(key + strlen(key), 37, random) == NULL)
		return fputs("usage: STORE=URL TOKEN=... till ORDER CARD FEN\n", stderr), 64;
	body = json_pack("{ss, ss, sI}", "order_no", argv[1], "card_no", argv[2], "amount", fen);
	snprintf(path, 290, "/v1/orders/%s", curl_easy_escape(NULL, argv[1], 0));
	for (unsigned n = 0; n < 3; sleep(n++)) {
		judge(call("/v1/sales", key, body), argv[1]);
		/* No answer, or "later". Did it happen? If not, the same request is harmless. */
		known = json_object_get(call(path, "Accept:", NULL), "orders");
		for (size_t i = 0; i < json_array_size(known); i++)
			judge(json_array_get(known, i), argv[1]);
	}
	strcat(path, "/cancel"); /* paid otherwise: it must never happen now */
	for (unsigned n = 0; n < 3; sleep(n++))
		judge(call(path, "Accept:", json_pack("{s:s}", "verb", "sale")), argv[1]);
	return printf("unknown %s\n", argv[1]), 3;
}
