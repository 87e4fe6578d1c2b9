"""How many files of the corpus over codec, container and cut have our rows by each of three decoders.

Usage: python benchmarks/robustness/frame_corpus.py

The corpus is that of tests/engine/media/test_pictures.py, which holds every file to the decoders that are right about
it. Here every disagreement is counted. Prints the table of docs/lab_notes/measurements.md, "Frames by three decoders".
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import av

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(ROOT / "tests" / "engine" / "media")]

from frame_corpus import CODECS, KINDS, corpus  # noqa: E402  # the path is set above
from test_pictures import verdicts  # noqa: E402


def main() -> None:
    """Print a row per codec, and one for all."""
    av.logging.set_level(av.logging.PANIC)
    counts: dict[str, Counter[str]] = {codec: Counter() for codec in [*CODECS, "all"]}
    for codec, container in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            for cut, path in corpus(Path(folder), codec, container):
                found = verdicts(path)
                names = [*(judge for judge, equal in found.items() if equal), "files"]
                names += [f"of {sum(found.values())}"]
                for row in (codec, "all"):
                    counts[row].update(names)
                if not all(found.values()):
                    print(f"{codec}, {container}, {cut}: {found}", file=sys.stderr, flush=True)
    columns = ("files", "OpenCV", "ffprobe", "PyAV", "of 3", "of 2", "of 1")
    print("| codec | files | as OpenCV | as ffprobe | as PyAV | as all three | as two | as one |")
    print("| --- |" + " ---: |" * len(columns))
    for codec, row in counts.items():
        print(f"| {codec} | {' | '.join(str(row[column]) for column in columns)} |")


if __name__ == "__main__":
    main()
