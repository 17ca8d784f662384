"""The pages that describe kprep: made from its tables, never stale, and every code block in them runs."""

import functools
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from support import FIXTURES, ROOT

# Fixed for users and scripts: see the tables of src/base/fail.c.
IDS = {"missing-axis": 1, "extra-axis": 1, "axis-order": 1, "channel-count": 1, "axis-size": 1,
       "dtype": 1, "value-range": 1, "non-finite": 1, "ambiguous-samples": 1, "ambiguous-repair": 1,
       "not-found": 3, "unsupported-format": 3, "truncated": 3, "corrupt": 3, "too-large": 3,
       "unsupported-dtype": 3, "pickled-object": 3, "unknown-key": 2, "bad-option": 2, "no-space": 4,
       "hash-mismatch": 1, "plan-changed": 2, "locked": 4, "interrupted": 130}


@pytest.fixture(scope="module")
def pages():
    """The names that scripts/docs defines."""
    return runpy.run_path(str(ROOT / "scripts/docs"))


@pytest.fixture(scope="module")
def facts(pages, binary):
    return pages["ask"](str(binary))


@pytest.fixture(scope="module")
def validator():
    schema = json.loads((ROOT / "docs/job.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


class TestHelpForPrograms:
    def test_is_one_document(self, kprep):
        document = kprep("help", "--json", rc=0).json
        assert document == kprep("--help", "--json", rc=0).json
        assert document == kprep("--json", "--help", rc=0).json

    def test_of_one_command(self, kprep):
        document = kprep("verify", "--help", "--json", rc=0).json
        assert document == kprep("help", "verify", "--json", rc=0).json
        assert [c["name"] for c in document["commands"]] == ["verify"]
        assert [o["name"] for o in document["options"]] == document["commands"][0]["options"]

    def test_of_no_command(self, kprep):
        answer = kprep("help", "verfy", "--json", rc=2)
        assert answer.ids == ["unknown-key"] and "verify" in answer.problems[0]["help"]

    def test_version(self, kprep):
        document = kprep("--version", "--json", rc=0).json
        assert re.fullmatch(r"\d+\.\d+\.\d+", document["version"])
        assert document == kprep("run", "--json", "--version", rc=0).json

    def test_tells_what_the_text_tells(self, kprep, facts):
        for command in facts["commands"]:
            text = kprep("help", command["name"], rc=0).out
            assert command["summary"] in text and command["example"] in text
            assert sorted(re.findall(r"^  --([a-z0-9-]+)", text, re.M)) == sorted(command["options"])

    def test_no_entry_is_empty(self, facts):
        for entry in facts["commands"] + facts["stages"]:
            assert entry["summary"] and entry["example"], entry
        for entry in facts["options"]:
            assert entry["help"], entry
        for entry in facts["keys"] + [o for s in facts["stages"] for o in s["options"]]:
            assert entry["help"] and entry["values"], entry
            assert entry["type"] != "other" or entry.get("schema") or entry["is_section"], entry
            assert (entry["type"] == "choice") == ("choices" in entry), entry
        for entry in facts["statuses"]:
            assert entry["meaning"], entry

    def test_ids_and_exit_codes(self, facts):
        told = {s["id"]: s["exit"] for s in facts["statuses"]}
        assert {id: told.get(id) for id in IDS} == IDS
        assert [e["code"] for e in facts["exit_codes"]] == [0, 1, 2, 3, 4, 130]

    def test_defaults_are_the_ones_used(self, kprep, facts, tmp_path, job):
        """What a dry run of a job without options resolves to."""
        path = job(input=str(FIXTURES / "arrays"), spec={"shape": [None, 32, 32], "dtype": "uint8"},
                   output="out")
        resolved = yaml.safe_load(kprep("run", path, "--dry-run", rc=0).out)
        assert resolved["output"]["batch"] == 64
        assert resolved["limits"] == {"pixels": 178956970, "sample_bytes": 2**30}
        for key in facts["keys"]:
            if key["type"] != "choice":
                continue
            value = resolved
            for name in key["name"].split("."):
                value = value[name] if isinstance(value, dict) else key["default"]  # labels: none
            assert str(value) == key["default"], key["name"]


class TestGenerated:
    def test_none_is_stale(self, pages, binary):
        for path, text in pages["generate"](str(binary)).items():
            there = (ROOT / path).read_text(encoding="utf-8") if (ROOT / path).exists() else ""
            assert there == text, f"{path} is stale: run scripts/build and scripts/docs"

    def test_check_finds_a_stale_one(self, binary, tmp_path):
        for name in ("docs", "man", "completions", "scripts"):
            shutil.copytree(ROOT / name, tmp_path / name)
        (tmp_path / "docs/stages.md").write_text("old\n")
        check = functools.partial(
            subprocess.run, [sys.executable, tmp_path / "scripts/docs", "--check"],
            capture_output=True, text=True, env={**os.environ, "KPREP_BIN": str(binary)})
        answer = check()
        assert (answer.returncode, answer.stdout) == (1, "stale: docs/stages.md\n")
        shutil.copy(ROOT / "docs/stages.md", tmp_path / "docs")
        assert check().returncode == 0

    @pytest.mark.parametrize("page", ["kprep.1", "kprep-job.5"])
    def test_man_page(self, page):
        tools = {"mandoc": ["-Tlint", "-Wwarning"], "groff": ["-man", "-ww", "-z", "-Tutf8"]}
        tool = next((t for t in tools if shutil.which(t)), None)
        if tool is None:
            pytest.skip("neither mandoc nor groff")
        done = subprocess.run([tool, *tools[tool], ROOT / "man" / page], capture_output=True, text=True)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")

    def test_man_pages_name_everything(self, facts):
        text = "".join((ROOT / "man" / p).read_text() for p in ("kprep.1", "kprep-job.5"))
        text = text.replace("\\-", "-")
        for entry in facts["commands"] + facts["options"] + facts["stages"] + facts["keys"]:
            assert entry["name"] in text
        assert all(s["id"] in text for s in facts["statuses"])


def complete(*words):
    """What bash offers for the last word."""
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kprep; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-euc", script, "bash", ROOT / "completions/kprep.bash", "kprep",
                           *words], capture_output=True, text=True, cwd=FIXTURES, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


class TestCompletions:
    def test_commands(self, facts):
        assert complete("") >= {c["name"] for c in facts["commands"]}
        assert complete("ch") == {"check"}
        assert complete("help", "in") == {"inspect"}
        assert complete("--quiet", "ve") == {"verify"}

    def test_options(self, facts):
        for command in facts["commands"]:
            assert complete(command["name"], "--") == {f"--{o}" for o in command["options"]}
        assert complete("run", "x.yaml", "--dr") == {"--dry-run"}

    def test_values(self):
        assert complete("run", "--like", "") == {"keras", "pillow", "opencv"}
        assert complete("run", "--color", "=", "al") == {"always"}
        assert complete("run", "--color", "=") == {"auto", "always", "never"}
        assert complete("run", "--threads", "") == set()

    def test_stages(self, facts):
        names = {s["name"] for s in facts["stages"]}
        assert complete("stages", "") == names
        assert complete("stages", "resc") == {"rescale"}
        assert complete("run", "--pipeline", "") == names

    def test_paths(self):
        assert complete("check", "pho") == {"photos"}
        assert complete("inspect", "arrays/") == {"arrays/images.npy"}
        assert complete("run", "--output", "make") == set()
        assert complete("run", "--spec", "make.") == {"make.py"}

    @pytest.mark.parametrize("shell, file", [("zsh", "_kprep"), ("fish", "kprep.fish")])
    def test_syntax(self, shell, file):
        if shutil.which(shell) is None:
            pytest.skip(f"no {shell}")
        subprocess.run([shell, "-n", ROOT / "completions" / file], check=True)


# Jobs that the schema and kprep must agree on. kprep sees them without input and spec, so a job that is
# well written still fails, but only for that.
GOOD = [
    "{}",
    "pipeline:",
    "pipeline: 'resize 224 224 | rescale 1/255'",
    "pipeline: [flatten, 'crop 0 0 8 8', {resize: [8, 8]}, {resize: {height: 8, width: 8}}]",
    "pipeline: [{resize: [8, {width: 8, method: nearest}]}]",
    "pipeline: [{resize: [8, 8, nearest, false]}]",
    "pipeline: [{rescale: 1/255}, {rescale: {scale: '1/255', offset: -1}}, {rescale: [2.5]}]",
    "pipeline: [{squeeze: }, {squeeze: 0}, {squeeze: [h, -1]}, {squeeze: {axis: w}}]",
    "pipeline:\n  - squeeze: h,w",
    "pipeline: [{rearrange: '(g c) h w -> g c h w'}, {rearrange: ['(g c) h w -> g c h w', {g: 3}]}]",
    "pipeline: [{rearrange: {pattern: '(g c) h w -> g c h w', g: 3}}]",
    "pipeline: [{normalize: {mode: caffe}}, {normalize: {mean: [1, 1/2], std: 2}}]",
    "pipeline: [{clip: [-.inf, .inf]}]",
    "pipeline: [{cast: [uint8, {overflow: wrap}]}]",
    "input: {path: [a, b], samples: row, axes: chw, depth: 8}",
    "input: {path: a, depth: keep, exif: apply, order: keras}",
    "output: {path: out, batch: all, shuffle: {seed: 7}, split: {train: 4/5, test: 0.2}}",
    "output: out",
    "limits: {pixels: 1000, sample_bytes: 1.5GiB, memory: 64 MB, files: 5}",
    "labels: folder",
    "labels: ",
    "like: pillow",
]
BAD = [
    "inputs: a",
    "input: {pth: a}",
    "input: {order: alphabetic}",
    "input: {path: []  , samples: rows}",
    "like: torch",
    "labels: folders",
    "output: {batches: 3}",
    "output: {batch: 0}",
    "output: {batch: some}",
    "output: {shuffle: {sed: 1}}",
    "output: {shuffle: -1}",
    "output: {split: {train: 1.5}}",
    "output: {split: {}}",
    "output: {split: {a/b: 0.5}}",
    "limits: {pixels: many}",
    "limits: 5",
    "pipeline: [rezise]",
    "pipeline: [{rezise: [8, 8]}]",
    "pipeline: [{resize: [8]}]",
    "pipeline: [{resize: 8}]",
    "pipeline: [{resize: }]",
    "pipeline: [{resize: [8, 8, cubical]}]",
    "pipeline: [{resize: [8, 8, nearest, false, 1]}]",
    "pipeline: [{resize: [0, 8]}]",
    "pipeline: [{resize: {height: 8, width: 8, mode: nearest}}]",
    "pipeline: [{flip: n}]",
    "pipeline: [{flatten: [1]}]",
    "pipeline: [{rescale: much}]",
    "pipeline: [{rescale: '2'}]",
    "pipeline: [{cast: float}]",
    "pipeline: [{rearrange: {pattern: 'h w -> w h', h: big}}]",
    "spec: []",
    "on_error: ignore",
]


class TestSchema:
    @pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.stem)
    def test_takes_each_example(self, validator, path):
        first, _ = path.read_text().split("\n", 1)
        named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
        assert (path.parent / named[1]).resolve() == ROOT / "docs/job.schema.json"
        validator.validate(yaml.safe_load(path.read_text()))

    def test_takes_each_stages_example(self, validator, kprep, pages, facts, tmp_path):
        for stage in facts["stages"]:
            forms = pages["yaml_forms"](stage) + [json.dumps(stage["example"])]
            text = "pipeline:\n" + "".join(f"  - {form}\n" for form in forms)
            validator.validate(yaml.safe_load(text))
            assert self.is_taken(kprep, tmp_path, text), text

    def test_takes_inline_specs(self, validator):
        one = {"shape": [None, 32, 32, 3], "axes": "nhwc", "dtype": "float32", "range": [0, "1/2"]}
        validator.validate({"spec": one})
        validator.validate({"spec": {"inputs": {"x": one, "mask": {"shape": [None, 5]}}}})
        for wrong in ({"dtype": "float32"}, {"shape": [0]}, {"shape": [1], "dtype": "float"},
                      {"shape": [1], "axis": "n"}, {"inputs": {}}, {"inputs": {"x": {}}}):
            assert not validator.is_valid({"spec": wrong}), wrong

    @staticmethod
    def is_taken(kprep, tmp_path, text):
        (tmp_path / "job.yaml").write_text(text)
        answer = kprep("run", "job.yaml", "--dry-run", "--json", rc=2)
        return answer.problems[0]["message"].startswith("the job has no")

    @pytest.mark.parametrize("text", GOOD)
    def test_takes_what_kprep_takes(self, validator, kprep, tmp_path, text):
        assert self.is_taken(kprep, tmp_path, text)
        validator.validate(yaml.safe_load(text))

    @pytest.mark.parametrize("text", BAD)
    def test_refuses_what_kprep_refuses(self, validator, kprep, tmp_path, text):
        assert not self.is_taken(kprep, tmp_path, text)
        assert not validator.is_valid(yaml.safe_load(text))


# ---- the code blocks

LANGUAGES = {"sh", "yaml", "python", "c", "text"}
DOCUMENTS = ["README.md", "examples/README.md",
             *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
MARKS = {"README.md": pytest.mark.tf, "docs/python.md": pytest.mark.tf,
         "examples/README.md": pytest.mark.big}


def blocks(name):
    """(language, wanted exit code, text, place) of each fenced block of a document."""
    found, fence, lines = [], None, []
    for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").split("\n"), 1):
        if fence is None and line.startswith("```"):
            language, *rest = line[3:].split()
            wanted = int(rest[0].removeprefix("exit=")) if rest else 0
            fence, lines = (language, wanted, f"{name}:{number}"), []
        elif fence is not None and line == "```":
            found.append((fence[0], fence[1], "\n".join(lines) + "\n", fence[2]))
            fence = None
        elif fence is not None:
            lines.append(line)
    assert fence is None
    return found


def matches(text, output):
    """Is this the output? A line of … alone stands for any lines, … in a line for any text in it."""
    pattern = ""
    for line in text.rstrip("\n").split("\n"):
        pattern += r"(?:.*\n)*?" if line == "…" else ".*?".join(map(re.escape, line.split("…"))) + r"\n"
    return re.fullmatch(pattern, output.rstrip("\n") + "\n") is not None


class Place:
    """A copy of the tree in which a document's blocks run, one after the other, as a reader runs them."""

    def __init__(self, folder, binary):
        self.folder, self.output = folder, None
        for name in ("examples", "docs", "scripts"):
            shutil.copytree(ROOT / name, folder / name)
        for name in ("photos", "arrays", "models"):
            shutil.copytree(FIXTURES / name, folder / "fixtures" / name)
        shutil.copy(FIXTURES / "make.py", folder / "fixtures")
        (folder / "build/release/bin").mkdir(parents=True)
        (folder / "build/release/bin/kprep").symlink_to(binary)
        self.library = Path(os.environ.get("KPREP_LIB", binary.parents[1] / "lib/libkprep.so"))
        self.package = Path(os.environ.get("KPREP_PYTHON", ROOT / "build/python")).resolve()
        path = [folder / "build/release/bin", Path(sys.executable).parent, os.environ["PATH"]]
        self.environment = {**os.environ, "PATH": ":".join(map(str, path)), "TERM": "dumb",
                            "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(self.package)}

    def run(self, command, wanted, stderr=subprocess.STDOUT):
        done = subprocess.run(command, cwd=self.folder, env=self.environment, timeout=300,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                              text=True)
        self.output = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
        assert done.returncode == wanted, self.output

    def run_sh(self, text, wanted):
        lines = []
        for line in text.split("\n"):
            # The set-up and the test suite itself are not run from inside a test.
            if line == "pip install .": # what scripts/test did
                assert (ROOT / "pyproject.toml").exists()
            elif line.startswith("scripts/"):
                assert os.access(self.folder / line.split()[0], os.X_OK), line
            else:
                lines.append(line)
        self.run(["bash", "-euc", "\n".join(lines)], wanted)

    def run_python(self, text, wanted):
        (self.folder / "block.py").write_text(text)
        # Of a program that ends well only what it prints: TensorFlow logs what it likes.
        self.run([sys.executable, "block.py"], wanted,
                 stderr=subprocess.DEVNULL if wanted == 0 else subprocess.STDOUT)

    def run_c(self, text, wanted):
        (self.folder / "block.c").write_text(text)
        self.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}", "block.c",
                  str(self.library), f"-Wl,-rpath,{self.library.parent}", "-o", "block"], 0)
        self.run(["./block"], wanted)

    def run_yaml(self, text, wanted):
        """A job, a part of one, or a spec. One that names its file in its first line is kept as that."""
        named = re.match(r"# (\w+\.yaml)", text)
        path = self.folder / (named[1] if named else "block.yaml")
        path.write_text(text)
        schema = json.loads((self.folder / "docs/job.schema.json").read_text())
        content = yaml.safe_load(text)
        if {"inputs", "shape"} & set(content):
            jsonschema.validate({"spec": content}, schema)
            self.run(["kprep", "spec", path.name], wanted)
            return
        jsonschema.validate(content, schema)
        if "spec" in content and "input" in content:
            self.run(["kprep", "check", path.name], wanted)
        else:
            self.run(["kprep", "check", path.name, "--json"], 2)
            assert '"message": "the job has no' in self.output, self.output


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=MARKS.get(name, ())) for name in DOCUMENTS])
def test_code_blocks(binary, tmp_path, name):
    place = Place(tmp_path, binary)
    uses_package = re.search(r"^import .*\bkprep\b", (ROOT / name).read_text(), re.M)
    if uses_package and not (place.package / "kprep").exists():
        pytest.skip("the Python package is not built: scripts/test does it")
    for language, wanted, text, where in blocks(name):
        assert language in LANGUAGES, f"{where}: name the language of the block: {LANGUAGES}"
        try:
            if language == "text":
                # A picture, unless it follows something that ran.
                if place.output is not None:
                    assert matches(text, place.output), f"the output is\n{place.output}"
                place.output = None
            else:
                getattr(place, f"run_{language}")(text, wanted)
        except (AssertionError, jsonschema.ValidationError) as error:
            raise AssertionError(f"{where}: {error}") from error


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_code_block_is_fenced(name):
    """Code that is only indented is seen by no test."""
    prose = re.sub(r"^```.*?^```$", "", (ROOT / name).read_text(), flags=re.M | re.S)
    assert not re.search(r"\n\n    \S", prose)


def test_matching_of_output():
    assert matches("a\nb\n", "a\nb\n") and not matches("a\n", "a\nb\n")
    assert matches("took … s\n", "took 0.3 s\n") and not matches("took … s\n", "took\n0.3 s\n")
    assert matches("…\nend\n", "x\ny\nend\n") and matches("a\n…\n", "a\n") and not matches("…\na\n", "b\n")


def test_readme_names_every_command(facts):
    text = (ROOT / "README.md").read_text()
    assert all(f"`kprep {c['name']}" in text for c in facts["commands"])
