/* Named points at which a test may kill the process.
 *
 * TRIB_FAULT=name:N in the environment kills it with SIGKILL at the Nth pass of point `name`
 * (N from 1). Without -Dfault_points=true the points compile to nothing. */
#ifndef TRIB_IO_FAULT_H
#define TRIB_IO_FAULT_H

#ifdef TRIB_FAULT_POINTS
#define FAULT_POINT(name) fault_point(name)
#else
#define FAULT_POINT(name) ((void)0)
#endif

/* Pass a point, "store.before_commit". Use FAULT_POINT, never this. From one thread only. */
void fault_point(const char *name);

#endif
