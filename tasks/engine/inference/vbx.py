"""VBx in bounded memory: pyannote's, without arrays of every embedding times every cluster.

Landini et al., "Bayesian HMM clustering of x-vector sequences (VBx) in speaker diarization" (arXiv 2012.14952), of
which pyannote keeps the mixture model. Its rounds hold six arrays of (embeddings, clusters) in float64, and the
clusters that they begin with are many: four hours of talk are gigabytes. All that a round needs of the one before are
sums over the embeddings, so blocks of embeddings do.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyannote.audio.utils import vbx
from scipy.special import logsumexp

Floats = NDArray[np.float64]

LARGEST = 2**22
"""Responsibilities, embeddings times clusters, up to which pyannote computes them: about an hour; 32 MiB an array."""

KEPT = 1e-7
"""Prior above which pyannote takes a speaker for one."""

EPSILON, SMOOTHING, LEAST_GAIN = 1e-8, 7.0, 1e-4
"""Constants of pyannote's: added to priors, first responsibilities' exponent, gain below which rounds end."""


class Speakers(NamedTuple):
    """The mixture: `alpha` (clusters, dimension) means, `offset` (clusters,) what each adds to a log likelihood."""

    alpha: Floats
    offset: Floats


class Statistics(NamedTuple):
    """Sums over embeddings: (clusters,) responsibilities, (clusters, dimension) weighted features, log likelihood."""

    mass: Floats
    features: Floats
    likelihood: float


class BoundedVBx:
    """`pyannote.audio.utils.vbx.cluster_vbx`: the same up to `largest` responsibilities, and beyond it in blocks.

    Args:
        largest: embeddings times clusters that may be held at once.
    """

    def __init__(self, largest: int = LARGEST) -> None:
        self.largest = largest

    def __call__(  # pyannote's signature
        self,
        clusters: NDArray[np.int64],
        features: Floats,
        phi: Floats,
        Fa: float,  # noqa: N803
        Fb: float,  # noqa: N803
        maxIters: int = 20,  # noqa: N803
    ) -> tuple[Floats, Floats]:
        """Refine clusters.

        Args:
            clusters: (embeddings,) of each, from 0 without gaps.
            features: (embeddings, dimension) in the space of the PLDA.
            phi: (dimension,) variance between speakers there.
            Fa: weight of the features.
            Fb: weight of the prior: the higher, the fewer speakers.
            maxIters: most rounds.

        Returns:
            (embeddings, speakers) responsibilities and (speakers,) priors; in blocks, of the speakers kept alone.
        """
        if len(features) * (int(clusters.max()) + 1) <= self.largest:
            responsibilities, priors = vbx.cluster_vbx(clusters, features, phi, Fa=Fa, Fb=Fb, maxIters=maxIters)
            return np.asarray(responsibilities), np.asarray(priors)
        return Blocks(features, phi, Fa, Fb, self.largest).cluster(clusters, maxIters)


class Blocks:
    """One problem in blocks of embeddings; arguments as above."""

    def __init__(self, features: Floats, phi: Floats, acoustic: float, prior: float, largest: int) -> None:
        self.phi, self.acoustic, self.prior, self.largest = phi, acoustic, prior, largest
        self.rho = features * np.sqrt(phi)
        square = np.sum(features**2, axis=1, keepdims=True)
        self.constant = -0.5 * acoustic * (square + features.shape[1] * np.log(2 * np.pi))

    def cluster(self, clusters: NDArray[np.int64], rounds: int) -> tuple[Floats, Floats]:
        """Go through rounds until they gain nothing; return as above."""
        count, before = int(clusters.max()) + 1, -np.inf
        statistics, priors = self.first(clusters, count), np.full(count, 1 / count)
        for _ in range(rounds):
            speakers, bound = self.speakers(statistics, priors)
            statistics = self.statistics(speakers)
            priors = statistics.mass / statistics.mass.sum()
            bound += statistics.likelihood
            if bound - before < LEAST_GAIN:
                break
            before = bound
        kept = priors > KEPT
        responsibilities = np.empty((len(self.rho), int(kept.sum())))
        for block, share, _ in self.shares(speakers):
            responsibilities[block] = share[:, kept]
        return responsibilities, priors[kept]

    def first(self, clusters: NDArray[np.int64], count: int) -> Statistics:
        """Sum pyannote's first responsibilities: one share for the own cluster, another one for each other."""
        whole = np.exp(SMOOTHING) + count - 1
        other, more = 1 / whole, (np.exp(SMOOTHING) - 1) / whole
        features = np.zeros((count, self.rho.shape[1]))
        np.add.at(features, clusters, self.rho)
        mass = other * len(clusters) + more * np.bincount(clusters, minlength=count)
        return Statistics(mass, other * self.rho.sum(axis=0) + more * features, 0.0)

    def speakers(self, statistics: Statistics, priors: Floats) -> tuple[Speakers, float]:
        """Estimate the speakers; (17), (16) and a part of (23) and (25) of the paper."""
        ratio = self.acoustic / self.prior
        inverse = 1 / (1 + ratio * statistics.mass[:, None] * self.phi)
        alpha = ratio * inverse * statistics.features
        offset = np.log(priors + EPSILON) - 0.5 * self.acoustic * (inverse + alpha**2).dot(self.phi)
        return Speakers(alpha, offset), float(0.5 * self.prior * np.sum(np.log(inverse) - inverse - alpha**2 + 1))

    def statistics(self, speakers: Speakers) -> Statistics:
        """Sum the responsibilities of these speakers."""
        mass, features = np.zeros(len(speakers.offset)), np.zeros_like(speakers.alpha)
        likelihood = 0.0
        for block, share, likelihoods in self.shares(speakers):
            mass += share.sum(axis=0)
            features += share.T.dot(self.rho[block])
            likelihood += float(likelihoods.sum())
        return Statistics(mass, features, likelihood)

    def shares(self, speakers: Speakers) -> Iterator[tuple[slice, Floats, Floats]]:
        """Yield each block with its (embeddings, clusters) responsibilities and (embeddings,) log likelihoods."""
        size = max(1, self.largest // (4 * len(speakers.offset)))
        for start in range(0, len(self.rho), size):
            block = slice(start, start + size)
            log = self.rho[block].dot(speakers.alpha.T)
            log *= self.acoustic
            log += self.constant[block] + speakers.offset
            likelihoods = logsumexp(log, axis=-1)
            log -= likelihoods[:, None]
            yield block, np.exp(log, out=log), likelihoods
