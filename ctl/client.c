#include "client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "text.h"

#define ANSWER_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define CONNECT_TIMEOUT_MS 5000L
#define TIMEOUT_MS 600000L /* the books of a large chain take minutes to check */

struct answer {
	char *text; /* owned */
	size_t len, cap;
};

static size_t on_data(char *data, size_t size, size_t n, void *user)
{
	struct answer *a = user;
	size_t len = size * n;

	if (len > ANSWER_MAX_BYTES - a->len)
		return 0;
	if (a->len + len > a->cap) {
		size_t cap = a->cap == 0 ? 65536 : a->cap * 2;
		char *grown;

		while (cap < a->len + len)
			cap *= 2;
		grown = realloc(a->text, cap);
		if (grown == NULL)
			return 0;
		a->text = grown;
		a->cap = cap;
	}
	memcpy(a->text + a->len, data, len);
	a->len += len;
	return len;
}

const char *client_segment(const char *s, char *buf)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	for (; *s != '\0' && n + 4 < PATH_BYTES / 2; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    c == '-' || c == '_' || c == '~') {
			buf[n++] = *s;
		} else {
			buf[n++] = '%';
			buf[n++] = hex[c >> 4];
			buf[n++] = hex[c & 15];
		}
	}
	buf[n] = '\0';
	return buf;
}

static bool is_loopback(const char *url)
{
	static const char *const hosts[] = { "127.", "localhost", "[::1]" };
	const char *host = strstr(url, "://") + 3;
	size_t len = strcspn(host, "/?#");

	if (memchr(host, '@', len) != NULL)
		return false;
	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(hosts[i]);

		if (strncasecmp(host, hosts[i], n) == 0 &&
		    (i == 0 ? strspn(host, "0123456789.:") == len : host[n] == ':' || n == len))
			return true;
	}
	return false;
}

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static const struct {
	const char *segment, *en, *zh, *zh_end;
} nouns[] = {
	{ "stores", "There is no store", "没有门店", "" },
	{ "regions", "There is no region", "没有区域", "" },
	{ "accounts", "There is no account", "没有账户", "" },
	{ "journal", "There is no journal of a store", "没有门店", " 的流水" },
	{ "lanes", "There is no lane", "没有收银台", "" },
	{ "rules", "There is no rule set", "没有规则版本", "" },
};

/* "There is no store 9999" for /v1/stores/9999. False where the path names no thing of ours. */
static bool name_missing(const char *path, char *ret, size_t cap)
{
	for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++) {
		size_t n = strlen(nouns[i].segment);
		char what[128], *to = what;
		const char *from = path + 4 + n + 1;

		if (strncmp(path, "/v1/", 4) != 0 || strncmp(path + 4, nouns[i].segment, n) != 0 ||
		    path[4 + n] != '/')
			continue;
		while (*from != '\0' && *from != '/' && *from != '?' &&
		       to < what + sizeof(what) - 1) {
			unsigned int c = (unsigned char)*from++;

			if (c == '%' && sscanf(from, "%2x", &c) == 1)
				from += 2;
			*to++ = (char)c;
		}
		*to = '\0';
		if (strcmp(what, "search") == 0)
			return false;
		snprintf(ret, cap, "%s %s%s", T(nouns[i].en, nouns[i].zh), what,
			 T("", nouns[i].zh_end));
		return true;
	}
	return false;
}

/* A sentence without its full stop: more follows. */
static void copy_sentence(const char *sentence, char *ret, size_t cap)
{
	size_t len = strlen(sentence), stop = strlen("。");

	if (len > 0 && sentence[len - 1] == '.')
		len--;
	else if (len > stop && strcmp(sentence + len - stop, "。") == 0)
		len -= stop;
	snprintf(ret, cap, "%.*s", (int)len, sentence);
}

/* Print the error JSON of a service: what is wrong, with what, why, the code and trace id. */
static void tell_error(const struct service *s, const char *path, long status, const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error");
	const char *sentence = text_of(json_object_get(error, "message"), T("en", "zh"));
	const char *code = text_of(error, "code"), *param = text_of(error, "param");
	const char *detail = text_of(error, "detail"), *trace = text_of(error, "trace_id");
	const char *colon = T(": ", "：");
	char text[512];

	if (code == NULL) {
		say(T("%s answered with status %ld", "%s 返回状态码 %ld"), s->url, status);
		return;
	}
	if ((strcmp(code, "not_found") == 0 || strcmp(code, "unknown_account") == 0) &&
	    name_missing(path, text, sizeof(text)))
		param = NULL;
	else
		copy_sentence(sentence != NULL ? sentence : code, text, sizeof(text));
	say("%s%s%s%s%s%s[%s%s%s]", text, param != NULL ? colon : "", param != NULL ? param : "",
	    detail != NULL ? colon : "", detail != NULL ? detail : "",
	    param != NULL || detail != NULL ? " " : T(". ", "。"), code, trace != NULL ? ", " : "",
	    trace != NULL ? trace : "");
}

static int judge(const struct service *s, const char *path, long status, const struct answer *a,
		 json_t **ret)
{
	json_error_t error;
	json_t *answer = a->len > 0 ? json_loadb(a->text, a->len, JSON_DECODE_ANY, &error) : NULL;

	if (status >= 200 && status < 300 && (json_is_object(answer) || json_is_array(answer))) {
		*ret = answer;
		return EXIT_OK;
	}
	if (status >= 200 && status < 300)
		say(T("%s did not answer with JSON", "%s 的回应不是 JSON"), s->url);
	else
		tell_error(s, path, status, answer);
	json_decref(answer);
	return status == 401 || status == 403 ? EXIT_DENIED : EXIT_FAILED;
}

/* Fill in all of a request but its body. False where memory ran out. */
static bool prepare(CURL *curl, const struct service *s, const char *method, const char *path,
		    struct curl_slist **headers, struct answer *a)
{
	char url[ENDPOINT_URL_BYTES + PATH_BYTES], header[ENDPOINT_TOKEN_BYTES + 32];
	struct curl_slist *grown;

	snprintf(url, sizeof(url), "%s%s", s->url, path);
	*headers = curl_slist_append(NULL, "Accept: application/json");
	if (*headers != NULL && s->token[0] != '\0') {
		snprintf(header, sizeof(header), "Authorization: Bearer %s", s->token);
		grown = curl_slist_append(*headers, header);
		if (grown == NULL)
			return false;
	}
	if (is_loopback(s->url))
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "tribctl/" TRIB_VERSION);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
	return *headers != NULL && curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK;
}

/* Send what is prepared; text is the body or NULL. */
static int perform(CURL *curl, const struct service *s, const char *path,
		   struct curl_slist *headers, const char *text, struct answer *a, json_t **ret)
{
	char why[CURL_ERROR_SIZE] = "";
	CURLcode code;
	long status = 0;

	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (text != NULL) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text));
	}
	code = curl_easy_perform(curl);
	if (code != CURLE_OK) {
		say(T("%s cannot be reached: %s", "无法连接 %s：%s"), s->url,
		    why[0] != '\0' ? why : curl_easy_strerror(code));
		return EXIT_UNREACHABLE;
	}
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	return judge(s, path, status, a, ret);
}

int client_call(const struct service *s, const char *method, const char *path, json_t *body,
		json_t **ret)
{
	struct curl_slist *headers = NULL;
	struct answer a = { .text = NULL };
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	bool lost = body != NULL && text == NULL;
	CURL *curl = curl_easy_init();
	int r = EXIT_FAILED;

	json_decref(body);
	if (s->token[0] != '\0' && strncasecmp(s->url, "http://", 7) == 0 && !is_loopback(s->url)) {
		say(T("%s: a token goes over http:// to this machine only; use https://",
		      "%s：令牌只能通过 http:// 发送到本机，请改用 https://"),
		    s->url);
	} else if (lost || curl == NULL || !prepare(curl, s, method, path, &headers, &a) ||
		   (text != NULL &&
		    curl_slist_append(headers, "Content-Type: application/json") == NULL)) {
		say(T("out of memory", "内存不足"));
	} else {
		r = perform(curl, s, path, headers, text, &a, ret);
	}
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	free(a.text);
	free(text);
	return r;
}

int client_ask(const struct ctl *ctl, enum target t, const char *method, const char *path,
	       json_t *body, json_t **ret)
{
	struct service s;
	int r = service_find(ctl, t, &s);

	if (r != EXIT_OK) {
		json_decref(body);
		return r;
	}
	return client_call(&s, method, path, body, ret);
}
