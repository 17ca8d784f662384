"""The protections that a release is built with, as its files say: read from the program and the library by
readelf and nm. Builds for debugging and under sanitizers have others."""

import os
import re
import shutil
import subprocess

import pytest

from support import ROOT


def tool(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def built(binary):
    """Path of the program and the library, of an optimised build with KPREP_HARDEN."""
    build = binary.parent.parent
    cache = build / "CMakeCache.txt"
    for name in ("readelf", "nm"):
        if shutil.which(name) is None:
            pytest.skip(f"no {name}")
    if not cache.exists():
        pytest.skip("not in a build folder")
    options = dict(re.findall(r"^(\w+):\w+=(.*)$", cache.read_text(), re.M))
    if options["KPREP_HARDEN"] != "ON" or options["KPREP_SANITIZE"] or options["CMAKE_BUILD_TYPE"] == "Debug":
        pytest.skip("a build without them")
    return {"program": binary, "library": os.path.realpath(build / "lib/libkprep.so")}


@pytest.mark.parametrize("which", ["program", "library"])
class TestProtections:
    def test_addresses_are_random(self, built, which):
        assert re.search(r"Type:\s+DYN", tool("readelf", "-hW", built[which]))

    def test_tables_are_read_only_from_the_start(self, built, which):
        assert "GNU_RELRO" in tool("readelf", "-lW", built[which])
        assert re.search(r"BIND_NOW|\bNOW\b", tool("readelf", "-dW", built[which]))

    def test_nothing_is_writable_and_executable(self, built, which):
        segments = [line.split() for line in tool("readelf", "-lW", built[which]).splitlines()
                    if re.match(r"\s+(LOAD|GNU_STACK)\s", line)]
        flags = {line[0] + " " + "".join(line[6:-1]) for line in segments}
        assert any(f.startswith("GNU_STACK") for f in flags)
        assert not [f for f in flags if "W" in f.split(" ")[1] and "E" in f.split(" ")[1]], flags

    def test_sizes_and_stacks_are_checked(self, built, which):
        imported = tool("nm", "-D", "--undefined-only", built[which])
        assert "__stack_chk_fail" in imported
        assert len(set(re.findall(r"\b__\w+_chk\b", imported))) >= 3, imported

    def test_jumps_are_marked(self, built, which):
        """By endbr64, in front of each function. The file's own note also speaks for the C library's start-up
        code, which not every distribution marks."""
        if os.uname().machine == "x86_64":
            with open(built[which], "rb") as file:
                assert file.read().count(b"\xf3\x0f\x1e\xfa") > 300


def test_the_option_is_on_by_default():
    text = (ROOT / "cmake/harden.cmake").read_text()
    assert re.search(r"option\(KPREP_HARDEN .* ON\)", text)
