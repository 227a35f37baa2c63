"""Files of a run's directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml


def read(file: Path) -> Any:  # noqa: ANN401 - any JSON or YAML
    return json.loads(file.read_text()) if file.suffix == ".json" else yaml.safe_load(file.read_text())
