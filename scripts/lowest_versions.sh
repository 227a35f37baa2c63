#!/usr/bin/env bash
# Do the floors in pyproject.toml hold? Installs the lowest version of every declared dependency into a fresh
# environment, then chooses images from the quickstart's pool there:
#
#     scripts/lowest_versions.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SEMDD_CACHE="$work/cache"

"${1:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -q uv
"$work/venv/bin/uv" pip install -q --python "$work/venv/bin/python" --resolution lowest-direct .
cd "$work"
venv/bin/python - <<'END'
from importlib import import_module
from pkgutil import walk_packages

import semdd_lightning

for module in walk_packages(semdd_lightning.__path__, "semdd_lightning."):
    if not module.name.endswith("__main__"):
        import_module(module.name)
END
venv/bin/semdd select --config quickstart.yaml --out chosen
venv/bin/semdd verify chosen
venv/bin/semdd fit --config quickstart.yaml --data.passes 2 --data.passes_per_epoch 1
"$work/venv/bin/uv" pip list --python venv/bin/python
