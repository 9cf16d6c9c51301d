#include "api_error.h"

#include <stdlib.h>
#include <string.h>

#include "http_server.h"

#define INVALID_REQUEST "invalid_request_error"
#define AUTHENTICATION "authentication_error"
#define NOT_FOUND "not_found_error"
#define CONFLICT "conflict_error"
#define REFUSED "refused"
#define RATE_LIMIT "rate_limit_error"
#define UNAVAILABLE "unavailable_error"
#define API "api_error"

struct text {
	const char *type, *zh, *en;
	bool retryable;
};

static struct text text_of(enum code c)
{
	switch (c) {
	case CODE_OK:
		break;
	case CODE_BAD_JSON:
		return (struct text){ INVALID_REQUEST, "请求内容不是有效的 JSON 对象。",
				      "The request body is not a valid JSON object.", false };
	case CODE_UNKNOWN_FIELD:
		return (struct text){ INVALID_REQUEST, "请求中有未知的字段。",
				      "The request has a field that is not known here.", false };
	case CODE_MISSING_FIELD:
		return (struct text){ INVALID_REQUEST, "请求缺少必填字段。",
				      "The request lacks a required field.", false };
	case CODE_BAD_VALUE:
		return (struct text){ INVALID_REQUEST, "字段的类型或取值不正确。",
				      "A field has the wrong type or is out of range.", false };
	case CODE_UNAUTHORIZED:
		return (struct text){ AUTHENTICATION, "未授权：访问令牌缺失、无效或权限不足。",
				      "Not authorized: the token is missing, not valid or not "
				      "allowed to do this.",
				      false };
	case CODE_UNKNOWN_CARD:
		return (struct text){ NOT_FOUND, "没有找到这张卡。", "There is no such card.",
				      false };
	case CODE_UNKNOWN_ACCOUNT:
		return (struct text){ NOT_FOUND, "没有找到这个账户。", "There is no such account.",
				      false };
	case CODE_UNKNOWN_ORDER:
		return (struct text){ NOT_FOUND, "没有找到这张订单。", "There is no such order.",
				      false };
	case CODE_NOT_FOUND:
		return (struct text){ NOT_FOUND, "没有找到请求的内容。",
				      "What was asked for does not exist.", false };
	case CODE_METHOD_NOT_ALLOWED:
		return (struct text){ INVALID_REQUEST, "此地址不支持该请求方法。",
				      "This address does not support the request's method.",
				      false };
	case CODE_CARD_EXISTS:
		return (struct text){ CONFLICT, "这张卡已经开过户。",
				      "This card has been issued already.", false };
	case CODE_KEY_REUSED:
		return (struct text){ CONFLICT, "该 Idempotency-Key 已用于另一个请求。",
				      "This Idempotency-Key was used for another request.", false };
	case CODE_ORDER_CONFLICT:
		return (struct text){ CONFLICT, "同一订单号已用于内容不同的请求。",
				      "This order number was used with other contents.", false };
	case CODE_ORDER_IN_PROGRESS:
		return (struct text){ CONFLICT, "该订单正在处理，请稍后重试。",
				      "This order is being worked on; try again in a moment.",
				      true };
	case CODE_ORDER_CANCELLED:
		return (struct text){ CONFLICT, "该订单已取消。", "This order was cancelled.",
				      false };
	case CODE_TOO_LARGE:
		return (struct text){ INVALID_REQUEST, "请求内容过大。",
				      "The request is too large.", false };
	case CODE_CARD_BLOCKED:
		return (struct text){ REFUSED, "这张卡已停用。", "This card is blocked.", false };
	case CODE_INSUFFICIENT_BALANCE:
		return (struct text){ REFUSED, "余额不足。", "The balance is too small.", false };
	case CODE_INSUFFICIENT_HERE:
		return (struct text){ REFUSED, "本店可用余额不足，其余金额在其他门店。",
				      "The balance available in this store is too small; the rest "
				      "is held by other stores.",
				      false };
	case CODE_NO_RULE:
		return (struct text){ REFUSED, "现行规则不允许此操作。",
				      "The rules in force do not allow this.", false };
	case CODE_PAYABLE_CHANGED:
		return (struct text){ REFUSED, "应付金额已变化，请重新确认。",
				      "The amount to pay has changed; please confirm it again.",
				      false };
	case CODE_REFUND_EXCEEDS_SALE:
		return (struct text){ REFUSED, "退款金额超过可退金额。",
				      "The refund is more than what is left to refund.", false };
	case CODE_POINTS_SHORT:
		return (struct text){ REFUSED, "积分不足。", "There are not enough points.",
				      false };
	case CODE_OFFLINE_CAP_EXCEEDED:
		return (struct text){ REFUSED, "超过离线信用的单笔或账户上限。",
				      "This is above the limit of credit while offline.", false };
	case CODE_PIN_REQUIRED:
		return (struct text){ REFUSED, "此卡消费须输入密码。",
				      "This card needs its PIN to pay.", false };
	case CODE_PIN_WRONG:
		return (struct text){ REFUSED, "密码错误。", "The PIN is wrong.", false };
	case CODE_PIN_LOCKED:
		return (struct text){ REFUSED, "密码错误次数过多，已暂时锁定。",
				      "Too many wrong PINs: it is locked for a while.", false };
	case CODE_DAY_CLOSED:
		return (struct text){ REFUSED, "该营业日已日结。",
				      "This business day is closed already.", false };
	case CODE_RATE_LIMITED:
		return (struct text){ RATE_LIMIT, "请求过于频繁，请稍后重试。",
				      "Too many requests; try again in a moment.", true };
	case CODE_INTERNAL:
		return (struct text){ API, "系统内部错误，请稍后重试。",
				      "Something went wrong on our side; try again.", true };
	case CODE_CLOCK_UNTRUSTED:
		return (struct text){ UNAVAILABLE, "本机时钟不可信，暂停交易。",
				      "This machine's clock cannot be trusted; trading is paused.",
				      true };
	case CODE_DISK_LOW:
		return (struct text){ UNAVAILABLE, "磁盘空间不足，暂停交易。",
				      "The disk is almost full; trading is paused.", true };
	case CODE_JOURNAL_ROLLED_BACK:
		return (struct text){ UNAVAILABLE, "本店流水曾被回退，须由总部处理后才能交易。",
				      "This store's journal was rolled back; headquarters must "
				      "clear it first.",
				      false };
	case CODE_STORE_FENCED:
		return (struct text){ UNAVAILABLE, "本店已被总部停止交易。",
				      "Headquarters has stopped this store from trading.", false };
	case CODE_NOT_ENROLLED:
		return (struct text){ UNAVAILABLE, "本店尚未入网。",
				      "This store is not enrolled yet.", false };
	}
	return (struct text){ API, "系统内部错误。", "Something went wrong on our side.", false };
}

const char *api_error_zh(enum code c)
{
	return text_of(c).zh;
}

const char *api_error_en(enum code c)
{
	return text_of(c).en;
}

const char *api_error_type(enum code c)
{
	return text_of(c).type;
}

bool api_error_is_retryable(enum code c)
{
	return text_of(c).retryable;
}

json_t *api_error_json(enum code c, const char *param, json_t *facts, const char *trace_id)
{
	struct text text = text_of(c);
	json_t *error = json_pack("{s:s, s:s, s:s*, s:{s:s, s:s}, s:b}", "type", text.type, "code",
				  code_name(c), "param", param, "message", "zh", text.zh, "en",
				  text.en, "retryable", (int)text.retryable);

	if (error == NULL)
		return NULL;
	if (facts != NULL && json_object_update_missing(error, facts) != 0)
		goto fail;
	if (json_object_set_new(error, "trace_id", json_string(trace_id)) != 0)
		goto fail;
	return json_pack("{s:o}", "error", error);
fail:
	json_decref(error);
	return NULL;
}

void api_reply(struct http_request *req, int status, json_t *body)
{
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	if (text == NULL)
		status = 500;
	http_reply_take(req, status, text, text != NULL ? strlen(text) : 0);
}

void api_reply_error(struct http_request *req, enum code c, const char *param, json_t *facts)
{
	json_t *error = api_error_json(c, param, facts, http_trace_id(req));

	json_decref(facts);
	if (c == CODE_UNAUTHORIZED)
		http_reply_header(req, "WWW-Authenticate", "Bearer");
	if (c == CODE_RATE_LIMITED)
		http_reply_header(req, "Retry-After", "1");
	api_reply(req, code_status(c), error);
}
