#!/usr/bin/python3
"""Count the tests in a log of `meson test`: every TAP point, not just every program.

usage: tap.py BUILD-DIR LOG

Prints what failed on stderr and `PASSED FAILED SKIPPED` on stdout.
"""

import json
import re
import subprocess
import sys

POINT = re.compile(r"(not )?ok\b\s*(\d+)?([^#]*)(?:#\s*(SKIP|TODO)?.*)?", re.IGNORECASE)
PLAN = re.compile(r"1\.\.(\d+)\s*(#\s*skip\b.*)?", re.IGNORECASE)


def count_points(text):
    """Return [passed, failed, skipped] and what is wrong with the output as a whole, or None."""
    passed = failed = skipped = planned = 0
    seen_plan = False
    wrong = None
    for line in text.splitlines():
        plan = PLAN.fullmatch(line.rstrip())
        if plan:
            seen_plan = True
            planned += int(plan[1])
            if plan[1] == "0" and plan[2]:
                skipped += 1
                planned += 1
            continue
        if line.startswith("Bail out!"):
            wrong = line
            continue
        point = POINT.fullmatch(line.rstrip())
        if not point:
            continue
        directive = (point[4] or "").upper()
        if directive == "SKIP" or (directive == "TODO" and point[1]):
            skipped += 1
        elif point[1]:
            failed += 1
        else:
            passed += 1
    if not seen_plan:
        wrong = wrong or "no TAP plan"
    elif passed + failed + skipped != planned:
        wrong = wrong or f"{planned} tests planned, {passed + failed + skipped} run"
    return [passed, failed, skipped], wrong


def main():
    build, log = sys.argv[1:]
    tests = json.loads(subprocess.check_output(["meson", "introspect", build, "--tests"]))
    # The log names a test "suite / name", introspection "name".
    protocols = {test["name"]: test["protocol"] for test in tests}
    total = [0, 0, 0]
    with open(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            run = json.loads(line)
            result = run["result"]
            wrong = None
            if result in ("EXPECTEDFAIL", "UNEXPECTEDPASS"):
                counts = [int(result == "EXPECTEDFAIL"), int(result == "UNEXPECTEDPASS"), 0]
            elif protocols.get(run["name"].split(" / ")[-1]) == "tap":
                # Not by meson's result: cmocka prints skipped tests as `not ok # SKIP`, and a plan
                # for each group of a program, which are failures for meson.
                counts, wrong = count_points(run.get("stdout") or "")
                if run["returncode"] != 0 or result in ("TIMEOUT", "INTERRUPT"):
                    wrong = wrong or f"status {run['returncode']}"
                if wrong and counts[1] == 0:
                    counts[1] = 1
            else:
                counts = [int(result == "OK"), int(result not in ("OK", "SKIP")), int(result == "SKIP")]
            total = [a + b for a, b in zip(total, counts)]
            if counts[1]:
                print(f"--- {run['name']}: {wrong or result}", file=sys.stderr)
                for stream in ("stdout", "stderr"):
                    print(run.get(stream) or "", end="", file=sys.stderr)
                print("---", file=sys.stderr)
    print(*total)


if __name__ == "__main__":
    main()
