#include "rows.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define LINE_BYTES 512
#define FIELDS 7

const char *row_kind_name(enum row_kind kind)
{
	switch (kind) {
	case ROW_TOP_UP:
		return "topup";
	case ROW_SPEND:
		return "spend";
	case ROW_REFUND:
		return "refund";
	}
	return "?";
}

/* Double the room of an array when it is full. */
static int grow(void **array, size_t item_bytes, size_t n_needed, size_t *room)
{
	size_t more = *room == 0 ? 4096 : *room;
	void *bigger;

	if (n_needed <= *room)
		return 0;
	while (more < n_needed)
		more *= 2;
	bigger = realloc(*array, more * item_bytes);
	if (bigger == NULL)
		return -1;
	*array = bigger;
	*room = more;
	return 0;
}

static int rows_add_text(struct rows *r, const char *text, uint32_t *ret_at)
{
	size_t n = strlen(text) + 1;

	if (r->text_bytes + n > UINT32_MAX ||
	    grow((void **)&r->text, 1, r->text_bytes + n, &r->text_room) < 0)
		return -1;
	memcpy(r->text + r->text_bytes, text, n);
	*ret_at = (uint32_t)r->text_bytes;
	r->text_bytes += n;
	return 0;
}

/* A date, or a date and time of RFC 3339; without an offset it is UTC. */
static int parse_at(const char *text, int64_t *ret_ms)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%d", &tm);
	int64_t ms = 0;

	if (rest != NULL && (*rest == 'T' || *rest == ' ')) {
		rest = strptime(rest + 1, "%H:%M:%S", &tm);
		if (rest != NULL && *rest == '.') {
			int scale = 100;

			for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
				ms += (*rest - '0') * scale;
		}
		/* glibc's %z takes Z, +hh:mm and +hhmm. */
		if (rest != NULL && *rest != '\0')
			rest = strptime(rest, "%z", &tm);
	}
	if (rest == NULL || *rest != '\0')
		return -1;
	ms -= (int64_t)tm.tm_gmtoff * 1000;
	*ret_ms = (int64_t)timegm(&tm) * 1000 + ms;
	return 0;
}

static int parse_amount(const char *text, int64_t *ret_amount)
{
	char *end;
	long long value;

	if (*text < '0' || *text > '9' || strlen(text) > 15)
		return -1;
	value = strtoll(text, &end, 10);
	if (*end != '\0' || value <= 0)
		return -1;
	*ret_amount = value;
	return 0;
}

static int parse_kind(const char *text, uint8_t *ret_kind)
{
	for (unsigned int kind = 0; kind < ROW_KINDS; kind++) {
		if (strcmp(text, row_kind_name((enum row_kind)kind)) == 0) {
			*ret_kind = (uint8_t)kind;
			return 0;
		}
	}
	return -1;
}

/* Cut the line at its commas; NULL or what is wrong. */
static const char *split(char *line, const char *ret_fields[FIELDS])
{
	int n = 0;

	if (strchr(line, '"') != NULL)
		return "quoted fields are not understood";
	for (char *rest = line; rest != NULL; n++) {
		if (n == FIELDS)
			return "too many fields";
		ret_fields[n] = strsep(&rest, ",");
	}
	if (n < FIELDS - 1)
		return "too few fields; needed are " ROW_COLUMNS;
	if (n == FIELDS - 1)
		ret_fields[n] = "";
	return NULL;
}

static bool is_name(const char *text, size_t max)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return n > 0 && n <= max;
}

/* Append the row of one line; NULL or what is wrong. */
static const char *rows_add(struct rows *r, char *line, const struct shops *shops)
{
	const char *f[FIELDS];
	const char *wrong = split(line, f);
	size_t room = r->rows_room;
	struct row row = { .next = ROW_NONE };
	int shop;

	if (wrong != NULL)
		return wrong;
	if (!is_name(f[0], ORDER_NO_MAX))
		return "not an order number of up to 48 printable characters";
	if (!is_name(f[2], CARD_NO_MAX))
		return "not a card number";
	shop = shops_find(shops, f[1]);
	if (shop < 0)
		return "the chain has no such store";
	if (parse_at(f[3], &row.at_ms) < 0)
		return "not a date, nor a time of RFC 3339";
	if (parse_kind(f[4], &row.kind) < 0)
		return "kind is none of topup, spend, refund";
	if (parse_amount(f[5], &row.amount) < 0)
		return "amount is not a whole number above 0";
	if ((row.kind == ROW_REFUND) != (f[6][0] != '\0'))
		return "a refund, and nothing else, names the order it is of";
	row.shop = row.of_shop = (uint16_t)shop;
	if (rows_add_text(r, f[0], &row.order_no) < 0 || rows_add_text(r, f[2], &row.card_no) < 0 ||
	    rows_add_text(r, f[6], &row.of_order) < 0 ||
	    grow((void **)&r->rows, sizeof(*r->rows), (size_t)r->n_rows + 1, &room) < 0)
		return "out of memory";
	r->rows_room = (uint32_t)room;
	r->rows[r->n_rows++] = row;
	return NULL;
}

static int rows_read(struct rows *r, gzFile file, const char *path, uint32_t limit,
		     const struct shops *shops)
{
	char line[LINE_BYTES];
	unsigned long n_line = 0;
	int error;

	while (r->n_rows < limit && gzgets(file, line, sizeof(line)) != NULL) {
		size_t n = strlen(line);
		const char *wrong = NULL;

		n_line++;
		if (n == sizeof(line) - 1 && line[n - 1] != '\n')
			wrong = "the line is too long";
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0' || (n_line == 1 && strncmp(line, "order_no,", 9) == 0))
			continue;
		if (wrong == NULL)
			wrong = rows_add(r, line, shops);
		if (wrong != NULL) {
			fprintf(stderr, "trib-replay: %s line %lu: %s\n", path, n_line, wrong);
			return -1;
		}
	}
	(void)gzerror(file, &error);
	if (error != Z_OK && error != Z_STREAM_END) {
		fprintf(stderr, "trib-replay: %s: damaged after line %lu\n", path, n_line);
		return -1;
	}
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->at_ms != y->at_ms)
		return x->at_ms < y->at_ms ? -1 : 1;
	/* The order number's place in the text is the row's place in the file. */
	return x->order_no < y->order_no ? -1 : x->order_no > y->order_no;
}

static int by_card(const void *a, const void *b, void *data)
{
	const struct rows *r = data;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order = strcmp(r->text + r->rows[x].card_no, r->text + r->rows[y].card_no);

	return order != 0 ? order : x < y ? -1 : x > y;
}

static void rows_sort(struct rows *r)
{
	for (uint32_t i = 1; i < r->n_rows; i++) {
		if (r->rows[i].at_ms < r->rows[i - 1].at_ms) {
			qsort(r->rows, r->n_rows, sizeof(*r->rows), by_time);
			return;
		}
	}
}

/* A refund of an order that is not in the file is taken to be of its own store. */
static void find_refunded(struct rows *r, uint32_t first)
{
	for (uint32_t i = first; i != ROW_NONE; i = r->rows[i].next) {
		struct row *refund = &r->rows[i];

		if (refund->kind != ROW_REFUND)
			continue;
		for (uint32_t j = first; j != i; j = r->rows[j].next) {
			const struct row *of = &r->rows[j];

			if (of->kind != ROW_REFUND &&
			    strcmp(r->text + of->order_no, r->text + refund->of_order) == 0)
				refund->of_shop = of->shop;
		}
	}
}

/* Chain the rows of each card, and make the list of cards. */
static int rows_link(struct rows *r)
{
	uint32_t *order = malloc(sizeof(*order) * (r->n_rows + (size_t)1));

	r->cards = malloc(sizeof(*r->cards) * (r->n_rows + (size_t)1));
	if (order == NULL || r->cards == NULL) {
		free(order);
		return -1;
	}
	for (uint32_t i = 0; i < r->n_rows; i++)
		order[i] = i;
	qsort_r(order, r->n_rows, sizeof(*order), by_card, r);
	for (uint32_t i = 0; i < r->n_rows; i++) {
		struct row *row = &r->rows[order[i]];
		struct row *before = i > 0 ? &r->rows[order[i - 1]] : NULL;

		if (before != NULL &&
		    strcmp(r->text + before->card_no, r->text + row->card_no) == 0) {
			before->next = order[i];
			continue;
		}
		r->cards[r->n_cards++] =
			(struct card){ .card_no = row->card_no, .first = order[i] };
	}
	for (uint32_t i = 0; i < r->n_cards; i++)
		find_refunded(r, r->cards[i].first);
	free(order);
	return 0;
}

int rows_load(struct rows *r, const char *path, uint32_t limit, const struct shops *shops)
{
	gzFile file = strcmp(path, "-") == 0 ? gzdopen(dup(STDIN_FILENO), "rb") :
					       gzopen(path, "rbe");
	struct stat st;
	int status;

	*r = (struct rows){ 0 };
	if (file != NULL && strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		fprintf(stderr, "trib-replay: %s is a folder\n", path);
		gzclose(file);
		return -1;
	}
	if (file == NULL) {
		fprintf(stderr, "trib-replay: cannot open %s\n", path);
		return -1;
	}
	status = rows_read(r, file, path, limit, shops);
	gzclose(file);
	if (status == 0) {
		rows_sort(r);
		status = rows_link(r);
		if (status < 0)
			fputs("trib-replay: out of memory\n", stderr);
	}
	if (status < 0)
		rows_finish(r);
	return status;
}

void rows_finish(struct rows *r)
{
	free(r->text);
	free(r->rows);
	free(r->cards);
	*r = (struct rows){ 0 };
}
