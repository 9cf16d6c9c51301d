#!/usr/bin/python3
"""Run the integration tests: test_*.py beside this file, with Debian's Python and unittest.

usage: run.py [--list] [NAME...]

A NAME is a part of a test's id between dots, or several: test_chain, History,
test_replay.History.test_quiet. Without names all run. The last line is `N passed, N failed` or `N passed, N failed, N skipped`.
"""

import faulthandler
import os
import signal
import subprocess
import sys
import time
import traceback
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
# For one test or one class's setup; a test that knows better has an attribute `limit`.
LIMIT_SECONDS = 600


class Ending(BaseException):
    """A test is overdue, or a signal ends the run. Not KeyboardInterrupt: after that unittest
    skips a test's cleanups, and what it started would go on."""


def watch(seconds):
    """Start the clock: an exception at its end and, if that is swallowed, a dump and exit."""
    signal.alarm(seconds)
    faulthandler.dump_traceback_later(seconds + 120, exit=True)


class Result(unittest.TestResult):
    """Prints a line per test, and counts."""

    def __init__(self):
        super().__init__()
        self.passed = self.failed = self.left_out = 0
        self.began = 0.0
        self.had_failed = 0

    def startTest(self, test):
        super().startTest(test)
        watch(getattr(getattr(test, test._testMethodName), "limit", LIMIT_SECONDS))
        self.began = time.monotonic()
        self.had_failed = self.failed

    def stopTest(self, test):
        super().stopTest(test)
        watch(LIMIT_SECONDS)  # the class's setup or end comes next

    def on_signal(self, number, frame):
        """Unwind the test, so that what it started is ended; after an alarm the next one runs."""
        if number == signal.SIGALRM:
            raise Ending("overdue")
        self.stop()
        raise Ending(signal.Signals(number).name)

    def _line(self, what, test, text=""):
        seconds = f" ({time.monotonic() - self.began:.1f} s)" if self.began else ""
        print(f"{what:7} {test.id()}{seconds}{text}", flush=True)

    def _fail(self, test, error):
        self.failed += 1
        self._line("FAILED", test)
        traceback.print_exception(*error, file=sys.stdout)
        sys.stdout.flush()

    def addSuccess(self, test):
        if self.failed == self.had_failed:  # no subtest failed
            self.passed += 1
            self._line("ok", test)

    def addFailure(self, test, err):
        self._fail(test, err)

    def addError(self, test, err):
        self._fail(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._fail(subtest, err)

    def addSkip(self, test, reason):
        self.left_out += 1
        self._line("skipped", test, f": {reason}")

    def addExpectedFailure(self, test, err):
        self.addSuccess(test)

    def addUnexpectedSuccess(self, test):
        self.failed += 1
        self._line("FAILED", test, ": expected to fail")


def all_tests(suite):
    """The tests of a suite, flat and in order."""
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from all_tests(part)
        else:
            yield part


def choose(names):
    """The tests that the names select; exits with 2 where a name selects none."""
    tests = list(all_tests(unittest.TestLoader().discover(HERE, "test_*.py", HERE)))

    def is_called(test, name):
        return f".{name}." in f".{test.id()}."

    for name in names:
        if not any(is_called(test, name) for test in tests):
            print(f"run.py: no test is called {name}", file=sys.stderr)
            sys.exit(2)
    return [t for t in tests if not names or any(is_called(t, name) for name in names)]


def main():
    """Build, run what is asked for, sum up."""
    names = sys.argv[1:]
    if any(name.startswith("-") and name != "--list" for name in names):
        print(__doc__.strip(), file=sys.stderr)
        sys.exit(2)
    sys.path.insert(0, HERE)
    if "--list" in names:
        print("\n".join(test.id() for test in choose([])))
        return
    if not os.environ.get("TRIB_BUILD"):
        if subprocess.run([os.path.join(TOP, "deploy/build.sh")], check=False).returncode != 0:
            print("0 passed, 1 failed")
            sys.exit(1)
    tests = choose(names)
    result = Result()
    for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, result.on_signal)
    watch(LIMIT_SECONDS)
    try:
        unittest.TestSuite(tests).run(result)
    except Ending as ending:
        # In a class's setup or end: unittest lets it through.
        result.failed += 1
        traceback.print_exception(ending, file=sys.stdout)
    signal.alarm(0)
    faulthandler.cancel_dump_traceback_later()
    skipped = f", {result.left_out} skipped" if result.left_out else ""
    print(f"{result.passed} passed, {result.failed} failed{skipped}")
    sys.exit(0 if result.failed == 0 and result.passed + result.left_out > 0 else 1)


if __name__ == "__main__":
    main()
