"""NPY files: NumPy is the judge of every value, every byte written and every refusal."""

import ctypes
import io
import itertools
import random
import warnings

import numpy as np
import pytest
from numpy.lib import format as npy_format

from kprep_lib import DTYPES, Array, Error, NpyHeader

SHAPES = [(), (1,), (7,), (0,), (0, 3), (3, 0, 2), (2, 3), (5, 1, 4), (1, 6), (4, 3, 2, 5),
          (9, 1, 1), (1,) * 64, (2,) + (1,) * 62 + (3,), (7,) + (1,) * 12 + (100,)]


def values(dtype, shape, seed=1):
    """Values over the whole range of a dtype, NaN and infinities among them."""
    rng = np.random.default_rng(seed)
    count = int(np.prod(shape))
    if dtype == "bool":
        return rng.integers(0, 2, count).astype(bool).reshape(shape)
    raw = rng.integers(0, 256, count * np.dtype(dtype).itemsize, np.uint8)
    return raw.view(dtype).reshape(shape)


def npy_bytes(array, version=(1, 0), order="C"):
    out = io.BytesIO()
    array = np.asarray(array, order=order)
    npy_format.write_array(out, array, version=version)
    return out.getvalue()


def parse(lib, data):
    header, error = NpyHeader(), Error()
    status = lib.kprep_npy_parse(data, len(data), len(data), ctypes.byref(header),
                                 ctypes.byref(error))
    return header, lib.kprep_status_id(status).decode(), error


class Reader:
    def __init__(self, lib, path):
        self.lib, self.handle, self.error = lib, ctypes.c_void_p(), Error()
        status = lib.kprep_npy_open(str(path).encode(), ctypes.byref(self.handle),
                                    ctypes.byref(self.error))
        assert status == 0, self.error.message
        self.header = lib.kprep_npy_reader_header(self.handle).contents
        self.shape = tuple(self.header.shape[:self.header.rank])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lib.kprep_npy_close(ctypes.byref(self.handle))
        assert not self.handle

    def rows(self, first, count):
        out = np.full((count, *self.shape[1:]), 77).astype(DTYPES[self.header.dtype])
        status = self.lib.kprep_npy_read_rows(self.handle, first, count, out.ctypes.data,
                                              out.nbytes, ctypes.byref(self.error))
        assert status == 0, self.error.message
        return out


def assert_same(found, expected):
    assert found.dtype == expected.dtype.newbyteorder("=")
    assert found.shape == expected.shape
    assert found.tobytes() == expected.astype(found.dtype, order="C").tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("endian", "<>")
@pytest.mark.parametrize("order", "CF")
def test_read(libkprep, tmp_path, dtype, endian, order):
    path = tmp_path / "a.npy"
    for shape, version in itertools.product(SHAPES, [(1, 0), (2, 0), (3, 0)]):
        array = values(dtype, shape).astype(np.dtype(dtype).newbyteorder(endian))
        path.write_bytes(npy_bytes(array, version, order) + b"trailing")
        expected = np.load(path)
        with Reader(libkprep, path) as reader:
            assert DTYPES[reader.header.dtype] == dtype
            assert reader.shape == shape
            assert reader.header.version == version[0]
            assert reader.header.swapped == (endian == ">" and array.itemsize > 1)
            assert reader.header.data_bytes == array.nbytes
            rows = shape[0] if shape else 1
            assert_same(reader.rows(0, rows).reshape(shape), expected)
            middle = expected[rows // 3: rows - rows // 4] if shape else expected
            count = rows - rows // 4 - rows // 3
            assert_same(reader.rows(rows // 3, count).reshape(middle.shape), middle)


# Columns near and far apart, rows in one and in several windows.
@pytest.mark.parametrize("shape", [(3, 500, 700), (200000, 3), (700, 30, 20), (9, 300001), (5000, 90)])
@pytest.mark.parametrize("dtype", ["uint8", ">u2", "<f4", ">f8"])
def test_read_large_fortran(libkprep, tmp_path, shape, dtype):
    array = np.asfortranarray(values(np.dtype(dtype).newbyteorder("=").name, shape)).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    with Reader(libkprep, tmp_path / "a.npy") as reader:
        assert reader.header.fortran_order
        for first, count in [(0, shape[0]), (1, 1), (shape[0] // 2, shape[0] // 3 + 1)]:
            assert_same(reader.rows(first, count), array[first:first + count])


def test_read_rows_refuses(libkprep, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 3), "f4"))
    out = np.zeros((4, 3), "f4")
    with Reader(libkprep, tmp_path / "a.npy") as reader:
        for first, count, size in [(-1, 1, 48), (0, -1, 48), (0, 5, 48), (4, 1, 48), (0, 4, 47),
                                   (2**62, 2**62, 48)]:
            assert libkprep.kprep_npy_read_rows(reader.handle, first, count, out.ctypes.data, size,
                                                None) == 1
        with open(tmp_path / "a.npy", "r+b") as file:
            file.truncate(128 + 24)
        status = libkprep.kprep_npy_read_rows(reader.handle, 0, 4, out.ctypes.data, 48,
                                              ctypes.byref(reader.error))
        assert libkprep.kprep_status_id(status) == b"truncated"
        assert reader.error.file.endswith(b"a.npy")


@pytest.mark.parametrize("dtype", DTYPES)
def test_save(libkprep, tmp_path, dtype):
    for shape in SHAPES + [(300000,), (3, 400, 500), (1, 1200000)]:
        array = values(dtype, shape)
        variants = [array, np.asfortranarray(array)]
        if array.ndim:
            variants += [array[::-1], np.repeat(array, 2, axis=0)[::2], array.T]
        for variant in variants:
            error = Error()
            status = libkprep.kprep_npy_save(str(tmp_path / "k.npy").encode(),
                                             ctypes.byref(Array.of(variant)), ctypes.byref(error))
            assert status == 0, error.message
            out = io.BytesIO()
            np.save(out, np.asarray(variant, order="C"))
            assert (tmp_path / "k.npy").read_bytes() == out.getvalue()
    assert [p.name for p in tmp_path.iterdir()] == ["k.npy"]


def test_save_refuses(libkprep, tmp_path):
    array = np.zeros(3, "f4")
    error = Error()
    status = libkprep.kprep_npy_save(str(tmp_path / "none" / "k.npy").encode(),
                                     ctypes.byref(Array.of(array)), ctypes.byref(error))
    assert libkprep.kprep_status_id(status) == b"unwritable"
    view = Array.of(array)
    view.shape[0] = -1
    assert libkprep.kprep_npy_save(str(tmp_path / "k.npy").encode(), ctypes.byref(view), None) == 1
    assert not list(tmp_path.iterdir())


def test_header_write(libkprep):
    """Every length of the dict from the shortest to the longest, whatever the padding."""
    shapes = [(n,) * rank for rank in range(65) for n in (0, 9, 10, 12345, 2**63 - 1)]
    for shape, dtype in itertools.product(shapes, ["bool", "float32"]):
        out = io.BytesIO()
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
        npy_format.write_array_header_1_0(out, header)
        sizes = (ctypes.c_int64 * 64)(*shape)
        number, expected = DTYPES.index(dtype), out.getvalue()
        buffer = ctypes.create_string_buffer(b"\xee" * 4096, 4096)
        assert libkprep.kprep_npy_header_write(number, sizes, len(shape), None, 0) == len(expected)
        assert libkprep.kprep_npy_header_write(number, sizes, len(shape), buffer,
                                               len(expected) - 1) == len(expected)
        assert buffer.raw[:1] == b"\xee"
        assert libkprep.kprep_npy_header_write(number, sizes, len(shape), buffer,
                                               4096) == len(expected)
        assert buffer.raw == expected + b"\xee" * (4096 - len(expected))
    assert libkprep.kprep_npy_header_write(10, (ctypes.c_int64 * 64)(-1), 1, None, 0) == 0
    assert libkprep.kprep_npy_header_write(10, (ctypes.c_int64 * 64)(), 65, None, 0) == 0


def file_of(text, data=bytes(64), version=1):
    text = text if isinstance(text, bytes) else text.encode("utf-8" if version == 3 else "latin-1")
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


def dict_of(descr="'<f4'", order="False", shape="(2, 3)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def numpy_reads(data, tmp_path):
    """What NumPy makes of a file: an array, or None if it refuses it."""
    (tmp_path / "n.npy").write_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.load(tmp_path / "n.npy")
    except Exception:  # NumPy raises half a dozen types here, ValueError and MemoryError among them
        return None


def never_more_lenient(lib, data, tmp_path):
    """What NumPy refuses is refused; what is accepted is read as NumPy reads it."""
    header, status, _ = parse(lib, data)
    expected = numpy_reads(data, tmp_path)
    if status != "ok":
        return status
    assert expected is not None, data[:200]
    assert tuple(header.shape[:header.rank]) == expected.shape, data[:200]
    assert DTYPES[header.dtype] == expected.dtype.newbyteorder("=").name, data[:200]
    assert header.swapped == (expected.dtype.byteorder == ">"), data[:200]
    (tmp_path / "k.npy").write_bytes(data)
    with Reader(lib, tmp_path / "k.npy") as reader:
        rows = expected.shape[0] if expected.ndim else 1
        assert_same(reader.rows(0, rows).reshape(expected.shape), expected)
    return status


CODES = ("? b B h H i I l L q Q e f d b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 b2 b8 i3 i16 f3 f16 f12 "
         "float32 float64 float16 bool int8 uint64 float int half double O O8 object O,f4 c8 c16 F D G "
         "g S S3 a3 U U5 V V3 M M8 M8[ns] m m8[us] T str bytes void datetime64 longdouble float128 "
         "complex64 bfloat16 float8_e4m3 ?1 B1 e2 S-1 f4,f4 (2,)f4 x").split() + ["", " f4", "f4 "]
PLAIN = set("? b B h H i I l L q Q e f d b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split())


@pytest.mark.parametrize("order", ["", "<", ">", "=", "|"])
def test_descr(libkprep, tmp_path, order):
    for code in CODES:
        data = file_of(dict_of(descr=repr(order + code)), bytes(range(256)))
        status = never_more_lenient(libkprep, data, tmp_path)
        if code in PLAIN or (order == "" and code in DTYPES):
            assert status == "ok", order + code
        elif code.startswith(("O", "object")):
            assert status == "pickled-object", order + code
        elif numpy_reads(data, tmp_path) is not None and code not in ("float", "int", "half", "double"):
            assert status == "unsupported-dtype", order + code
        else:
            assert status in ("unsupported-dtype", "corrupt"), order + code


STRUCTURED = {
    "[('a', '<f4'), ('b', '|u1')]": "unsupported-dtype",
    "[('a', '<f4'), ('', '|V3'), ('b', '|u1'),]": "unsupported-dtype",
    "[('a', '<f4', (2, 3))]": "unsupported-dtype",
    "[(('title', 'a'), '<f4')]": "unsupported-dtype",
    "[('a', [('b', '<f4')])]": "unsupported-dtype",
    "('<f4', (2,))": "unsupported-dtype",
    "[]": "unsupported-dtype",
    "[('O', '<f4')]": "unsupported-dtype",
    "[('a', '|O')]": "pickled-object",
    "[('a', '<f4'), ('b', [('c', '|O')])]": "pickled-object",
    "[('a', ('|O', (2,)))]": "pickled-object",
    "[('a', '<f4'": "corrupt",
    "[('a',)]": "corrupt",
    "[('a' '<f4')]": "corrupt",
    "[" * 5000 + "]" * 4000: "corrupt",
    "None": "corrupt",
    "5": "corrupt",
    "b'<f4'": "corrupt",
    "{'names': ['a'], 'formats': ['<f4']}": "corrupt",
}


@pytest.mark.parametrize("descr", STRUCTURED, ids=lambda text: text[:40])
def test_structured(libkprep, descr):
    assert parse(libkprep, file_of(dict_of(descr=descr)))[1] == STRUCTURED[descr]


# What the documentation of the reader promises to take, beyond what numpy.save writes.
ACCEPTED = [
    dict_of(), dict_of().replace(", }", "}"), dict_of().replace("'", '"'),
    "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}",
    "{u'descr': u'<f4', U'fortran_order': True, 'shape': (2, 3)}",
    " \t" + dict_of(), dict_of().rstrip(), dict_of() + " \n\t\n", dict_of() + " " * 300,
    "{\n'descr'\n:\t'<f4'\n,'fortran_order':False,\n'shape':\n(\n2\n,\n3\n)\n}",
    "{'descr':'<f4','fortran_order':False,'shape':(2,3,),}",
    dict_of(shape="()"), dict_of(shape="(6,)"), dict_of(shape="( 6 , )"), dict_of(shape="(0, 3)"),
    dict_of(shape="(2L, 3L)"), dict_of(shape="(" + "1, " * 64 + ")"), dict_of(order="True"),
    dict_of() .ljust(10000),
]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_accepted(libkprep, tmp_path, version):
    for text in ACCEPTED:
        status = never_more_lenient(libkprep, file_of(text, version=version), tmp_path)
        python2 = "L" in text or "\n " in text.split("}")[1]
        assert status == ("corrupt" if python2 and version == 3 else "ok"), text


REFUSED = {
    "{'descr': '<f4', 'fortran_order': False}": "corrupt",
    "{'descr': '<f4', 'shape': (2, 3)}": "corrupt",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}": "corrupt",
    "{'fortran_order': False, 'shape': (2, 3), 'descr': '<f4}": "corrupt",
    "{}": "corrupt", "": "corrupt", "[]": "corrupt", "{": "corrupt", "{'descr'": "corrupt",
    dict_of() + "x": "corrupt", dict_of() + "\0": "corrupt", dict_of() + "{}": "corrupt",
    dict_of().ljust(10001): "too-large",
    dict_of(descr="'<<f4'"): "corrupt", dict_of(descr="'<f4'.x"): "corrupt",
    **{dict_of(order=order): "corrupt" for order in ["0", "1", "true", "'True'", "None"]},
    **{dict_of(shape=shape): "corrupt" for shape in [
        "[2, 3]", "6", "(6)", "2, 3", "(True, 3)", "(2.0, 3)", "(-1, 3)", "(-2, -3)", "(1+1, 3)",
        "(02, 3)", "(2l, 3l)", "(,)", "(2,, 3)", "(2 3)", "('2', 3)"]},
    **{dict_of(shape=shape): "too-large" for shape in [
        "(" + "1, " * 65 + ")", f"({2**62}, 4)", f"({2**63},)", f"({2**64 + 2}, 3)", f"({2**62},)",
        f"({2**32}, {2**32})", f"({2**32}, {2**32}, 0)", f"(0, {2**62})", "(" + "9" * 9000 + ",)"]},
    dict_of(shape="(17,)"): "truncated",
}

# Refused although NumPy takes it, or where asking NumPy would allocate terabytes.
STRICTER = {
    "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}": "corrupt",
    dict_of() + "# comment": "corrupt", "\n" + dict_of(): "corrupt",
    dict_of(shape="(+2, 3)"): "corrupt", dict_of(shape="(0x2, 3)"): "corrupt",
    dict_of(descr="'\\x3cf4'"): "corrupt", dict_of(descr="'<f' '4'"): "corrupt",
    dict_of(shape=f"({2**40},)"): "truncated",
}


@pytest.mark.parametrize("text", [*REFUSED, *STRICTER], ids=lambda text: text[:80])
def test_refused(libkprep, tmp_path, text):
    header, status, error = parse(libkprep, file_of(text))
    assert status == (REFUSED | STRICTER)[text]
    assert error.message
    assert bytes(header) == bytes(NpyHeader())
    assert text in STRICTER or numpy_reads(file_of(text), tmp_path) is None


@pytest.mark.parametrize("data, expected", [
    (b"", "truncated"), (b"\x93NU", "truncated"), (b"\x93NUMPY", "truncated"),
    (b"\x93NUMPY\x01\x00", "truncated"), (b"\x93NUMPY\x01\x00\x76", "truncated"),
    (b"\x93NUMPY\x02\x00\x76\x00", "truncated"), (b"\x93NUMPY\x01\x00\xff\xff{}", "truncated"),
    (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}", "truncated"),
    (b"\x93NUMPY\x01\x01" + file_of(dict_of())[8:], "corrupt"),
    (b"\x93NUMPY\x04\x00" + file_of(dict_of(), version=2)[8:], "corrupt"),
    (b"\x93NUMPY\x00\x00" + file_of(dict_of())[8:], "corrupt"),
    (b"\x93NUMPX\x01\x00" + file_of(dict_of())[8:], "unsupported-format"),
    (b"GIF89a", "unsupported-format"),
    (file_of(dict_of(), bytes(24)), "ok"), (file_of(dict_of(), bytes(23)), "truncated"),
    (file_of(dict_of(), b""), "truncated"), (file_of(dict_of(shape="()"), b""), "truncated"),
    (file_of(dict_of(shape="(0,)"), b""), "ok"),
], ids=lambda value: value[:20] if isinstance(value, bytes) else value)
def test_files(libkprep, tmp_path, data, expected):
    assert parse(libkprep, data)[1] == expected
    assert (numpy_reads(data, tmp_path) is not None) == (expected == "ok")


def test_every_cut_is_refused(libkprep):
    data = npy_bytes(np.arange(6, dtype="<f4").reshape(2, 3))
    assert parse(libkprep, data)[1] == "ok"
    for n in range(len(data)):
        assert parse(libkprep, data[:n])[1] == "truncated", n


def test_mutations(libkprep, tmp_path):
    """Headers with a few random edits: never accepted where NumPy refuses, never read otherwise."""
    rng = random.Random(5)
    pieces = list("{}()[],:'\"uUL 0123456789<>=|f\n\t\r\x0c\\#-+.TF\x00\xe9") + ["True", "False", "shape"]
    accepted = 0
    for _ in range(4000):
        text = list(rng.choice(ACCEPTED[:6]))
        for _ in range(rng.choice([1, 1, 2, 3])):
            at = rng.randrange(len(text))
            text[at:at + rng.randrange(2)] = rng.choice(pieces)
        data = file_of("".join(text), version=rng.choice([1, 2, 3]))
        accepted += never_more_lenient(libkprep, data, tmp_path) == "ok"
    assert accepted > 30
