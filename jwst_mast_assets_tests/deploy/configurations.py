"""The ready configurations, as tests use them."""

from pathlib import Path

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"


def copy_configuration(configuration: Path, home: Path) -> None:
    """Copy a ready dagster.yaml; only the queue looks each second."""
    content = yaml.safe_load((configuration / "dagster.yaml").read_text())
    content["run_coordinator"]["config"] = {"dequeue_interval_seconds": 1}
    (home / "dagster.yaml").write_text(yaml.safe_dump(content))
