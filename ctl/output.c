#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "table.h"
#include "text.h"

json_t *output_items(const json_t *data)
{
	json_t *items = json_object_get(data, "items");

	if (json_is_array(data))
		return (json_t *)(uintptr_t)data;
	if (!json_is_array(items))
		items = json_object_get(data, "accounts");
	return json_is_array(items) ? items : NULL;
}

static int terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		return 0;
	return size.ws_col;
}

static int print_list(const struct ctl *ctl, const json_t *items)
{
	struct table t;
	size_t n_left_out;
	int r = table_init(&t, items, ctl->format == FORMAT_TABLE);

	if (r == 0 && ctl->format == FORMAT_CSV)
		table_print_csv(&t, stdout);
	else if (r == 0 && t.n_rows == 0)
		say(T("nothing found", "没有记录"));
	else if (r == 0) {
		n_left_out = table_print(&t, stdout, terminal_width(), ctl->color);
		if (n_left_out > 0)
			say(T("columns that do not fit here: %zu; -o json shows all",
			      "终端宽度不足，省略了 %zu 列，可用 -o json 查看全部"),
			    n_left_out);
	}
	table_finish(&t);
	return r;
}

static bool is_list_of_objects(const json_t *v)
{
	return json_is_array(v) && json_is_object(json_array_get(v, 0));
}

static bool is_empty(const json_t *v)
{
	return json_is_array(v) && json_array_size(v) == 0;
}

/* Lists within an object become tables of their own below it. */
static int print_object_for_people(const struct ctl *ctl, json_t *object)
{
	json_t *flat = json_copy(object), *v, *only = NULL;
	const char *key;
	struct table t;
	void *next;
	int r = ERR_FULL;

	memset(&t, 0, sizeof(t));
	json_object_foreach_safe(flat, next, key, v) if (is_list_of_objects(v) || is_empty(v))
		json_object_del(flat, key);
	only = json_pack("[O]", flat);
	if (only != NULL)
		r = table_init(&t, only, true);
	if (r == 0)
		table_print_upright(&t, stdout, ctl->color);
	table_finish(&t);
	json_object_foreach(object, key, v)
	{
		if (r != 0 || !is_list_of_objects(v))
			continue;
		printf("\n%s\n", output_heading(key));
		r = print_list(ctl, v);
	}
	json_decref(only);
	json_decref(flat);
	return r;
}

static int print_object_as_csv(json_t *object)
{
	json_t *only = json_pack("[O]", object);
	struct table t;
	int r;

	if (only == NULL)
		return ERR_FULL;
	r = table_init(&t, only, false);
	if (r == 0)
		table_print_csv(&t, stdout);
	table_finish(&t);
	json_decref(only);
	return r;
}

static int print_json(const json_t *data)
{
	if (json_dumpf(data, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12)) !=
	    0)
		return ERR_IO;
	return putchar('\n') == EOF ? ERR_IO : 0;
}

int output_print(const struct ctl *ctl, const json_t *data)
{
	json_t *items = output_items(data);
	json_t *object = (json_t *)(uintptr_t)data; /* only counted up and down */
	int r;

	if (ctl->format == FORMAT_JSON)
		r = print_json(items != NULL ? items : data);
	else if (items != NULL)
		r = print_list(ctl, items);
	else if (ctl->format == FORMAT_CSV)
		r = print_object_as_csv(object);
	else
		r = print_object_for_people(ctl, object);
	if (r == 0 && fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_OK;
	say(T("cannot write the result: %s", "无法输出结果：%s"), strerror(errno));
	return EXIT_FAILED;
}
