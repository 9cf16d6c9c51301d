/* Clocks, and the offset of the store's time zone. */
#ifndef TRIB_STORE_CLOCK_H
#define TRIB_STORE_CLOCK_H

#include <stdint.h>

#include "err.h"

int64_t clock_wall_ms(void);

/* Of a clock that nobody sets, and that counts on while the machine is suspended. */
uint64_t clock_monotonic_ms(void);

/* Take an IANA time zone ("Asia/Shanghai") for the process. ERR_INVALID for a name that is none,
 * ERR_NOT_FOUND where this machine does not know it: then the zone stays as it was. */
int MUST_CHECK clock_set_zone(const char *name);

/* Minutes east of UTC of that zone at that moment. */
int32_t clock_utc_offset_min(int64_t wall_ms);

#endif
