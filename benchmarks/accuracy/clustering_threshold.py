"""DER of the offline model set for a grid of clustering thresholds, clip by clip.

Usage: python benchmarks/accuracy/clustering_threshold.py FOLDER   (a folder of NAME.wav, 16 kHz mono, with NAME.rttm)

The recording that pyannote.audio ships comes first, then each clip, then joins of neighbouring clips, in which more
speakers must be told apart. Segmentation and embeddings do not depend on the threshold: they are computed once.
"""

import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.io import wavfile

from tasks.engine.inference import loading
from tasks.engine.inference.exact import ExactSpeakerDiarization
from tasks.engine.inference.level import gain

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.675, 0.7, 0.725, 0.75, 0.8)


def clips(folder: Path) -> Iterator[tuple[str, torch.Tensor, Any]]:
    """(name, (1, samples) waveform, reference annotation) of every clip and of every join of two neighbours."""
    import pyannote.audio
    from pyannote.core import Annotation, Segment
    from pyannote.database.util import load_rttm

    paths = [Path(pyannote.audio.__file__).parent / "sample" / "sample.wav", *sorted(folder.glob("*.wav"))]
    loaded = []
    for path in paths:
        rate, samples = wavfile.read(path)
        if rate != 16000:
            sys.exit(f"{path}: {rate} Hz, expected 16000")
        scale = 32768 if samples.dtype == np.int16 else 1
        waveform = torch.from_numpy(samples.astype(np.float32) / scale)[None]
        loaded.append((path.stem, waveform, next(iter(load_rttm(path.with_suffix(".rttm")).values()))))
    yield from loaded
    for (a, left, one), (b, right, two) in pairwise(loaded):
        joined = Annotation()
        for offset, annotation in ((0.0, one), (left.shape[1] / 16000, two)):
            for segment, track, label in annotation.itertracks(yield_label=True):
                joined[Segment(segment.start + offset, segment.end + offset), (offset, track)] = f"{offset}-{label}"
        yield f"{a}+{b}", torch.cat((left, right), dim=1), joined


def main(folder: Path) -> None:
    """Print the table."""
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    class ComputedOnce(ExactSpeakerDiarization):
        """Keeps what the networks said of the clip at hand."""

        kept: ClassVar[dict[str, Any]] = {}

        def get_segmentations(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
            """As the exact engine, once per clip."""
            if "segmentations" not in self.kept:
                self.kept["segmentations"] = super().get_segmentations(*args, **options)
            return self.kept["segmentations"]

        def get_embeddings(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
            """As the exact engine, once per clip."""
            if "embeddings" not in self.kept:
                self.kept["embeddings"] = super().get_embeddings(*args, **options)
            return self.kept["embeddings"]

    pipeline = loading.load("offline")
    pipeline.__class__ = ComputedOnce
    pipeline.segmentation_batch_size = pipeline.embedding_batch_size = 8
    print("| clip | speakers |", " | ".join(str(t) for t in THRESHOLDS), "|")
    print("| --- | --- |", " | ".join("---:" for _ in THRESHOLDS), "|")
    totals = {t: [0.0, 0.0] for t in THRESHOLDS}
    for name, waveform, reference in clips(folder):
        file = {"waveform": waveform, "sample_rate": 16000, "uri": name}
        pipeline.kept.clear()
        pipeline.gain = gain(waveform[0].numpy())
        cells = []
        for threshold in THRESHOLDS:
            parameters = {**loading.OFFLINE_PARAMETERS["clustering"], "threshold": threshold}
            pipeline.instantiate({**loading.OFFLINE_PARAMETERS, "clustering": parameters})
            output = pipeline(dict(file)).speaker_diarization
            whole = Timeline([Segment(0, waveform.shape[1] / 16000)])
            parts = DiarizationErrorRate().compute_components(reference, output, uem=whole)
            errors = parts["false alarm"] + parts["missed detection"] + parts["confusion"]
            if "+" not in name:
                totals[threshold][0] += errors
                totals[threshold][1] += parts["total"]
            cells.append(f"{100 * errors / parts['total']:.1f} ({len(output.labels())})")
        print(f"| {name} | {len(reference.labels())} |", " | ".join(cells), "|", flush=True)
    pooled = (f"{100 * errors / total:.1f}" for errors, total in totals.values())
    print("| all clips, pooled | |", " | ".join(pooled), "|")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
