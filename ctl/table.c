#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "text.h"

#define COLUMNS_MAX 64
#define FIELD_BYTES 128
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

/* Text of one value, a new string; NULL when memory ran out. */
static char *cell_text(const json_t *v)
{
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
	(void)v;
	(void)row;
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
	*cell = cell_text(v);
	if (!json_is_number(v) && !json_is_null(v))
		t->is_number[column] = false;
	return *cell != NULL;
}

int table_init(struct table *t, const json_t *items)
{
	memset(t, 0, sizeof(*t));
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

/* Natural widths, then the widest columns are narrowed until the line fits. */
static void measure(const struct table *t, int width, int *widths)
{
	int total = 0;

	for (size_t c = 0; c < t->n_columns; c++) {
		widths[c] = text_width(output_heading(t->fields[c]));
		for (size_t r = 0; r < t->n_rows; r++) {
			int w = text_width(tame(t->cells[r * t->n_columns + c]));

			if (w > widths[c])
				widths[c] = w;
		}
		total += widths[c] + (c > 0 ? 2 : 0);
	}
	while (width > 0 && total > width) {
		size_t widest = 0;

		for (size_t c = 1; c < t->n_columns; c++)
			if (!t->is_number[c] &&
			    (t->is_number[widest] || widths[c] > widths[widest]))
				widest = c;
		if (t->is_number[widest] || widths[widest] <= 8)
			break;
		widths[widest]--;
		total--;
	}
}

void table_print(const struct table *t, FILE *f, int width, bool color)
{
	int widths[COLUMNS_MAX];

	measure(t, width, widths);
	fputs(color ? BOLD : "", f);
	for (size_t c = 0; c < t->n_columns; c++)
		print_cell(f, output_heading(t->fields[c]), widths[c], t->is_number[c],
			   c + 1 == t->n_columns);
	fputs(color ? PLAIN "\n" : "\n", f);
	for (size_t r = 0; r < t->n_rows; r++) {
		for (size_t c = 0; c < t->n_columns; c++)
			print_cell(f, tame(t->cells[r * t->n_columns + c]), widths[c],
				   t->is_number[c], c + 1 == t->n_columns);
		fputc('\n', f);
	}
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
