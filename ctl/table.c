#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "output.h"
#include "text.h"

#define COLUMNS_MAX 64
#define FIELD_BYTES 128
#define LEAST_WIDTH 14
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

/* "2026-01-31T12:30:00.123Z" as "2026-01-31 20:30:00" here; a new string, NULL for other texts. */
static char *local_time(const char *s)
{
	struct tm tm = { 0 };
	const char *rest = strlen(s) >= 20 ? strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	char text[32];
	time_t t;

	if (rest == NULL)
		return NULL;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	rest = strptime(rest, "%z", &tm);
	if (rest == NULL || *rest != '\0')
		return NULL;
	t = -tm.tm_gmtoff;
	t += timegm(&tm);
	if (localtime_r(&t, &tm) == NULL)
		return NULL;
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	return strdup(text);
}

/* Text of one value, a new string; NULL when memory ran out. */
static char *cell_text(const json_t *v, bool for_people)
{
	char *time = for_people && json_is_string(v) ? local_time(json_string_value(v)) : NULL;

	if (time != NULL)
		return time;
	if (json_is_string(v))
		return strdup(json_string_value(v));
	if (json_is_null(v))
		return strdup("");
	return json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
}

static size_t find_column(const struct table *t, const char *field)
{
	size_t i;

	for (i = 0; i < t->n_columns; i++)
		if (strcmp(t->fields[i], field) == 0)
			break;
	return i;
}

/* Add a column at the place of its rank. Rows are filled afterwards. */
static bool add_column(struct table *t, const char *field)
{
	size_t at = t->n_columns;
	char *copy;

	if (find_column(t, field) < t->n_columns || t->n_columns == COLUMNS_MAX)
		return true;
	copy = strdup(field);
	if (copy == NULL)
		return false;
	while (at > 0 && output_rank(t->fields[at - 1]) > output_rank(field)) {
		t->fields[at] = t->fields[at - 1];
		at--;
	}
	t->fields[at] = copy;
	t->n_columns++;
	return true;
}

/* Visit the flat fields of an object, one level of nesting folded into "outer.inner". */
static bool for_each_field(struct table *t, json_t *object, size_t row,
			   bool (*visit)(struct table *, const char *, const json_t *, size_t))
{
	const char *key, *inner_key;
	json_t *v, *inner;
	char field[FIELD_BYTES];

	json_object_foreach(object, key, v)
	{
		if (!json_is_object(v) || json_object_size(v) == 0) {
			if (!visit(t, key, v, row))
				return false;
			continue;
		}
		json_object_foreach(v, inner_key, inner)
		{
			snprintf(field, sizeof(field), "%s.%s", key, inner_key);
			if (!visit(t, field, inner, row))
				return false;
		}
	}
	return true;
}

static bool visit_column(struct table *t, const char *field, const json_t *v, size_t row)
{
	(void)row;
	if (t->for_people && json_is_array(v) && json_array_size(v) == 0)
		return true;
	return add_column(t, field);
}

static bool visit_cell(struct table *t, const char *field, const json_t *v, size_t row)
{
	size_t column = find_column(t, field);
	char **cell;

	if (column == t->n_columns)
		return true;
	cell = &t->cells[row * t->n_columns + column];
	free(*cell);
	*cell = cell_text(v, t->for_people);
	if (!json_is_number(v) && !json_is_null(v))
		t->is_number[column] = false;
	return *cell != NULL;
}

int table_init(struct table *t, const json_t *items, bool for_people)
{
	memset(t, 0, sizeof(*t));
	t->for_people = for_people;
	t->fields = calloc(COLUMNS_MAX, sizeof(*t->fields));
	t->is_number = calloc(COLUMNS_MAX, sizeof(*t->is_number));
	if (t->fields == NULL || t->is_number == NULL)
		return ERR_FULL;
	for (size_t i = 0; i < COLUMNS_MAX; i++)
		t->is_number[i] = true;
	for (size_t i = 0; i < json_array_size(items); i++)
		if (!for_each_field(t, json_array_get(items, i), i, visit_column))
			return ERR_FULL;
	t->cells = calloc(json_array_size(items) * t->n_columns + 1, sizeof(*t->cells));
	if (t->cells == NULL)
		return ERR_FULL;
	t->n_rows = json_array_size(items);
	for (size_t i = 0; i < t->n_rows; i++)
		if (!for_each_field(t, json_array_get(items, i), i, visit_cell))
			return ERR_FULL;
	return 0;
}

void table_finish(struct table *t)
{
	for (size_t i = 0; t->cells != NULL && i < t->n_rows * t->n_columns; i++)
		free(t->cells[i]);
	for (size_t i = 0; t->fields != NULL && i < t->n_columns; i++)
		free(t->fields[i]);
	free(t->cells);
	free(t->fields);
	free(t->is_number);
}

/* A cell for people: nothing in it may steer the terminal. */
static const char *tame(char *s)
{
	if (s == NULL)
		return "-";
	for (char *c = s; !text_is_tame(s) && *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
		else if ((unsigned char)c[0] == 0xc2 && (unsigned char)c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
	return s;
}

/* Print s in `width` columns, cut where it is wider; the last cell of a line gets no blanks. */
static void print_cell(FILE *f, const char *s, int width, bool right, bool last)
{
	int taken = text_width(s), bytes = (int)strlen(s);
	bool cut = taken > width;

	if (cut) {
		bytes = text_fit(s, width - 1, &taken);
		taken++;
	}
	if (right && !cut)
		fprintf(f, "%*s", width - taken, "");
	fprintf(f, "%.*s%s", bytes, s, cut ? "…" : "");
	if (!last)
		fprintf(f, "%*s", (right && !cut ? 0 : width - taken) + 2, "");
}

/* How a table is laid out on a line. */
struct layout {
	int widths[COLUMNS_MAX]; /* 0: left out */
	int least[COLUMNS_MAX]; /* what a column may be narrowed to */
	size_t last, n_left_out;
};

static bool is_date(const char *s)
{
	return s != NULL && strlen(s) >= 10 && strspn(s, "0123456789") == 4 && s[4] == '-' &&
	       s[7] == '-';
}

/* Natural and least widths: numbers and times are never cut. */
static void measure(const struct table *t, struct layout *ret)
{
	for (size_t c = 0; c < t->n_columns; c++) {
		bool is_fixed = t->is_number[c];
		int widest = text_width(output_heading(t->fields[c]));

		for (size_t r = 0; r < t->n_rows; r++) {
			char *cell = t->cells[r * t->n_columns + c];
			int w = text_width(tame(cell));

			widest = w > widest ? w : widest;
			is_fixed = is_fixed || is_date(cell);
		}
		ret->widths[c] = widest;
		ret->least[c] = is_fixed || widest < LEAST_WIDTH ? widest : LEAST_WIDTH;
	}
}

static int line_width(const struct table *t, const struct layout *l, const int *widths)
{
	int total = -2;

	for (size_t c = 0; c < t->n_columns; c++)
		total += l->widths[c] > 0 ? widths[c] + 2 : 0;
	return total;
}

/* Leave out the most dispensable column, of equals the last; at least one stays. */
static bool leave_out_one(const struct table *t, struct layout *l)
{
	size_t which = t->n_columns;

	if (l->n_left_out + 1 >= t->n_columns)
		return false;
	for (size_t c = 0; c < t->n_columns; c++)
		if (l->widths[c] > 0 &&
		    (which == t->n_columns ||
		     output_dispensable(t->fields[c]) >= output_dispensable(t->fields[which])))
			which = c;
	l->widths[which] = 0;
	l->n_left_out++;
	return true;
}

/* Leave out columns, then narrow the widest, until a line fits. */
static void fit(const struct table *t, int width, struct layout *l)
{
	while (width > 0 && line_width(t, l, l->least) > width && leave_out_one(t, l))
		;
	while (width > 0 && line_width(t, l, l->widths) > width) {
		size_t widest = t->n_columns;

		for (size_t c = 0; c < t->n_columns; c++)
			if (l->widths[c] > l->least[c] &&
			    (widest == t->n_columns || l->widths[c] > l->widths[widest]))
				widest = c;
		if (widest == t->n_columns)
			break;
		l->widths[widest]--;
	}
	for (size_t c = 0; c < t->n_columns; c++)
		if (l->widths[c] > 0)
			l->last = c;
}

size_t table_print(const struct table *t, FILE *f, int width, bool color)
{
	struct layout l = { .n_left_out = 0 };

	measure(t, &l);
	fit(t, width, &l);
	fputs(color ? BOLD : "", f);
	for (size_t c = 0; c < t->n_columns; c++)
		if (l.widths[c] > 0)
			print_cell(f, output_heading(t->fields[c]), l.widths[c], t->is_number[c],
				   c == l.last);
	fputs(color ? PLAIN "\n" : "\n", f);
	for (size_t r = 0; r < t->n_rows; r++) {
		for (size_t c = 0; c < t->n_columns; c++)
			if (l.widths[c] > 0)
				print_cell(f, tame(t->cells[r * t->n_columns + c]), l.widths[c],
					   t->is_number[c], c == l.last);
		fputc('\n', f);
	}
	return l.n_left_out;
}

void table_print_upright(const struct table *t, FILE *f, bool color)
{
	int widest = 0;

	for (size_t c = 0; c < t->n_columns; c++)
		if (text_width(output_heading(t->fields[c])) > widest)
			widest = text_width(output_heading(t->fields[c]));
	for (size_t c = 0; c < t->n_columns; c++) {
		const char *heading = output_heading(t->fields[c]);

		fprintf(f, "%s%s%s%*s%s\n", color ? BOLD : "", heading, color ? PLAIN : "",
			widest - text_width(heading) + 2, "", tame(t->cells[c]));
	}
}

static void print_csv_value(FILE *f, const char *s)
{
	if (s == NULL)
		return;
	if (s[strcspn(s, ",\"\r\n")] == '\0') {
		fputs(s, f);
		return;
	}
	fputc('"', f);
	for (; *s != '\0'; s++) {
		if (*s == '"')
			fputc('"', f);
		fputc(*s, f);
	}
	fputc('"', f);
}

void table_print_csv(const struct table *t, FILE *f)
{
	for (size_t c = 0; c < t->n_columns; c++) {
		fputs(c > 0 ? "," : "", f);
		print_csv_value(f, t->fields[c]);
	}
	fputs(t->n_columns > 0 ? "\n" : "", f);
	for (size_t r = 0; r < t->n_rows; r++) {
		for (size_t c = 0; c < t->n_columns; c++) {
			fputs(c > 0 ? "," : "", f);
			print_csv_value(f, t->cells[r * t->n_columns + c]);
		}
		fputc('\n', f);
	}
}
