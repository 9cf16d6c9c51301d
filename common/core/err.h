/* Internal error codes. Foreign codes (SQLite, libpq, ZeroMQ) stop at their wrapper. */
#ifndef TRIB_CORE_ERR_H
#define TRIB_CORE_ERR_H

enum {
	ERR_INVALID = -1, /* input breaks its own format or bounds */
	ERR_OVERFLOW = -2, /* int64 would overflow */
	ERR_FULL = -3, /* a bounded collection or arena is full */
	ERR_UNKNOWN_NODE = -4,
	ERR_UNKNOWN_KEY = -5,
	ERR_SIGNATURE = -6,
	ERR_CHAIN = -7, /* hashes do not follow from each other */
	ERR_FORK = -8, /* two authentic histories at one position */
	ERR_IO = -9,
	ERR_NOT_FOUND = -10,
	ERR_STATE = -11, /* not allowed in this state */
	ERR_UNDERFLOW = -12, /* a holding would go below zero (invariant 2) */
	ERR_VERSION = -13,
	ERR_EXISTS = -14,
	ERR_AGAIN = -15,
	ERR_DENIED = -16,
};

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
