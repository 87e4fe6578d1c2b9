"""Is the Prefect server that was named there? Asked once, before any work, so that its absence is one sentence."""

from tasks.engine.core.credentials import shown_address
from tasks.engine.core.errors import ServiceError
from tasks.engine.core.exception_map import message_of
from tasks.orchestration.connection import API_URL, server_named

EXPECTED = "expected an address such as http://127.0.0.1:4200/api; without one step4 runs in its own process"


def require_server() -> None:
    """Ask the server that was named for its version, as Prefect does before it is told anything.

    Raises:
        ServiceError: a server was named, and there is none at its address.
    """
    if not server_named():
        return
    from prefect.client.orchestration import get_client  # noqa: PLC0415  # two seconds, and only a server needs it
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415

    address = PREFECT_API_URL.value() or ""
    shown = shown_address(address)
    if not address.startswith(("http://", "https://")):
        raise ServiceError(f"{API_URL} = {shown} does not begin with http:// or https://: {EXPECTED}")
    try:
        with get_client(sync_client=True) as client:
            client.raise_for_api_version_mismatch()
            return
    except Exception as error:  # noqa: BLE001  # a server, and what stands in its place, can fail in any way
        why = message_of(error.__cause__ or error)
    path = "" if address.rstrip("/").endswith("/api") else ", which does not end in /api"
    raise ServiceError(f"no Prefect server answers at {API_URL} = {shown}{path} ({why}): {EXPECTED}")
