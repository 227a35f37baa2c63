"""`semdd verify`: the same selection again, or words that say what changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from semdd_lightning import __version__
from semdd_lightning.cli.main import main
from semdd_lightning.export import read_manifest
from semdd_lightning.pools.digits import digits_split
from semdd_lightning.records import write_record
from semdd_lightning.selection import ClassPool, Picks, Random, TwoStage


@pytest.fixture
def pool(digits: Path, workplace: Path) -> Path:
    return shutil.copytree(digits, workplace / "pool")


@pytest.fixture
def chosen(pool: Path, workplace: Path) -> Path:
    assert main(["select", "pool", "--ipc=2", "--sampler=two_stage", "--prior=digits", "--out=chosen"]) == 0
    return workplace / "chosen"


def differences(directory: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["verify", str(directory)]) == 1
    return capsys.readouterr().err


def test_an_untouched_selection(
    chosen: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # the manifest's pool is found from anywhere
    capsys.readouterr()
    assert main(["verify", str(chosen)]) == 0
    assert capsys.readouterr().out == (
        "The same: 20 images chosen again by two_stage, all exported files intact.\n"
    )


def test_a_prior_in_a_folder_is_found_from_anywhere(
    pool: Path, tiny_clip_dir: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(tiny_clip_dir, workplace / "clip")
    assert main(["select", "pool", "--ipc=2", "--sampler=two_stage", "--prior=clip", "--out=chosen"]) == 0
    monkeypatch.chdir(tmp_path)
    assert main(["verify", str(workplace / "chosen")]) == 0


def test_a_fit_run(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(finished)]) == 0
    assert "20 images chosen again" in capsys.readouterr().out


def test_a_pool_image_is_gone(chosen: Path, pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pool / read_manifest(chosen).paths[0]).unlink()
    message = differences(chosen, capsys)
    assert "The pool in" in message
    assert "Other images are chosen now: " in message


def test_a_pool_image_is_another(chosen: Path, pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = read_manifest(chosen)
    rejected = next(
        path for path in sorted(pool.glob("0/*")) if path.relative_to(pool).as_posix() not in manifest.paths
    )
    rejected.write_bytes((pool / manifest.paths[-1]).read_bytes())
    message = differences(chosen, capsys)
    assert "its images are not the same" in message
    assert "CLIP has changed" not in message


def test_exported_images_are_missing_or_altered(chosen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (chosen / "images" / path for path in read_manifest(chosen).paths[:2])
    first.unlink()
    second.write_bytes(b"something else")
    lines = differences(chosen, capsys).splitlines()
    assert f"Exported image {first} is missing." in lines
    assert any(line.startswith(f"Exported image {second} is not the pool's") for line in lines)


def test_a_pool_whose_images_are_no_files(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, labels = digits_split("train")
    np.savez(workplace / "digits.npz", images=images[:200].transpose(0, 3, 1, 2), labels=labels[:200])
    assert (
        main(
            [
                "select",
                "digits.npz",
                "--ipc=2",
                "--sampler=two_stage",
                "--prior=digits",
                "--audit=off",
                "--out=chosen",
            ]
        )
        == 0
    )
    assert main(["verify", "chosen"]) == 0
    files = sorted((workplace / "chosen/images").glob("*/*.png"))
    assert [file.parent.name for file in files] == [str(i) for i in range(10) for _ in range(2)]
    files[0].write_bytes(files[1].read_bytes())
    lines = differences(workplace / "chosen", capsys).strip().splitlines()
    path = files[0].relative_to(workplace / "chosen/images").as_posix()
    assert lines[-1].endswith(f"{path} is not the pool's {path} any more.")


def test_a_pool_that_is_gone(chosen: Path, pool: Path, refused: Callable[..., str]) -> None:
    shutil.rmtree(pool)
    assert "found nothing there" in refused("verify", str(chosen))


def test_a_class_is_short_now(chosen: Path, pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in sorted((pool / "3").iterdir())[1:]:
        file.unlink()
    message = differences(chosen, capsys)
    assert "The pool in" in message
    assert "needed 2, found 1 usable" in message


def test_a_generated_pool_that_lost_an_image_is_generated_anew(workplace: Path) -> None:
    init = {"images_per_class": 3, "root": str(workplace)}
    data = {"pool": {"class_path": "GeneratedDigits", "init_args": init}, "prior": {"model": "digits"}}
    (workplace / "own.yaml").write_text(json.dumps({"data": {"init_args": data}}))
    assert main(["select", "--config=own.yaml", "--ipc=2", "--out=chosen"]) == 0
    next(workplace.glob("digits-*/0/*.png")).unlink()
    assert main(["verify", str(workplace / "chosen")]) == 0


def edit(directory: Path, **changes: str | None) -> None:
    """The manifest as it would be had something been otherwise."""
    write_record(directory / "manifest.json", asdict(read_manifest(directory)) | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"embeddings_key": "k"}, "CLIP has changed since"),
        ({"text_key": "k"}, "The text prototypes have changed since"),
        ({"embeddings_digest": "d"}, "encoded again with other last bits"),
        ({"reference_key": "k"}, "The reference images, or the CLIP that embeds them, have changed"),
    ],
)
def test_what_changed_is_said(
    changes: dict[str, str], said: str, chosen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(chosen, **changes)
    (line,) = differences(chosen, capsys).strip().splitlines()[-1:]
    assert said in line


def test_other_code_is_blamed_where_all_inputs_are_the_same(
    chosen: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pick_first(_: TwoStage, pool: ClassPool, ipc: int, seed: int) -> Picks:
        return Random().pick(pool, ipc, seed)

    monkeypatch.setattr(TwoStage, "pick", pick_first)
    message = differences(chosen, capsys)
    assert "Other images are chosen now" in message
    assert f"the code that chooses has changed since: made by version {__version__}" in message


def test_the_cache_of_the_manifest_is_used(
    pool: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {"prior": {"model": "digits"}, "ipc": 2, "cache_dir": "own-cache", "sampler": "two_stage"}
    (workplace / "own.yaml").write_text(json.dumps({"data": {"init_args": data}}))
    assert main(["select", "pool", "--config=own.yaml", "--out=chosen"]) == 0
    assert read_manifest(workplace / "chosen").cache_dir == str(workplace / "own-cache")
    monkeypatch.setenv("SEMDD_CACHE", str(workplace / "empty-cache"))
    capsys.readouterr()
    assert main(["verify", "chosen"]) == 0
    assert "0 encoded now" in capsys.readouterr().err
    assert not (workplace / "empty-cache").exists()

    shutil.rmtree(workplace / "own-cache")  # as on any other machine
    assert main(["verify", "chosen"]) == 0
    assert not (workplace / "own-cache").exists()
    assert (workplace / "empty-cache").is_dir()

    (workplace / "own-cache").mkdir()  # somebody's folder, which is no cache
    assert main(["verify", "chosen"]) == 0
    assert not list((workplace / "own-cache").iterdir())


def test_no_run_directory(workplace: Path, refused: Callable[..., str]) -> None:
    assert "Expected a run directory at" in refused("verify", "nowhere")
    (workplace / "empty").mkdir()
    assert "Expected manifest.json in empty" in refused("verify", "empty")
