"""How far below its channels a mix must lie before it is not averaged away, and for how long: speech detection error.

Usage: python benchmarks/accuracy/downmix_threshold.py FOLDER   (of NAME.wav, 16 kHz mono, with NAME.rttm)

Each clip becomes two channels in a way that recorders, cables and films have, each with a noise of its own 40 dB below
the speech's loud blocks. Error is missed plus false speech over the reference's speech, collar 0, pooled over the
clips, after the level rule: a mix that is merely quieter costs nothing, one that is cancelled leaves noise.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from level_cases import RATE, Clip, Samples, db, load
from level_invariance import Segmenter, error, segmenter
from numpy.typing import NDArray
from scipy.signal import hilbert

from tasks.engine.inference.level import loud_rms
from tasks.engine.media.downmix import BLOCK, block_powers, mixed, opposite_blocks
from tasks.engine.media.ffmpeg_command import executable

RULES = {
    f"{stretch * BLOCK / RATE:.1f} s, {threshold} dB": (stretch, threshold)
    for stretch, threshold in ((1, 6), (1, 10), (1, 20), (11, 17), (21, 17), (31, 14), (31, 17), (31, 20), (101, 17))
}
"""Blocks that are judged together, and power of half the difference over that of the average, dB. Together these two
have the mean power of the channels: at 17 the average lies 17.1 below it."""

NOISE_DB = -40
CODECS = {
    "AAC 64k": (".m4a", "-c:a", "aac", "-b:a", "64k"),
    "MP3 48k": (".mp3", "-c:a", "libmp3lame", "-b:a", "48k", "-ar", "24000"),
    "Opus 32k": (".ogg", "-c:a", "libopus", "-b:a", "32k", "-ar", "48000"),
}
Stereo = NDArray[np.float32]
Case = Callable[[Samples], Stereo]


def turned(samples: Samples, degrees: float) -> Samples:
    """All frequencies, so many degrees later: what a phase shifter does."""
    return np.float32(np.real(hilbert(np.float64(samples)) * np.exp(-1j * np.radians(degrees))))


def later(samples: Samples, milliseconds: float) -> Samples:
    """The same sound at a microphone farther away."""
    return np.roll(samples, round(milliseconds * RATE / 1000))


def pair(left: Samples, right: Samples, noise_db: float = NOISE_DB) -> Stereo:
    """Two channels, each with its own noise."""
    noise = np.random.default_rng(3).normal(0, 1, (len(left), 2))
    floor = loud_rms(np.asarray(left, dtype=np.float32)) or loud_rms(np.asarray(right, dtype=np.float32))
    return np.float32(np.stack([left, right], axis=1) + noise * floor * db(noise_db))


def exchanged(samples: Samples, seconds: float, of: float) -> Stereo:
    """The right channel's poles exchanged in the first seconds of every so many."""
    sign = np.where(np.arange(len(samples)) / RATE % of < seconds, -1, 1)
    return pair(samples, np.float32(samples * sign))


def encoded(channels: Stereo, codec: str) -> Stereo:
    """What a lossy codec leaves, which saves on what differs between channels or is common to them."""
    suffix, *options = CODECS[codec]
    raw = ["-f", "f32le", "-ar", str(RATE), "-ac", "2"]
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        command = [executable(), "-v", "error", "-y", *raw, "-i", "-", *options, file.name]
        subprocess.run(command, input=channels.astype("<f4").tobytes(), check=True)
        command = [executable(), "-v", "error", "-i", file.name, *raw, "-"]
        done = subprocess.run(command, capture_output=True, check=True).stdout
    decoded = np.frombuffer(done, dtype="<f4").reshape(-1, 2)[: len(channels)]
    return np.pad(decoded, ((0, len(channels) - len(decoded)), (0, 0)))


def music(count: int) -> Stereo:
    """(samples, 2) of chords, a new one every 500 ms, each note somewhere between left and right; loud blocks at 1."""
    generator = np.random.default_rng(7)
    sound = np.zeros((count, 2))
    for first in range(0, count, RATE // 2):
        at = np.arange(min(RATE // 2, count - first)) / RATE
        for note in generator.choice([196, 220, 262, 294, 330, 392, 440, 523], 4, replace=False):
            harmonics = sum(np.sin(2 * np.pi * note * k * at + generator.uniform(0, 7)) / k for k in range(1, 7))
            place = generator.uniform(-1, 1)
            sound[first : first + len(at)] += np.outer(harmonics * np.exp(-3 * at), (1 - place, 1 + place))
    return np.float32(sound / loud_rms(np.float32(sound[:, 0])))


def wide(samples: Samples, decibels: float) -> Stereo:
    """Speech in both channels, music that is in the difference of the channels alone, so many dB louder."""
    difference = music(len(samples))[:, 0] * loud_rms(samples) * db(decibels)
    return pair(samples + difference, samples - difference)


def played(samples: Samples, decibels: float) -> Stereo:
    """Speech in both channels, music as it is mixed, so many dB louder."""
    both = music(len(samples)) * loud_rms(samples) * db(decibels)
    return pair(samples + both[:, 0], samples + both[:, 1])


def film(samples: Samples, decibels: float) -> Stereo:
    """5.1 with speech in the centre and music in the other channels, folded to two by ffmpeg as every file is."""
    around = music(len(samples)) * loud_rms(samples) * db(decibels)
    noise = np.random.default_rng(4).normal(0, float(loud_rms(samples) * db(NOISE_DB)), (len(samples), 6))
    nothing = np.zeros_like(samples)
    channels = np.stack([around[:, 0], around[:, 1], samples, nothing, -around[:, 0], -around[:, 1]], axis=1) + noise
    folding = f"aresample={RATE}:rematrix_maxval=1,aformat=sample_fmts=flt:channel_layouts=stereo"
    command = [executable(), "-v", "error", "-f", "f32le", "-ar", str(RATE), "-ac", "6", "-channel_layout", "5.1"]
    command += ["-i", "-", "-af", folding, "-f", "f32le", "-"]
    done = subprocess.run(command, input=channels.astype("<f4").tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, dtype="<f4").reshape(-1, 2)


CASES: dict[str, Case] = {
    **{f"{d} degrees apart": lambda s, d=d: pair(s, turned(s, d)) for d in (0, 90, 120, 135, 150, 160, 170, 175, 180)},
    **{f"opposite, right {g} dB": lambda s, g=g: pair(s, -s * db(g)) for g in (-0.5, -1, -3, -6, -12, -20)},
    **{f"right {ms} ms later": lambda s, ms=ms: pair(s, later(s, ms)) for ms in (0.25, 1, 5)},
    **{f"opposite, right {ms} ms later": lambda s, ms=ms: pair(s, -later(s, ms)) for ms in (0.125, 0.25, 1, 5)},
    **{
        f"opposite, right {g} dB, noise at {n} dB": lambda s, g=g, n=n: pair(s, -s * db(g), n)
        for g in (0, -3)
        for n in (-30, -25)
    },
    **{
        f"opposite, right {g} dB, {codec}": lambda s, g=g, codec=codec: encoded(pair(s, -s * db(g)), codec)
        for g in (0, -1, -3)
        for codec in CODECS
    },
    **{
        f"opposite for {t} s of every {of}": lambda s, t=t, of=of: exchanged(s, t, of)
        for t, of in ((2, 5), (3, 10), (5, 10))
    },
    "one live channel": lambda s: pair(s, s * 0),
    "the other live channel": lambda s: pair(s * 0, s),
    **{f"centre, music {d:+} dB": lambda s, d=d: played(s, d) for d in (-10, 0, 10)},
    **{f"centre, opposite music {d:+} dB": lambda s, d=d: wide(s, d) for d in (-10, 0, 6, 10, 14, 20)},
    **{f"5.1, speech in the centre, music {d:+} dB": lambda s, d=d: film(s, d) for d in (-10, 0, 10)},
}


def below(channels: list[Stereo]) -> float:
    """By how many dB the averages lie below the mean power of their channels."""
    average = sum(float(np.square(two.mean(axis=1), dtype=np.float64).sum()) for two in channels)
    return 10 * np.log10(sum(float(np.square(two, dtype=np.float64).mean(axis=1).sum()) for two in channels) / average)


def rows(clips: list[Clip], pipeline: Segmenter) -> Iterator[str]:
    """The lines of a Markdown table, a case per row."""
    yield f"| case | average below, dB | left alone | average | {' | '.join(RULES)} |"
    yield "| --- |" + " ---: |" * (3 + len(RULES))
    for name, case in CASES.items():
        channels = [case(clip.samples) for clip in clips]
        powers = [block_powers(two) for two in channels]
        choices = [[np.full(len(one), left) for one in powers] for left in (True, False)]
        choices += [
            [opposite_blocks(one, 10 ** (threshold / 10), stretch) for one in powers]
            for stretch, threshold in RULES.values()
        ]
        known: dict[bytes, str] = {}  # most rules choose alike
        for opposite in choices:
            if (key := np.concatenate(opposite).tobytes()) not in known:
                mixes = [
                    mixed(two, chosen.astype(np.float32), 0) for two, chosen in zip(channels, opposite, strict=True)
                ]
                heard = [clip._replace(samples=mono) for clip, mono in zip(clips, mixes, strict=True)]
                known[key] = error(pipeline, "chosen", heard).split()[0]
        cells = [known[np.concatenate(opposite).tobytes()] for opposite in choices]
        yield f"| {name} | {below(channels):.1f} | {' | '.join(cells)} |"


def main(folder: Path) -> None:
    """Print the table."""
    for line in rows(load(folder), segmenter()):
        print(line, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
