"""Small files that unpack to more than anyone has, and archives whose names are traps. Each ends with the
right problem in bounded memory: the address space of the program is limited, unless a sanitizer needs it."""

import gzip
import io
import re
import resource
import shutil
import struct
import subprocess
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from support import npy_bytes, npy_file, tree

MIB = 1 << 20
HANG = 120  # seconds; only a guard, all of these take less than a few


def photo(value=7, size=4):
    buffer = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def sanitized(binary):
    return b"__asan_init" in binary.read_bytes() or b"__tsan_init" in binary.read_bytes()


@pytest.fixture
def bounded(kprep, sanitized):
    """As kprep, with --json, in an address space of `memory` bytes."""

    def run(*args, memory=512 * MIB, rc=None):
        limit = {} if sanitized else \
            {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory))}
        return kprep(*args, "--threads", 2, "--json", rc=rc, timeout=HANG, **limit)

    return run


@pytest.fixture
def decode(bounded, job, tmp_path):
    """Decodes one file in a job with small limits; the problems."""

    def run(name, data, rc=3, pipeline=(), **options):
        (tmp_path / name).write_bytes(data)
        path = job(input=name, spec={"shape": [None] * 4, "dtype": "uint8"}, pipeline=list(pipeline),
                   output={"path": "out"}, limits={"sample_bytes": "64MiB", **options.pop("limits", {})})
        return bounded("run", path, rc=rc, **options)

    return run


# ---- PNG


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, stream, colour=2, before=()):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(before) + chunk(b"IDAT", stream) + chunk(b"IEND")


def zeros(size):
    """A zlib stream of many zeros, of a thousandth of the size."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(MIB)) for _ in range(size // MIB)]
    return b"".join(parts) + packer.flush()


SMALL = zlib.compress(bytes(4 * (1 + 3 * 4)))


class TestPng:
    @pytest.mark.parametrize("width, height", [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1)])
    def test_size_without_data(self, decode, bounded, width, height):
        data = png(width, height, SMALL)
        assert decode("a.png", data).ids == ["too-large"]
        assert bounded("inspect", "a.png", rc=3).ids == ["too-large"]

    def test_size_within_limits_without_data(self, decode):
        assert decode("a.png", png(7000, 3000, SMALL)).ids == ["corrupt"]

    def test_data_without_size(self, decode):
        """256 MiB behind the pixels of a small image: not unpacked, whatever is said of it."""
        answer = decode("a.png", png(4, 4, zeros(256 * MIB)), rc=None, memory=256 * MIB)
        assert set(answer.ids) <= {"corrupt"}

    @pytest.mark.parametrize("kind, head", [(b"zTXt", b"k\0\0"), (b"iCCP", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0")])
    @pytest.mark.parametrize("grey", [False, True])
    def test_text_and_profiles(self, decode, kind, head, grey):
        bomb = chunk(kind, head + zeros(256 * MIB))
        decode("a.png", png(4, 4, SMALL, before=[bomb]), rc=0, memory=256 * MIB,
               pipeline=["grayscale"] if grey else [])

    def test_very_many_chunks(self, decode):
        decode("a.png", png(4, 4, SMALL, before=[chunk(b"tEXt", b"a\0b")] * 200_000), rc=0, memory=256 * MIB)


# ---- JPEG


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg_of_scans(count, width, height):
    """A grey progressive file: valid for the first 819 scans, each of which sends one bit of one
    coefficient of all blocks, as runs of blocks with nothing in them (ITU-T T.81, annex G)."""
    blocks = -(-width // 8) * -(-height // 8)
    one_code = bytes([1] + [0] * 15)
    data = b"\xff\xd8" + segment(0xDB, b"\0" + bytes([1] * 64))
    data += segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    data += segment(0xC4, b"\x00" + one_code + b"\x00") + segment(0xC4, b"\x10" + one_code + b"\xe0")
    runs = -(-blocks // (1 << 14))
    # A run is the code 0 and 14 bits that are added to 2**14; the last one may say too much.
    body = np.packbits(np.zeros(15 * runs, np.uint8)).tobytes()
    data += segment(0xDA, b"\1\1\0\0\0\0") + bytes(-(-blocks // 8))
    scans = []
    for i in range(count - 1):
        band, low = 1 + i // 14 % 63, 13 - i % 14
        scans.append(segment(0xDA, bytes([1, 1, 0, band, band, (0 if low == 13 else low + 1) << 4 | low])) + body)
    return data + b"".join(scans) + b"\xff\xd9"


class TestJpeg:
    def base(self, **options):
        buffer = io.BytesIO()
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(buffer, "JPEG", **options)
        return bytearray(buffer.getvalue())

    @pytest.mark.parametrize("progressive", [False, True])
    @pytest.mark.parametrize("height, width, ids", [(65500, 65500, ["too-large"]), (65500, 2700, ["too-large"]),
                                                    (6000, 6000, ["truncated", "corrupt"])])
    def test_size_without_data(self, decode, progressive, height, width, ids):
        data = self.base(progressive=progressive)
        at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
        struct.pack_into(">HH", data, at + 5, height, width)
        answer = decode("a.jpg", bytes(data))
        assert len(answer.ids) == 1 and answer.ids[0] in ids

    def test_few_scans_are_right(self, decode):
        data = jpeg_of_scans(50, 64, 64)
        assert np.asarray(Image.open(io.BytesIO(data))).tolist() == [[128] * 64] * 64
        decode("a.jpg", data, rc=0)

    @pytest.mark.parametrize("size", [8, 4000])
    def test_ten_thousand_scans(self, decode, size):
        assert decode("a.jpg", jpeg_of_scans(10_000, size, size)).ids == ["too-large"]


# ---- Archives


def zip_of(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def big_array(size):
    """An .npy file of zeros."""
    return npy_bytes(np.zeros((1, size // 4), np.float32))


class TestZip:
    def run(self, bounded, job, source, spec=None, **options):
        spec = spec or {"shape": [None, None], "dtype": "float32"}
        return bounded("run", job(input=source, spec=spec, output={"path": "out"}, limits={"sample_bytes": "16MiB"}),
                       **options)

    def test_ratio(self, bounded, job, tmp_path):
        zip_of(tmp_path / "a.zip", [("a.npy", big_array(256 * MIB))])
        assert self.run(bounded, job, "a.zip", rc=3, memory=256 * MIB).ids == ["too-large"]

    def test_ratio_within_limits(self, bounded, job, tmp_path):
        """What the header says is what counts, not what can be unpacked behind it."""
        data = npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }" + " " * 55 + "\n", bytes(8 * MIB))
        zip_of(tmp_path / "a.zip", [("a.npy", data)])
        self.run(bounded, job, "a.zip", rc=0, memory=256 * MIB)

    def test_very_many_members(self, bounded, job, tmp_path):
        zip_of(tmp_path / "a.zip", [(f"{i}.npy", b"") for i in range(30_000)], zipfile.ZIP_STORED)
        answer = bounded("check", job(input="a.zip", spec={"shape": [None, 3]}), rc=3)
        assert answer.ids == ["truncated"] and answer.problems[0]["count"] == 30_000

    @pytest.mark.parametrize("size, packed, at", [(2**63 - 1, 2**63 - 1, 0), (2**64 - 1, 8, 0), (2**40, 200, 0),
                                                  (200, 200, 2**63), (200, 200, 2**64 - 1)])
    def test_sizes_of_64_bits_that_lie(self, bounded, job, tmp_path, size, packed, at):
        data, most, name = npy_bytes(np.zeros((2, 3), np.float32)), 2**32 - 1, b"x.npy"
        crc = zlib.crc32(data)
        local = struct.pack("<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 33, crc, most, most, len(name), 20) + name
        local += struct.pack("<2H2Q", 1, 16, size, packed) + data
        extra = struct.pack("<2H3Q", 1, 24, size, packed, at)
        entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 0x32D, 45, 0, 0, 0, 33, crc, most, most, len(name), len(extra),
                            0, 0, 0, 0, most) + name + extra
        end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(local), 0)
        (tmp_path / "a.npz").write_bytes(local + entry + end)
        answer = self.run(bounded, job, "a.npz", rc=3, memory=256 * MIB)
        assert set(answer.ids) <= {"corrupt", "truncated", "too-large"}

    def test_members_that_overlap(self, bounded, job, tmp_path):
        """Many entries of the directory for the same bytes: 1 MiB each, and 5 GiB in all."""
        zip_of(tmp_path / "a.zip", [("00000.npy", big_array(MIB))])
        raw = (tmp_path / "a.zip").read_bytes()
        at = raw.index(b"PK\1\2")
        entry, end = raw[at:raw.index(b"PK\5\6")], bytearray(raw[raw.index(b"PK\5\6"):])
        entries = b"".join(entry.replace(b"00000.npy", b"%05d.npy" % i) for i in range(5000))
        struct.pack_into("<2H2I", end, 8, 5000, 5000, len(entries), at)
        (tmp_path / "a.zip").write_bytes(raw[:at] + entries + end)
        assert self.run(bounded, job, "a.zip", rc=3).ids == ["corrupt"]


class TestTar:
    def member(self, name, data, **keys):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        for key, value in keys.items():
            setattr(info, key, value)
        return info, io.BytesIO(data)

    def tar(self, path, *members):
        with tarfile.open(path, "w") as archive:
            for info, data in members:
                archive.addfile(info, data)
        return path

    def test_zeros_without_end(self, bounded, tmp_path):
        packed = gzip.compress(bytes(64 * MIB))
        (tmp_path / "a.tar.gz").write_bytes(packed * 4)
        assert bounded("inspect", "a.tar.gz", rc=3, memory=256 * MIB).ids in (["not-found"], ["unsupported-format"])

    @pytest.mark.parametrize("kind", ["gz", "zst"])
    @pytest.mark.parametrize("name", ["a.npy", "notes.txt"])
    def test_ratio(self, bounded, job, tmp_path, kind, name):
        """Also of a member that is not asked for: it would be unpacked to get past it."""
        self.tar(tmp_path / "a.tar", self.member(name, bytes(128 * MIB)), self.member("b.npy", npy_bytes(np.zeros(3))))
        if kind == "zst":
            if shutil.which("zstd") is None:
                pytest.skip("no zstd to compress with")
            subprocess.run(["zstd", "-q", "--rm", tmp_path / "a.tar"], check=True)
        else:
            (tmp_path / "a.tar.gz").write_bytes(gzip.compress((tmp_path / "a.tar").read_bytes(), 1))
        path = job(input=f"a.tar.{kind}", spec={"shape": [None, 3]}, limits={"sample_bytes": "16MiB"})
        assert bounded("check", path, rc=3, memory=256 * MIB).ids == ["too-large"]

    def test_zstd_that_wants_2_gib(self, bounded, tmp_path):
        """The window that a frame asks for stands in its second byte (RFC 8878, 3.1.1.1.2)."""
        self.tar(tmp_path / "a.tar", self.member("a.npy", npy_bytes(np.zeros((2, 3)))))
        data = (tmp_path / "a.tar").read_bytes()
        for exponent, rc in ((23, 0), (31, 3)):
            block = struct.pack("<I", len(data) << 3 | 1)[:3] + data  # raw, the last one
            (tmp_path / "a.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd\0" + bytes([(exponent - 10) << 3]) + block)
            answer = bounded("inspect", "a.tar.zst", memory=256 * MIB)
            assert answer.rc == rc and set(answer.ids) <= {"corrupt"}

    @pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.SYMTYPE,
                                      tarfile.LNKTYPE])
    def test_nothing_is_made_of_what_is_no_file(self, bounded, job, tmp_path, kind):
        for target in ("/etc/passwd", "../../etc/passwd", "a.png"):
            self.tar(tmp_path / "a.tar", self.member("f.png", b"", type=kind, linkname=target, devmajor=1, devminor=5),
                     self.member("a.png", photo()))
            path = job(input="a.tar", spec={"shape": [None] * 4}, on_error="quarantine", output={"path": "out"})
            bounded("run", path, "--force", rc=0)
            assert sorted(tree(tmp_path / "out")) == ["manifest.json", "rejected.csv", "samples.csv", "x-00000.npy"]

    def test_of_several_members_of_one_name_the_last(self, bounded, tmp_path):
        self.tar(tmp_path / "a.tar", self.member("a.png", photo(1)), self.member("a.png", photo(2)),
                 self.member("./a.png", photo(3)))
        files = bounded("inspect", "a.tar", rc=0).json["files"]
        assert [(f["path"], f["max"]) for f in files] == [("a.tar/a.png", 3)]


NAMES = ["../x.png", "../../x.png", "a/../../x.png", "/tmp/kprep-x.png", "..//../x.png", "a/./../../x.png",
         "..\\x.png", "C:\\x.png", "a\nb.png", "\x1b[31mred.png", "tab\t.png", "\x7f\x01.png", "quarantine/../../x.png"]


class TestNames:
    @pytest.mark.parametrize("kind", ["zip", "tar"])
    @pytest.mark.parametrize("sound", [True, False])
    def test_nothing_is_written_outside(self, kprep, job, tmp_path, kind, sound):
        """Neither a good sample nor the copy of a bad one; and no name reaches the terminal as it is."""
        data = photo() if sound else photo()[:-20]
        source = tmp_path / "in" / f"a.{kind}"
        source.parent.mkdir()
        if kind == "zip":
            zip_of(source, [("good.png", photo())] + [(name, data) for name in NAMES])
        else:
            TestTar().tar(source, TestTar().member("good.png", photo()), *(TestTar().member(n, data) for n in NAMES))
        before = set(tree(tmp_path))
        path = job(input=str(source), spec={"shape": [None] * 4}, on_error="quarantine",
                   output={"path": str(tmp_path / "out")})
        runs = [kprep("run", path, rc=0), kprep("check", path), kprep("inspect", source), kprep("verify", "out", rc=0)]
        made = set(tree(tmp_path)) - before - {"job.json", "job.yaml"}
        assert made and all(name.startswith("out/") for name in made), made
        for answer in runs:
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", answer.text), answer.text
            assert "\nb.png" not in answer.text and "\t.png" not in answer.text

    def test_joined_files_and_model_inputs(self, kprep, job, tmp_path):
        """What stands on the lines of an answer, not of a problem."""
        red = "\x1b[31mred\n"
        (tmp_path / "in").mkdir()
        for name in (f"1{red}.npy", f"2{red}.npy"):
            (tmp_path / "in" / name).write_bytes(npy_bytes(np.zeros((2, 3, 4), np.float32)))
        spec = {"inputs": {red: {"shape": [None, 3, 4, 2], "dtype": "float32"}}}
        keys = {"input": {"path": "in", "join": "channels"}, "spec": spec}
        for answer in (kprep("check", job(**keys), rc=0), kprep("run", job(**keys, output={"path": "out"}), rc=0),
                       kprep("check", job(**keys, pipeline=["flatten"]), rc=1), kprep("inspect", "in", rc=0)):
            assert "\x1b" not in answer.text and "red\n." not in answer.text, answer
