#include "fold.h"

#include <string.h>

static const char *const tender_names[] = {
	[TENDER_NONE] = "none",         [TENDER_KIND_STORED_VALUE] = "stored_value",
	[TENDER_CASH] = "cash",         [TENDER_BANK_CARD] = "bank_card",
	[TENDER_ALIPAY] = "alipay",     [TENDER_WECHAT] = "wechat",
	[TENDER_UNIONPAY] = "unionpay", [TENDER_OTHER] = "other",
};

static const char *const ledger_names[] = {
	[LEDGER_TENDER_CLEARING] = "tender_clearing",
	[LEDGER_PRINCIPAL] = "principal",
	[LEDGER_BONUS] = "bonus",
	[LEDGER_POINTS] = "points",
	[LEDGER_USES] = "uses",
	[LEDGER_DEFERRED_MEMBERSHIP] = "deferred_membership",
	[LEDGER_REVENUE] = "revenue",
	[LEDGER_PROMOTION_COST] = "promotion_cost",
	[LEDGER_CLEARING] = "clearing",
	[LEDGER_BREAKAGE] = "breakage",
	[LEDGER_ROUNDING] = "rounding",
	[LEDGER_RECEIVABLE] = "receivable",
	[LEDGER_CHAIN_LOSS] = "chain_loss",
	[LEDGER_ISSUED] = "issued",
};

static const char *const unit_names[] = {
	[LEDGER_UNIT_MONEY] = "money",
	[LEDGER_UNIT_BONUS] = "bonus",
	[LEDGER_UNIT_POINTS] = "points",
	[LEDGER_UNIT_USES] = "uses",
};

static const char *const total_names[] = {
	[TOTAL_ACCOUNT_OPENED] = "account_opened",
	[TOTAL_TOP_UP] = "top_up",
	[TOTAL_SALE] = "sale",
	[TOTAL_REFUND] = "refund",
	[TOTAL_REFUND_TOP_UP] = "refund_top_up",
	[TOTAL_REDEMPTION] = "redemption",
	[TOTAL_REVERSAL_REFUND] = "reversal_refund",
	[TOTAL_REVERSAL_REFUND_TOP_UP] = "reversal_refund_top_up",
	[TOTAL_REVERSAL_REDEMPTION] = "reversal_redemption",
};

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static const char *name_of(const char *const *names, size_t n, unsigned i)
{
	return i < n && names[i] != NULL ? names[i] : "unknown";
}

enum tender_kind tender_parse(const char *s)
{
	for (size_t i = 1; s != NULL && i < LENGTH(tender_names); i++) {
		if (strcmp(tender_names[i], s) == 0)
			return (enum tender_kind)i;
	}
	return TENDER_NONE;
}

const char *tender_name(enum tender_kind k)
{
	return name_of(tender_names, LENGTH(tender_names), (unsigned)k);
}

const char *ledger_account_name(enum ledger_account a)
{
	return name_of(ledger_names, LENGTH(ledger_names), (unsigned)a);
}

const char *ledger_unit_name(enum ledger_unit u)
{
	return name_of(unit_names, LENGTH(unit_names), (unsigned)u);
}

const char *total_kind_name(enum total_kind k)
{
	return name_of(total_names, LENGTH(total_names), (unsigned)k);
}
