"""Cards that cannot be used: they are left out, and the reason is told."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from profiles.settings import Configuration
from tasks.device import plan_device
from tasks.engine.core.errors import DeviceError
from tasks.engine.devices.driver import is_installed
from tasks.engine.devices.facts import probe, without_torch

pytestmark = pytest.mark.usefixtures("clean_settings")


def card(index: int = 0) -> Any:
    """What torch says of a card."""
    del index
    return SimpleNamespace(name="Fake GPU", major=7, minor=5)


def sums_to(value: float) -> Any:
    """A tensor on a card that adds like this."""
    tensor = SimpleNamespace(sum=lambda: value)
    return lambda *_, **__: SimpleNamespace(add=lambda _: tensor)


def fails_with(error: Exception) -> Any:
    """A call that ends in an error."""

    def call(*_: Any, **__: Any) -> Any:
        raise error

    return call


def torch_like(**cuda: Any) -> Any:
    """A torch with one card, but for what a test breaks."""
    parts = {
        "device_count": lambda: 1,
        "get_device_properties": card,
        "mem_get_info": lambda _: (3 << 30, 4 << 30),
        "init": lambda: None,
    }
    return SimpleNamespace(
        __version__="2.11.0+cu130",
        version=SimpleNamespace(cuda="13.0"),
        cpu=SimpleNamespace(get_capabilities=lambda: {"avx512_bf16": True}),
        backends=SimpleNamespace(cudnn=SimpleNamespace(version=lambda: 91900)),
        ones=cuda.pop("ones", sums_to(16.0)),
        cuda=SimpleNamespace(**{**parts, **cuda}),
    )


TOO_OLD = "The NVIDIA driver on your system is too old (found version 11040)"


NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"


BROKEN = {
    "driver too old": (torch_like(device_count=lambda: 0, init=fails_with(RuntimeError(TOO_OLD))), TOO_OLD),
    "wrong build": (torch_like(ones=fails_with(RuntimeError(NO_KERNEL))), "no kernel image"),
    "device lost": (torch_like(mem_get_info=fails_with(RuntimeError("CUDA error: device lost"))), "device lost"),
    "out of memory": (torch_like(ones=fails_with(RuntimeError("CUDA out of memory"))), "out of memory"),
    "count fails": (torch_like(device_count=fails_with(RuntimeError("CUDA unknown error"))), "CUDA unknown error"),
    "not compiled": (torch_like(device_count=fails_with(AssertionError("Torch not compiled with CUDA"))), "compiled"),
    "adds wrongly": (torch_like(ones=sums_to(float("nan"))), "adds eight twos to nan"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_an_unusable_card_leaves_the_cpu_and_the_reason(kind: str) -> None:
    """Present and of no use: `auto` runs on the CPU and says why in the manifest, `cuda` fails with exit code 5."""
    torch, told = BROKEN[kind]
    facts = probe(torch, lambda: None)
    plan = plan_device(Configuration.resolve({"profile": "gpu_fp32"}), facts)

    assert facts.cuda == ()
    assert (plan.device, plan.precision) == ("cpu", "fp32")
    assert told in plan.reason
    with pytest.raises(DeviceError, match="asks for cuda"):
        plan_device(Configuration.resolve({"profile": "gpu_optimized"}), facts)


def test_a_hanging_driver_is_never_asked_from_this_process() -> None:
    """Torch would hang as the driver does: it is not asked at all."""
    never = torch_like(device_count=fails_with(AssertionError("asked")))
    facts = probe(never, lambda: "the CUDA driver did not answer within 30 s")

    assert facts.cuda_error == "the CUDA driver did not answer within 30 s"


def test_a_card_that_works_is_found() -> None:
    """After it added eight twos."""
    assert probe(torch_like(), lambda: None).cuda[0].name == "Fake GPU"


def test_a_machine_without_nvidia_has_nothing_to_complain_of() -> None:
    """No driver at all is no error: torch simply found no device."""
    none = torch_like(device_count=lambda: 0, init=fails_with(RuntimeError("Found no NVIDIA driver on your system.")))

    assert probe(none, lambda: None).cuda_error is None


@pytest.mark.slow
@pytest.mark.skipif(is_installed(), reason="a CUDA driver is installed: torch is asked, and nothing is told without it")
def test_without_a_driver_torch_is_not_needed() -> None:
    """What is told from the version file is what torch itself would tell."""
    import torch

    asked, told = probe(torch), without_torch()

    assert told is not None
    assert replace(asked, free_memory=0) == replace(told, free_memory=0)
    assert replace(probe(), free_memory=0) == replace(told, free_memory=0)


def test_torch_is_asked_where_it_was_built_for_another_accelerator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build for ROCm finds its cards without a CUDA driver: the version file alone would miss them."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").touch()
    (tmp_path / "torch" / "version.py").write_text("__version__ = '2.11.0'\ncuda = None\nhip = '6.4'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "torch", raising=False)

    assert without_torch() is None
