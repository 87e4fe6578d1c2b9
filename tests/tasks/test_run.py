"""A run: what decides its result, and what is left of it on disk."""

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stages import MODELS, media, run_of

from profiles.settings import Configuration
from tasks.engine.core.errors import StorageError
from tasks.engine.system.atomic import Disk, disk_replaced
from tasks.engine.system.stale_files import pid_namespace
from tasks.engine.testing import ONE_GPU
from tasks.requests import request_key

pytestmark = pytest.mark.usefixtures("clean_settings")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Where a video lies."""
    return tmp_path / "videos" / "clip.mp4"


def asked(**settings: Any) -> str:
    """The key of what these settings ask for."""
    return request_key(Configuration.resolve(settings), MODELS)


DECIDING = [
    {"speech_threshold": 0.6},
    {"min_speech_ms": 100},
    {"num_speakers": 2},
    {"min_speakers": 2},
    {"max_speakers": 2},
    {"exclusive": True},
    {"audio_track": "2"},
    {"accept_truncated": True},
    {"reference": "none"},
    {"on_drift": "warn"},
    {"json_gzip": True},
    {"engine": "shared"},
    {"segmentation_step": 0.2},
    {"profile": "gpu_optimized"},
    {"profile": "gpu_amp_unsafe"},
]
IDLE = [
    {"batch_size": 3},
    {"cpu_workers": 1},
    {"log_level": "DEBUG"},
    {"profiling": True},
    {"partial_success_ok": True},
]


def test_equal_inputs_have_equal_keys(video: Path) -> None:
    """The same question asked twice is one publication."""
    assert run_of(video).key == run_of(video).key
    assert run_of(video).request_key == asked()


@pytest.mark.parametrize("change", DECIDING, ids=str)
def test_each_setting_that_decides_the_answer_changes_both_keys(video: Path, change: dict[str, Any]) -> None:
    """An earlier publication is not taken for the answer to another question."""
    assert run_of(video, gpu=True, **change).key != run_of(video, gpu=True).key
    assert asked(**change) != asked()


@pytest.mark.parametrize("change", IDLE, ids=str)
def test_what_does_not_decide_the_answer_changes_no_key(video: Path, change: dict[str, Any]) -> None:
    """Speed and words only: what was published stays."""
    assert run_of(video, **change).key == run_of(video).key
    assert asked(**change) == asked()


def test_other_content_name_or_models_are_another_run(video: Path) -> None:
    """The video counts by content and name, the models by checksum."""
    run = run_of(video)
    others = [
        replace(run, media=replace(run.media, sha256="1" * 64)),
        replace(run, media=replace(run.media, path=video.with_suffix(".mkv"))),
        replace(run, models={"model.bin": "1" * 64}),
    ]

    assert len({run.key, *(other.key for other in others)}) == 4
    assert [other.request_key == run.request_key for other in others] == [True, True, False]


def test_the_device_decides_the_key_but_not_the_request(video: Path) -> None:
    """Whoever plans a batch does not know which machine computes; what a device computed is its own."""
    on_cpu, on_gpu = run_of(video), run_of(video, gpu=True)
    other = replace(ONE_GPU, cuda=(replace(ONE_GPU.cuda[0], name="Other GPU"),))

    assert len({on_cpu.key, on_gpu.key, run_of(video, facts=other).key}) == 3
    assert on_cpu.request_key == on_gpu.request_key


@pytest.mark.parametrize(("profile", "decides"), [("gpu_fp32", False), ("gpu_optimized", True)])
def test_the_autocast_type_decides_only_where_there_is_autocast(video: Path, profile: str, decides: bool) -> None:
    """In FP32 it is a setting that nothing reads."""

    def keys(dtype: str) -> tuple[str, str]:
        configuration = Configuration.resolve({"profile": profile}).model_copy(update={"autocast_dtype": dtype})
        run = run_of(video, gpu=True, profile=profile)
        run = replace(run, configuration=configuration, plan=replace(run.plan, autocast_dtype=dtype))
        return run.key, run.request_key

    differ = [a != b for a, b in zip(keys("float16"), keys("bfloat16"), strict=True)]
    assert differ == [decides, decides]


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_staging_is_gone_whatever_ends_the_run(video: Path, error: type[BaseException] | None) -> None:
    """Success, a failure, an interruption: no samples stay behind, and no workspace with nothing in it."""
    run = run_of(video)

    def work() -> None:
        with run.exclusive():
            run.samples_path.write_bytes(b"sound")
            if error:
                raise error

    if error:
        with pytest.raises(error):
            work()
    else:
        work()
    assert not run.workspace.exists()
    assert list(run.output.iterdir()) == [video]


def test_a_workspace_with_something_in_it_stays(video: Path) -> None:
    """Finished inferences, and the staging of a run beside this one, are not this run's to remove."""
    run, beside = run_of(video), run_of(video.with_name("other.mp4"))
    run.store.folder.mkdir(parents=True)
    (run.store.folder / "entry.npz").touch()
    beside.staging.mkdir(parents=True)
    with run.exclusive():
        pass

    assert (run.store.folder / "entry.npz").exists()
    assert beside.staging.is_dir()
    assert not run.staging.exists()


def test_what_killed_runs_left_is_swept(video: Path) -> None:
    """Staging of a process that has ended goes, half files of it too; that of a living one stays."""
    run = run_of(video)
    dead = run.staging.parent / f"{pid_namespace()}-{2**22 + 1}-aa"
    alive = run.staging.parent / f"{pid_namespace()}-{os.getppid()}-aa"
    half = run.output / f".step4-{pid_namespace()}-{2**22 + 1}-aa.part"
    for folder in (dead, alive):
        folder.mkdir(parents=True)
    half.touch()
    with run.exclusive():
        assert (dead.exists(), half.exists(), alive.exists()) == (False, False, True)
        assert run.staging.is_dir()


def test_a_publication_whose_replacement_was_killed_is_put_back(video: Path) -> None:
    """The earlier files waited aside, and no manifest is in place: the next run restores them before it looks."""
    run = run_of(video)
    run.aside.mkdir(parents=True)
    (run.aside / "clip_step4.json").write_text("{}")
    with run.exclusive():
        assert (run.output / "clip_step4.json").read_text() == "{}"
        assert not run.aside.exists()


def test_an_output_that_takes_no_files_is_a_storage_error(video: Path, tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "taken").write_text("")
    run = replace(run_of(video), output=tmp_path / "taken")

    with pytest.raises(StorageError, match=r"taken takes no files .*: choose .* --output"), run.exclusive():
        pass


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOSPC])
def test_a_folder_that_is_read_only_names_the_option_for_another(video: Path, number: int) -> None:
    """Beside the video is where nobody asked to publish: the way out is said, whatever the disk's reason."""

    class ReadOnly(Disk):
        def make_folder(self, path: Path) -> None:
            raise OSError(number, os.strerror(number), str(path))

    run = run_of(video)
    with disk_replaced(ReadOnly()), pytest.raises(StorageError, match="with --output") as caught, run.exclusive():
        pass
    assert os.strerror(number) in str(caught.value)
    assert str(video.parent) in str(caught.value)


def test_names_are_the_videos_stem_and_a_suffix(video: Path) -> None:
    """`clip_audio.json`, or gzipped where that was asked for."""
    run = run_of(video)

    assert run.published("_timeline.parquet") == video.parent / "clip_timeline.parquet"
    assert run.published(run.audio_json_suffix).name == "clip_audio.json"
    assert run_of(video, json_gzip=True).audio_json_suffix == "_audio.json.gz"


def test_batch_size_and_threads_give_an_inference_no_other_name(video: Path) -> None:
    """They are not allowed to change the answer; samples and precision do."""
    run = run_of(video, gpu=True)
    name = run.inference_name(run.plan, "samples")

    assert run.inference_name(replace(run.plan, batch_size=1, threads=1), "samples") == name
    assert run.inference_name(run.plan, "others") != name
    assert run.inference_name(replace(run.plan, precision="mixed"), "samples") != name


def test_the_metadata_describes_source_and_request(video: Path) -> None:
    """Rates are exact, and what decides nothing is left out."""
    run = run_of(video, speech_threshold=0.6)
    metadata = run.metadata("abc")

    assert metadata["source"]["fps"] == "25/1"
    assert metadata["source"]["samples_sha256"] == "abc"
    assert metadata["source"]["audio"]["codec"] == "aac"
    assert metadata["parameters"]["speech_threshold"] == run.parameters.speech_threshold == 0.6
    assert not {"log_level", "profile", "partial_success_ok", "profiling", "limits"} & set(metadata["parameters"])


def test_a_video_without_sound_says_so_in_the_metadata(video: Path) -> None:
    """In the place of the track."""
    run = run_of(video)
    silent = replace(run, media=replace(media(video), audio=None))

    assert silent.metadata(None)["source"]["audio"] == "no_audio_stream"


def test_files_say_which_commits_the_models_are_of(video: Path) -> None:
    """Where no revision was pinned too; the commit is no part of the key, since the files' sha256 decide."""
    run = run_of(video)
    pinned = replace(run, commits={"owner/name": "0" * 40})

    assert pinned.metadata(None)["model_commits"] == {"owner/name": "0" * 40}
    assert pinned.key == run.key
