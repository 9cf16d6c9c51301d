/* What a daemon owes its service manager. */
#ifndef TRIB_IO_SERVICE_H
#define TRIB_IO_SERVICE_H

/* Tell systemd ("READY=1", "STOPPING=1", "WATCHDOG=1"); nothing where NOTIFY_SOCKET is not set.
 * Never fails: the manager's time-out is the judge. */
void service_notify(const char *state);

#endif
