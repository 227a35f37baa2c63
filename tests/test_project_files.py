"""What surrounds the package says what the package says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from semdd_lightning import __version__

ROOT = Path(__file__).parents[1]
CI = (ROOT / ".ci" / "run").read_text().splitlines()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def read(name: str) -> Any:  # noqa: ANN401 - any YAML
    return yaml.safe_load((ROOT / name).read_text())


def test_a_commit_is_checked_by_what_ci_runs() -> None:
    (local,) = read(".pre-commit-config.yaml")["repos"]
    entries = [hook["entry"] for hook in local["hooks"]]
    assert entries.pop() == ".ci/run"
    assert entries == [line for line in CI if line.split()[:1] in (["ruff"], ["mypy"])]


def test_public_ci_runs_the_same_on_every_python() -> None:
    job = read(".github/workflows/ci.yml")["jobs"]["ci"]
    assert job["steps"][-1] == {"run": ".ci/run"}
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    versions = [found[1] for text in classifiers if (found := re.search(r":: (3\.\d+)$", text))]
    assert job["strategy"]["matrix"]["python-version"] == versions


@pytest.mark.parametrize("form", ["fault", "idea"])
def test_an_issue_asks_for_the_versions(form: str) -> None:
    fields = {field["id"]: field for field in read(f".github/ISSUE_TEMPLATE/{form}.yml")["body"]}
    assert fields["versions"]["attributes"]["label"] == "versions.json"


def test_the_version_is_the_same_everywhere() -> None:
    assert read("CITATION.cff")["version"] == __version__
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == __version__


def test_paths_in_contributing_exist() -> None:
    named = re.findall(r"`((?:[\w.]+/)+[\w.]*)`|\]\(([^)#]+)\)|(tests/\S+\.py)", CONTRIBUTING)
    paths = {path for group in named for path in group if path and "NAME" not in path}
    assert len(paths) > 10
    places = (ROOT, ROOT / "semdd_lightning")
    assert [path for path in sorted(paths) if not any((place / path).exists() for place in places)] == []
