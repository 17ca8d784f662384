"""Archives as input: their members are the files, and have the values that NumPy and Pillow give."""

import gzip
import io
import shutil
import struct
import subprocess
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from support import equal, npy_bytes, rows, samples, tree

pytestmark = pytest.mark.pipeline

X = np.arange(60, dtype=np.float32).reshape(5, 4, 3)
Y = X * 2 + 100
KINDS = ["zip", "deflated.zip", "tar", "tar.gz", "tar.zst"]


def spec(*shape, dtype="float32"):
    return {"shape": [None, *shape], "dtype": dtype}


def pixels(i):
    return np.random.default_rng(i).integers(0, 256, (6, 5, 3), np.uint8)


def png(i):
    buffer = io.BytesIO()
    Image.fromarray(pixels(i)).save(buffer, "PNG")
    return buffer.getvalue()


def pack(path, members):
    """An archive of the kind that the path's ending says, by the standard library and zstd."""
    name = str(path)
    if name.endswith("zip"):
        method = zipfile.ZIP_DEFLATED if "deflated" in name else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", method) as archive:
            for member, data in members.items():
                archive.writestr(member, data)
    elif name.endswith("zst"):
        if shutil.which("zstd") is None:
            pytest.skip("no zstd to compress with")
        plain = pack(path.with_suffix(""), members)
        subprocess.run(["zstd", "-q", "--rm", str(plain), "-o", name], check=True)
    else:
        with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as archive:
            for member, data in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def take(kprep, job, tmp_path):
    """take(input, spec, ...) runs a job and gives the rows it wrote."""

    def run(source, wanted, rc=0, out="out", args=(), **keys):
        path = job(input=source, spec=wanted, output={"path": out, "batch": 3, **keys.pop("output", {})}, **keys)
        result = kprep("run", path, *args, "--json", rc=rc)
        return result if rc != 0 else rows(tmp_path / out)

    return run


class TestNpz:
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_rows(self, take, tmp_path, save):
        save(tmp_path / "a.npz", x=X, y=Y)
        equal(take("a.npz", spec(4, 3)), np.concatenate([X, Y]))
        assert [s["source"] for s in samples(tmp_path / "out")] == ["a.npz/x.npy"] * 5 + ["a.npz/y.npy"] * 5
        assert [int(s["index"]) for s in samples(tmp_path / "out")] == [0, 1, 2, 3, 4] * 2

    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_order_of_axes_and_bytes(self, take, tmp_path, save):
        save(tmp_path / "a.npz", f=np.asfortranarray(X), b=Y.astype(">f4"))
        equal(take("a.npz", spec(4, 3)), np.concatenate([Y, X]))

    def test_one_member(self, take, tmp_path):
        np.savez(tmp_path / "a.npz", x=X, y=Y)
        equal(take("a.npz/y.npy", spec(4, 3)), Y)

    def test_keys_with_slashes_and_letters_beyond_ascii(self, take, tmp_path):
        np.savez(tmp_path / "a.npz", **{"train/x": X, "é": Y})
        equal(take("a.npz", spec(4, 3)), np.concatenate([X, Y]))
        assert {s["source"] for s in samples(tmp_path / "out")} == {"a.npz/train/x.npy", "a.npz/é.npy"}

    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_joined_on_channels(self, take, tmp_path, save):
        planes = {f"p{i}": X + i for i in range(5)}
        save(tmp_path / "a.npz", **planes)
        equal(take({"path": "a.npz", "join": "channels"}, spec(4, 3, 5)), np.stack(list(planes.values()), -1))

    def test_list_order_is_the_archives(self, take, tmp_path):
        np.savez(tmp_path / "a.npz", z=X, b=Y)
        equal(take({"path": "a.npz", "order": "list"}, spec(4, 3)), np.concatenate([X, Y]))

    def test_folder_takes_npz_and_no_other_archive(self, take, tmp_path):
        (tmp_path / "set").mkdir()
        np.savez(tmp_path / "set/b.npz", x=X)
        np.save(tmp_path / "set/a.npy", Y)
        pack(tmp_path / "set/c.zip", {"x.npy": npy_bytes(X)})
        equal(take("set", spec(4, 3)), np.concatenate([Y, X]))
        assert [s["source"] for s in samples(tmp_path / "out")] == ["a.npy"] * 5 + ["b.npz/x.npy"] * 5

    def test_written_to_a_pipe(self, take, tmp_path):
        class Pipe(io.BytesIO):
            def seekable(self):
                return False

            def seek(self, *_):
                raise io.UnsupportedOperation

            tell = seek

        buffer = Pipe()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", npy_bytes(X))
            archive.writestr("y.npy", npy_bytes(Y), zipfile.ZIP_STORED)
        (tmp_path / "a.npz").write_bytes(buffer.getvalue())
        equal(take("a.npz", spec(4, 3)), np.concatenate([X, Y]))

    def test_sizes_and_places_of_64_bits(self, take, tmp_path):
        """A directory as of an archive beyond 4 GiB: all that can be is in its zip64 fields."""
        data, name = npy_bytes(X), b"x.npy"
        crc = zlib.crc32(data)
        local = struct.pack("<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 33, crc, 2**32 - 1, 2**32 - 1, len(name), 20) + name
        local += struct.pack("<2H2Q", 1, 16, len(data), len(data)) + data
        extra = struct.pack("<2H3Q", 1, 24, len(data), len(data), 0)
        entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 0x32D, 45, 0, 0, 0, 33, crc, 2**32 - 1, 2**32 - 1, len(name),
                            len(extra), 0, 0, 0, 0, 2**32 - 1) + name + extra
        end64 = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(entry), len(local))
        locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(local) + len(entry), 1)
        end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0)
        (tmp_path / "a.npz").write_bytes(local + entry + end64 + locator + end)
        equal(np.load(tmp_path / "a.npz")["x"], X)  # the archive is right
        equal(take("a.npz", spec(4, 3)), X)

    def test_of_several_members_of_one_name_the_last(self, take, tmp_path):
        with pytest.warns(UserWarning), zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("x.npy", npy_bytes(X))
            archive.writestr("x.npy", npy_bytes(Y))
        equal(take("a.npz", spec(4, 3)), np.load(tmp_path / "a.npz")["x"])

    def test_objects_are_not_unpickled(self, kprep, take, tmp_path):
        np.savez(tmp_path / "a.npz", a=np.array([{}, 1], dtype=object))
        assert take("a.npz", spec(), rc=3).problem("pickled-object")["file"].endswith("/a.npz/a.npy")

    def test_check_and_inspect(self, kprep, job, tmp_path):
        np.savez_compressed(tmp_path / "a.npz", x=X, y=Y)
        kprep("check", job(input="a.npz", spec=spec(4, 3)), rc=0)
        files = kprep("inspect", "a.npz", "--json", rc=0).json["files"]
        assert [f["path"] for f in files] == ["a.npz/x.npy", "a.npz/y.npy"]
        assert [f["shape"] for f in files] == [[5, 4, 3]] * 2
        assert [f["max"] for f in files] == [X.max(), Y.max()]
        assert files[0]["bytes"] == len(npy_bytes(X))

    def test_misfit_names_the_member(self, kprep, job, tmp_path):
        np.savez(tmp_path / "a.npz", x=X)
        answer = kprep("check", job(input="a.npz", spec=spec(4, 4)), "--json", rc=1)
        assert answer.problems[0]["file"].endswith("a.npz/x.npy")


class TestImages:
    COUNT = 23

    def members(self):
        return {f"k/f{i}.png": png(i) for i in range(self.COUNT)}

    def expected(self):
        return np.stack([pixels(i) for i in range(self.COUNT)])

    @pytest.mark.parametrize("kind", KINDS)
    def test_values_and_threads(self, take, tmp_path, kind):
        pack(tmp_path / f"a.{kind}", self.members())
        for threads in (1, 8):
            taken = take(f"a.{kind}", spec(6, 5, 3, dtype="uint8"), out=f"t{threads}", args=["--threads", threads])
            equal(taken, self.expected())
        one, eight = tree(tmp_path / "t1"), tree(tmp_path / "t8")
        assert {k: v for k, v in one.items() if k.endswith((".npy", ".csv"))} == \
               {k: v for k, v in eight.items() if k.endswith((".npy", ".csv"))}
        assert [s["source"] for s in samples(tmp_path / "t1")] == [f"a.{kind}/{m}" for m in self.members()]

    @pytest.mark.parametrize("kind", KINDS)
    def test_order_is_not_that_of_the_archive(self, take, tmp_path, kind):
        pack(tmp_path / f"a.{kind}", dict(sorted(self.members().items(), reverse=True)))
        equal(take(f"a.{kind}", spec(6, 5, 3, dtype="uint8")), self.expected())

    @pytest.mark.parametrize("kind", KINDS)
    def test_shuffled(self, take, tmp_path, kind):
        pack(tmp_path / f"a.{kind}", self.members())
        taken = take(f"a.{kind}", spec(6, 5, 3, dtype="uint8"), output={"shuffle": {"seed": 3}})
        order = np.random.Generator(np.random.Philox(key=[3, 0])).permutation(self.COUNT)
        equal(taken, self.expected()[order])

    @pytest.mark.parametrize("kind", KINDS)
    def test_told_by_its_bytes(self, take, tmp_path, kind):
        pack(tmp_path / f"a.{kind}", self.members()).rename(tmp_path / "data.bin")
        equal(take("data.bin", spec(6, 5, 3, dtype="uint8")), self.expected())

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_is_passed_over(self, kprep, tmp_path, kind):
        pack(tmp_path / f"a.{kind}", {"./a.png": png(0), "notes.md": b"no", ".b.png": b"junk",
                                      "__MACOSX/._a.png": b"junk", "inner.npz": b"PK", "x/.h/c.png": b"junk"})
        files = kprep("inspect", f"a.{kind}", "--json", rc=0).json["files"]
        assert [f["path"] for f in files] == [f"a.{kind}/a.png"]

    @pytest.mark.parametrize("kind", KINDS)
    def test_nothing_to_read(self, kprep, tmp_path, kind):
        pack(tmp_path / f"a.{kind}", {"notes.md": b"no"})
        assert kprep("inspect", f"a.{kind}", "--json", rc=3).ids == ["not-found"]

    @pytest.mark.parametrize("kind", KINDS)
    def test_names_that_lead_out(self, kprep, tmp_path, kind):
        pack(tmp_path / f"a.{kind}", {"../a.png": png(0), "/b.png": png(1), "k/../c.png": png(2), "d..png": png(3)})
        answer = kprep("inspect", f"a.{kind}", "--json", rc=3)
        assert answer.ids == ["corrupt"] * 3
        assert [f["path"] for f in answer.json["files"]] == [f"a.{kind}/d..png"]
        assert [p.name for p in tmp_path.parent.glob("*.png")] == []


    @pytest.mark.parametrize("kind", KINDS)
    def test_folders_are_classes(self, kprep, job, tmp_path, kind):
        """As for the folder that the archive was made of."""
        names = ["dog/a.png", "cat/b.png", "dog/c.png", "ape/x/d.png"]
        pack(tmp_path / f"a.{kind}", {name: png(i) for i, name in enumerate(names)})
        for i, name in enumerate(names):
            (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / name).write_bytes(png(i))
        for source, out in ((f"a.{kind}", "one"), ("set", "two")):
            kprep("run", job(input=source, labels="folder", spec=spec(6, 5, 3, dtype="uint8"), output=out), rc=0)
        equal(rows(tmp_path / "one", "y"), np.array([0, 1, 2, 2], np.int32))
        equal(rows(tmp_path / "one"), rows(tmp_path / "two"))
        equal(rows(tmp_path / "one", "y"), rows(tmp_path / "two", "y"))


class TestDamage:
    def test_check_sum(self, take, tmp_path):
        """np.load finds it, and so does kprep: in what is deflated and in images."""
        np.savez_compressed(tmp_path / "a.npz", x=X)
        raw = bytearray((tmp_path / "a.npz").read_bytes())
        for signature, offset in ((b"PK\1\2", 16), (b"PK\3\4", 14)):
            raw[raw.index(signature) + offset] ^= 1
        (tmp_path / "a.npz").write_bytes(raw)
        with pytest.raises(zipfile.BadZipFile):
            np.load(tmp_path / "a.npz")["x"]
        assert take("a.npz", spec(4, 3), rc=3).problem("corrupt")["file"].endswith("a.npz/x.npy")

    def test_check_sum_of_a_stored_image(self, take, tmp_path):
        pack(tmp_path / "a.zip", {"f.png": png(0)})
        raw = bytearray((tmp_path / "a.zip").read_bytes())
        for signature, offset in ((b"PK\1\2", 16), (b"PK\3\4", 14)):
            raw[raw.index(signature) + offset] ^= 1
        (tmp_path / "a.zip").write_bytes(raw)
        assert take("a.zip", spec(6, 5, 3, dtype="uint8"), rc=3).ids == ["corrupt"]

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_cut(self, kprep, tmp_path, kind):
        whole = pack(tmp_path / f"w.{kind}", {"x.npy": npy_bytes(X), "y.npy": npy_bytes(Y)}).read_bytes()
        for size in sorted({*range(2, len(whole) - 1, max(1, len(whole) // 40))}):
            (tmp_path / "cut.bin").write_bytes(whole[:size])
            answer = kprep("inspect", "cut.bin", "--json")
            assert answer.rc in (0, 3)
            if "tar" != kind and answer.rc == 0:
                assert len(answer.json["files"]) == 2 or "tar" in kind
            assert set(answer.ids) <= {"truncated", "corrupt", "unsupported-format", "not-found"}, size

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_flip(self, kprep, tmp_path, kind):
        whole = pack(tmp_path / f"w.{kind}", {"x.npy": npy_bytes(X), "y.npy": npy_bytes(Y)}).read_bytes()
        random = np.random.default_rng(1)
        for _ in range(60):
            raw = bytearray(whole)
            raw[random.integers(len(raw))] ^= 1 << random.integers(8)
            (tmp_path / "flip.bin").write_bytes(raw)
            assert kprep("inspect", "flip.bin", "--json").rc in (0, 3)

    def test_encrypted(self, kprep, tmp_path):
        pack(tmp_path / "a.zip", {"f.png": png(0)})
        raw = bytearray((tmp_path / "a.zip").read_bytes())
        raw[raw.index(b"PK\1\2") + 8] |= 1
        raw[raw.index(b"PK\3\4") + 6] |= 1
        (tmp_path / "a.zip").write_bytes(raw)
        problem = kprep("inspect", "a.zip", "--json", rc=3).problem("unsupported-format")
        assert "encrypted" in problem["message"]

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
    def test_links_and_pipes_in_a_tar(self, kprep, tmp_path, kind):
        (tmp_path / "secret.png").write_bytes(png(1))
        with tarfile.open(tmp_path / "a.tar", "w") as archive:
            info = tarfile.TarInfo("f.png")
            info.type = kind
            info.linkname = "../secret.png"
            archive.addfile(info)
        assert kprep("inspect", "a.tar", "--json", rc=3).ids == ["unsupported-format"]

    def test_bomb_in_a_tar(self, kprep, tmp_path):
        """Refused by what its header says, before it is unpacked."""
        with tarfile.open(tmp_path / "head.tar", "w", format=tarfile.GNU_FORMAT) as archive:
            info = tarfile.TarInfo("f.npy")
            info.size = 1 << 41
            archive.addfile(info)
        (tmp_path / "a.tar.gz").write_bytes(gzip.compress((tmp_path / "head.tar").read_bytes() + bytes(1 << 20)))
        assert kprep("inspect", "a.tar.gz", "--json", rc=3).ids == ["too-large"]

    def test_bomb_in_a_zip(self, kprep, tmp_path):
        header = npy_bytes(np.zeros((1 << 16, 16), np.float32))[:128]
        pack(tmp_path / "a.deflated.zip", {"f.npy": header + bytes(1 << 22)})
        answer = kprep("run", "a.deflated.zip", "--set", "limits.sample_bytes=65536", "-o", "out", "--json")
        assert answer.rc in (2, 3)

    def test_lying_sizes(self, kprep, tmp_path):
        """The directory says less, or more, than there is."""
        for delta in (-8, 8):
            pack(tmp_path / "a.deflated.zip", {"x.npy": npy_bytes(X)})
            raw = bytearray((tmp_path / "a.deflated.zip").read_bytes())
            at = raw.index(b"PK\1\2") + 24
            struct.pack_into("<I", raw, at, struct.unpack_from("<I", raw, at)[0] + delta)
            (tmp_path / "a.deflated.zip").write_bytes(raw)
            assert kprep("inspect", "a.deflated.zip", "--json").ids in (["truncated"], ["corrupt"])

    def test_size_below_zero_in_a_tar(self, kprep, tmp_path):
        head = bytearray(tarfile.TarInfo("f.npy").tobuf(tarfile.GNU_FORMAT))
        head[124:136] = (-5).to_bytes(12, "big", signed=True)
        head[148:156] = b" " * 8
        head[148:156] = b"%06o\0 " % sum(head)
        (tmp_path / "a.tar").write_bytes(head + bytes(1024))
        assert kprep("inspect", "a.tar", "--json", rc=3).ids == ["corrupt"]

    def test_lzma_that_wants_4_gib(self, kprep, take, tmp_path):
        """What a decoder allocates stands in the member's first bytes; np.load takes the sound one too."""
        with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr("x.npy", npy_bytes(X))
        equal(take("a.npz", spec(4, 3)), np.load(tmp_path / "a.npz")["x"])
        raw = bytearray((tmp_path / "a.npz").read_bytes())
        at = 30 + len("x.npy")  # behind the local header: version, length, then the properties
        assert struct.unpack_from("<H", raw, at + 2) == (5,)
        struct.pack_into("<I", raw, at + 5, 2**32 - 1)
        (tmp_path / "a.npz").write_bytes(raw)
        assert kprep("inspect", "a.npz", "--json", rc=3).ids == ["too-large"]

    def test_gzip_that_is_no_tar(self, kprep, tmp_path):
        (tmp_path / "a.gz").write_bytes(gzip.compress(b"no tar at all" * 100))
        assert kprep("inspect", "a.gz", "--json", rc=3).ids == ["unsupported-format"]


class TestTables:
    def test_column_file(self, take, arrays, tmp_path):
        for i, name in enumerate(["d/a.npy", "d/b.npy", "d/c.npy"]):
            arrays(name, np.full((1, 3), i, np.float32))
        (tmp_path / "d/list.csv").write_text("label,file\ncat,c.npy\r\ndog,a.npy\n\ncat,\"b.npy\"\n")
        taken = take({"path": "d/list.csv", "order": "list"}, spec(3))
        assert taken[:, 0].tolist() == [2, 0, 1]
        assert take("d/list.csv", spec(3), out="sorted")[:, 0].tolist() == [0, 1, 2]

    def test_first_column(self, take, arrays, tmp_path):
        arrays("a.npy", np.full((1, 3), 7, np.float32))
        (tmp_path / "list.csv").write_text("path,label\na.npy,1\n")
        assert take("list.csv", spec(3))[:, 0].tolist() == [7]

    def test_members(self, take, tmp_path):
        np.savez(tmp_path / "a.npz", x=X, y=Y)
        (tmp_path / "list.csv").write_text("file\na.npz/y.npy\n")
        equal(take("list.csv", spec(4, 3)), Y)

    def test_missing_file_names_the_line(self, take, arrays, tmp_path):
        arrays("a.npy", np.zeros((1, 3), np.float32))
        (tmp_path / "list.csv").write_text("file\na.npy\ngone.npy\n")
        problem = take("list.csv", spec(3), rc=3).problem("not-found")
        assert problem["line"] == 3

    @pytest.mark.parametrize("text", ["", "file\n"])
    def test_empty(self, take, tmp_path, text):
        (tmp_path / "list.csv").write_text(text)
        assert take("list.csv", spec(3), rc=3).ids == ["not-found"]
