/* What a daemon owes its service manager and its neighbours on the box. */
#ifndef TRIB_IO_SERVICE_H
#define TRIB_IO_SERVICE_H

#include <stddef.h>

#include "err.h"

/* Tell systemd ("READY=1", "STOPPING=1", "WATCHDOG=1"); nothing where NOTIFY_SOCKET is not set.
 * Never fails: the manager's time-out is the judge. */
void service_notify(const char *state);

/* Write dir/name with this text, mode 0644, in one step (a reader sees the old or the new file) and
 * durably. ERR_IO. */
int MUST_CHECK service_write_file(const char *dir, const char *name, const char *text);

#endif
