"""What will be used for one run and why: device, precision, batch size, fallback."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from tasks.engine.devices.facts import cpu_name


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """What will be used, and why."""

    requested: str
    device: str
    """`cpu` or `cuda:N`, as torch names it."""
    device_name: str
    precision: str
    autocast_dtype: str
    """`float16` or `bfloat16`: what mixed and naive precision compute in."""
    batch_size: int
    threads: int
    level: str
    fallback: str
    reason: str
    free_memory: int = field(default=0, compare=False)
    engine: str = "exact"
    """`exact`, or `shared`: faster, and held against the exact one."""
    segmentation_step: float | None = None
    """From one window to the next, as a share of a window; None is the model set's own."""
    fallback_reason: str | None = None
    """Set when this plan replaces one whose device failed."""

    @property
    def on_cpu(self) -> bool:
        """Does inference run on the CPU?"""
        return self.device == "cpu"

    @property
    def is_reference(self) -> bool:
        """Are these the reference's own device, precision, level rule and engine?"""
        computed_alike = self.on_cpu and self.precision == "fp32" and self.level == "rms"
        return computed_alike and self.engine == "exact" and self.segmentation_step is None

    def on_cpu_instead(self, reason: str) -> Self:
        """The plan after a device failure: CPU in FP32, every other choice kept, batch size included."""
        return replace(
            self, device="cpu", device_name=cpu_name(), precision="fp32", fallback="none", fallback_reason=reason
        )

    def as_reference(self) -> Self:
        """The plan of the reference for this candidate: CPU, FP32, levelled, the exact engine."""
        return replace(
            self,
            requested="cpu",
            device="cpu",
            device_name=cpu_name(),
            precision="fp32",
            level="rms",
            engine="exact",
            segmentation_step=None,
            fallback="none",
            reason="the reference runs on CPU in FP32",
            fallback_reason=None,
        )

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """The plan that `facts` wrote into a manifest.

        Raises:
            TypeError: a value is missing, or is none of a plan.
        """
        # What `autocast_dtype` was called in files of version 0.1.0.
        renamed = {"half": "autocast_dtype"}
        return cls(**{renamed.get(name, name): value for name, value in facts.items()})

    def facts(self) -> dict[str, Any]:
        """As it lands in the files: what was free at that moment decides nothing afterwards, and differs every time."""
        return {name: value for name, value in asdict(self).items() if name != "free_memory"}
