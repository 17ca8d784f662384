"""The rows of the table: each makes its data, its jobs and its contenders."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .measure import Contender, Row, execute
from .place import BENCH, build_package

PEERS = BENCH / "peers"
GB = 10**9
BATCH = 64
MEMORY_LIMIT = 256 << 20
IMAGE_STAGES = [{"resize": [224, 224]}, {"rescale": "1/255"}]
IMAGE_SPEC = {"shape": [None, 224, 224, 3], "dtype": "float32"}


@dataclass
class Sizes:
    photos: int
    pngs: int
    features: int  # samples in each of the 912 files
    pictures: int
    small_pictures: int  # of 64 x 64, whole batches of 64
    double_bytes: int
    checked_files: int
    sparse_bytes: int
    rounds: int
    fast_bytes: int  # what the largest row needs, in memory if there is room
    disk_bytes: int


FULL = Sizes(photos=1000, pngs=500, features=100, pictures=2000, small_pictures=12800,
             double_bytes=4 * GB, checked_files=10000, sparse_bytes=10 * GB, rounds=5, fast_bytes=4 * GB,
             disk_bytes=9 * GB)
QUICK = Sizes(photos=200, pngs=60, features=25, pictures=500, small_pictures=3840,
              double_bytes=GB // 2, checked_files=2000, sparse_bytes=10 * GB, rounds=3, fast_bytes=GB,
              disk_bytes=3 * GB // 2)


@dataclass
class Bench:
    """What rows are made with."""

    kprep: Path
    programs: dict
    python: Path
    extras: dict  # what of the optional packages is there
    sizes: Sizes
    threads: int
    seed: int
    fast: Path
    disk: Path
    cgroup: Path | None

    def data(self, what, path, *options):
        """Made once in a run of the bench."""
        if not path.exists():
            execute(self.script("data", what, path, "--seed", self.seed, *options), None)
        return path

    def script(self, name, *arguments):
        return [str(word) for word in (self.python, PEERS / f"{name}.py", *arguments)]

    def compare(self, *arguments):
        _, text = execute(self.script("compare", *arguments), None)
        return json.loads(text)

    def job(self, name, content):
        path = self.fast / f"{name}.json"
        path.write_text(json.dumps({**content, "output": {"path": str(self.fast / f"{name}-kprep"), "batch": BATCH,
                                                          **content.get("output", {})}}))
        return path

    def ours(self, job, threads=None, prefix=()):
        """A whole `kprep run`, files written."""
        output = json.loads(job.read_text())["output"]["path"]
        command = [*prefix, self.kprep, "run", job, "--quiet", "--threads", threads or self.threads]
        return Contender("kprep run", command, Path(output))

    def loader(self, job, threads=None):
        """A whole process that takes the batches from memory."""
        return Contender("kprep, into memory", [self.programs["loader"], job, threads or self.threads])

    def photos(self):
        return self.data("photos", self.fast / "photos", "--count", self.sizes.photos, "--png", self.sizes.pngs)

    def listed(self, folder):
        """A list of a folder's files, or of one file, for peers."""
        path = self.fast / f"{folder.name}.txt"
        path.write_text("".join(f"{file}\n" for file in (sorted(folder.iterdir()) if folder.is_dir() else [folder])))
        return path

    def bare(self, files, name, out_bytes, batches):
        """The bytes of a job read, written, synced and read back by bare system calls: nothing does it faster."""
        out = self.fast / f"{name}-bare"
        return Contender("nothing but the bytes moved", [self.programs["move"], files, self.threads, out, batches,
                                                         out_bytes], out, own_clock=True)

    def image_peer(self, name, script, files, out=None, at_least=None):
        words = ["--out", out] if out else []
        return Contender(name, self.script(script, files, "--threads", self.threads, *words), out, own_clock=True,
                         at_least=at_least)


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"bench/run: {what}: {found}, expected {wanted}")


def samples_checked(command):
    _, text = execute([*map(str, command), "--json"], None)
    return json.loads(text)["summary"]["samples"]


def image_job(bench, kind):
    folder = bench.photos() / kind
    job = bench.job(f"photos-{kind}", {"input": str(folder), "pipeline": IMAGE_STAGES, "spec": IMAGE_SPEC})
    return job, bench.listed(folder)


def close_to(bench, ours, peers, error):
    """Peers with a resize of their own: the same pictures, not the same digits."""
    found = [f"{peer.name} {bench.compare(ours.output, peer.output, '--mean-error', error)['mean_error']:.4f}"
             for peer in peers]
    return f"mean difference (of 0 to 1) from {', '.join(found)}"


def jpeg_files(bench):
    job, files = image_job(bench, "jpeg")
    ours = bench.ours(job)
    out = bench.fast
    tf = bench.image_peer("tf.data", "tfdata_images", files, out / "tfdata", 3)
    close = [bench.image_peer("OpenCV, threads, np.save", "opencv_images", files, out / "opencv", 1.8),
             bench.image_peer("Pillow, threads, np.save", "pillow_images", files, out / "pillow")]
    row = Row("jpeg-files", "JPEG folder to (N, 224, 224, 3) float32 files", bench.sizes.photos, "images", ours,
              [close[0], tf], None)
    add_dali(bench, row, close, files, out / "dali")
    row.peers += [close[1], decoding(bench, "libjpeg-turbo", files), photos_moved(bench, files, bench.sizes.photos)]

    def check():
        bench.compare(ours.output, tf.output)
        return f"equal to tf.data bit for bit; {close_to(bench, ours, close, 0.03)}"

    row.check = check
    return row


def decoding(bench, library, files, at_least=None):
    return Contender(f"{library}, decoding alone", [bench.programs["decode"], files, bench.threads], own_clock=True,
                     at_least=at_least)


def photos_moved(bench, files, count):
    return bench.bare(files, "photos", count * 224 * 224 * 3 * 4, -(-count // BATCH))


def add_dali(bench, row, close, files, out):
    if bench.extras.get("dali"):
        peer = bench.image_peer("DALI on the CPU", "dali_images", files, out, 3 if out else None)
        row.peers.append(peer)
        if out is not None:
            close.append(peer)
    else:
        row.notes.append("DALI left out: requirements-dali.txt could not be installed")


def jpeg_memory(bench):
    job, files = image_job(bench, "jpeg")
    ours = bench.loader(job)
    bare = decoding(bench, "libjpeg-turbo", files, 0.9)
    peers = [bare, bench.image_peer("OpenCV, threads", "opencv_images", files),
             bench.image_peer("tf.data", "tfdata_images", files)]
    row = Row("jpeg-memory", "the same, into memory", bench.sizes.photos, "images", ours, peers, None)
    add_dali(bench, row, [], files, None)

    def check():
        same_as_files(bench, job)
        _, text = execute([str(word) for word in bare.command], None)
        expect("images decoded", json.loads(text)["images"], bench.sizes.photos)
        return "equal to the files of the row above bit for bit; libjpeg-turbo decodes as many images"

    row.check = check
    return row


def same_as_files(bench, job):
    """What the loader takes from memory is what `kprep run` writes, which another row compares with a peer."""
    files, raw = bench.ours(job), bench.fast / "memory.raw"
    execute([str(word) for word in files.command], None)
    execute([str(bench.programs["loader"]), str(job), "1", str(raw)], None)
    bench.compare(files.output, raw)
    shutil.rmtree(files.output)
    raw.unlink()


def png_files(bench):
    job, files = image_job(bench, "png")
    ours = bench.ours(job)
    opencv = bench.image_peer("OpenCV, threads, np.save", "opencv_images", files, bench.fast / "opencv", 2.5)
    tf = bench.image_peer("tf.data", "tfdata_images", files, bench.fast / "tfdata")
    bare = decoding(bench, "libpng", files, 2.5)

    def check():
        bench.compare(ours.output, tf.output)
        return f"equal to tf.data bit for bit; {close_to(bench, ours, [opencv], 0.03)}"

    moved = photos_moved(bench, files, bench.sizes.pngs)
    return Row("png-files", "PNG folder, the same output", bench.sizes.pngs, "images", ours, [opencv, bare, tf, moved],
               check)


def features_job(bench):
    folder = bench.data("planes", bench.fast / "features", "--count", bench.sizes.features, "--channels", 912)
    job = bench.job("features", {"input": {"path": str(folder), "join": "channels"},
                                 "spec": {"shape": [None, 32, 32, 912], "dtype": "float32"}, "output": {"batch": 16}})
    return job, folder, bench.sizes.features * 32 * 32 * 912 * 4 / GB


def features_files(bench):
    job, folder, amount = features_job(bench)
    ours, out = bench.ours(job), bench.fast / "stack.npy"
    stack = Contender("np.stack + np.save", bench.script("arrays", "stack", folder, "--out", out), out,
                      own_clock=True, at_least=3.5)
    loaded = Contender("np.load + np.stack + np.save",
                       bench.script("arrays", "stack", folder, "--load", "--out", bench.fast / "loaded.npy"),
                       bench.fast / "loaded.npy", own_clock=True)
    moved = bench.bare(bench.listed(folder), "features", round(amount * GB), -(-bench.sizes.features // 16))

    def check():
        bench.compare(ours.output, stack.output)
        return "equal to np.stack bit for bit"

    return Row("features-files", f"912 features ({bench.sizes.features}, 32, 32) to (N, 32, 32, 912) files", amount,
               "GB", ours, [stack, loaded, moved], check)


def features_memory(bench):
    job, folder, amount = features_job(bench)
    copy = Contender("np.copyto of as many bytes", bench.script("arrays", "copyto", folder), own_clock=True,
                     at_least=0.4)
    read = Contender("nothing but the files read", [bench.programs["move"], bench.listed(folder), 1], own_clock=True)

    def check():
        same_as_files(bench, job)
        return "equal to the files of the row above bit for bit"

    return Row("features-memory", "the same, into memory, one thread", amount, "GB", bench.loader(job, 1),
               [copy, read], check)


def nchw_files(bench):
    n = bench.sizes.pictures
    source, out = bench.data("pictures", bench.fast / "pictures.npy", "--count", n), bench.fast / "nchw.npy"
    job = bench.job("nchw", {"input": {"path": str(source), "axes": "hwc"},
                             "pipeline": [{"transpose": [2, 0, 1]}, {"rescale": "1/255"}],
                             "spec": {"shape": [None, 3, 128, 128], "dtype": "float32"}})
    ours = bench.ours(job)
    peer = Contender("NumPy, loop over a memory map", bench.script("arrays", "nchw", source, "--out", out), out,
                     own_clock=True, at_least=2)
    bytes_out = n * 128 * 128 * 3 * 4
    moved = bench.bare(bench.listed(source), "nchw", bytes_out, -(-n // BATCH))

    def check():
        bench.compare(ours.output, peer.output)
        return "equal to NumPy bit for bit"

    return Row("nchw-files", f"uint8 NHWC to float32 NCHW / 255, {n:,} x 128 x 128 x 3", bytes_out / GB, "GB", ours,
               [peer, moved], check)


def small_job(bench):
    """Pictures of 64 x 64 in class folders, and the job that makes (N, 64, 64, 3) float32 and labels of them."""
    folder = bench.data("classes", bench.fast / "small", "--count", bench.sizes.small_pictures)
    job = bench.job("small", {"input": str(folder), "labels": "folder", "pipeline": [{"rescale": "1/255"}],
                              "spec": {"shape": [None, 64, 64, 3], "dtype": "float32"}})
    return job, folder, bench.sizes.small_pictures // BATCH


def keras_script(bench, *arguments):
    package = build_package(bench.python)
    return ["env", f"PYTHONPATH={package}", *bench.script("keras_batches", "--threads", bench.threads, *arguments)]


def keras_fed(bench, name, loader, source):
    return Contender(name, keras_script(bench, "train", loader, source), own_clock=True)


def same_losses(bench, sources):
    """What the loaders feed, by the losses of a model that begins with the same weights each time."""
    _, text = execute(keras_script(bench, "check", *(f"{name}={path}" for name, path in sources.items())), None)
    found = json.loads(text.splitlines()[-1])
    first, *others = found["losses"].values()
    for losses in others:
        expect("losses", losses, first)
    return found, f"equal losses in {len(first)} epochs with one seed and deterministic operations"


def keras_batches(bench):
    job, _, batches = small_job(bench)
    run = bench.ours(job)
    execute([str(word) for word in run.command], None)
    written = run.output
    names = {"tfdata": "tf.data, np.load in parallel, prefetch", "pydataset": "kprep.open().keras()",
             "numpy": "PyDataset with np.load"}
    ours = keras_fed(bench, "kprep.open().tf_data()", "kprep", written)

    def check():
        found, text = same_losses(bench, dict.fromkeys(("kprep", *names), written))
        expect("batches that are views of mapped files", found["mapped"], batches)
        return f"{text}; each batch of .keras() is a view of its mapped file"

    return Row("keras-batches", "written (64, 64, 64, 3) float32 batches into a small Keras model", batches, "batches",
               ours, [keras_fed(bench, names[name], name, written) for name in names], check,
               ["hashes of the files are compared in the epoch of warm-up"])


def keras_pictures(bench):
    job, folder, batches = small_job(bench)
    ours = keras_fed(bench, "kprep.Pipeline().keras()", "pictures", job)
    peer = keras_fed(bench, "tf.data, decoding in parallel, prefetch", "decode", folder)
    return Row("keras-pictures", "the same from JPEG pictures of 64 x 64, nothing written", batches, "batches", ours,
               [peer], lambda: same_losses(bench, {"pictures": job, "decode": folder})[1])


def memory_limit(bench):
    """Words that run a command in 256 MiB, with its page cache where that can be, and what is to be said of it."""
    limit = f"MemoryMax={MEMORY_LIMIT}"
    for scope in ([], ["--user"]):
        words = ["systemd-run", *scope, "--scope", "--quiet", "-p", limit, "-p", "MemorySwapMax=0"]
        if shutil.which("systemd-run") and subprocess.run([*words, "true"], capture_output=True).returncode == 0:
            return words, "kprep in a control group of 256 MiB"
    if bench.cgroup is not None:
        files = [bench.cgroup / name for name in ("memory.max", "memory.limit_in_bytes")]
        allowed = next((path.read_text().strip() for path in files if path.exists()), "unknown")
        return (["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', bench.cgroup],
                f"kprep in a control group of {allowed} bytes")
    return (["sh", "-c", 'ulimit -v "$0" && exec "$@"', str(MEMORY_LIMIT >> 10)],
            "kprep in 256 MiB of address space (ulimit -v; no control group could be made: no systemd, no --cgroup)")


def doubles_files(bench):
    folder = bench.disk
    source = bench.data("doubles", folder / "doubles.npy", "--bytes", bench.sizes.double_bytes)
    amount = source.stat().st_size // 2
    plain, copy = folder / "plain", folder / "copy"
    with open(plain, "wb") as file, open(source, "rb") as values:
        while file.tell() < amount:
            file.write(values.read(min(1 << 24, amount - file.tell())))
    os.sync()  # else these files are still being written while others are measured
    job = bench.job("doubles", {"input": str(source), "pipeline": [{"cast": "float32"}],
                                "spec": {"shape": [None, 1024, 16], "dtype": "float32"}, "limits": {"memory": "200MiB"},
                                "output": {"path": str(folder / "doubles-kprep")}})
    prefix, note = memory_limit(bench)
    ours = bench.ours(job, prefix=prefix)
    script = 'cp "$0" "$1" && sync "$1" && xxhsum -H2 "$1"'
    peer = Contender("cp, sync and xxhsum of the output's size", ["sh", "-c", script, plain, copy], copy, at_least=0.7)

    def check():
        bench.compare(ours.output, source, "--cast", "float32")
        return "equal to numpy.ndarray.astype bit for bit"

    return Row("doubles-files", f"float64 to float32 of a {source.stat().st_size / GB:.1f} GB NPY in 256 MiB, on disk",
               amount / GB, "GB", ours, [peer], check, [note])


def checked_images(bench):
    folder = bench.data("copies", bench.fast / "many", "--count", bench.sizes.checked_files, "--source",
                        bench.photos() / "jpeg")
    job = bench.job("many", {"input": str(folder), "pipeline": IMAGE_STAGES, "spec": IMAGE_SPEC})
    command = [bench.kprep, "check", job, "--quiet", "--threads", bench.threads]
    script = "find . -type f -print0 | xargs -0 -x -s 1000000 head -q -c 512 >/dev/null"
    peer = Contender("find, head -c 512 of all in one process", ["sh", "-c", script], cwd=folder, at_least=0.5)

    def check():
        expect("images that fit", samples_checked(command), bench.sizes.checked_files)
        return "every file was counted and fits"

    return Row("check-images", f"check of {bench.sizes.checked_files:,} image files", bench.sizes.checked_files,
               "files", Contender("kprep check", command), [peer], check)


def write_sparse_npy(path, size):
    """float32 (N, 32, 32): a header, then a hole."""
    rows = size // 4096
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 32, 32), }}".ljust(117) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text.encode())
        file.truncate(128 + 4096 * rows)
    return rows


def truth(within_ms):
    return Contender("/bin/true", ["/bin/true"], bare=True, repeat=15, within_ms=within_ms)


def checked_sparse(bench):
    path = bench.fast / "sparse.npy"
    rows = write_sparse_npy(path, bench.sizes.sparse_bytes)
    job = bench.job("sparse", {"input": str(path), "spec": {"shape": [None, 32, 32], "dtype": "float32"}})
    command = [bench.kprep, "check", job, "--quiet"]

    def check():
        expect("rows that fit", samples_checked(command), rows)
        return "all rows were counted"

    return Row("check-sparse", f"check of a {bench.sizes.sparse_bytes // GB} GB NPY (sparse)", 1, "run",
               Contender("kprep check", command, bare=True, repeat=15), [truth(10)], check)


def start_up(bench):
    ours = Contender("kprep --version", [bench.kprep, "--version"], bare=True, repeat=15)
    return Row("start-up", "start-up", 1, "run", ours, [truth(3)], lambda: "nothing to compare")


ROWS = {"jpeg-files": jpeg_files, "jpeg-memory": jpeg_memory, "png-files": png_files,
        "features-files": features_files, "features-memory": features_memory, "nchw-files": nchw_files,
        "keras-batches": keras_batches, "keras-pictures": keras_pictures,
        "doubles-files": doubles_files, "check-images": checked_images, "check-sparse": checked_sparse,
        "start-up": start_up}
