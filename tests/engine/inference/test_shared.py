"""The shared engine: equal to the exact one where a window is a block, bounded elsewhere, and never the reference."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from speech import cpu_plan, recording

from profiles.settings import Configuration
from tasks.engine.core.choices import Precision, Verdict
from tasks.engine.core.frames import FrameGrid
from tasks.engine.core.stages import Stage
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.devices.precision import Arithmetic
from tasks.engine.diagnosis.localization import advice
from tasks.engine.diagnosis.patching import on_frames, trace
from tasks.engine.gate.verdict import compare
from tasks.engine.inference import loading
from tasks.engine.inference.diarizer import diarize
from tasks.engine.inference.shared import Block, SharedSpeakerDiarization, blocks_of, even_blocks, fitted
from tasks.engine.inference.types import Parameters

SHORT = 14 * 16000
"""14 s: five windows and one block more than one."""


def shared_plan(**changes: object) -> DevicePlan:
    """The test's CPU plan with the shared engine."""
    return replace(cpu_plan(), engine="shared", **changes)


def embeddings(samples: np.ndarray, plan: DevicePlan) -> np.ndarray:
    """(windows, speakers, dimension) as hooks see them."""
    return trace(samples, plan, Parameters(), {})[1][Stage.EMBEDDINGS]


def cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(windows, speakers): how much the embeddings point the same way."""
    return (one * other).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1)


@pytest.mark.parametrize("samples", [101, 149, 151, 300, 307, 1234, 150_049, 306_001, 306_002])
def test_blocks_are_equal_and_near_a_window(samples: int) -> None:
    """From two thirds of a window to one and a half, each beginning on a frame; they cover the file, none twice."""
    size, heads = even_blocks(samples, 100, 2)

    assert 66 <= size <= 151
    assert all(before < after for before, after in pairwise(heads))
    assert all(head % 2 == 0 and 0 <= head <= samples for head in heads)
    assert all(after - before <= size for before, after in pairwise(heads))
    assert samples - (heads[-1] + size) <= 1
    assert size * len(heads) < samples + min(size, 2 * len(heads) + 1)


@pytest.mark.parametrize("samples", [1, 60, 100])
def test_a_file_of_one_window_is_one_block(samples: int) -> None:
    """As long as the window, as the exact engine embeds it."""
    assert even_blocks(samples, 100, 2) == (100, [0])


def test_windows_that_overlap_share_blocks() -> None:
    """A window is pooled after the block in which it ends; the last window may reach beyond the file."""
    assert list(blocks_of(list(range(6)), list(range(6)), 10, [0, 7])) == [
        Block(0, 7, (), opens=True),
        Block(7, 15, tuple(range(6)), opens=False),
    ]


def test_a_pause_leaves_blocks_out() -> None:
    """Audio in which nobody speaks is not embedded; the first block behind it says so."""
    blocks = list(blocks_of([0, 1, 40, 42], list(range(46)), 10, [0, 10, 20, 30, 40]))

    assert [(block.start, block.windows, block.opens) for block in blocks] == [
        (0, (0,), True),
        (10, (1,), False),
        (40, (40, 42), True),
    ]


@pytest.mark.parametrize("numbers", [[0], [3, 4, 5], list(range(26)), [0, 9, 10, 11, 25], list(range(0, 26, 7))])
def test_every_window_is_pooled_once(numbers: list[int]) -> None:
    """Whatever is wanted comes, in order, each window from blocks that hold all of it and follow each other."""
    starts = list(range(26))
    blocks = list(blocks_of(numbers, starts, 10, [0, 9, 18, 26]))
    held_from = 0

    assert [number for block in blocks for number in block.windows] == numbers
    for block in blocks:
        held_from = block.start if block.opens else held_from
        assert all(held_from <= starts[number] and starts[number] + 10 <= block.stop for number in block.windows)


def test_a_missing_frame_is_the_last_one_again() -> None:
    """The filter bank drops its last frame: time behind it must not shift."""
    frames = torch.tensor([[1.0, 2.0, 3.0]])

    assert fitted(frames, 2).tolist() == [[1.0, 2.0]]
    assert fitted(frames, 5).tolist() == [[1.0, 2.0, 3.0, 3.0, 3.0]]


def test_the_advice_on_drift_names_the_engine() -> None:
    """What approximates is named before the arithmetic is."""
    assert "gpu_fp32" in advice(Stage.EMBEDDINGS, shared_plan())
    assert "segmentation_step = 0.2" in advice(Stage.FRONT_END, shared_plan(segmentation_step=0.2))
    assert "engine" not in advice(Stage.SCORES, shared_plan())


def test_profile_and_variables_choose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """`shared` is a profile; STEP4_ENGINE and STEP4_SEGMENTATION_STEP overrule any."""
    assert Configuration.resolve({"profile": "shared"}, env_file=None).engine == "shared"
    monkeypatch.setenv("STEP4_ENGINE", "shared")
    monkeypatch.setenv("STEP4_SEGMENTATION_STEP", "0.2")
    chosen = Configuration.resolve({}, env_file=None)

    assert (chosen.engine, chosen.segmentation_step) == ("shared", 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [5.0, 10.0])
def test_a_file_of_one_window_is_exact(seconds: float) -> None:
    """The block is the window: the same turns, the same embeddings."""
    samples = recording()[7 * 16000 : int((7 + seconds) * 16000)]
    exact, expected = trace(samples, cpu_plan(), Parameters(), {})
    shared, found = trace(samples, shared_plan(), Parameters(), {})

    assert shared.turns == exact.turns
    assert shared.turns
    np.testing.assert_array_equal(found[Stage.EMBEDDINGS], expected[Stage.EMBEDDINGS])


@pytest.mark.slow
def test_windows_of_blocks_point_the_same_way() -> None:
    """Embeddings differ, the padded last window's too, and stay near the exact ones; idle speakers' are equal."""
    samples = recording()[: SHORT + 5000]
    outputs = trace(samples, cpu_plan(), Parameters(), {})[1]
    expected, found = outputs[Stage.EMBEDDINGS], embeddings(samples, shared_plan())
    idle = ~outputs[Stage.DECISIONS].any(axis=1)

    assert np.abs(found[2] - expected[2]).max() > 1e-3
    assert cosine(found, expected).min() > 0.5
    assert idle.any()
    np.testing.assert_array_equal(found[idle], expected[idle])


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "near"), [(Precision.FP32, 1e-5), (Precision.NAIVE, 0.1)])
def test_only_those_who_speak_are_pooled(precision: Precision, near: float) -> None:
    """Whoever speaks gets what pooling all speakers of each window gives; the others what an empty mask gives."""
    engine = loading.load("offline", "shared")
    engine.arithmetic, engine.embedding_batch_size = Arithmetic(precision, torch.device("cpu"), torch.bfloat16), 4
    pool = engine.embedding_network.forward_embedding
    generator = torch.Generator().manual_seed(5)
    frames = [torch.rand(512, 501, generator=generator) for _ in range(12)]
    masks = (torch.rand(12, 3, 589, generator=generator) > 0.5).float()
    who = (1, 2, 7, 4, 5, 0, 3, 6, 1, 7, 2, 1)
    talking = torch.tensor([[i >> bit & 1 for bit in range(3)] for i in who], dtype=torch.bool)
    masks[~talking] = 0
    pooled = []
    engine.embedding_network.resnet.pool.register_forward_hook(lambda _layer, _inputs, output: pooled.append(output))
    with torch.inference_mode(), engine.arithmetic.sensitive():
        expected = torch.cat([pool(one[None], weights=some[None]) for one, some in zip(frames, masks, strict=True)])
        pooled.clear()
        found = engine._pool(frames, masks)

    torch.testing.assert_close(found, expected.float(), rtol=0, atol=near)
    assert torch.equal(found[~talking], expected[~talking].float())
    assert sum(output.shape[:2].numel() for output in pooled[1:]) == talking.sum()


@pytest.mark.slow
def test_idle_workers_help_with_the_last_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three blocks, two workers: torch's own threads share the third alone, and it keeps its bits."""
    seen: list[int] = []
    plain = SharedSpeakerDiarization._frames

    def spied(self: SharedSpeakerDiarization, batch: torch.Tensor, phases: int = 1) -> torch.Tensor:
        if batch.shape[-1] > 16000:
            seen.append(torch.get_num_threads())
        return plain(self, batch, phases)

    expected = diarize(recording(), replace(shared_plan(), threads=1), Parameters())
    monkeypatch.setattr(SharedSpeakerDiarization, "_frames", spied)
    found = diarize(recording(), replace(shared_plan(), threads=2), Parameters())

    assert sorted(seen) == [1, 1, 2]
    assert torch.get_num_threads() == 1
    assert found.turns == expected.turns


@pytest.mark.parametrize("blocks", [10, 40])
def test_out_of_memory_is_remembered_whichever_portion_it_is_met_in(blocks: int) -> None:
    """A GPU that takes two blocks at a time and not eight: every block is there, and the run says two."""
    engine = Emulated(device="cuda", workers=1, fits=2)
    found = list(engine.frames(blocks))

    assert [float(frames[0, 0]) for _, frames in found] == [16.0 * i for i in range(blocks)]
    assert (engine.batch.reduced, engine.batch.size) == (True, 2)


@pytest.mark.parametrize(
    ("workers", "blocks", "threads"), [(2, 3, [1, 1, 2]), (4, 2, [2, 2]), (2, 4, [1] * 4), (3, 34, [1] * 33 + [3])]
)
def test_the_last_blocks_take_the_idle_cores(workers: int, blocks: int, threads: list[int]) -> None:
    """Whole rounds first, one block per worker; of the rest each takes its share of torch's threads."""
    engine = Emulated(device="cpu", workers=workers, fits=99)
    found = list(engine.frames(blocks))

    assert [float(frames[0, 0]) for _, frames in found] == [16.0 * i for i in range(blocks)]
    assert sorted(engine.threads) == threads


class Emulated(SharedSpeakerDiarization):
    """The engine's blocks without its networks: frames are the samples, memory holds so many blocks at a time."""

    embedding_batch_size = 8

    def __init__(self, device: str, workers: int, fits: int) -> None:
        self.arithmetic = SimpleNamespace(device=SimpleNamespace(type=device), sensitive=nullcontext)
        self._segmentation = SimpleNamespace(device=torch.device("cpu"))
        self.workers, self.fits, self.threads = workers, fits, list[int]()

    def __setattr__(self, name: str, value: object) -> None:  # pyannote's own keeps track of its parts
        object.__setattr__(self, name, value)

    def _frames(self, batch: torch.Tensor, phases: int = 1) -> torch.Tensor:
        assert phases == 1
        if len(batch) > self.fits:
            raise RuntimeError("CUDA out of memory")
        self.threads.append(torch.get_num_threads())
        return batch

    def frames(self, blocks: int) -> Iterator[tuple[Block, torch.Tensor]]:
        """Blocks of sixteen samples, each with its own."""
        planned = [Block(16 * i, 16 * i + 16, (i,), opens=False) for i in range(blocks)]
        return self._block_frames(torch.arange(16.0 * blocks)[None], planned, 16)


@pytest.mark.slow
def test_batch_and_threads_change_nothing_beyond_rounding_and_runs_repeat() -> None:
    """Blocks do not depend on how they are batched; the same run gives the same bits."""
    samples = recording()[:SHORT]
    once, again = embeddings(samples, shared_plan()), embeddings(samples, shared_plan())
    other = embeddings(samples, replace(shared_plan(), batch_size=1, threads=1))
    threaded = diarize(samples, replace(shared_plan(), threads=2, batch_size=1), Parameters())

    np.testing.assert_array_equal(once, again)
    np.testing.assert_allclose(other, once, atol=1e-5)
    assert threaded.turns == diarize(samples, replace(shared_plan(), threads=1), Parameters()).turns


@pytest.mark.slow
def test_segmentation_is_the_exact_engine_s_and_the_manifest_says_shared() -> None:
    """Same scores bit for bit, so speech and silence cannot drift; the facts name the engine; the gate compares."""
    samples = recording()
    exact, shared = (diarize(samples, plan, Parameters()) for plan in (cpu_plan(), shared_plan()))
    report = compare(*(on_frames(found, FrameGrid(750, 25)) for found in (exact, shared)))

    np.testing.assert_array_equal(exact.scores.values, shared.scores.values)
    assert (exact.facts["engine"], shared.facts["engine"]) == ("exact", "shared")
    assert report.verdict is Verdict.COHERENT


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_mixed_precision_serves_it_too(dtype: str) -> None:
    """The frame-level encoder in 16 bits, under autocast or fused: finite embeddings near those of FP32."""
    samples = recording()[:SHORT]
    mixed = embeddings(samples, replace(cpu_plan("mixed"), engine="shared", autocast_dtype=dtype))

    assert cosine(mixed, embeddings(samples, shared_plan())).min() > 0.98


@pytest.mark.slow
def test_a_longer_step_takes_fewer_windows() -> None:
    """A fifth of a window: 2 s from one to the next."""
    _, outputs = trace(recording()[:SHORT], shared_plan(segmentation_step=0.2), Parameters(), {})
    _, usual = trace(recording()[:SHORT], shared_plan(), Parameters(), {})

    assert len(outputs[Stage.DECISIONS]) == 3
    np.testing.assert_array_equal(outputs[Stage.DECISIONS], usual[Stage.DECISIONS][::2])


@pytest.mark.slow
def test_a_resnet_s_frames_are_shared_too(resnet_folder: Path) -> None:
    """A frame every 80 ms, 12.5 a second: windows at both phases get frames of their own, in their places."""
    pipelines = [loading.load(str(resnet_folder), engine) for engine in ("exact", "shared")]
    file = {"waveform": torch.from_numpy(recording()[:SHORT].copy())[None], "sample_rate": 16000, "uri": "test"}
    decisions = pipelines[0].get_segmentations(file)
    expected, found = (one.get_embeddings(file, decisions, exclude_overlap=True) for one in pipelines)
    apart = 1 - cosine(found, expected)[decisions.data.any(axis=1)]

    assert apart.max() < 0.1
