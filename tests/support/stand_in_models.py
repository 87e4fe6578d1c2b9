"""Model sets in the layouts of pyannote's own, with networks of the right kinds: small and random, made in a moment.

Right for what is loaded and from where; nothing they say of speech means anything.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np

from tasks.engine.models import registry  # configures pyannote before anybody imports it

COMMUNITY, THREE = "pyannote/speaker-diarization-community-1", "pyannote/speaker-diarization-3.1"
SEGMENTATION, EMBEDDING = "pyannote/segmentation-3.0", "pyannote/wespeaker-voxceleb-resnet34-LM"
DIMENSION, LDA = 64, 16
CARD = b"---\nlicense: cc-by-4.0\ntags: [pyannote]\n---\nA stand-in.\n"
ATTRIBUTES = b"*.bin filter=lfs diff=lfs merge=lfs -text\n*.npz filter=lfs diff=lfs merge=lfs -text\n"
COMMUNITY_CONFIG = """\
dependencies:
  pyannote.audio: 4.0.0

pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: VBxClustering
    segmentation: $model/segmentation
    segmentation_batch_size: 32
    embedding: $model/embedding
    embedding_batch_size: 32
    embedding_exclude_overlap: true
    plda: $model/plda

params:
  clustering:
    threshold: 0.6
    Fa: 0.07
    Fb: 0.8
  segmentation:
    min_duration_off: 0.0
"""
THREE_CONFIG = """\
version: 3.1.0

pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: AgglomerativeClustering
    embedding: pyannote/wespeaker-voxceleb-resnet34-LM
    embedding_batch_size: 32
    embedding_exclude_overlap: true
    segmentation: pyannote/segmentation-3.0
    segmentation_batch_size: 32

params:
  clustering:
    method: centroid
    min_cluster_size: 12
    threshold: 0.7045654963945799
  segmentation:
    min_duration_off: 0.0
"""


def checkpoint(network: Any, **more: Any) -> bytes:
    """A network as pyannote saves it."""
    import torch

    held: dict[str, Any] = {
        "state_dict": network.state_dict(),
        "hyper_parameters": dict(network.hparams),
        "pytorch-lightning_version": "2.5.0",
    }
    network.on_save_checkpoint(held)
    file = io.BytesIO()
    torch.save(held | more, file)
    return file.getvalue()


def embedding_network(*, pools: bool = False) -> Any:
    """(batch, 1, samples) to (batch, 64), random: pyannote's smallest, or its smallest that pools under weights."""
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import XVectorMFCC
    from pyannote.audio.models.embedding.debug import SimpleEmbeddingModel

    torch.manual_seed(0)
    network = XVectorMFCC(dimension=DIMENSION) if pools else SimpleEmbeddingModel()
    network.specifications = Specifications(Problem.REPRESENTATION, Resolution.CHUNK, duration=5.0)
    return network


def segmentation() -> bytes:
    """The real segmentation-3.0, which comes with the offline set."""
    return (registry.models_folder() / registry.SEGMENTATION.file).read_bytes()


def plda(dimension: int = DIMENSION, lda: int = LDA) -> dict[str, bytes]:
    """A PLDA with the keys of the real one: centring, reduction to `lda`, covariances."""
    generator = np.random.default_rng(0)
    basis = np.linalg.qr(generator.standard_normal((lda, lda)))[0]
    reduction = generator.standard_normal((dimension, lda))
    arrays = {
        "xvec_transform.npz": {"mean1": np.zeros(dimension), "mean2": np.zeros(lda), "lda": reduction},
        "plda.npz": {"mu": np.zeros(lda), "tr": basis, "psi": np.linspace(3, 0.5, lda)},
    }
    files = {}
    for name, content in arrays.items():
        file = io.BytesIO()
        np.savez(file, **content)
        files[name] = file.getvalue()
    return files


def community(weights: bytes | None = None) -> dict[str, bytes]:
    """Files of community-1; networks that load unless other bytes are to stand for every weight."""
    of_voices = plda()
    return {
        "config.yaml": COMMUNITY_CONFIG.encode(),
        "README.md": CARD,
        ".gitattributes": ATTRIBUTES,
        "embedding/README.md": b"x\n",
        "segmentation/pytorch_model.bin": weights or segmentation(),
        "embedding/pytorch_model.bin": weights or checkpoint(embedding_network()),
        "plda/xvec_transform.npz": weights or of_voices["xvec_transform.npz"],
        "plda/plda.npz": weights or of_voices["plda.npz"],
    }


def three(weights: bytes | None = None) -> dict[str, dict[str, bytes]]:
    """Repositories of 3.1 and of the two networks that it names."""
    return {
        THREE: {"config.yaml": THREE_CONFIG.encode(), "README.md": CARD, "handler.py": b"# x\n"},
        SEGMENTATION: {
            "config.yaml": b"task:\n  _target_: pyannote.audio.tasks.SpeakerDiarization\n  duration: 10.0\n",
            "README.md": CARD.replace(b"cc-by-4.0", b"mit"),
            "pytorch_model.bin": weights or segmentation(),
        },
        EMBEDDING: {"README.md": CARD, "pytorch_model.bin": weights or checkpoint(embedding_network())},
    }


def write(files: dict[str, bytes], folder: Path) -> Path:
    """Write files into a folder, as a copy of a repository has them."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
