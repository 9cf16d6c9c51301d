#include "help.h"

#include <string.h>

#include "text.h"

struct line {
	const char *what, *en, *zh;
};

static const struct line global_options[] = {
	{ "--hq, --relay, --store URL", "whom to ask: a URL, or a profile's name",
	  "访问对象：网址或配置档名称" },
	{ "-o, --output FORMAT", "table, json or csv", "输出格式：table、json 或 csv" },
	{ "--lang LANG", "zh or en", "语言：zh 或 en" },
	{ "-h, --help", "this help, at each level", "显示各级帮助" },
	{ "--version", "tribctl's version", "显示 tribctl 的版本" },
};

/* "  what      text", the text in one column. */
static void print_line(FILE *f, int column, const char *what, const char *text)
{
	int pad = column - text_width(what);

	fprintf(f, "  %s%*s%s\n", what, pad > 2 ? pad : 2, "", text);
}

/* "store enroll CODE --region N [--entity E]". */
static void print_synopsis(char *ret, size_t cap, const struct command *c)
{
	char name[64];
	size_t n = (size_t)snprintf(ret, cap, "%s", command_name(c, name));

	for (const struct position_spec *p = c->positions; p->name != NULL && n < cap; p++)
		n += (size_t)snprintf(ret + n, cap - n, p->required ? " %s" : " [%s]", p->name);
	for (const struct option_spec *o = c->options; o->name != NULL && n < cap; o++) {
		const char *open = o->required ? "" : "[", *close = o->required ? "" : "]";

		if (o->metavar != NULL)
			n += (size_t)snprintf(ret + n, cap - n, " %s--%s %s%s", open, o->name,
					      o->metavar, close);
		else
			n += (size_t)snprintf(ret + n, cap - n, " %s--%s%s", open, o->name, close);
	}
}

static void print_globals(FILE *f)
{
	fprintf(f, "\n%s\n", T("Options of all commands:", "通用选项："));
	for (size_t i = 0; i < sizeof(global_options) / sizeof(global_options[0]); i++)
		print_line(f, 28, global_options[i].what,
			   T(global_options[i].en, global_options[i].zh));
}

static void show_command(FILE *f, const struct command *c)
{
	char line[512];

	print_synopsis(line, sizeof(line), c);
	fprintf(f, "%s\n\n  tribctl %s\n", T(c->en, c->zh), line);
	if (c->more_en != NULL)
		fprintf(f, "\n%s\n", T(c->more_en, c->more_zh));
	if (c->options[0].name != NULL)
		fprintf(f, "\n%s\n", T("Options:", "选项："));
	for (const struct option_spec *o = c->options; o->name != NULL; o++) {
		snprintf(line, sizeof(line), "--%s%s%s", o->name, o->metavar != NULL ? " " : "",
			 o->metavar != NULL ? o->metavar : "");
		print_line(f, 28, line, T(o->en, o->zh));
	}
	print_globals(f);
}

static void list_commands(FILE *f, const struct command *commands, size_t n, const char *noun)
{
	char line[512];

	for (size_t i = 0; i < n; i++) {
		if (noun != NULL && strcmp(noun, commands[i].noun) != 0)
			continue;
		print_synopsis(line, sizeof(line), &commands[i]);
		if (noun == NULL)
			command_name(&commands[i], line);
		else if (text_width(line) > 26)
			snprintf(line, sizeof(line), "%s %s …", noun, commands[i].verb);
		print_line(f, 28, line, T(commands[i].en, commands[i].zh));
	}
}

void help_show(FILE *f, const struct command *commands, size_t n, const char *noun,
	       const struct command *command)
{
	if (command != NULL) {
		show_command(f, command);
		return;
	}
	if (noun != NULL) {
		fprintf(f, T("tribctl %s VERB\n\n", "tribctl %s 子命令\n\n"), noun);
		list_commands(f, commands, n, noun);
		fprintf(f,
			T("\n'tribctl %s VERB --help' tells more.\n",
			  "\n详见“tribctl %s 子命令 --help”。\n"),
			noun);
		return;
	}
	fprintf(f,
		"%s\n\n  tribctl [--hq URL|--relay URL|--store URL] [-o FORMAT] NOUN VERB ...\n\n",
		T("Look after a Tributary chain: stores, regions, accounts, rules, books.",
		  "管理 Tributary 连锁：门店、区域、账户、规则与账目。"));
	fprintf(f, "%s\n", T("Commands:", "命令："));
	list_commands(f, commands, n, NULL);
	print_globals(f);
	fprintf(f, "\n%s\n",
		T("URLs are also taken from TRIB_HQ, TRIB_RELAY and TRIB_STORE, then from [default] in\n"
		  "the profiles; tokens from TRIB_TOKEN, then from the profiles' token_file. Profiles:\n"
		  "$XDG_CONFIG_HOME/tributary/profiles.ini, then /etc/tributary/profiles.ini.\n\n"
		  "Exit codes: 0 done, 1 failed, 2 usage, 3 unreachable, 4 denied, 5 a difference was\n"
		  "found, 6 partly done.",
		  "网址也可来自环境变量 TRIB_HQ、TRIB_RELAY、TRIB_STORE，其次来自配置档的 [default]；\n"
		  "令牌来自环境变量 TRIB_TOKEN，其次来自配置档的 token_file。配置档依次为：\n"
		  "$XDG_CONFIG_HOME/tributary/profiles.ini、/etc/tributary/profiles.ini。\n\n"
		  "退出码：0 成功，1 失败，2 用法错误，3 无法连接，4 无权限，5 发现差异，6 部分完成。"));
}
