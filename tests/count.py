"""Adds up what scripts/test left in its results folder and prints `N passed, N failed`.

Every step has NAME.status, its exit status, and, if it ran tests, NAME.xml, a JUnit report by ctest
or pytest. A test counts once for each build it ran in. A step that failed without a failed test in
its report (a build that broke, a runner that was killed) counts as one failure.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def count_pytest(suites):
    total = failed = skipped = 0
    for suite in suites:
        total += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    return max(total - failed - skipped, 0), failed


def count_ctest(suite):
    """The tests inside each program, as cmocka's closing lines give them; else the program is one."""
    passed = failed = 0
    for case in suite.iter("testcase"):
        output = case.findtext("system-out") or ""
        ok = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", output))
        bad = sum(int(n) for n in re.findall(r"\[  FAILED  \] (\d+) test", output))
        if case.get("status") == "run":
            passed += ok or 1
        elif case.get("status") != "disabled":
            passed += ok
            failed += bad or 1
    return passed, failed


def count_report(path):
    root = ElementTree.parse(path).getroot()
    if root.tag == "testsuites":
        return count_pytest(root.iter("testsuite"))
    return count_ctest(root)


def main(folder):
    passed = failed = 0
    for status in sorted(folder.glob("*.status")):
        ok = bad = 0
        report = status.with_suffix(".xml")
        try:
            if report.exists():
                ok, bad = count_report(report)
        except ElementTree.ParseError:
            pass
        if int(status.read_text()) != 0 and bad == 0:
            bad = 1
        passed += ok
        failed += bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
