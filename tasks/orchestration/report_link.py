"""The page of a drift within reach: a copy where a web server shows it, and its address for the artifact."""

import logging
from pathlib import Path
from urllib.parse import quote

from tasks.engine.core.errors import StorageError
from tasks.engine.publishing.names import PAGE
from tasks.engine.system.atomic import atomic_write_text
from tasks.engine.system.environment import machine_settings
from tasks.run import Run

log = logging.getLogger("step4.report")

KEPT = 100
"""Pages that are kept, the newest: one has a few megabytes."""


def offer_page(run: Run, stem: str) -> str | None:
    """Put a copy of a run's page where STEP4_REPORTS_DIR says, and return its address below STEP4_REPORTS_URL.

    A page that cannot be copied is a warning: what the gate decided never depends on it.

    Args:
        run: whose page, still staged.
        stem: of the copy's name.

    Returns:
        None where there is no page, or nowhere to show it.
    """
    page, settings = run.staging / PAGE, machine_settings()
    if not page.is_file() or settings.reports_dir is None or not settings.reports_url:
        return None
    name = f"{stem}-{run.key[:8]}.html"
    try:
        settings.reports_dir.mkdir(parents=True, exist_ok=True)
        atomic_write_text(settings.reports_dir / name, page.read_text(encoding="utf-8"))
        keep_newest(settings.reports_dir)
    except (OSError, StorageError) as error:
        log.warning("%s could not be put into %s: %s", PAGE, settings.reports_dir, error)
        return None
    return f"{settings.reports_url.rstrip('/')}/{quote(name)}"


def keep_newest(folder: Path) -> None:
    """Remove all pages but the newest; one that cannot be removed is a warning, and one that is gone is no matter."""
    for old in sorted(folder.glob("*.html"), key=changed_at)[:-KEPT]:
        try:
            old.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s could not be removed: %s", old, error)


def changed_at(page: Path) -> float:
    """Return when a page was written; 0, before all others, where another worker has removed it meanwhile."""
    try:
        return page.stat().st_mtime
    except FileNotFoundError:
        return 0.0
