/* The known fields of answers, in the order in which people want to read them. Fields that are not
 * here are printed too, after these, under their own names. */
#include "output.h"

#include <string.h>

#include "text.h"

static const struct {
	const char *field, *en, *zh;
} columns[] = {
	{ "version", "VERSION", "版本" },
	{ "code", "CODE", "编号" },
	{ "store", "STORE", "门店" },
	{ "region", "REGION", "区域" },
	{ "lane", "LANE", "收银台" },
	{ "incarnation", "INC", "代" },
	{ "seq", "SEQ", "序号" },
	{ "name", "NAME", "名称" },
	{ "entity", "ENTITY", "法人主体" },
	{ "state", "STATE", "状态" },
	{ "status", "STATUS", "状态" },
	{ "at", "TIME", "时间" },
	{ "business_day", "DAY", "营业日" },
	{ "kind", "KIND", "类型" },
	{ "verb", "VERB", "操作" },
	{ "order_no", "ORDER", "订单号" },
	{ "txn", "TXN", "交易号" },
	{ "account", "ACCOUNT", "账户" },
	{ "cards", "CARDS", "卡号" },
	{ "card_no_masked", "CARD", "卡号" },
	{ "account_type", "TYPE", "账户类型" },
	{ "tier", "TIER", "等级" },
	{ "home_store", "HOME", "开户店" },
	{ "tender", "TENDER", "支付方式" },
	{ "unit", "UNIT", "单位" },
	{ "count", "COUNT", "笔数" },
	{ "amount", "AMOUNT", "金额（分）" },
	{ "principal", "PRINCIPAL", "本金（分）" },
	{ "bonus", "BONUS", "赠送（分）" },
	{ "points", "POINTS", "积分" },
	{ "uses", "USES", "次数" },
	{ "points_owed", "OWED", "欠积分" },
	{ "balance", "BALANCE", "余额" },
	{ "balance.principal", "PRINCIPAL", "本金（分）" },
	{ "balance.bonus", "BONUS", "赠送（分）" },
	{ "balance.points", "POINTS", "积分" },
	{ "balance.uses", "USES", "次数" },
	{ "available_here.principal", "PRINCIPAL HERE", "本店本金（分）" },
	{ "available_here.bonus", "BONUS HERE", "本店赠送（分）" },
	{ "available_here.points", "POINTS HERE", "本店积分" },
	{ "available_here.uses", "USES HERE", "本店次数" },
	{ "operator", "OPERATOR", "操作员" },
	{ "difference", "DIFFERENCE", "差异" },
	{ "check", "CHECK", "检查项" },
	{ "cell", "CELL", "科目" },
	{ "expected", "EXPECTED", "应为" },
	{ "found", "FOUND", "实为" },
	{ "differences", "DIFFERENCES", "差异明细" },
	{ "stores", "STORES", "门店数" },
	{ "entries", "ENTRIES", "流水数" },
	{ "stored_seq", "STORED", "已存" },
	{ "relayed_seq", "RELAYED", "已中继" },
	{ "booked_seq", "BOOKED", "已入账" },
	{ "unsent", "UNSENT", "未上传" },
	{ "last_seen", "LAST SEEN", "最近在线" },
	{ "rules_version", "RULES", "规则版本" },
	{ "effective_at", "EFFECTIVE", "生效时间" },
	{ "published_at", "PUBLISHED", "发布时间" },
	{ "applied_at", "APPLIED", "执行时间" },
	{ "time_zone", "TIME ZONE", "时区" },
	{ "cutoff_min", "CUTOFF", "日切（分钟）" },
	{ "file", "FILE", "文件" },
	{ "top_ups", "TOP-UPS", "充值规则" },
	{ "account_types", "ACCOUNT TYPES", "账户类型" },
	{ "lots", "LOTS", "批次" },
	{ "held_elsewhere", "HELD ELSEWHERE", "其他门店" },
	{ "lot", "LOT", "批次" },
	{ "issuer", "ISSUER", "发行店" },
	{ "expires", "EXPIRES", "到期" },
	{ "as_of", "AS OF", "截至" },
	{ "relay_endpoint", "RELAY", "中继地址" },
	{ "relay_key", "RELAY KEY", "中继公钥" },
	{ "hq_endpoint", "HQ", "总部地址" },
	{ "hq_key", "HQ KEY", "总部公钥" },
	{ "expires_at", "VALID UNTIL", "有效期至" },
	{ "reason", "REASON", "原因" },
	{ "source", "SOURCE", "原文" },
	{ "hash", "HASH", "摘要" },
	{ "command", "COMMAND", "执行命令" },
};

int output_rank(const char *field)
{
	int n = (int)(sizeof(columns) / sizeof(columns[0]));

	for (int i = 0; i < n; i++)
		if (strcmp(columns[i].field, field) == 0)
			return i;
	return n;
}

const char *output_heading(const char *field)
{
	int i = output_rank(field);

	if (i == (int)(sizeof(columns) / sizeof(columns[0])))
		return field;
	return T(columns[i].en, columns[i].zh);
}
