"""Why a repository of the Hugging Face hub could not be fetched: one kind, one sentence, one remedy.

The client has dozens of exceptions, and texts that hold addresses and requests. Only the kind leaves the process that
fetches; the sentence is ours.
"""

import errno
import re
from collections.abc import Iterator
from enum import StrEnum, auto
from http import HTTPStatus

from tasks.engine.core.credentials import shown_address

HUB_PAGE = "https://huggingface.co"


class HubFailure(StrEnum):
    """What went wrong."""

    NO_TOKEN = auto()
    TERMS = auto()
    SCOPE = auto()
    WRONG_TOKEN = auto()
    NOT_FOUND = auto()
    NO_REVISION = auto()
    DISABLED = auto()
    OFFLINE_MODE = auto()
    NO_NETWORK = auto()
    PROXY = auto()
    CERTIFICATE = auto()
    NOT_A_HUB = auto()
    STALLED = auto()
    CUT = auto()
    TOO_MANY_REQUESTS = auto()
    SERVER_ERROR = auto()
    UNWRITABLE_CACHE = auto()
    DISK_FULL = auto()
    OTHER = auto()


SENTENCES: dict[HubFailure, str] = {
    HubFailure.NO_TOKEN: "it is gated, and no token is set: accept its terms at {page}, then set HF_TOKEN",
    HubFailure.TERMS: "its terms are not accepted by the account of this token: accept them at {page}",
    HubFailure.SCOPE: (
        "this token may not read it: a fine-grained token needs the permission 'Read access to contents of all public "
        "gated repos you can access' (https://huggingface.co/settings/tokens); or set HF_TOKEN to one of type 'read'"
    ),
    HubFailure.WRONG_TOKEN: (
        "the hub does not know this token, which is mistyped, expired or revoked: make one at "
        "https://huggingface.co/settings/tokens and set HF_TOKEN"
    ),
    HubFailure.NOT_FOUND: (
        "the hub shows no such repository: check the spelling at {page}; a private one needs a token that may read it, "
        "in HF_TOKEN"
    ),
    HubFailure.NO_REVISION: (
        "it has no revision {revision!r}: expected a branch, a tag or a commit of {page}/commits/main"
    ),
    HubFailure.DISABLED: "the hub has disabled it: {page} may say why",
    HubFailure.OFFLINE_MODE: (
        "HF_HUB_OFFLINE keeps the hub from being asked, so there is only what is in the cache {cache}: unset it, or "
        "bring the models as docs/models.md says"
    ),
    HubFailure.NO_NETWORK: (
        "{endpoint} cannot be reached: check the network, HTTPS_PROXY and HF_ENDPOINT, or bring the models as "
        "docs/models.md says"
    ),
    HubFailure.PROXY: "the proxy did not let the request through: check HTTPS_PROXY and NO_PROXY",
    HubFailure.CERTIFICATE: (
        "the certificate of {endpoint} is not trusted here: set SSL_CERT_FILE to the certificates of your network"
    ),
    HubFailure.NOT_A_HUB: (
        "{endpoint} answered with something that no hub says, as the login page of a network does: open it in a "
        "browser, and check HF_ENDPOINT"
    ),
    HubFailure.STALLED: (
        "{endpoint} stopped answering: run again, or wait longer with HF_HUB_DOWNLOAD_TIMEOUT=60 (seconds)"
    ),
    HubFailure.CUT: "the transfer broke off: run again, files that are complete are kept",
    HubFailure.TOO_MANY_REQUESTS: (
        "the hub has had too many requests from here: wait some minutes; with HF_TOKEN set it allows more"
    ),
    HubFailure.SERVER_ERROR: "the hub failed: run again later; https://status.huggingface.co shows how it is",
    HubFailure.UNWRITABLE_CACHE: (
        "the cache {cache}, or Xet's (HF_XET_CACHE, else in HF_HOME), cannot be written: give the right to, or set "
        "HF_HOME to a folder that can"
    ),
    HubFailure.DISK_FULL: (
        "no space is left for the cache {cache}: make room, or set HF_HOME to a folder on another disk"
    ),
    HubFailure.OTHER: "the hub's client ended with {detail}: run again, or bring the models as docs/models.md says",
}
"""What a person is told. `{page}` is the repository's page, `{detail}` the name of an exception."""

NAMES: dict[str, HubFailure] = {
    "RevisionNotFoundError": HubFailure.NO_REVISION,
    "DisabledRepoError": HubFailure.DISABLED,
    "RepositoryNotFoundError": HubFailure.NOT_FOUND,
    "RemoteEntryNotFoundError": HubFailure.NOT_FOUND,
    "OfflineModeIsEnabled": HubFailure.OFFLINE_MODE,
    "ProxyError": HubFailure.PROXY,
    "SSLCertVerificationError": HubFailure.CERTIFICATE,
    "TimeoutException": HubFailure.STALLED,
    "ConnectError": HubFailure.NO_NETWORK,
    "UnsupportedProtocol": HubFailure.NO_NETWORK,
    # A token that fits into no header: of two lines, or with a character that no token has.
    "LocalProtocolError": HubFailure.WRONG_TOKEN,
    "UnicodeEncodeError": HubFailure.WRONG_TOKEN,
    "TransportError": HubFailure.CUT,
    "XetDownloadError": HubFailure.CUT,
    "FileMetadataError": HubFailure.NOT_A_HUB,
    "JSONDecodeError": HubFailure.NOT_A_HUB,
    "TooManyRedirects": HubFailure.NOT_A_HUB,
    # hf_xet knows no other class.
    "RuntimeError": HubFailure.CUT,
}
"""Classes by name: huggingface_hub 1 and 2 take them from different HTTP libraries. The first that fits decides."""

STATUSES: dict[int, HubFailure] = {
    HTTPStatus.UNAUTHORIZED: HubFailure.WRONG_TOKEN,
    HTTPStatus.FORBIDDEN: HubFailure.SCOPE,
    HTTPStatus.TOO_MANY_REQUESTS: HubFailure.TOO_MANY_REQUESTS,
}
ERRNOS: dict[int, HubFailure] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), HubFailure.DISK_FULL),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST), HubFailure.UNWRITABLE_CACHE
    ),
}

RUST_ERRNO = re.compile(r"\(os error (\d+)\)")
"""How Rust writes the number that the system gave: hf_xet has it nowhere else."""


def kind_of(error: BaseException) -> HubFailure:
    """Tell what an exception of the hub's client means; the client wraps one in another."""
    known = (kind for one in chain(error) for kind in (kind_of_one(one),) if kind)
    # A certificate is met inside a failed connection.
    kinds = list(known)
    if HubFailure.CERTIFICATE in kinds:
        return HubFailure.CERTIFICATE
    return kinds[0] if kinds else HubFailure.OTHER


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from, the outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def kind_of_one(error: BaseException) -> HubFailure | None:
    """Tell what one exception means by itself; None where it is a wrapper, or nothing we know."""
    names = [kind.__name__ for kind in type(error).__mro__]
    status = getattr(getattr(error, "response", None), "status_code", None)
    if "GatedRepoError" in names:
        return kind_of_refusal(getattr(error, "server_message", None) or "", status)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return HubFailure.CERTIFICATE
    if (written := RUST_ERRNO.search(str(error))) and (kind := ERRNOS.get(int(written[1]))):
        return kind
    named = next((kind for name, kind in NAMES.items() if name in names), None)
    if named or status is None:
        return named or ERRNOS.get(getattr(error, "errno", None) or 0)
    return HubFailure.SERVER_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else STATUSES.get(status)


def kind_of_refusal(told: str, status: int | None) -> HubFailure:
    """Tell why a gated repository was refused, by what the hub said and its status."""
    if "fine-grained" in told:
        return HubFailure.SCOPE
    return HubFailure.NO_TOKEN if status == HTTPStatus.UNAUTHORIZED else HubFailure.TERMS


def sentence(kind: HubFailure, repository: str, *, endpoint: str, cache: str, detail: str = "") -> str:
    """Say what went wrong with a repository, `id` or `id@revision`, and what to do."""
    name, _, revision = repository.partition("@")
    told = SENTENCES[kind].format(
        page=f"{HUB_PAGE}/{name}",
        revision=revision or "main",
        endpoint=shown_address(endpoint),
        cache=cache,
        detail=detail,
    )
    return f"{repository} could not be fetched: {told}"
