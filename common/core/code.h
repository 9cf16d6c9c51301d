/* Verdicts of the cores in the words of the till's API: one number a code, HTTP status beside it.
 * The list is closed; texts (zh, en) live with the HTTP server. */
#ifndef TRIB_CORE_CODE_H
#define TRIB_CORE_CODE_H

#define CODES(X)                                             \
	X(OK, "ok", 200)                                     \
	X(BAD_JSON, "bad_json", 400)                         \
	X(UNKNOWN_FIELD, "unknown_field", 400)               \
	X(MISSING_FIELD, "missing_field", 400)               \
	X(BAD_VALUE, "bad_value", 400)                       \
	X(UNAUTHORIZED, "unauthorized", 401)                 \
	X(UNKNOWN_CARD, "unknown_card", 404)                 \
	X(UNKNOWN_ACCOUNT, "unknown_account", 404)           \
	X(UNKNOWN_ORDER, "unknown_order", 404)               \
	X(NOT_FOUND, "not_found", 404)                       \
	X(METHOD_NOT_ALLOWED, "method_not_allowed", 405)     \
	X(CARD_EXISTS, "card_exists", 409)                   \
	X(KEY_REUSED, "key_reused", 409)                     \
	X(ORDER_CONFLICT, "order_conflict", 409)             \
	X(ORDER_IN_PROGRESS, "order_in_progress", 409)       \
	X(ORDER_CANCELLED, "order_cancelled", 409)           \
	X(TOO_LARGE, "too_large", 413)                       \
	X(CARD_BLOCKED, "card_blocked", 422)                 \
	X(INSUFFICIENT_BALANCE, "insufficient_balance", 422) \
	X(INSUFFICIENT_HERE, "insufficient_here", 422)       \
	X(NO_RULE, "no_rule", 422)                           \
	X(PAYABLE_CHANGED, "payable_changed", 422)           \
	X(REFUND_EXCEEDS_SALE, "refund_exceeds_sale", 422)   \
	X(POINTS_SHORT, "points_short", 422)                 \
	X(OFFLINE_CAP_EXCEEDED, "offline_cap_exceeded", 422) \
	X(PIN_REQUIRED, "pin_required", 422)                 \
	X(PIN_WRONG, "pin_wrong", 422)                       \
	X(PIN_LOCKED, "pin_locked", 422)                     \
	X(DAY_CLOSED, "day_closed", 422)                     \
	X(RATE_LIMITED, "rate_limited", 429)                 \
	X(INTERNAL, "internal", 500)                         \
	X(CLOCK_UNTRUSTED, "clock_untrusted", 503)           \
	X(DISK_LOW, "disk_low", 503)                         \
	X(JOURNAL_ROLLED_BACK, "journal_rolled_back", 503)   \
	X(STORE_FENCED, "store_fenced", 503)                 \
	X(NOT_ENROLLED, "not_enrolled", 503)

enum code {
#define X(name, text, status) CODE_##name,
	CODES(X)
#undef X
};

/* "insufficient_here" and so on; static. */
const char *code_name(enum code c);

/* HTTP status of the code. */
int code_status(enum code c);

#endif
