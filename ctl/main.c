/* tribctl: one command line for the whole chain. */
#include <curl/curl.h>
#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands.h"
#include "text.h"

#define REASON                                                                           \
	{                                                                                \
		"reason", "TEXT", true, "why; it is kept", "操作原因，会被记录" \
	}

static const struct command commands[] = {
	{ .noun = "store",
	  .verb = "list",
	  .en = "List all stores",
	  .zh = "列出全部门店",
	  .run = store_list },
	{ .noun = "store",
	  .verb = "show",
	  .positions = { { "CODE", true } },
	  .en = "Show one store",
	  .zh = "查看门店",
	  .run = store_show },
	{ .noun = "store",
	  .verb = "enroll",
	  .positions = { { "CODE", true } },
	  .options = { { "region", "N", true, "the region that it belongs to", "所属区域" },
		       { "entity", "NAME", false, "legal entity", "法人主体" },
		       { "time-zone", "TZ", false, "such as Asia/Shanghai",
			 "时区，例如 Asia/Shanghai" },
		       { "cutoff", "HH:MM", false, "when its business day changes",
			 "营业日切换时间" },
		       REASON },
	  .en = "Make a code with which a store joins the chain",
	  .zh = "生成门店入网码",
	  .run = store_enroll },
	{ .noun = "region",
	  .verb = "list",
	  .en = "List all regions",
	  .zh = "列出全部区域",
	  .run = region_list },
	{ .noun = "region",
	  .verb = "show",
	  .positions = { { "N", true } },
	  .en = "Show one region",
	  .zh = "查看区域",
	  .run = region_show },
	{ .noun = "region",
	  .verb = "enroll",
	  .positions = { { "N", true } },
	  .options = { { "name", "NAME", false, "the region's name", "区域名称" }, REASON },
	  .en = "Make a code with which a region's relay joins the chain",
	  .zh = "生成区域中继入网码",
	  .run = region_enroll },
	{ .noun = "lane",
	  .verb = "list",
	  .en = "List the lanes that a store has paired (--store URL)",
	  .zh = "列出门店已配对的收银台（用 --store 指定门店）",
	  .run = lane_list },
	{ .noun = "lane",
	  .verb = "pair",
	  .options = { { "lane", "N", true, "the lane's number", "收银台编号" },
		       { "label", "TEXT", false, "what to call it", "收银台名称" } },
	  .en = "Make a code with which a till pairs with its store (--store URL)",
	  .zh = "生成收银台配对码（用 --store 指定门店）",
	  .more_en =
		  "Asks the store itself: --store URL, and TRIB_TOKEN from the store's admin.token.\n"
		  "The till sends the code within its time to URL/v1/pair and gets its token; a token\n"
		  "that the lane had ends then. Where the store listens on the shop's network the answer\n"
		  "also says where, and the fingerprint of its certificate: a till there must compare\n"
		  "it, or pin the key, before it sends anything.",
	  .more_zh =
		  "直接访问门店：--store URL，TRIB_TOKEN 取门店的 admin.token。\n"
		  "收银台在有效期内将配对码发送到 URL/v1/pair，即得到令牌，该收银台原有的令牌随之失效。\n"
		  "若门店在店内网络上监听，结果中还有地址与证书指纹：网络上的收银台须先核对指纹\n"
		  "或固定公钥，再发送任何内容。",
	  .run = lane_pair },
	{ .noun = "lane",
	  .verb = "revoke",
	  .options = { { "lane", "N", true, "the lane's number", "收银台编号" }, REASON },
	  .en = "End a lane's token and its pairing code at once (--store URL)",
	  .zh = "立即吊销收银台的令牌与配对码（用 --store 指定门店）",
	  .run = lane_revoke },
	{ .noun = "account",
	  .verb = "show",
	  .positions = { { "ACCOUNT", false } },
	  .options = { { "card-file", "FILE", false, "read the card number from FILE; - is stdin",
			 "从文件读取卡号，- 为标准输入" },
		       { "activities", "N", false,
			 "at a store: what happened to it there, the newest N",
			 "在门店：最近 N 笔往来" } },
	  .en = "Show an account, by its id or a card",
	  .zh = "按账户号或卡号查看账户",
	  .more_en = "A card number is read from a file or stdin, so that it stands in no process\n"
		     "list: tribctl account show --card-file - <card.txt",
	  .more_zh = "卡号从文件或标准输入读取，不会出现在进程列表中：\n"
		     "tribctl account show --card-file - <card.txt",
	  .run = account_show },
	{ .noun = "journal",
	  .verb = "show",
	  .positions = { { "STORE", false } },
	  .options = { { "from", "SEQ", false, "first entry", "起始序号" },
		       { "limit", "N", false, "most entries", "最多条数" },
		       { "incarnation", "N", false, "of that incarnation; default: the newest",
			 "指定代，默认最新" } },
	  .en = "Show a store's journal, at HQ or (--store) in the store itself",
	  .zh = "查看门店流水（总部，或用 --store 直接查看门店）",
	  .run = journal_show },
	{ .noun = "journal",
	  .verb = "verify",
	  .positions = { { "STORE", false } },
	  .en = "Verify hashes and signatures of a journal; without STORE, of all",
	  .zh = "校验流水的哈希与签名；不给出 STORE 则校验全部",
	  .run = journal_verify },
	{ .noun = "books",
	  .verb = "check",
	  .en = "Recompute the books from the journals; exit code 5 where they differ",
	  .zh = "由流水重算账目；有差异时退出码为 5",
	  .run = books_check },
	{ .noun = "rules",
	  .verb = "check",
	  .positions = { { "FILE", true } },
	  .en = "Check a rule set's file, offline",
	  .zh = "离线检查规则文件",
	  .run = rules_check },
	{ .noun = "rules",
	  .verb = "publish",
	  .positions = { { "FILE", true } },
	  .options = { REASON },
	  .en = "Check a rule set and publish it to all stores",
	  .zh = "检查规则并发布到全部门店",
	  .run = rules_publish },
	{ .noun = "rules",
	  .verb = "show",
	  .positions = { { "VERSION", false } },
	  .en = "List the published rule sets, or show one",
	  .zh = "列出已发布的规则，或查看某一版本",
	  .run = rules_show },
	{ .noun = "db",
	  .verb = "migrate",
	  .options = { { "postgres", "CONNINFO", false, "the database; else TRIB_POSTGRES",
			 "数据库连接串，默认取 TRIB_POSTGRES" },
		       { "dir", "DIR", false,
			 "where the migrations are; default: as installed, else ./migrations",
			 "迁移脚本目录，默认为安装位置，其次为 ./migrations" } },
	  .en = "Bring HQ's database to this version",
	  .zh = "将总部数据库升级到当前版本",
	  .more_en =
		  "Each NNNN_name.sql runs once, in order, in a transaction of its own. A password\n"
		  "belongs into PGPASSFILE or PGPASSWORD rather than into CONNINFO.",
	  .more_zh = "每个 NNNN_名称.sql 按顺序各执行一次，各自为一个事务。密码应放在 PGPASSFILE\n"
		     "或 PGPASSWORD 中，而不是写在 CONNINFO 里。",
	  .run = db_migrate },
	{ .noun = "version",
	  .en = "Show tribctl's version, and those of the services named",
	  .zh = "显示 tribctl 及所指定服务的版本",
	  .run = version_show },
};

int main(int argc, char **argv)
{
	struct ctl ctl = { .format = FORMAT_TABLE };
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct args args;
	int code;

	/* Widths and quotes are those of UTF-8, whatever the environment says. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	text_set_lang(text_lang_of_environment());
	ctl.color = isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0') &&
		    (term == NULL || term[0] != 'd');
	if (args_parse(argc, argv, commands, sizeof(commands) / sizeof(commands[0]), &ctl, &args,
		       &code) != 0)
		return code;
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	code = args.command->run(&ctl, &args);
	curl_global_cleanup();
	return code;
}
