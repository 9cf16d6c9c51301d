/* The known fields of answers, in the order in which people want to read them. Fields that are not
 * here are printed too, after these, under their own names in capitals. */
#include "output.h"

#include <string.h>

#include "text.h"

static const struct {
	const char *field, *en, *zh;
	int dispensable; /* of a table that is too wide: 0 last, 9 first */
} columns[] = {
	{ "version", "VERSION", "版本", 0 },
	{ "code", "CODE", "入网码", 0 },
	{ "pairing_code", "PAIRING CODE", "配对码", 0 },
	{ "store", "STORE", "门店", 0 },
	{ "region", "REGION", "区域", 0 },
	{ "node", "NODE", "节点", 9 },
	{ "lane", "LANE", "收银台", 2 },
	{ "incarnation", "INC", "代", 4 },
	{ "seq", "SEQ", "序号", 0 },
	{ "name", "NAME", "名称", 0 },
	{ "rules.name", "RULE SET", "规则名称", 0 },
	{ "rules.points", "POINTS", "积分规则", 0 },
	{ "rules.top_ups", "TOP-UPS", "充值规则", 0 },
	{ "rules.account_types", "ACCOUNT TYPES", "账户类型", 0 },
	{ "entity", "ENTITY", "法人主体", 6 },
	{ "state", "STATE", "状态", 0 },
	{ "ok", "OK", "相符", 0 },
	{ "status", "STATUS", "状态", 0 },
	{ "at", "TIME", "时间", 0 },
	{ "business_day", "DAY", "营业日", 6 },
	{ "kind", "KIND", "类型", 0 },
	{ "verb", "VERB", "操作", 0 },
	{ "order_no", "ORDER", "订单号", 0 },
	{ "txn", "TXN", "交易号", 4 },
	{ "account", "ACCOUNT", "账户", 2 },
	{ "cards", "CARDS", "卡号", 0 },
	{ "card_no_masked", "CARD", "卡号", 0 },
	{ "member", "MEMBER", "会员", 0 },
	{ "member.name", "MEMBER", "会员", 0 },
	{ "member.phone", "PHONE", "手机号", 0 },
	{ "has_pin", "PIN", "支付密码", 4 },
	{ "account_type", "TYPE", "账户类型", 0 },
	{ "tier", "TIER", "等级", 6 },
	{ "home_store", "HOME", "开户店", 4 },
	{ "tender", "TENDER", "支付方式", 0 },
	{ "unit", "UNIT", "单位", 0 },
	{ "label", "LABEL", "标签", 0 },
	{ "count", "COUNT", "笔数", 0 },
	{ "amount", "AMOUNT", "金额（分）", 0 },
	{ "principal", "PRINCIPAL", "本金（分）", 0 },
	{ "bonus", "BONUS", "赠送（分）", 0 },
	{ "points", "POINTS", "积分", 0 },
	{ "uses", "USES", "次数", 4 },
	{ "points_owed", "OWED", "欠积分", 4 },
	{ "balance", "BALANCE", "余额", 0 },
	{ "balance.principal", "PRINCIPAL", "本金（分）", 0 },
	{ "balance.bonus", "BONUS", "赠送（分）", 0 },
	{ "balance.points", "POINTS", "积分", 0 },
	{ "balance.uses", "USES", "次数", 0 },
	{ "available_here.principal", "PRINCIPAL HERE", "本店本金（分）", 0 },
	{ "available_here.bonus", "BONUS HERE", "本店赠送（分）", 0 },
	{ "available_here.points", "POINTS HERE", "本店积分", 0 },
	{ "available_here.uses", "USES HERE", "本店次数", 0 },
	{ "cancels", "CANCELS", "撤销", 0 },
	{ "operator", "OPERATOR", "操作员", 6 },
	{ "difference", "DIFFERENCE", "差异", 0 },
	{ "check", "CHECK", "检查项", 0 },
	{ "cell", "CELL", "科目", 0 },
	{ "expected", "EXPECTED", "应为", 0 },
	{ "found", "FOUND", "实为", 0 },
	{ "differences", "DIFFERENCES", "差异明细", 0 },
	{ "stores", "STORES", "门店数", 0 },
	{ "stores_running", "IN FORCE AT", "已生效门店", 0 },
	{ "entries", "ENTRIES", "流水数", 0 },
	{ "accounts", "ACCOUNTS", "账户数", 0 },
	{ "unsigned", "UNSIGNED", "未签名", 9 },
	{ "seconds", "SECONDS", "耗时（秒）", 9 },
	{ "stored_seq", "STORED", "已存", 0 },
	{ "relayed_seq", "RELAYED", "已转发", 0 },
	{ "booked_seq", "BOOKED", "已入账", 0 },
	{ "lag", "LAG", "待入账", 8 },
	{ "sync_state", "SYNC", "同步状态", 8 },
	{ "quarantined", "QUARANTINED", "隔离原因", 9 },
	{ "down_seq", "SENT DOWN", "已下发", 9 },
	{ "down_applied", "DOWN APPLIED", "已执行下发", 9 },
	{ "unsent", "UNSENT", "未上传", 0 },
	{ "last_seen", "LAST SEEN", "最近在线", 0 },
	{ "software", "SOFTWARE", "软件版本", 9 },
	{ "listen_endpoint", "LISTENS", "监听地址", 8 },
	{ "enroll_endpoint", "ENROLMENT", "入网地址", 8 },
	{ "uplink.state", "UPLINK", "上行状态", 0 },
	{ "uplink.since", "UPLINK SINCE", "上行状态始于", 0 },
	{ "rules_version", "RULES", "规则版本", 6 },
	{ "effective_at", "EFFECTIVE", "生效时间", 0 },
	{ "published_at", "PUBLISHED", "发布时间", 0 },
	{ "applied_at", "APPLIED", "执行时间", 0 },
	{ "time_zone", "TIME ZONE", "时区", 8 },
	{ "cutoff_min", "CUTOFF", "日切（分钟）", 8 },
	{ "file", "FILE", "文件", 0 },
	{ "tribctl", "TRIBCTL", "tribctl", 0 },
	{ "hq", "HQ", "总部", 0 },
	{ "relay", "RELAY", "中继", 0 },
	{ "top_ups", "TOP-UPS", "充值规则", 0 },
	{ "account_types", "ACCOUNT TYPES", "账户类型", 0 },
	{ "lots", "LOTS", "批次", 0 },
	{ "held_elsewhere", "HELD ELSEWHERE", "其他门店", 0 },
	{ "lot", "LOT", "批次", 0 },
	{ "issuer", "ISSUER", "发行店", 0 },
	{ "expires", "EXPIRES", "到期", 0 },
	{ "as_of", "AS OF", "截至", 0 },
	{ "relay_endpoint", "RELAY", "中继地址", 0 },
	{ "relay_key", "RELAY KEY", "中继公钥", 9 },
	{ "hq_endpoint", "HQ", "总部地址", 0 },
	{ "hq_key", "HQ KEY", "总部公钥", 9 },
	{ "expires_at", "VALID UNTIL", "有效期至", 0 },
	{ "https", "HTTPS", "网络地址", 0 },
	{ "tls_fingerprint", "FINGERPRINT", "证书指纹", 0 },
	{ "tls_pin", "KEY PIN", "公钥指纹", 9 },
	{ "reason", "REASON", "原因", 4 },
	{ "source", "SOURCE", "原文", 9 },
	{ "hash", "HASH", "摘要", 9 },
	{ "head", "HEAD", "流水摘要", 9 },
	{ "command", "COMMAND", "执行命令", 0 },
	{ "lan_command", "ON THE NETWORK", "网络上执行", 0 },
};

int output_rank(const char *field)
{
	int n = (int)(sizeof(columns) / sizeof(columns[0]));

	for (int i = 0; i < n; i++)
		if (strcmp(columns[i].field, field) == 0)
			return i;
	return n;
}

int output_dispensable(const char *field)
{
	int i = output_rank(field);

	return i == (int)(sizeof(columns) / sizeof(columns[0])) ? 9 : columns[i].dispensable;
}

const char *output_heading(const char *field)
{
	static char unknown[4][64];
	static unsigned int next;
	int i = output_rank(field);
	char *ret;

	if (i < (int)(sizeof(columns) / sizeof(columns[0])))
		return T(columns[i].en, columns[i].zh);
	ret = unknown[next++ % 4];
	for (i = 0; field[i] != '\0' && i < 63; i++) {
		bool is_lower = field[i] >= 'a' && field[i] <= 'z';

		ret[i] = is_lower ? (char)(field[i] - 'a' + 'A') : field[i] == '_' ? ' ' : field[i];
	}
	ret[i] = '\0';
	return ret;
}
