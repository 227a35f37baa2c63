"""`semdd select`: refusals before torch is imported, and what a selection leaves behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from semdd_lightning import data
from semdd_lightning.cli.main import main
from semdd_lightning.export import read_manifest, read_table
from semdd_lightning.export.pool_selection import PoolSelection

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def select(*words: str | Path) -> Path:
    assert main(["select", "--sampler=two_stage", *map(str, words), "--prior=digits", "--out=chosen"]) == 0
    return Path("chosen")


# ------------------------------------------------------------------ refused without torch


def test_bad_pools_are_refused_before_torch_is_imported(workplace: Path, digits: Path) -> None:
    (workplace / "empty").mkdir()
    (workplace / "file").write_text("")
    (workplace / "loose").mkdir()
    shutil.copy(digits / "0" / "000.png", workplace / "loose")
    (workplace / "classes.txt").write_text("cat\ndog\n")
    cases: list[tuple[list[str], str]] = [
        (["missing", "--ipc=2"], "found nothing there"),
        (["file", "--ipc=2"], "found a file"),
        (["file", "--ipc=2", "--layout=class_folders"], "found a file"),
        ([str(digits), "--ipc=2", "--layout=imagefolder"], "Expected a layout to be auto or one of"),
        (["--config=quickstart.yaml", "--layout=d4m"], "--layout together with a pool"),
        (["empty", "--ipc=2"], "found an empty folder"),
        (["loose", "--ipc=2"], "1 loose image files"),
        ([str(digits), "--ipc=2", "--classes=classes.txt"], "2 classes of the class list"),
        ([str(digits), "--ipc=2", "--classes=none.txt"], "none.txt"),
        ([str(digits), "--ipc=0"], "--ipc of at least 1, found 0"),
        ([str(digits)], "--ipc of at least 1, found None"),
        (["--ipc=2"], "Expected a pool, found none"),
        (["--config=none.yaml"], "Expected a config"),
        (["--config=broken.yaml"], "data.init_args"),
        (["--config=quickstart.yaml", "--classes=classes.txt"], "--classes together with a pool"),
        (["--config=torn.yaml"], "Expected a config in YAML"),
        (["--config=folders.yaml", "--ipc=2"], "missing, found nothing there"),
        (["--config=odd.yaml"], "Expected ipc of data.init_args to be a whole number, found 'many'"),
        ([str(digits), "--ipc=2", "--reference=missing"], "missing, found nothing there"),
        ([str(digits), "--ipc=2", "--out=loose"], "nothing was overwritten"),
        ([str(digits), "--ipc=2", "--out=file/below"], "Expected to write"),
    ]
    (workplace / "torn.yaml").write_text("data: [")
    folders = {"class_path": "semdd_lightning.pools.ClassFolders", "init_args": {"path": "missing"}}
    (workplace / "folders.yaml").write_text(json.dumps({"data": {"init_args": {"pool": folders}}}))
    odd = {"pool": {"class_path": "GeneratedDigits"}, "ipc": "many"}
    (workplace / "odd.yaml").write_text(json.dumps({"data": {"init_args": odd}}))
    (workplace / "broken.yaml").write_text("data: 3\n")
    code = (
        "import contextlib, io, json, sys; from semdd_lightning.cli.main import main\n"
        "found = []\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    with contextlib.redirect_stderr(io.StringIO()) as messages:\n"
        "        status = main(['select', *words, '--prior=digits'])\n"
        "    found.append([status, messages.getvalue(), 'torch' in sys.modules])\n"
        "print(json.dumps(found))"
    )
    words = json.dumps([words for words, _ in cases])
    done = subprocess.run([sys.executable, "-c", code, words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for (given, expected), (status, message, torch_imported) in zip(
        cases, json.loads(done.stdout), strict=True
    ):
        assert (status, torch_imported) == (2, False), given
        assert message.startswith("semdd select: Expected"), given
        assert expected in message, given


def test_prior_is_required(digits: Path, refused: Callable[..., str]) -> None:
    assert "Expected --prior, found none" in refused("select", str(digits), "--ipc=2")


def test_unknown_prior(digits: Path, refused: Callable[..., str]) -> None:
    assert "Expected" in refused("select", str(digits), "--ipc=2", "--prior=ViT-B-33:openai")


def test_unknown_sampler_lists_the_known(digits: Path, refused: Callable[..., str]) -> None:
    assert "two_stage" in refused("select", str(digits), "--ipc=2", "--prior=digits", "--sampler=twostage")


# ------------------------------------------------------------------ what is written


def test_a_pool_folder(
    digits: Path, classes: Path, capsys: pytest.CaptureFixture[str], shared_cache: Path
) -> None:
    out = select(digits, "--ipc=2", f"--classes={classes}")
    text = capsys.readouterr().out
    manifest, table = read_manifest(out), read_table(out)
    assert manifest.class_names == tuple(DIGITS)
    assert manifest.class_folders == tuple("0123456789")
    assert manifest.sampler_name == "two_stage"
    files = sorted(path.relative_to(out / "images").as_posix() for path in out.glob("images/*/*"))
    assert files == sorted(manifest.paths)
    assert all((out / "images" / path).read_bytes() == (digits / path).read_bytes() for path in files)
    assert len(table) == 60
    assert table[table["stage"] == "selected"].groupby("label").size().tolist() == [2] * 10
    assert pd.read_csv(out / "chosen.csv")["path"].tolist() == list(manifest.paths)
    assert (out / "subset.png").stat().st_size > 10_000
    assert json.loads((out / "versions.json").read_text())["command"][:2] == ["semdd", "select"]
    assert "60 usable images, 0 excluded" in text
    assert "semdd verify chosen" in text


def test_names_matter_to_the_prior(digits: Path, classes: Path) -> None:
    """With the right names, CLIP puts most of the chosen digits into their class."""
    select(digits, "--ipc=2", f"--classes={classes}")
    report = pd.read_csv("chosen/report.csv", index_col="set")
    assert report["zero_shot_accuracy"].to_dict()["selection"] >= 0.9


def test_a_config_gives_what_the_words_do_not(workplace: Path) -> None:
    overlay = workplace / "small.yaml"
    data: dict[str, Any] = {"pool": {"class_path": "GeneratedDigits", "init_args": {"images_per_class": 12}}}
    data |= {"prior": {"model": "digits"}, "ipc": 5, "sampler": "random", "selection_seed": 3}
    overlay.write_text(json.dumps({"data": {"class_path": "PoolDataModule", "init_args": data}}))
    assert main(["select", "--config=small.yaml", "--ipc=2", "--out=by-config"]) == 0
    manifest = read_manifest(Path("by-config"))
    assert (manifest.ipc, manifest.sampler_name, manifest.selection_seed) == (2, "random", 3)
    assert manifest.pool["init_args"]["images_per_class"] == 12


def test_a_spelled_out_sampler_of_a_config_keeps_its_arguments(workplace: Path) -> None:
    sampler = {"class_path": "TwoStage", "init_args": {"candidates_per_class": 4}}
    data: dict[str, Any] = {"pool": {"class_path": "GeneratedDigits", "init_args": {"images_per_class": 12}}}
    data |= {"prior": {"model": "digits"}, "ipc": 2, "sampler": sampler}
    (workplace / "small.yaml").write_text(json.dumps({"data": {"init_args": data}}))
    assert main(["select", "--config=small.yaml", "--out=out"]) == 0
    assert read_manifest(Path("out")).sampler["init_args"]["candidates_per_class"] == 4
    assert read_table(Path("out")).groupby("label")["candidate"].sum().tolist() == [4] * 10


def test_the_quickstart_config() -> None:
    assert main(["select", "--config", "quickstart.yaml", "--ipc", "2", "--out", "out"]) == 0
    assert len(read_manifest(Path("out")).paths) == 20


def test_random_draws_by_seed(digits: Path) -> None:
    words = ["select", str(digits), "--ipc=2", "--prior=digits", "--sampler", "random"]
    for out, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main([*words, "--seed", seed, "--out", out]) == 0
    first, same, other = (read_manifest(Path(out)).paths for out in "abc")
    assert first == same
    assert first != other


def test_links(digits: Path, workplace: Path) -> None:
    pool = shutil.copytree(digits, workplace / "pool")
    out = select(pool, "--ipc=2", "--link")
    for path in read_manifest(out).paths:
        assert (out / "images" / path).samefile(pool / path)


def test_an_existing_directory_is_not_touched(
    digits: Path, workplace: Path, refused: Callable[..., str]
) -> None:
    (workplace / "chosen").mkdir()
    (workplace / "chosen" / "mine").touch()
    message = refused("select", str(digits), "--ipc=2", "--prior=digits", "--out=chosen")
    assert "nothing was overwritten" in message
    assert [path.name for path in (workplace / "chosen").iterdir()] == ["mine"]


def test_without_out_each_selection_has_its_own_directory(digits: Path, workplace: Path) -> None:
    for _ in range(2):
        assert main(["select", str(digits), "--ipc=2", "--prior=digits", "--sampler=two_stage"]) == 0
    found = list((workplace / "selections" / digits.name).iterdir())
    assert len(found) == 2
    assert all(len(read_manifest(directory).paths) == 20 for directory in found)


def test_too_few_images(digits: Path, refused: Callable[..., str], workplace: Path) -> None:
    message = refused("select", str(digits), "--ipc=7", "--prior=digits", "--out=chosen")
    assert "needed 7, found 6 usable" in message
    assert not (workplace / "chosen").exists()


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:7"])
def test_a_device_that_is_not_there_is_refused(
    device: str,
    digits: Path,
    workplace: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    def zeros(size: int, *, device: torch.device) -> None:
        raise AssertionError("Torch not compiled with CUDA enabled")

    if device != "gpu":  # the same on a machine with a GPU
        monkeypatch.setattr(torch, "zeros", zeros)
    message = refused("select", str(digits), "--ipc=2", "--prior=digits", f"--device={device}", "--out=out")
    assert "Expected device to be one of cpu" in message
    assert f"found '{device}'" in message
    assert list(workplace.iterdir()) == []


def test_a_reference_folder(digits: Path, classes: Path, workplace: Path) -> None:
    real = workplace / "real"
    for digit, name in enumerate(DIGITS):
        (real / name.title()).mkdir(parents=True)
        for i in range(2):
            shutil.copy(digits / str(digit) / f"00{i}.png", real / name.title())
    sampler = {"class_path": "TwoStage", "init_args": {"prototypes": "image"}}
    data = {"sampler": sampler, "prior": {"model": "digits"}, "ipc": 2}
    (workplace / "sampler.yaml").write_text(json.dumps({"data": {"init_args": data}}))
    words = ["select", str(digits), f"--classes={classes}", "--config=sampler.yaml"]
    assert main([*words, "--reference=real", "--out=with"]) == 0
    assert main([*words, "--out=without"]) == 0
    with_reference, without = read_manifest(Path("with")), read_manifest(Path("without"))
    assert with_reference.reference is not None
    assert with_reference.reference["init_args"]["path"] == str(real)
    assert without.reference is None
    assert main(["verify", "with"]) == 0
    shutil.copy(digits / "0" / "002.png", real / "Zero")
    assert main(["verify", "with"]) == 1


def test_a_failed_selection_gives_its_name_back(
    digits: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        assert (workplace / "chosen").is_dir(), "claimed before the work"
        raise OSError("disk full")

    monkeypatch.setattr("semdd_lightning.data.select", fail)
    with pytest.raises(OSError, match="disk full"):
        main(["select", str(digits), "--ipc=2", "--prior=digits", "--out=chosen"])
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize("among_chosen", [True, False])
@pytest.mark.parametrize("content", [None, b"no image"])
def test_an_image_that_goes_bad_while_it_runs_is_named(
    among_chosen: bool,
    content: bytes | None,
    digits: Path,
    workplace: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An image of the pool is gone or another once it has been chosen from, which may take minutes."""
    shutil.copytree(digits, workplace / "pool")
    choose = data.select

    def select_and_spoil(*given: Any, **options: Any) -> PoolSelection:  # noqa: ANN401 - handed on
        found = choose(*given, **options)
        path = next(path for path in found.pool.paths if (path in found.paths) == among_chosen)
        (workplace / "pool" / path).unlink()
        if content is not None:
            (workplace / "pool" / path).write_bytes(content)
        return found

    monkeypatch.setattr(data, "select", select_and_spoil)
    words = ["select", "pool", "--ipc=2", "--sampler=two_stage", "--prior=digits", "--out=spoilt"]
    assert "to be readable, as it was when the pool was indexed, found" in refused(*words)
