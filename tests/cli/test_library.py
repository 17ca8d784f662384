"""The library as others use it: what is installed, what the headers need, which names it exports."""

import os
import re
import shutil
import subprocess

import numpy as np
import pytest

from support import IMAGES, ROOT

HEADERS = sorted(path.name for path in (ROOT / "include/kprep").glob("*.h"))
MODULES = "libpng libdeflate libjpeg libfyaml jansson libarchive libxxhash"


def call(*args, env=None, rc=0, cwd=None):
    process = subprocess.run([str(a) for a in args], capture_output=True, text=True, cwd=cwd,
                             stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}, timeout=300)
    assert process.returncode == rc, f"{args}\n{process.stdout}\n{process.stderr}"
    return process.stdout


@pytest.fixture(scope="module")
def build(binary):
    """The build tree of the command under test; a sanitized library links only with its sanitizer."""
    folder = binary.parents[1]
    cache = folder / "CMakeCache.txt"
    if not cache.exists():
        pytest.skip(f"{binary} lies in no build tree")
    if not re.search(r"^KPREP_SANITIZE:\w+=$", cache.read_text(), re.M):
        pytest.skip("a sanitized build")
    return folder


@pytest.fixture(scope="module")
def prefix(build, tmp_path_factory):
    """An installed kprep, moved after it was installed: nothing may name the place."""
    folder = tmp_path_factory.mktemp("install")
    call("cmake", "--install", build, "--prefix", folder / "first")
    (folder / "first").rename(folder / "moved")
    return folder / "moved"


@pytest.fixture(scope="module")
def libraries(prefix):
    return next(prefix.glob("**/libkprep.so")).parent


def program_output(program, folder, libraries):
    """Runs a loader on images.npy: what it says of the batches, and that it writes nothing."""
    work = folder / "work"
    work.mkdir()
    job = work / "job.yaml"
    job.write_text(f"input: '{IMAGES}'\npipeline: [expand_dims: -1, rescale: 1/255]\n"
                   "spec: {shape: [null, 32, 32, 1], dtype: float32}\noutput: {batch: 32}\n")
    out = call(program, job, env={"LD_LIBRARY_PATH": str(libraries)}, cwd=work)
    assert [path.name for path in work.iterdir()] == ["job.yaml"]
    images = np.load(IMAGES).astype(np.float32)[..., None] * np.float32(1 / 255)
    expected = []
    for i in range(0, len(images), 32):
        x = images[i:i + 32]
        expected.append(f"batch {i // 32}: {x.shape} {x.dtype}, {x.min():g} to {x.max():g}")
    assert out.splitlines() == expected
    return out


CMAKE = """cmake_minimum_required(VERSION 3.22)
project(user LANGUAGES C)
find_package(kprep 0.1 REQUIRED COMPONENTS static)
add_executable(shared_loader loader.c)
target_link_libraries(shared_loader PRIVATE kprep::kprep)
add_executable(static_loader loader.c)
target_link_libraries(static_loader PRIVATE kprep::kprep_static)
"""


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_cmake_package(prefix, libraries, tmp_path, kind):
    shutil.copy(ROOT / "examples/loader.c", tmp_path)
    (tmp_path / "CMakeLists.txt").write_text(CMAKE)
    call("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    call("cmake", "--build", tmp_path / "build", "--target", f"{kind}_loader")
    program = tmp_path / "build" / f"{kind}_loader"
    linked = call("ldd", program, env={"LD_LIBRARY_PATH": str(libraries)})
    assert ("libkprep" in linked) == (kind == "shared")
    program_output(program, tmp_path, libraries)


def test_cmake_package_without_the_libraries_it_is_made_of(prefix, tmp_path):
    """Who links the shared library needs no other development files."""
    shutil.copy(ROOT / "examples/loader.c", tmp_path)
    plain = CMAKE.replace(" COMPONENTS static", "").split("add_executable(static")[0]
    (tmp_path / "CMakeLists.txt").write_text(plain)
    none = {"PKG_CONFIG_LIBDIR": str(tmp_path)}
    call("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}", env=none)
    call("cmake", "--build", tmp_path / "build", env=none)
    (tmp_path / "CMakeLists.txt").write_text(CMAKE)
    call("cmake", "-S", tmp_path, "-B", tmp_path / "other", f"-DCMAKE_PREFIX_PATH={prefix}", env=none,
         rc=1)


def test_pkg_config(prefix, libraries, tmp_path):
    path = {"PKG_CONFIG_PATH": str(libraries / "pkgconfig")}
    assert call("pkg-config", "--modversion", "kprep", env=path) == "0.1.0\n"
    flags = call("pkg-config", "--cflags", "--libs", "kprep", env=path).split()
    assert not [flag for flag in flags if flag.startswith("-l") and flag != "-lkprep"]
    assert set(MODULES.split()) <= set(
        call("pkg-config", "--print-requires-private", "kprep", env=path).split())
    program = tmp_path / "loader"
    call("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", ROOT / "examples/loader.c", *flags,
         "-o", program)
    program_output(program, tmp_path, libraries)


def test_pkg_config_static(prefix, libraries, tmp_path):
    """The static library and the libraries that kprep.pc names for it are all that a program needs."""
    path = {"PKG_CONFIG_PATH": str(libraries / "pkgconfig")}
    modules = call("pkg-config", "--print-requires-private", "kprep", env=path).split()
    flags = call("pkg-config", "--libs", *modules, env=path).split()
    # Not by --static, which also asks for what only static versions of the modules would need.
    private = re.search(r"^Libs\.private: (.*)$", (libraries / "pkgconfig/kprep.pc").read_text(), re.M)
    program = tmp_path / "loader"
    call("cc", "-std=c11", f"-I{prefix}/include", ROOT / "examples/loader.c", libraries / "libkprep.a",
         *flags, *private[1].split(), "-o", program)
    program_output(program, tmp_path, libraries)


def test_installed_command(prefix):
    assert call(prefix / "bin/kprep", "--version") == "kprep 0.1.0\n"


def test_errors_of_the_loader(build, tmp_path):
    loader = build / "bin/loader"
    call(loader, rc=2)
    call(loader, tmp_path / "none.yaml", rc=2)
    job = tmp_path / "job.yaml"
    job.write_text(f"input: '{IMAGES}'\nspec: {{shape: [null, 32, 32, 912]}}\n")
    call(loader, job, rc=1)
    job.write_text("input: none.npy\nspec: {shape: [null, 32]}\n")
    call(loader, job, rc=3)


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("language", ["c11", "c++17"])
def test_headers_compile_alone(header, language, tmp_path):
    c = language == "c11"
    compiler = "cc" if c else "c++"
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} here")
    source = tmp_path / ("one.c" if c else "one.cc")
    # Twice: the guard holds.
    source.write_text(f"#include <kprep/{header}>\n#include <kprep/{header}>\n"
                      "int main(void);\nint main(void) { return KPREP_OK; }\n")
    call(compiler, f"-std={language}", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow",
         "-Werror", "-fsyntax-only", f"-I{ROOT}/include", source)


def test_the_header_of_all(tmp_path):
    text = (ROOT / "include/kprep/kprep.h").read_text()
    assert set(re.findall(r"#include <kprep/(\w+\.h)>", text)) == set(HEADERS) - {"kprep.h"}


def declared():
    """Functions that the headers declare for others."""
    names = []
    for header in HEADERS:
        text = re.sub(r"/\*.*?\*/", "", (ROOT / "include/kprep" / header).read_text(), flags=re.S)
        text = re.sub(r"^#.*$", "", text, flags=re.M)
        found = re.findall(r"KPREP_API\s[^;(]*?\b(\w+)\s*\(", text)
        assert len(found) == text.count("KPREP_API")
        names += found
    assert len(names) == len(set(names))
    return set(names)


def symbols(*args):
    return {line.split()[2] for line in call("nm", *args).splitlines() if len(line.split()) == 3}


def test_exported_names(build):
    """What the shared library exports is what the headers declare, no more and no less."""
    assert declared() and symbols("-D", "--defined-only", build / "lib/libkprep.so") == declared()


def test_global_names_of_the_static_library(build):
    """Nothing in the archive can clash with a program's own names."""
    names = symbols("-g", "--defined-only", build / "lib/libkprep.a")
    assert declared() <= names
    assert not [name for name in names if not name.startswith("kprep_")]
