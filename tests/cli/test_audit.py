"""``semdd audit`` on pools made wrong on purpose, with the digits' CLIP; and the audit before training."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from semdd_lightning.cli.main import main
from semdd_lightning.pools.digits import DIGIT_NAMES, GeneratedDigits, digits_split

PERMUTED = (3, 0, 1, 2, 4, 5, 9, 7, 8, 6)
SWAPPED = (0, 1, 2, 8, 4, 5, 6, 7, 3, 9)
SOUND = tuple(range(10))


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pool = GeneratedDigits(images_per_class=30, bandwidth=4, root=tmp_path_factory.mktemp("digits"))
    pool.prepare()
    return pool.folder


def make_pool(root: Path, generated: Path, holds: tuple[int, ...] = SOUND) -> Path:
    """Folders named by the digits' names; the folder of digit f holds the images of ``holds[f]``."""
    for name, digit in zip(DIGIT_NAMES, holds, strict=True):
        shutil.copytree(generated / str(digit), root / name)
    return root


def make_real(root: Path, per_class: int = 40) -> Path:
    images, labels = digits_split("train")
    for digit, name in enumerate(DIGIT_NAMES):
        (root / name).mkdir(parents=True)
        for i, pixels in enumerate(images[labels == digit][:per_class]):
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


def audit(pool: Path, *words: object) -> tuple[int, dict[str, Any]]:
    record = pool.parent / "audit.json"
    options = ("--dataset", "digits", "--prior", "digits", "--json", record)
    status = main(["audit", str(pool), *map(str, options), *map(str, words)])
    return status, json.loads(record.read_text())


def test_a_sound_pool_passes(tmp_path: Path, generated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, record = audit(make_pool(tmp_path / "pool", generated))
    shown = capsys.readouterr().out
    assert status == 0
    assert record["verdict"] == "pass"
    assert record["mapping"] == {name: name for name in DIGIT_NAMES}
    assert {folder["verdict"] for folder in record["folders"]} == {"ok"}
    assert all(folder["reference_agreement"] is None for folder in record["folders"])
    assert "semdd select" in shown


@pytest.mark.parametrize("holds", [PERMUTED, SWAPPED], ids=["permuted", "swapped"])
@pytest.mark.parametrize("with_real", [False, True], ids=["alone", "with real images"])
def test_another_order_is_refused_with_the_mapping_to_paste(
    tmp_path: Path,
    generated: Path,
    holds: tuple[int, ...],
    with_real: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pool = make_pool(tmp_path / "pool", generated, holds)
    words = ("--reference", make_real(tmp_path / "real")) if with_real else ()
    status, record = audit(pool, *words)
    shown = capsys.readouterr().out
    moved = [name for f, name in enumerate(DIGIT_NAMES) if holds[f] != f]
    assert status == 3
    assert record["verdict"] == "refuse"
    assert record["mapping"] == {name: DIGIT_NAMES[holds[f]] for f, name in enumerate(DIGIT_NAMES)}
    assert {folder["folder"] for folder in record["folders"][: len(moved)]} == set(moved)
    assert {folder["verdict"] for folder in record["folders"][: len(moved)]} == {"moved"}
    table = shown[shown.index("name,folder") :].split("\n\n")[0]
    (tmp_path / "fixed.csv").write_text(table)
    rows = list(csv.DictReader(StringIO(table)))
    assert [row["name"] for row in rows] == list(DIGIT_NAMES)
    status = main(["audit", str(pool), "--dataset", str(tmp_path / "fixed.csv"), "--prior", "digits"])
    assert status == 0


def test_a_half_filled_folder_is_first_with_class_and_share(tmp_path: Path, generated: Path) -> None:
    pool = make_pool(tmp_path / "pool", generated)
    for file in sorted((pool / "four").iterdir())[:15]:
        file.unlink()
    for file in sorted((generated / "7").iterdir())[:15]:
        shutil.copy(file, pool / "four" / f"seven-{file.name}")
        (pool / "seven" / file.name).unlink()
    status, record = audit(pool, "--reference", make_real(tmp_path / "real"))
    first = record["folders"][0]
    assert status == 0
    assert record["verdict"] == "warn"
    assert (first["folder"], first["class"], first["suspected_class"]) == ("four", "four", "seven")
    assert first["verdict"] == "suspect"
    assert first["share"] == pytest.approx(0.5, abs=0.11)
    assert first["agreement"] < 0.6 < first["reference_agreement"]
    strays = {image["path"]: image["looks_like"] for image in record["images"]}
    assert sum(path.startswith("four/seven-") and name == "seven" for path, name in strays.items()) >= 10


def test_several_priors_look_together(tmp_path: Path, generated: Path, tiny_clip_dir: Path) -> None:
    pool = make_pool(tmp_path / "pool", generated)
    status, record = audit(pool, "--prior", tiny_clip_dir)
    assert (status, record["prior"]) == (0, f"digits, {tiny_clip_dir}")
    assert main(["audit", str(pool), "--prior", "digits", "--prior", "digits"]) == 2


def test_too_many_suspects_are_refused_unless_the_share_is_raised(tmp_path: Path, generated: Path) -> None:
    pool = make_pool(tmp_path / "pool", generated, (0, 1, 2, 3, 0, 1, 2, 7, 8, 9))
    real = make_real(tmp_path / "real")
    status, record = audit(pool, "--reference", real)
    assert status == 3
    assert [folder["verdict"] for folder in record["folders"]].count("suspect") == 3
    assert not record["other_order"]
    assert audit(pool, "--reference", real, "--most-suspects", 0.5)[0] == 0


def test_flat_images_duplicates_and_leaks_are_listed(tmp_path: Path, generated: Path) -> None:
    pool = make_pool(tmp_path / "pool", generated)
    Image.new("RGB", (16, 16), (90, 90, 90)).save(pool / "one" / "flat.png")
    with Image.open(next(iter(sorted((pool / "two").iterdir())))) as image:
        image.convert("RGB").resize((32, 32), Image.Resampling.BICUBIC).save(pool / "two" / "z-again.png")
    test = tmp_path / "test"
    shutil.copytree(make_real(tmp_path / "real"), test)
    shutil.copy(test / "three" / "5.png", pool / "three" / "leaked.png")
    page = tmp_path / "report.html"
    _, record = audit(pool, "--test", test, "--page", page)
    assert record["near_constant"] == ["one/flat.png"]
    assert any(pair["second_path"] == "two/z-again.png" for pair in record["duplicates"])
    assert any(
        (pair["first_path"], pair["second_path"], pair["identical"])
        == ("three/leaked.png", "three/5.png", True)
        for pair in record["leaked"]
    )
    text = page.read_text()
    assert all(
        name in text for name in ("one/flat.png", "two/z-again.png", "three/leaked.png", "three/5.png")
    )


def test_the_page_lies_in_the_cache_and_is_named(
    tmp_path: Path, generated: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit(make_pool(tmp_path / "pool", generated))
    assert list(workplace.iterdir()) == [], "nothing beside what was asked for"
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "semdd open" in line)
    page = Path(shlex.split(line)[-1])
    assert page.is_relative_to(os.environ["SEMDD_CACHE"])
    assert "semdd audit" in page.read_text()
    assert main(["open", "--print", str(page)]) == 0


def test_training_and_selecting_are_refused_and_the_flag_goes_on_anyway(
    tmp_path: Path, generated: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")  # a table of whole lines
    pool = make_pool(tmp_path / "pool", generated, PERMUTED)
    select = ["select", str(pool), "--classes=digits", "--ipc=2", "--prior=digits", "--sampler=two_stage"]
    assert main([*select, "--out", str(tmp_path / "chosen")]) == 3
    assert "name,folder" in capfd.readouterr().err
    assert not (tmp_path / "chosen").exists()
    assert main([*select, "--out", str(tmp_path / "chosen"), "--audit", "warn"]) == 0
    assert "Going on all the same" in capfd.readouterr().err
    assert main([*select, "--out", str(tmp_path / "unseen"), "--audit", "off"]) == 0
    assert "another order" not in capfd.readouterr().err
    fit = ["fit", "--config", "quickstart.yaml", "--data.pool", "ClassFolders"]
    fit += ["--data.pool.path", str(pool), "--data.pool.classes", "digits", "--data.ipc", "2"]
    fit += ["--data.passes=1", "--data.passes_per_epoch=1", "--data.validation=null"]
    fit += ["--model.student.init_args.depth=1", "--model.student.init_args.width=8"]
    fit += ["--run.root", str(tmp_path / "runs"), "--trainer.accelerator=cpu"]
    assert main(fit) == 3
    assert "name,folder" in capfd.readouterr().err
    assert main([*fit, "--data.audit", "warn"]) == 0
    assert "6 of its folders hold another class" in capfd.readouterr().out
    (run,) = (path.parent for path in (tmp_path / "runs").rglob("result.json"))
    found = json.loads((run / "result.json").read_text())["audit"]
    assert (found["verdict"], found["moved_folders"], len(found["folders"])) == ("refuse", 6, 5)
    assert all(folder["verdict"] == "moved" for folder in found["folders"])


def test_numbers_for_names_are_no_words_to_ask_clip_about(tmp_path: Path, generated: Path) -> None:
    pool = tmp_path / "pool"
    shutil.copytree(generated, pool)
    record = tmp_path / "audit.json"
    assert main(["audit", str(pool), "--prior", "digits", "--json", str(record)]) == 0
    assert json.loads(record.read_text())["order"][0]["voters"] == ["images"]


def test_bad_options_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(tmp_path / "nothing"), "--prior", "digits"]) == 2
    assert "found nothing there" in capsys.readouterr().err
    words = ["audit", str(tmp_path), "--prior", "digits"]
    assert main([*words, "--most-suspects", "2"]) == 2
    assert "Expected --most-suspects from 0 to 1, found 2.0" in capsys.readouterr().err
    for option in ("--json", "--page"):
        assert main([*words, option, str(tmp_path / "no" / "file")]) == 2
        assert "Expected a folder for" in capsys.readouterr().err
    assert main([*words, "--json", str(tmp_path)]) == 2
    assert "found a folder or a device" in capsys.readouterr().err


def test_what_is_missing_is_said_before_anything_is_encoded(
    tmp_path: Path, generated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = make_pool(tmp_path / "pool", generated)
    words = ["audit", str(pool), "--classes", "digits", "--prior", "digits"]
    for option in ("--test", "--reference", "--teacher"):
        assert main([*words, option, str(tmp_path / "nowhere")]) == 2
        said = capsys.readouterr().err
        assert "nowhere" in said
        assert "Encoding" not in said
