"""What prefect.yaml and automations.yaml say."""

from typing import Any

import yaml
from paths import ROOT
from prefect.flows import Flow, load_flow_from_entrypoint

FILE = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
DEPLOYMENTS: dict[str, dict[str, Any]] = {one["name"]: one for one in FILE["deployments"]}
TRIGGERS = {name: one["triggers"] for name, one in DEPLOYMENTS.items() if "triggers" in one}
AUTOMATIONS = yaml.safe_load((ROOT / "automations.yaml").read_text(encoding="utf-8"))["automations"]


def flow_of(name: str) -> Flow[..., Any]:
    """The flow that a deployment runs."""
    return load_flow_from_entrypoint(str(ROOT / DEPLOYMENTS[name]["entrypoint"]))
