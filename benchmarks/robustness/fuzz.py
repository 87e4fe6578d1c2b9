# ruff: noqa: E402  # the path to the test helpers must be set before they are imported
"""Coverage-guided fuzzing of one reader; stops at the first thing that is no error of the tree.

Run: ``pip install atheris``, then ``python benchmarks/robustness/fuzz.py READER [SECONDS] [CORPUS]``.

The readers are those of tests/support/readers.py.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import atheris

with atheris.instrument_imports(include=["tasks", "profiles", "json", "tomllib", "gzip", "zipfile", "numpy.lib"]):
    from readers import READERS, seed


def main(name: str, seconds: str = "60", corpus: str = "") -> None:
    """Fuzz one reader for so long, from a whole file."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(corpus or f"{work}/corpus")
        folder.mkdir(exist_ok=True, parents=True)
        (folder / "seed").write_bytes(seed(name, Path(work)))
        options = [f"-max_total_time={seconds}", "-max_len=16384", "-print_final_stats=1", "-rss_limit_mb=4096"]
        atheris.Setup([sys.argv[0], *options, str(folder)], lambda data: void(READERS[name].survives(data, Path(work))))
        atheris.Fuzz()


def void(_passed: object) -> None:
    """The fuzzer wants no answer."""


if __name__ == "__main__":
    main(*sys.argv[1:])
