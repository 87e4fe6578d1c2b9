"""Speech detection error under candidate level rules, for recording levels from +10 to -80 dB and for hard cases.

Usage: python benchmarks/accuracy/level_invariance.py FOLDER [RULE…]   (of NAME.wav, 16 kHz mono, with NAME.rttm)

Error is missed plus false speech over the reference's speech, collar 0, all turns kept; each cell is pooled over the
clips, with the worst clip in brackets. Segmentation only: speech does not depend on embeddings.
"""

import sys
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import cast

import numpy as np
import torch
from level_cases import RATE, Clip, Samples, hard_cases, levels, load
from numpy.typing import NDArray
from pyannote.audio.utils.signal import Binarize
from pyannote.core import SlidingWindowFeature, Timeline
from pyannote.metrics.detection import DetectionErrorRate
from torch import Tensor

from tasks.engine.devices.precision import enforce_fp32
from tasks.engine.inference import level, loading
from tasks.engine.inference.exact import ExactSpeakerDiarization

BLOCK = 400 * RATE // 1000
"""ITU-R BS.1770-4 gates blocks of 400 ms."""

Measure = Callable[[Samples], float]


# Measures of level: (samples,) to a number proportional to the samples. Zero stands for silence.


def blocks(samples: Samples) -> NDArray[np.float64]:
    """(blocks,) power about each block's own mean, digital silence left out."""
    whole = samples[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK)
    power = whole.var(axis=1, dtype=np.float64)
    return power[power > level.SILENCE_RATIO**2 * power.max()]


def rms(samples: Samples) -> float:
    """Root mean square of everything."""
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean()))


def deviation(samples: Samples) -> float:
    """Root mean square about the file's mean."""
    return float(samples.std(dtype=np.float64))


def block_rms(samples: Samples) -> float:
    """Root mean square of the blocks that are not digital silence."""
    return float(np.sqrt(blocks(samples).mean()))


def gated(samples: Samples) -> float:
    """The same without blocks 10 dB below it, as BS.1770-4 gates (no absolute gate: it would depend on the level)."""
    power = blocks(samples)
    return float(np.sqrt(power[power > power.mean() / 10].mean()))


def percentile(q: float) -> Measure:
    """That percentile of the blocks' root mean squares."""
    return lambda samples: float(np.sqrt(np.percentile(blocks(samples), q)))


MEASURES: dict[str, Measure] = {
    "rms": rms,
    "deviation": deviation,
    "blocks": block_rms,
    "gated": gated,
    "p50": percentile(50),
    "p90": percentile(90),
    "p95": percentile(95),
}


def gain_of(rule: str, samples: Samples) -> float:
    """The factor of a rule such as `none` or `p90 0.1`; `window` scales later, window by window."""
    if rule == "chosen":
        return level.gain(samples)
    name, _, target = rule.partition(" ")
    return float(target) / MEASURES[name](samples) if name in MEASURES else 1.0


class Segmenter(ExactSpeakerDiarization):
    """Speech from the segmentation network alone; samples heard before under a rule are not computed again."""

    each_window = False
    seen: dict[bytes, Timeline]

    def level_windows(self) -> None:
        """Have every batch, (windows, 1, samples), levelled window by window where a rule asks for it."""

        def levelled(_network: object, inputs: tuple[Tensor]) -> tuple[Tensor]:
            (batch,) = inputs
            factor = 0.1 / batch.std(dim=-1, keepdim=True).clamp(min=level.SILENCE_RMS)
            return (batch * factor if self.each_window else batch,)

        self.segmentation_network.register_forward_pre_hook(levelled)

    def speech(self, samples: Samples, rule: str) -> Timeline:
        """Where anybody speaks, as the whole pipeline decides it."""
        key = rule.encode() + blake2b(np.ascontiguousarray(samples).tobytes()).digest()
        if key not in self.seen:
            self.each_window, self.gain = rule == "window", gain_of(rule, samples)
            active = self.get_segmentations({"waveform": torch.from_numpy(samples)[None], "sample_rate": RATE})
            count = self.speaker_count(active, self.segmentation_network.receptive_field, warm_up=(0.0, 0.0))
            found = Binarize()(SlidingWindowFeature(np.minimum(count.data, 1), count.sliding_window))
            self.seen[key] = found.get_timeline()
        return self.seen[key]


def segmenter() -> Segmenter:
    """The offline set's segmentation, in FP32 on one thread."""
    enforce_fp32()
    torch.set_num_threads(1)
    pipeline = loading.load("offline")
    pipeline.__class__, pipeline.seen = Segmenter, {}
    pipeline.segmentation_batch_size = 7
    pipeline.level_windows()
    return cast(Segmenter, pipeline)


def error(pipeline: Segmenter, rule: str, clips: list[Clip]) -> str:
    """Percent missed and false, pooled and the worst clip's."""
    wrong, total, by_clip = 0.0, 0.0, {}
    for clip in clips:
        found = pipeline.speech(clip.samples, rule).to_annotation()
        parts = DetectionErrorRate().compute_components(clip.reference, found, uem=Timeline([clip.scored]))
        errors = parts["miss"] + parts["false alarm"]
        wrong, total, by_clip[clip.name] = wrong + errors, total + parts["total"], errors / parts["total"]
    worst = max(by_clip, key=lambda name: by_clip[name])
    return f"{100 * wrong / total:.2f} ({worst} {100 * by_clip[worst]:.1f})"


def table(pipeline: Segmenter, cases: dict[str, list[Clip]], rules: list[str]) -> Iterator[str]:
    """The lines of a Markdown table, a rule per row."""
    yield f"| rule | {' | '.join(cases)} |"
    yield f"| --- |{' ---: |' * len(cases)}"
    for rule in rules:
        yield f"| {rule} | " + " | ".join(error(pipeline, rule, clips) for clips in cases.values()) + " |"


def main(folder: Path, rules: list[str]) -> None:
    """Print both tables."""
    pipeline = segmenter()
    clips = load(folder)
    for cases in (levels(clips), hard_cases(clips)):
        for line in table(pipeline, cases, rules):
            print(line, flush=True)
        print()


RULES = ["none", "rms 0.03", "rms 0.05", "rms 0.1", "rms 1", "rms 10", "deviation 0.1", "blocks 0.1", "gated 0.1"]
RULES += ["p50 0.1", "p90 0.1", "p90 1", "p90 10", "p95 0.1", "window"]

if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or RULES)
