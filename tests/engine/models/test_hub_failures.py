"""Every way in which the hub fails has a kind, and every kind one sentence with its remedy."""

import errno
import os
import re
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from hub_box import FINE, GOOD, STRANGER, HubBox, hub_in_a_box, use
from paths import ROOT
from stand_in_models import COMMUNITY, community

from tasks.engine.models import hub
from tasks.engine.models.hub_failures import SENTENCES, HubFailure, kind_of, sentence


def failure(repository: str, box: HubBox) -> HubFailure:
    """What the real client's exception is taken for."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  # a dozen classes
        hub.bring(repository, box.address)
    return kind_of(caught.value)


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("", HubFailure.NO_TOKEN),
        (STRANGER, HubFailure.TERMS),
        (FINE, HubFailure.SCOPE),
        ("hf_revoked", HubFailure.WRONG_TOKEN),
    ],
)
def test_what_a_token_may_not_do_is_told_apart(
    box: HubBox, monkeypatch: pytest.MonkeyPatch, token: str, kind: HubFailure
) -> None:
    """No token, terms not accepted, a fine-grained token without the permission, a token nobody knows."""
    monkeypatch.setenv("HF_TOKEN", token)

    assert failure(COMMUNITY, box) is kind


@pytest.mark.parametrize("token", ["hf_…", "hf_\x01member", "hf_mem\nber"])
def test_a_token_that_fits_into_no_request_is_a_wrong_one(
    box: HubBox, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """Copied from a page, or of two lines: it never leaves this machine, and that is no fault of the line."""
    monkeypatch.setenv("HF_TOKEN", token)

    assert failure(COMMUNITY, box) is HubFailure.WRONG_TOKEN


@pytest.mark.parametrize("token", ["", GOOD])
def test_a_misspelt_id_is_not_blamed_on_the_token(box: HubBox, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    """The hub answers 401 without a token and 404 with one: there is no such repository."""
    monkeypatch.setenv("HF_TOKEN", token)

    assert failure("pyannote/speaker-diarisation-community-1", box) is HubFailure.NOT_FOUND


def test_a_revision_that_is_none_and_a_disabled_repository_have_kinds(box: HubBox) -> None:
    """The repository is there, and still there is nothing to fetch."""
    assert failure(f"{COMMUNITY}@v9", box) is HubFailure.NO_REVISION
    box.disabled = {COMMUNITY}
    assert failure(COMMUNITY, box) is HubFailure.DISABLED


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("500", HubFailure.SERVER_ERROR),
        ("503", HubFailure.SERVER_ERROR),
        ("429", HubFailure.TOO_MANY_REQUESTS),
        ("portal", HubFailure.NOT_A_HUB),
        ("login", HubFailure.NOT_A_HUB),
        ("drop", HubFailure.CUT),
        ("stall", HubFailure.STALLED),
    ],
)
def test_what_server_and_network_do_is_told_apart(
    box: HubBox, monkeypatch: pytest.MonkeyPatch, fault: str, kind: HubFailure
) -> None:
    """Statuses, a captive portal with and without a redirect, a line that breaks, a server that falls silent."""
    if fault == "stall":
        monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "1")
    box.fault = fault

    assert failure(COMMUNITY, box) is kind


@pytest.mark.usefixtures("box")
@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "http://no-such-host.invalid", "mirror:80", "mirror", "ftp://m"]
)
def test_an_address_that_leads_nowhere_is_no_network(address: str) -> None:
    """Nobody listens, nobody is called that, or it is no address of the web."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the client's own
        hub.bring(COMMUNITY, address)

    assert kind_of(caught.value) is HubFailure.NO_NETWORK


def test_a_cache_that_cannot_be_written_is_told(box: HubBox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file where the folder should be: root may write anywhere else."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file" / "hub"))

    assert failure(COMMUNITY, box) is HubFailure.UNWRITABLE_CACHE


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, HubFailure.DISK_FULL),
        (errno.EDQUOT, HubFailure.DISK_FULL),
        (errno.EACCES, HubFailure.UNWRITABLE_CACHE),
        (errno.EROFS, HubFailure.UNWRITABLE_CACHE),
    ],
)
def test_what_the_system_says_of_the_cache_is_understood(number: int, kind: HubFailure) -> None:
    """By its number, whatever the text, and inside what the client wraps it in."""
    wrapped = ValueError("download failed")
    wrapped.__cause__ = OSError(number, os.strerror(number))

    assert kind_of(wrapped) is kind


@pytest.mark.parametrize("kind", [RuntimeError, OSError])
@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            "Task error: File reconstruction error: IO Error: No space left on device (os error 28)",
            HubFailure.DISK_FULL,
        ),
        ("I/O error: I/O error: Read-only file system (os error 30)", HubFailure.UNWRITABLE_CACHE),
        ("I/O error: Permission denied (os error 13)", HubFailure.UNWRITABLE_CACHE),
    ],
)
def test_what_the_system_said_to_the_xet_client_is_understood(
    kind: type[Exception], told: str, expected: HubFailure
) -> None:
    """hf_xet has the number in its text alone, as Rust writes it: a full disk is no line that breaks."""
    assert kind_of(kind(told)) is expected


def test_a_proxy_that_refuses_and_an_exception_nobody_knows_have_kinds() -> None:
    """The first is a class of the HTTP library; of the second the name is told."""
    import httpx

    assert kind_of(httpx.ProxyError("407 Proxy Authentication Required")) is HubFailure.PROXY
    assert kind_of(KeyError("sha")) is HubFailure.OTHER
    assert "KeyError" in sentence(HubFailure.OTHER, COMMUNITY, endpoint="", cache="", detail="KeyError")


def test_a_certificate_of_a_stranger_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a company's proxy opens every connection: not "no network"."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with hub_in_a_box(context) as box:
        box.add(COMMUNITY, community(b"weights"))
        use(box, tmp_path / "hub", monkeypatch)

        assert failure(COMMUNITY, box) is HubFailure.CERTIFICATE


def test_offline_mode_is_told(box: HubBox, tmp_path: Path) -> None:
    """In a process of its own, since the client reads the variable when it is imported."""
    code = (
        "from tasks.engine.models import hub; from tasks.engine.models.hub_failures import kind_of\n"
        f"try:\n    hub.bring({COMMUNITY!r})\nexcept Exception as error:\n    print(kind_of(error))"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)

    assert done.stdout.decode().split()[-1] == HubFailure.OFFLINE_MODE
    assert box.seen == []


@pytest.mark.parametrize("kind", HubFailure)
def test_each_kind_has_one_sentence_of_its_own(kind: HubFailure) -> None:
    """It names the repository; where something must be accepted or found there, its page."""
    told = sentence(kind, f"{COMMUNITY}@v1", endpoint="https://hub", cache="/cache", detail="X")

    assert told.startswith(f"{COMMUNITY}@v1 could not be fetched: ")
    assert "{" not in told
    if kind in (HubFailure.NO_TOKEN, HubFailure.TERMS, HubFailure.NOT_FOUND, HubFailure.NO_REVISION):
        assert f"https://huggingface.co/{COMMUNITY}" in told
    assert sum(SENTENCES[kind] == other for other in SENTENCES.values()) == 1


def test_the_documentation_has_every_sentence() -> None:
    """The table of `docs/models.md` is the table of the code."""
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", page, flags=re.MULTILINE))

    assert rows == {str(kind): told for kind, told in SENTENCES.items()}


def test_the_address_of_a_mirror_is_shown_without_its_password() -> None:
    """HF_ENDPOINT may hold one."""
    told = sentence(HubFailure.NO_NETWORK, COMMUNITY, endpoint="https://me:hidden@mirror/hf", cache="")

    assert "https://mirror/hf cannot be reached" in told
    assert "hidden" not in told
