"""Model folders that several tests of the engine load."""

from pathlib import Path

import pytest
import torch

from tasks.engine.models import registry  # configures pyannote before a test imports it

# As a run on the CPU sets it. Two of torch's threads wait for each other at every layer, which beside other processes
# costs 2 to 7 times the work (docs/decisions/0006-one-worker-per-core.md).
torch.set_num_threads(1)


@pytest.fixture
def resnet_folder(tmp_path: Path) -> Path:
    """A folder as production users hold it: `config.yaml`, segmentation-3.0, a WeSpeaker ResNet34 (random weights)."""
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import WeSpeakerResNet34

    torch.manual_seed(0)
    network = WeSpeakerResNet34()
    network.specifications = Specifications(Problem.REPRESENTATION, Resolution.CHUNK, duration=10.0)
    state = {
        "state_dict": network.state_dict(),
        "hyper_parameters": dict(network.hparams),
        "pytorch-lightning_version": "2.5.0",
        "pyannote.audio": {
            "versions": {"torch": "2.11.0", "pyannote.audio": "4.0.7"},
            "architecture": {"module": type(network).__module__, "class": type(network).__name__},
            "specifications": network.specifications,
        },
    }
    (tmp_path / "embedding").mkdir()
    torch.save(state, tmp_path / "embedding" / "pytorch_model.bin")
    (tmp_path / "segmentation").mkdir()
    source = registry.models_folder() / registry.SEGMENTATION.file
    (tmp_path / "segmentation" / "pytorch_model.bin").write_bytes(source.read_bytes())
    (tmp_path / "config.yaml").write_text(
        "version: 3.1.0\n"
        "pipeline:\n  name: pyannote.audio.pipelines.SpeakerDiarization\n  params:\n"
        "    clustering: AgglomerativeClustering\n    embedding: $model/embedding\n"
        "    segmentation: $model/segmentation\n    embedding_exclude_overlap: true\n"
        "params:\n  clustering:\n    method: centroid\n    min_cluster_size: 12\n    threshold: 0.7045654963945799\n"
        "  segmentation:\n    min_duration_off: 0.0\n"
    )
    return tmp_path
