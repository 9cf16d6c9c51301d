#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"

/* Wait status of a child that passes "test.a" and then "test.b", three times; *ret_passes is how
 * often it came through both. */
static int run_child(const char *fault, int *ret_passes)
{
	int status = 0;
	int fds[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (fault != NULL)
			(void)setenv("TRIB_FAULT", fault, 1);
		else
			(void)unsetenv("TRIB_FAULT");
		for (int i = 0; i < 3; i++) {
			FAULT_POINT("test.a");
			FAULT_POINT("test.b");
			if (write(fds[1], "x", 1) != 1)
				_exit(99);
		}
		_exit(0);
	}
	(void)close(fds[1]);
	*ret_passes = 0;
	while (read(fds[0], &c, 1) == 1)
		++*ret_passes;
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void process_dies_at_the_nth_pass(void **state)
{
	int n, status;

	(void)state;
#ifndef TRIB_FAULT_POINTS
	skip();
#endif
	for (int i = 1; i <= 3; i++) {
		char fault[] = "test.b:0";

		fault[7] = (char)('0' + i);
		status = run_child(fault, &n);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGKILL);
		assert_int_equal(n, i - 1);
	}
}

static void other_points_and_later_passes_do_nothing(void **state)
{
	static const char *const faults[] = { NULL, "", "test.b:4", "test.c:1", "test:1" };
	int n;

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		assert_int_equal(run_child(faults[i], &n), 0);
		assert_int_equal(n, 3);
	}
}

static void fault_that_cannot_be_read_is_no_run_without_one(void **state)
{
	static const char *const faults[] = { "test.b",   "test.b:",   ":1",
					      "test.b:0", "test.b:1x", "test.b:-1" };
	int n;

	(void)state;
#ifndef TRIB_FAULT_POINTS
	skip();
#endif
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		assert_true(WIFSIGNALED(run_child(faults[i], &n)));
		assert_int_equal(n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(process_dies_at_the_nth_pass),
		cmocka_unit_test(other_points_and_later_passes_do_nothing),
		cmocka_unit_test(fault_that_cannot_be_read_is_no_run_without_one),
	};

	return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
