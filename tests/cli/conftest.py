"""What the end-to-end tests share. They see kprep as a user does: the command, its files, its exit
code. $KPREP_BIN is the command under test; expected values come from NumPy, Pillow and Keras."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

from support import ROOT


class Result:
    """What one run of the command came to."""

    def __init__(self, args, process):
        self.args = args
        self.rc = process.returncode
        self.out = process.stdout.decode()
        self.err = process.stderr.decode()
        self.text = self.out + self.err

    @property
    def json(self):
        """Standard output as exactly one JSON document with the keys that every answer has."""
        document = json.loads(self.out)
        assert isinstance(document["ok"], bool)
        assert document["exit"] == self.rc
        assert document["ok"] == (self.rc == 0)
        assert isinstance(document["problems"], list)
        for problem in document["problems"]:
            assert set(problem) <= PROBLEM_KEYS, problem
            assert problem["id"] and problem["message"]
        return document

    @property
    def problems(self):
        return self.json["problems"]

    @property
    def ids(self):
        return [problem["id"] for problem in self.problems]

    def problem(self, wanted):
        found = [p for p in self.problems if p["id"] == wanted]
        assert found, f"no {wanted} among {self.ids}\n{self}"
        return found[0]

    def __repr__(self):
        return (f"$ kprep {' '.join(map(str, self.args))}\n"
                f"exit {self.rc}\n--- stdout\n{self.out}\n--- stderr\n{self.err}")


# Keys of a problem in a JSON answer: these, absent where they do not apply, and what marks a finding
# of `check` that rests on some rows only.
PROBLEM_KEYS = {"id", "message", "expected", "found", "file", "sample", "stage", "axis", "line",
                "column", "help", "count", "sampled", "config", "array", "severity", "examples"}


@pytest.fixture(scope="session")
def binary():
    path = Path(os.environ.get("KPREP_BIN", ROOT / "build/release/bin/kprep"))
    if not path.exists():
        pytest.exit(f"no such program: {path} (scripts/build makes it)", returncode=2)
    return path.resolve()


@pytest.fixture
def kprep(binary, tmp_path):
    """kprep(*arguments) runs the command in tmp_path and gives a Result; rc=N also checks the code."""

    def run(*args, rc=None, cwd=None, env=None, stdin=None, command=None, timeout=300, **popen):
        args = [str(a) for a in args]
        environment = {**os.environ, "TERM": "dumb", **(env or {})}
        source = {"input": stdin.encode()} if stdin is not None else {"stdin": subprocess.DEVNULL}
        process = subprocess.run([*(command or []), str(binary), *args], cwd=cwd or tmp_path,
                                 env=environment, capture_output=True, timeout=timeout, **source,
                                 **popen)
        result = Result(args, process)
        assert process.returncode >= 0, f"killed by signal {-process.returncode}\n{result}"
        assert "Sanitizer" not in result.err, result
        if rc is not None:
            assert result.rc == rc, result
        return result

    return run


@pytest.fixture
def job(tmp_path):
    """job(name="job.yaml", **keys) writes a job file; JSON is YAML."""

    def write(name="job.yaml", **keys):
        path = tmp_path / name
        path.write_text(json.dumps(keys, indent=2))
        return path

    return write


@pytest.fixture
def arrays(tmp_path):
    """arrays(name, array) saves an array under tmp_path and gives its path."""

    def save(name, array):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)
        return path

    return save


@pytest.fixture
def public_tmp():
    """A folder that every user may enter, which pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="kprep-test-"))
    path.chmod(0o755)
    yield path
    for folder in path.rglob("*"):
        if folder.is_dir():
            folder.chmod(0o755)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def as_other_user(kprep, binary, public_tmp):
    """As kprep, but as a user whom permissions bind; root is bound by none."""
    if os.geteuid() != 0:
        return kprep
    if shutil.which("setpriv") is None:
        pytest.skip("root, and no setpriv to become someone else")
    copy = public_tmp / "kprep"
    shutil.copy(binary, copy)
    copy.chmod(0o755)
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(copy)]

    def run(*args, rc=None):
        process = subprocess.run([*become, *map(str, args)], cwd=public_tmp, capture_output=True,
                                 stdin=subprocess.DEVNULL, timeout=300)
        result = Result(args, process)
        if rc is not None:
            assert result.rc == rc, result
        return result

    return run


@pytest.fixture(scope="session")
def tf():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return pytest.importorskip("tensorflow")


@pytest.fixture(scope="session")
def keras(tf):
    import keras

    return keras


@pytest.fixture(scope="session")
def keras_folder(keras):
    """keras_folder(folder, **options): all values and labels that Keras' own loader gives, in its
    order, and the class names."""

    def load(folder, image_size, color_mode="rgb", interpolation="bilinear"):
        data = keras.utils.image_dataset_from_directory(
            str(folder), image_size=image_size, color_mode=color_mode, interpolation=interpolation,
            shuffle=False, batch_size=4, verbose=False)
        x, y = zip(*((x.numpy(), y.numpy()) for x, y in data))
        return np.concatenate(x), np.concatenate(y), data.class_names

    return load
