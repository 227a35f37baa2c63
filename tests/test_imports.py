"""Imports run one way, and what a word on the command line needs at once does not wait for torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import semdd_lightning

PACKAGE = Path(semdd_lightning.__file__).parent
NAME = PACKAGE.name

WRITING = {"atomic", "records", "tensor_blocks"}  # whole files, and what tells that they still are
# part of the package -> the parts it may import; `*` stands for all
MAY_IMPORT: dict[str, set[str]] = {
    "errors": {"names"},
    "freed_memory": set(),
    "names": set(),
    "assets": set(),
    "given": {"errors"},
    "atomic": {"names", "errors"},
    "locks": set(),
    "records": {"atomic", "names", "errors"},
    "tensor_blocks": {"atomic", "records", "errors"},
    "progress": {"names"},
    "classes": {"errors"},
    "datasets": {"classes", "errors"},
    "pools": {
        "datasets",
        "classes",
        "given",
        "locks",
        *WRITING,
        "progress",
        "names",
        "errors",
    },
    "prior": {
        *("pools", "classes", "given", "locks", *WRITING, "progress", "names", "assets", "errors"),
    },
    "audit": {"report", "prior", "pools", "classes", "given", "names", "errors"},
    "selection": {"errors"},
    "models": {"errors"},
    "export": {
        *("selection", "audit", "prior", "pools", "classes"),
        *("given", *WRITING, "progress", "names", "errors"),
    },
    "data": {
        *("export", "pools", "prior", "selection", "models", "audit", "datasets", "classes"),
        *("given", "locks", *WRITING, "progress", "names", "errors"),
    },
    "training": {
        *("models", "prior", "data", "audit", "pools", "given", *WRITING),
        *("classes", "progress", "names", "errors"),
    },
    "evaluation": {"records", "errors"},  # numbers of runs, however these were made
    "generation": {
        *("training", "models", "data", "export", "selection", "audit", "prior", "pools", "datasets"),
        *("classes", *WRITING, "progress", "names", "errors"),
    },
    "report": {
        *("evaluation", "selection", "pools", "given", "atomic", "records", "names", "progress", "errors"),
    },
    "experiment": {
        *("training", "models", "data", "export", "selection", "audit", "prior", "pools", "datasets"),
        *(
            "classes",
            "report",
            "locks",
            *WRITING,
            "devices",
            "freed_memory",
            "given",
            "progress",
            "names",
            "errors",
        ),
    },
    "studies": {
        *(
            "experiment",
            "evaluation",
            "report",
            "training",
            "data",
            "export",
            "selection",
            "models",
            "prior",
            "pools",
        ),
        *("locks", *WRITING, "progress", "names", "errors"),
    },
    "cli": {"*"},
    "__main__": {"cli"},
    "__init__": set(),
}
FRAMEWORKS_AND_FILES = {"lightning", "pytorch_lightning", "open_clip", "torchvision", "pathlib", "os", "io"}
PURE = ["selection", *(f"audit.{module}" for module in ("votes", "order", "contents", "verdict"))]
TORCH_FREE = [
    "",
    ".cli.main",
    ".errors",
    ".classes",
    ".datasets",
    ".pools",
    ".pools.digits",
    ".pools.tensors",
    ".pools.any_pool",
    ".export",
]


def part_of(module: str) -> str:
    """`semdd_lightning.pools.index` -> `pools`; the package itself -> `__init__`."""
    return module.split(".")[1] if "." in module else "__init__"


@cache
def imports() -> dict[str, set[str]]:
    """For every module, the full names of what it imports, at its top or inside its functions."""
    found: dict[str, set[str]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(place[:-1] if place[-1] == "__init__" and len(place) > 2 else place)
        found[module] = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found[module] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}: imports are absolute here"
                found[module] |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(module: str) -> set[str]:
    """The parts of the package that a module imports, its own part left out."""
    names = {name for name in imports()[module] if name.split(".")[0] == NAME}
    parts = {name.split(".")[1] if name.split(".")[1] in MAY_IMPORT else "__init__" for name in names}
    return parts - {part_of(module), "__init__"}


def test_the_table_covers_the_package() -> None:
    entries = {path.stem for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"}
    parts = {part_of(module) for module in imports()}
    assert parts == set(MAY_IMPORT)
    assert parts <= entries
    assert len(imports()) > 50


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_run_one_way(part: str) -> None:
    allowed = MAY_IMPORT[part]
    if "*" in allowed:
        return
    for module in imports():
        if part_of(module) == part:
            assert own(module) <= allowed, f"{module} imports {sorted(own(module) - allowed)}"


def test_nobody_imports_the_command_line() -> None:
    importers = {module for module in imports() if "cli" in own(module)}
    assert importers <= {f"{NAME}.__main__"}


def test_there_are_no_circles_among_parts() -> None:
    edges = {
        part: {target for module in imports() if part_of(module) == part for target in own(module)}
        for part in MAY_IMPORT
    }
    while edges:
        leaves = {part for part, targets in edges.items() if not targets & edges.keys()}
        assert leaves, f"a circle among {sorted(edges)}"
        edges = {part: targets for part, targets in edges.items() if part not in leaves}


def test_there_are_no_circles_among_modules() -> None:
    known = imports()
    edges = {
        module: {target for name in names for target in (name, name.rpartition(".")[0]) if target in known}
        - {module, NAME}
        for module, names in known.items()
    }
    while edges:
        leaves = {module for module, targets in edges.items() if not targets & edges.keys()}
        assert leaves, f"a circle among {sorted(edges)}"
        edges = {module: targets for module, targets in edges.items() if module not in leaves}


@pytest.mark.parametrize("part", PURE)
def test_numerics_know_no_framework_and_no_files(part: str) -> None:
    whole = f"{NAME}.{part}"
    modules = [module for module in imports() if module == whole or module.startswith(f"{whole}.")]
    assert modules
    for module in modules:
        roots = {name.split(".")[0] for name in imports()[module]}
        assert not roots & FRAMEWORKS_AND_FILES, f"{module} imports {sorted(roots & FRAMEWORKS_AND_FILES)}"
        assert own(module) <= {"errors"}, f"{module} imports {sorted(own(module))}"


def test_light_imports_leave_torch_out() -> None:
    code = (
        "import sys, importlib\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    heavy = {'torch', 'lightning', 'open_clip', 'torchvision', 'sklearn'} & sys.modules.keys()\n"
        "    assert not heavy, f'{name} imports {sorted(heavy)}'\n"
    )
    names = [NAME + name for name in TORCH_FREE]
    done = subprocess.run(
        [sys.executable, "-c", code, *names],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_names_of_the_package_are_imported_on_first_use() -> None:
    for name in semdd_lightning.__all__:
        assert getattr(semdd_lightning, name) is not None
    assert dir(semdd_lightning) == sorted(semdd_lightning.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        semdd_lightning.nonsense  # noqa: B018 - the access is the test
