/* One line on stderr per event, in the form that systemd's journal and a grep both read.
 *
 *   <6>event=uplink_up peer=relay-1 seq=381 why="certificate renewed"
 *
 * Never log a secret, a phone number, a card number or a payload. */
#ifndef TRIB_IO_LOG_H
#define TRIB_IO_LOG_H

#include <stddef.h>

enum log_level { /* the numbers are syslog's priorities */
	LOG_LEVEL_CRITICAL = 2,
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

#define LOG_VALUE_BYTES 256

/* A value quoted for a log line; its storage is the caller's. */
struct log_value {
	char text[LOG_VALUE_BYTES];
};

/* Write "<level>event=EVENT KEY=VALUE ...". fmt gives the keys and values ("peer=%s seq=%d") or is
 * NULL. One write(2) per line; a line over 2 KiB is cut; control characters become '?'. Never
 * fails and keeps errno. */
void log_event(enum log_level level, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Lines above this level are not written; LOG_LEVEL_INFO at the start. */
void log_set_level(enum log_level level);

/* s as one value: as it is where it has only harmless characters, else in double quotes with
 * escapes, cut to fit. NULL becomes "-". Returns v->text. */
const char *log_quote(struct log_value *v, const char *s);

#endif
