"""Examples of every command, as `--help` and the page of commands show them."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "run": (
        "step4 run clip.mp4",
        "step4 run *.mp4 -o out/ --on-drift substitute",
        "step4 run clip.mp4 --profile cpu --num-speakers 2",
    ),
    "batch": ("step4 batch inbox/", "step4 batch inbox/ archive/ -o out/ --here"),
    "audit": ("step4 audit archive/ --sample 20",),
    "compare": (
        "step4 compare old_audio.json clip_timeline.parquet",
        "step4 compare cpu.parquet gpu.parquet --explain clip.mp4",
        "step4 compare cpu.parquet gpu.parquet --html drift.html --set flipped_frames_percent=1",
    ),
    "export": (
        "step4 export clip_timeline.parquet --to webvtt -o clip.vtt",
        "step4 export clip_timeline.parquet --to rttm",
    ),
    "import": ("step4 import old_audio.json", "step4 import turns.csv --fps 24000/1001 -o clip_timeline.parquet"),
    "report": (
        "step4 report clip_timeline.parquet -o clip.html",
        "step4 report gpu.parquet --against cpu.parquet --audio clip.mp4 --lang fr -o drift.html",
    ),
    "selfcheck": ("step4 selfcheck --profile gpu_optimized",),
    "config": ("step4 config --profile cpu",),
    "profiles": ("step4 profiles",),
    "models list": ("step4 models list",),
    "models fetch": (
        "step4 models fetch",
        "step4 models fetch pyannote/speaker-diarization-3.1 --to /srv/models/three",
    ),
    "models verify": ("step4 models verify",),
    "models show": ("step4 models show offline --json",),
}


def epilog(command: str) -> str:
    """Return the lines below a command's help; an empty line between two keeps typer from joining them."""
    return "\n\n".join(("Examples:", *EXAMPLES[command]))
