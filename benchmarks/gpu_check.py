"""Every check that wants a real GPU, in one call: agreement, speed and memory, as Markdown tables.

Usage: python benchmarks/gpu_check.py [FOLDER]     (FOLDER: more clips, NAME.wav, 16 kHz mono float)

Without a GPU it runs end to end on the CPU's emulation of the same precisions, to show that it works; the tables then
say so. Needs torch, pyannote.audio and the offline models; neither Prefect nor ffmpeg.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from gpu_speed import ANYTHING, clause, judge, measure, release, speed, tiled
from numpy.typing import NDArray
from scipy.io import wavfile

from tasks.engine.core.constants import GIB, SAMPLE_RATE
from tasks.engine.core.errors import DeviceError, Step4Error
from tasks.engine.devices.batch_size import auto_batch_size
from tasks.engine.devices.facts import DeviceFacts, cpu_name, probe
from tasks.engine.devices.low_precision_check import check_low_precision
from tasks.engine.devices.plan import DevicePlan
from tasks.engine.gate.drift_report import DriftReport
from tasks.engine.inference import diarizer as engine
from tasks.engine.inference import level
from tasks.engine.inference.diarizer import diarize
from tasks.engine.inference.recomputation import recompute
from tasks.engine.inference.types import Diarization, Parameters
from tasks.engine.media.sample import recording
from tasks.engine.spot_check.choice import choose

LEVELS_DB = (0, -20, -40, -60, -80)
BATCH_SIZES = (1, 2, 7, 32)
LONG_SEC = 300
"""Of audio, for what a proof costs beside the candidate."""
LIMIT_GIB, TARGET_MIB = 4, 1536
"""A small card, and what FP32 may take of it."""


def clips(folder: Path | None) -> dict[str, NDArray[np.float32]]:
    """The shipped recording, and whatever the folder holds."""
    more = sorted(folder.glob("*.wav")) if folder else []
    return {"sample": recording()} | {path.stem: wavfile.read(path)[1].astype(np.float32) for path in more}


def candidate_plan(facts: DeviceFacts, precision: str) -> DevicePlan:
    """The device under test: the first card, or the CPU where there is none."""
    rule = "none" if precision == "naive" else "rms"
    device, name = (f"cuda:{facts.cuda[0].index}", facts.cuda[0].name) if facts.cuda else ("cpu", cpu_name())
    batch = 16 if facts.cuda else 4
    return DevicePlan(device, device, name, precision, "float16", batch, facts.cpu_threads, rule, "none", "gpu_check")


def row(name: str, report: DriftReport) -> str:
    """One line of an agreement table."""
    value = {one.name: one.value or 0.0 for one in report.criteria}
    scores = report.agreement.scores if report.agreement else None
    return (
        f"| {name} | {report.agreement.flipped if report.agreement else '-'} | {value['der_percent']:.2f} "
        f"| {value['max_score_difference']:.2g} | {scores.ties if scores else '-'} | {report.verdict} |"
    )


def decided(samples: NDArray[np.float32], plan: DevicePlan) -> NDArray[np.bool_]:
    """Which model frames are speech, by segmentation alone: embeddings have no say in that.

    Raises:
        NonFiniteError: a score is NaN or Inf.
    """
    with engine.pipeline_on(plan, ANYTHING) as pipeline:
        pipeline.gain = level.gain(samples) if plan.level == "rms" else 1.0
        pipeline.hooks = None
        found = pipeline.get_segmentations(on_file(samples))
        frames = pipeline.segmentation_network.receptive_field
        return np.asarray(pipeline.speaker_count(found, frames, warm_up=(0.0, 0.0)).data[:, 0] > 0)


def on_file(samples: NDArray[np.float32]) -> dict[str, object]:
    """As pyannote takes samples."""
    return {"waveform": torch.from_numpy(samples)[None], "sample_rate": engine.SAMPLE_RATE, "uri": "audio"}


def speech(samples: dict[str, NDArray[np.float32]], facts: DeviceFacts) -> Iterator[str]:
    """Speech frames of each precision, clip by clip and level by level: the cause of the incident, and its cure."""
    yield "| clip | level dB | frames | speech, CPU FP32 | naive | flipped | mixed | flipped | flipped % |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, recorded in samples.items():
        for decibels in LEVELS_DB:
            piece = recorded * np.float32(10 ** (decibels / 20))
            trusted = decided(piece, candidate_plan(facts, "fp32").as_reference())
            cells = [name, decibels, len(trusted), int(trusted.sum())]
            for precision in ("naive", "mixed"):
                try:
                    found = decided(piece, candidate_plan(facts, precision))
                    cells += [int(found.sum()), int((found != trusted).sum())]
                except Step4Error as error:
                    cells += [str(error).split(":")[0], "refused"]
            share = f"{100 * cells[-1] / len(trusted):.3f}" if isinstance(cells[-1], int) else "refused"
            yield f"| {' | '.join(map(str, cells))} | {share} |"


def agreement(samples: dict[str, NDArray[np.float32]], facts: DeviceFacts) -> Iterator[str]:
    """Each precision against CPU FP32, clip by clip and level by level."""
    yield "| clip, level, precision | frames flipped | DER % | largest score difference | ties | verdict |"
    yield "| --- | ---: | ---: | ---: | ---: | --- |"
    # Half precision is emulated on a CPU at a twentieth of the speed: there one clip has to do.
    for name, recorded in samples.items() if facts.cuda else [("sample", samples["sample"])]:
        for decibels in LEVELS_DB if facts.cuda else (0, -80):
            piece = recorded * np.float32(10 ** (decibels / 20))
            precisions = ("fp32", "mixed", "naive") if facts.cuda else ("mixed", "naive")
            reference = diarize(piece, candidate_plan(facts, "fp32").as_reference(), ANYTHING)
            for precision in precisions:
                label = f"{name}, {decibels} dB, {precision}"
                try:
                    found = diarize(piece, candidate_plan(facts, precision), ANYTHING)
                    yield row(label, judge(reference, found, len(piece) / engine.SAMPLE_RATE))
                except Step4Error as error:
                    yield f"| {label} | | | | | {error} |"


def tf32_and_batches(samples: NDArray[np.float32], facts: DeviceFacts) -> Iterator[str]:
    """What TF32, the batch size and the number of threads change on the device, in FP32."""
    plan = candidate_plan(facts, "fp32")
    seconds = len(samples) / engine.SAMPLE_RATE
    reference, trusted = with_embeddings(samples, plan.as_reference())
    yield "| setting | frames flipped | DER % | largest score difference | ties | verdict | embeddings |"
    yield "| --- | ---: | ---: | ---: | ---: | --- | ---: |"
    for size in BATCH_SIZES:
        for threads in (1,) if facts.cuda else (1, 2):
            found, embeddings = with_embeddings(samples, replace(plan, batch_size=size, threads=threads))
            apart = f"{np.abs(embeddings - trusted).max():.1e}"
            yield f"{row(f'batch size {size}, threads {threads}', judge(reference, found, seconds))} {apart} |"
    if facts.cuda:
        yield f"{row('TF32 on', judge(reference, with_tf32(samples, plan), seconds))} |"


def with_embeddings(samples: NDArray[np.float32], plan: DevicePlan) -> tuple[Diarization, NDArray[np.float32]]:
    """A diarization and its embeddings, (windows, speakers, dimension)."""
    kept = []

    def hook(step: str, artifact: object, **_: object) -> None:
        if step == "embeddings" and isinstance(artifact, np.ndarray):
            kept.append(artifact.copy())

    with engine.pipeline_on(plan, ANYTHING) as pipeline:
        pipeline.gain, pipeline.hooks = level.gain(samples), None
        pipeline(on_file(samples), hook=hook)
    return diarize(samples, plan, ANYTHING), kept[0]


def with_tf32(samples: NDArray[np.float32], plan: DevicePlan) -> Diarization:
    """One run with TF32 allowed, which the engine never does by itself."""
    from tasks.engine.devices import precision

    enforced = precision.enforce_fp32

    def allow() -> None:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True

    precision.enforce_fp32 = allow
    try:
        return diarize(samples, plan, ANYTHING)
    finally:
        precision.enforce_fp32 = enforced
        enforced()


def under_limit(samples: NDArray[np.float32], plan: DevicePlan) -> Iterator[str]:
    """Lines on the memory of both engines in FP32 where torch may take 4 GiB, for ten minutes of (samples,) tiled."""
    if plan.on_cpu:
        yield "Not tried without a GPU."
        return
    samples = tiled(samples, plan)
    release(plan)
    free, total = torch.cuda.mem_get_info(plan.device)
    limit = LIMIT_GIB * GIB
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total), plan.device)
    size = auto_batch_size(min(free, limit - torch.cuda.memory_reserved(plan.device)), on_cpu=False)
    yield f"| side | batch | s per audio hour | allocated MiB | reserved MiB | at most {TARGET_MIB} MiB reserved |"
    yield "| --- | ---: | ---: | ---: | ---: | --- |"
    try:
        for name in ("exact", "shared"):
            yield limited(name, replace(plan, engine=name, batch_size=size), samples)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, plan.device)
        release(plan)
    free, total = torch.cuda.mem_get_info(plan.device)
    beside = (total - free - torch.cuda.memory_reserved(plan.device)) / 1024**2
    yield f"\nBeside torch's share, for the CUDA context and whoever else is on the card: {beside:.0f} MiB."


def limited(name: str, plan: DevicePlan, samples: NDArray[np.float32]) -> str:
    """One row of the table under the limit."""
    try:
        one = measure(name, plan, samples, repeats=1)
    except (Step4Error, RuntimeError) as error:
        return f"| {name} | {plan.batch_size} | | | | {clause(error)} |"
    allocated, reserved = one.peaks or (0.0, 0.0)
    hourly = one.typical * 3600 * engine.SAMPLE_RATE / len(samples)
    verdict = "met" if reserved <= TARGET_MIB else "**not met**"
    batch = one.found.facts["batch_size"]
    return f"| {name} | {batch} | {hourly:.1f} | {allocated:.0f} | {reserved:.0f} | {verdict} |"


def out_of_memory(samples: NDArray[np.float32], facts: DeviceFacts) -> str:
    """A real out-of-memory: is it the error that the retry on CPU waits for?"""
    if not facts.cuda:
        return "Out of memory: not tried without a GPU."
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.001)
    try:
        diarize(samples, replace(candidate_plan(facts, "fp32"), batch_size=32), ANYTHING)
    except DeviceError as error:
        return f"Out of memory: DeviceError({error}), as the retry on CPU expects."
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    return "Out of memory: **not provoked**, the limit did not bind."


def verified(samples: NDArray[np.float32], device: DevicePlan) -> Iterator[str]:
    """Seconds of audio per second: the candidate alone, with the whole reference, and with a sample of it.

    The reference and the sample start with the candidate where they share no device, so the longer of both counts.
    """
    yield "| candidate | alone | with the whole reference | with a sample of it |"
    yield "| --- | ---: | ---: | ---: |"
    audio = np.resize(samples, LONG_SEC * SAMPLE_RATE)
    trusted, parameters = device.as_reference(), Parameters()

    def seconds(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    def sampled() -> object:
        return recompute(audio, trusted, parameters, lambda windows, overlap: choose(windows, overlap, (1, 2)))

    whole, sample = seconds(lambda: diarize(audio, trusted, parameters)), seconds(sampled)
    for name in ("fp32", "mixed"):
        plan = replace(device, precision=name)
        alone = seconds(lambda plan=plan: diarize(audio, plan, parameters, keep_windows=True))  # type: ignore[misc]
        proved = (alone + more if device.on_cpu else max(alone, more) for more in (whole, sample))
        rates = (f"{LONG_SEC / took:.0f}" for took in (alone, *proved))
        yield f"| {device.device_name}, {name} | {' | '.join(rates)} |"


def main(folder: Path | None) -> None:
    """Print everything."""
    facts = probe()
    device = candidate_plan(facts, "fp32")
    print(f"Device: {device.device_name}; torch {facts.torch}, CUDA {facts.cuda_build}, cuDNN {facts.cudnn}, ", end="")
    print(f"driver {facts.driver}; {datetime.now(UTC):%Y-%m-%d}.")
    if not facts.cuda:
        print("\n**No GPU: the CPU's emulation of the same precisions. Not a measurement of a GPU.**")
    print(f"\nHalf precision: {check_low_precision(device.device, 'float16') or 'sound'}.\n")
    samples = clips(folder)
    for title, lines in (
        # What users wait for comes first: a run that is cut short has said that.
        ("Speed, stock pyannote.audio and both engines", speed(samples["sample"], device, facts)),
        ("Verified throughput, seconds of audio per second", verified(samples["sample"], device)),
        ("Under a 4 GB limit", under_limit(samples["sample"], device)),
        ("Speech frames", speech(samples, facts)),
        ("TF32, batch size and threads", tf32_and_batches(samples["sample"], facts)),
        ("Agreement with CPU FP32, everything", agreement(samples, facts)),
    ):
        print(f"### {title}\n")
        for line in lines:
            print(line, flush=True)
        print()
    print(out_of_memory(samples["sample"], facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
