"""`semdd apply`: the same images out of another copy of the pool, whatever its layout."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

from semdd_lightning.cli.main import main
from semdd_lightning.export import read_manifest
from semdd_lightning.pools import AnyPool
from semdd_lightning.pools.digits import DIGIT_NAMES
from semdd_lightning.records import write_record


def images(directory: Path) -> dict[str, bytes]:
    root = directory / "images"
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def edit(**changes: object) -> None:
    """The manifest in `old.json`, as it would be had something been otherwise."""
    write_record(Path("old.json"), asdict(read_manifest(Path("chosen"))) | changes)


def test_a_copy(chosen: Path, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(digits, "copy")
    shutil.copy(chosen / "manifest.json", "published.json")
    shutil.move(chosen, "elsewhere")
    capsys.readouterr()
    assert main(["apply", "published.json", "copy", "--out=out", "--link"]) == 0
    assert "20: 20 where they were, 0 by their content" in capsys.readouterr().out
    out = Path("out")
    assert images(out) == images(Path("elsewhere"))
    manifest, published = read_manifest(out), read_manifest(Path("published.json"))
    assert asdict(manifest) | {"applied_to": None} == asdict(published) | {"table_digest": None}
    assert manifest.applied_to is not None
    assert manifest.applied_to["init_args"]["path"] == str(Path("copy").absolute())
    picked = pd.read_csv(out / "chosen.csv")
    assert picked["path"].tolist() == list(manifest.paths)
    assert picked["step"].tolist() == [1, 2] * 10
    assert picked["class_name"].tolist() == [name for name in DIGIT_NAMES for _ in range(2)]
    assert (out / "images" / manifest.paths[0]).samefile(Path("copy") / manifest.paths[0])
    shutil.rmtree("copy")
    assert main(["verify", "out"]) == 0
    assert "20 images applied as chosen by two_stage" in capsys.readouterr().out
    (out / "images" / manifest.paths[0]).write_bytes(b"another")
    assert main(["verify", "out"]) == 1
    assert "is not the pool's" in capsys.readouterr().err


def _renamed(digits: Path, copy: Path) -> None:
    """Other class folders, in another order, other file names, and images that nobody chose."""
    for folder in digits.glob("[0-9]"):
        (copy / f"class_{9 - int(folder.name)}").mkdir(parents=True)
        for number, file in enumerate(sorted(folder.iterdir(), reverse=True)):
            shutil.copy(file, copy / f"class_{9 - int(folder.name)}" / f"{number}.png")


def _shifted(digits: Path, copy: Path) -> None:
    """At every path of the pool there is another image of it."""
    files = sorted(digits.glob("*/*.png"))
    for file, other in zip(files, [*files[1:], files[0]], strict=True):
        (copy / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(other, copy / file.parent.name / file.name)


def _packed(digits: Path, copy: Path) -> None:
    copy.mkdir()
    with tarfile.open(copy / "pool.tar", "w") as tar:
        tar.add(digits, "pool")


@pytest.mark.parametrize("make", [_renamed, _shifted, _packed])
def test_another_layout_of_the_same_images(
    make: Callable[[Path, Path], None], chosen: Path, digits: Path
) -> None:
    make(digits, Path("copy"))
    assert main(["apply", "chosen", "copy", "--out=out"]) == 0
    assert images(Path("out")) == images(chosen)
    assert AnyPool(Path("out")).read().counts().tolist() == [2] * 10


def test_images_that_are_missing_or_differ_are_named(
    chosen: Path, digits: Path, refused: Callable[..., str]
) -> None:
    shutil.copytree(digits, "copy")
    paths = read_manifest(chosen).paths
    for path in paths[:5]:
        (Path("copy") / path).unlink()
    (Path("copy") / paths[7]).write_bytes(b"another")
    message = refused("apply", "chosen", "copy", "--out=out")
    assert "Expected all 20 images of the manifest in" in message
    assert f"found 14, 5 missing ({', '.join(map(repr, paths[:3]))} and 2 more)" in message
    assert f"1 with other content ({paths[7]!r})" in message
    assert message.count("\n") == 1
    assert not Path("out").exists()


def test_a_manifest_without_digests_wants_the_very_pool(
    chosen: Path, digits: Path, refused: Callable[..., str]
) -> None:
    edit(digests=None, semdd_version="0.2.0")
    assert main(["apply", "old.json", str(digits), "--out=out"]) == 0
    assert images(Path("out")) == images(chosen)
    assert read_manifest(Path("out")).digests == read_manifest(chosen).digests
    shutil.copytree(digits, "copy")
    next(Path("copy").glob("*/*.png")).unlink()
    assert "a manifest of version 0.2.0 and another pool" in refused("apply", "old.json", "copy", "--out=o2")


def test_what_is_refused(chosen: Path, digits: Path, refused: Callable[..., str]) -> None:
    assert "nothing was overwritten" in refused("apply", "chosen", str(digits), "--out=chosen")
    assert "Expected manifest.json in nowhere" in refused("apply", "nowhere", str(digits), "--out=out")
    assert "found nothing there" in refused("apply", "chosen", "nowhere", "--out=out")
    assert "for the output" in refused("apply", "chosen", str(digits), f"--out={digits}/out")
    record = json.loads((chosen / "manifest.json").read_text())
    record["digests"][0] = record["digests"][1]
    Path("changed.json").write_text(json.dumps(record))
    assert "its digest does not fit" in refused("apply", "changed.json", str(digits), "--out=out")
    edit(digests=["0" * 64])
    assert "a digest of each image" in refused("apply", "old.json", str(digits), "--out=out")
    manifest = read_manifest(chosen)
    for changes in (
        {"paths": ("../../../outside.png", *manifest.paths[1:])},
        {"paths": ("a\0b.png", *manifest.paths[1:])},
        {"class_folders": ("../../outside", *manifest.class_folders[1:])},
    ):  # a stranger's manifest writes nothing outside of --out
        edit(**changes)
        assert "Expected a file name inside the folder" in refused(
            "apply", "old.json", str(digits), "--out=out"
        )
    assert [*Path().absolute().parent.rglob("*outside*")] == []
    assert not Path("out").exists()
