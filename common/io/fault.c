#include "fault.h"

#ifdef TRIB_FAULT_POINTS

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	const char *name; /* a copy, kept for the life of the process */
	size_t passes_left;
	int is_read;
} fault;

/* name:N, N from 1. A value that is not of this form stops the process: a test that believes it
 * armed a fault must not go on without one. */
static void fault_read(void)
{
	const char *value = getenv("TRIB_FAULT");
	const char *colon;
	char *end;
	unsigned long n;

	fault.is_read = 1;
	if (value == NULL || value[0] == '\0')
		return;
	colon = strrchr(value, ':');
	if (colon == NULL || colon == value || colon[1] < '0' || colon[1] > '9')
		abort();
	errno = 0;
	n = strtoul(colon + 1, &end, 10);
	if (errno != 0 || *end != '\0' || n == 0)
		abort();
	fault.name = strndup(value, (size_t)(colon - value));
	if (fault.name == NULL)
		abort();
	fault.passes_left = n;
}

void fault_point(const char *name)
{
	if (!fault.is_read)
		fault_read();
	if (fault.name == NULL || strcmp(fault.name, name) != 0 || --fault.passes_left > 0)
		return;
	(void)kill(getpid(), SIGKILL);
	for (;;)
		(void)pause();
}

#else

void fault_point(const char *name)
{
	(void)name;
}

#endif
