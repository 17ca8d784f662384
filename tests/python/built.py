"""Where the libraries under test are."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def library(name, variable):
    """The path that an environment variable gives, or the newest build's; not a sanitized one, which a
    plain Python can't load."""
    given = os.environ.get(variable)
    if given:
        return pathlib.Path(given)
    built = [p for p in ROOT.glob(f"build/*/lib/{name}") if p.parents[1].name not in ("asan", "tsan")]
    if not built:
        raise FileNotFoundError(f"no build/*/lib/{name}: build first, or set {variable}")
    return max(built, key=lambda p: p.stat().st_mtime)
