"""The log lines that users grep, verbatim."""

from tasks.engine.core import log_lines

FILLED_IN = {
    log_lines.DIARIZATION_DONE % 42: "Diarisation: 42 segment(s) détecté(s)",
    log_lines.ALREADY_PUBLISHED % "clip_step4.json": (
        "Déjà publié avec la même entrée, les mêmes paramètres et modèles: aucune inférence (clip_step4.json)"
    ),
    log_lines.TIMELINE_DONE % (3762, 4374, 86.008): "Timeline audio: 3762/4374 frames avec parole (86.0%)",
    log_lines.COHERENCE_CHECK: "Vérification de la cohérence GPU/CPU...",
    log_lines.COHERENCE_PASSED % 2: "Test de cohérence réussi (décalage max: 2ms)",
    log_lines.DIVERGENCE_TO_FP32: "Détection de divergence GPU/CPU, passage en mode FP32",
    log_lines.DETECTION_RATE_FALLBACK % 3.2: "Taux de détection faible (3%), activation du fallback CPU",
    log_lines.BATCH_SIZE_REDUCED % (16, 8, log_lines.TOO_SLOW): (
        "Optimisation: réduction batch_size de 16→8 (trop lent)"
    ),
    log_lines.CUDA_FALLBACK % "out of memory": "Erreur CUDA, passage en mode CPU: out of memory",
    log_lines.PROFILE_IN_USE % ("gpu_fp32", "FP32, no AMP"): (
        "[PROFILING] AudioService: Profil gpu_fp32 activé (FP32, no AMP)"
    ),
    log_lines.GPU_MEMORY % (12.4, 8): "[PROFILING] Mémoire GPU disponible: 12.4 Go, batch_size=8",
    log_lines.INFERENCE_TIME % 38.2: "[PROFILING] Pyannote inference: 38.2ms/segment (moyenne)",
    log_lines.DETECTION_RATE_LOW % 15.4: "[PROFILING] Taux de détection bas (15%), vérifier le modèle",
}


def test_the_promised_lines_are_verbatim() -> None:
    """Each template, filled in as its stage does, gives the line that was promised."""
    assert len(FILLED_IN) == 13
    assert list(FILLED_IN) == list(FILLED_IN.values())


def test_every_template_is_tried() -> None:
    """A line added to the module is a promise too, and needs its row here."""
    templates = [value for name, value in vars(log_lines).items() if name.isupper() and name != "TOO_SLOW"]

    assert len(templates) == len(FILLED_IN)
