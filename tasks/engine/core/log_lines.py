"""Log lines that users grep and other steps parse: templates for `logging`'s % formatting, verbatim and in French.

Their texts are a promise. Everything else that is logged is in English and may change.
"""

DIARIZATION_DONE = "Diarisation: %d segment(s) détecté(s)"
ALREADY_PUBLISHED = "Déjà publié avec la même entrée, les mêmes paramètres et modèles: aucune inférence (%s)"
TIMELINE_DONE = "Timeline audio: %d/%d frames avec parole (%.1f%%)"

COHERENCE_CHECK = "Vérification de la cohérence GPU/CPU..."
COHERENCE_PASSED = "Test de cohérence réussi (décalage max: %dms)"
DIVERGENCE_TO_FP32 = "Détection de divergence GPU/CPU, passage en mode FP32"

DETECTION_RATE_FALLBACK = "Taux de détection faible (%.0f%%), activation du fallback CPU"
BATCH_SIZE_REDUCED = "Optimisation: réduction batch_size de %d→%d (%s)"
TOO_SLOW = "trop lent"
CUDA_FALLBACK = "Erreur CUDA, passage en mode CPU: %s"

PROFILE_IN_USE = "[PROFILING] AudioService: Profil %s activé (%s)"
GPU_MEMORY = "[PROFILING] Mémoire GPU disponible: %.1f Go, batch_size=%d"
INFERENCE_TIME = "[PROFILING] Pyannote inference: %.1fms/segment (moyenne)"
DETECTION_RATE_LOW = "[PROFILING] Taux de détection bas (%.0f%%), vérifier le modèle"
