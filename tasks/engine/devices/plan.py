"""What will be used for one run and why: device, precision, batch size, fallback."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol, Self

from tasks.engine.core.choices import Engine, Precision
from tasks.engine.devices.facts import cpu_name


class ArithmeticChoice(Protocol):
    """What a plan and a configuration both say of the arithmetic."""

    @property
    def precision(self) -> str:
        """A `Precision`."""

    @property
    def autocast_dtype(self) -> str:
        """An `AutocastDtype`."""

    @property
    def level(self) -> str:
        """`rms` or `none`."""


def autocast_in_force(choice: ArithmeticChoice) -> str | None:
    """Name the 16-bit type that is computed in; None in FP32, which has no use for one."""
    return choice.autocast_dtype if choice.precision != Precision.FP32 else None


def arithmetic_key(choice: ArithmeticChoice) -> list[str | None]:
    """List what decides the arithmetic, for keys of results: equal lists, equal arithmetic on the same device."""
    return [choice.precision, autocast_in_force(choice), choice.level]


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """What will be used, and why.

    Attributes:
        requested: `auto`, `cuda` or `cpu`.
        device: `cpu` or `cuda:N`, as torch names it.
        device_name: the card's or the processor's.
        precision: a `Precision`.
        autocast_dtype: an `AutocastDtype`: what mixed and naive precision compute in.
        batch_size: windows per pass.
        threads: of the CPU.
        level: `rms` where the samples are brought to one level, or `none`.
        fallback: `cpu` where a device that fails is replaced, or `none`.
        reason: why this device.
        free_memory: bytes, when the plan was made.
        engine: an `Engine`; `shared` is faster, and held against the exact one.
        segmentation_step: from one window to the next, as a share of a window; None is the model set's own.
        fallback_reason: set when this plan replaces one whose device failed.
    """

    requested: str
    device: str
    device_name: str
    precision: str
    autocast_dtype: str
    batch_size: int
    threads: int
    level: str
    fallback: str
    reason: str
    free_memory: int = field(default=0, compare=False)
    engine: str = Engine.EXACT
    segmentation_step: float | None = None
    fallback_reason: str | None = None

    @property
    def on_cpu(self) -> bool:
        """Does inference run on the CPU?"""
        return self.device == "cpu"

    @property
    def is_reference(self) -> bool:
        """Are these the reference's own device, precision, level rule and engine?"""
        computed_alike = self.on_cpu and self.precision == Precision.FP32 and self.level == "rms"
        return computed_alike and self.engine == Engine.EXACT and self.segmentation_step is None

    def on_cpu_instead(self, reason: str) -> Self:
        """Plan for after a device failure: CPU in FP32, every other choice kept, batch size included."""
        return replace(
            self,
            device="cpu",
            device_name=cpu_name(),
            precision=Precision.FP32,
            fallback="none",
            fallback_reason=reason,
        )

    def as_reference(self) -> Self:
        """Plan the reference for this candidate: CPU, FP32, levelled, the exact engine."""
        return replace(
            self,
            requested="cpu",
            device="cpu",
            device_name=cpu_name(),
            precision=Precision.FP32,
            level="rms",
            engine=Engine.EXACT,
            segmentation_step=None,
            fallback="none",
            reason="the reference runs on CPU in FP32",
            fallback_reason=None,
        )

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """Read the plan that `facts` wrote into a manifest.

        Raises:
            TypeError: a value is missing, or is none of a plan.
        """
        # What `autocast_dtype` was called in files of version 0.1.0.
        renamed = {"half": "autocast_dtype"}
        return cls(**{renamed.get(name, name): value for name, value in facts.items()})

    def facts(self) -> dict[str, Any]:
        """Render for the files: what was free at that moment decides nothing afterwards, and differs every time."""
        return {name: value for name, value in asdict(self).items() if name != "free_memory"}
