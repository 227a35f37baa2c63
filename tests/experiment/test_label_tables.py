from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from semdd_lightning.cli.main import main


def _dry_run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["relabel", *words, "--dry-run"]) == 0
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


@pytest.mark.parametrize(("ipc", "expected"), [(10, "5.59 GiB"), (50, "27.94 GiB"), (200, "111.76 GiB")])
def test_imagenet_before_anything_is_there(
    capsys: pytest.CaptureFixture[str], workplace: Path, ipc: int, expected: str
) -> None:
    """Published as 5.67, 28.3 and 113, with crops, flips and partners, which are drawn again here."""
    text = _dry_run(capsys, "--config=imagenet1k.yaml", f"--data.ipc={ipc}")
    assert f"labels {expected}: fp16, all logits, 2,000 bytes per label" in text
    assert f"{ipc * 1000 * 300 * 2000:,} {expected}" in text
    assert "the images as files unknown: the pool is not here" in text
    assert list(workplace.iterdir()) == []


def test_pruned_labels_beside_the_images(
    capsys: pytest.CaptureFixture[str], workplace: Path, small: tuple[str, ...]
) -> None:
    pool = workplace / "pool" / "airplane"
    pool.mkdir(parents=True)
    for i in range(2):
        Image.new("RGB", (32, 32), (i, 0, 0)).save(pool / f"{i}.png")
    mean = sum(path.stat().st_size for path in pool.iterdir()) / 2
    words = ("--data.pool.path=pool", "--data.ipc=2", "--data.distinct_passes=30", "--top-k=3")
    text = _dry_run(capsys, "--config=cifar10.yaml", *words)
    assert "images 20 (2 of each of 10 classes)" in text
    assert "passes with labels of their own 30 of 300" in text
    labels = 20 * 30 * (3 * 2 + 3 + 2)
    assert f"labels {labels / 1024:.2f} KiB: fp16, the 3 largest logits, the rest evenly, 11 bytes" in text
    assert f"the images as files about {20 * mean / 1024:.2f} KiB" in text
    assert f"labels to images {labels / (20 * mean):.1f} times the files" in text
    assert f"int8, all logits, 14 bytes per label, 3 passes {20 * 3 * 14:,}" in text


def test_static_labels_are_one_pass(capsys: pytest.CaptureFixture[str]) -> None:
    text = _dry_run(capsys, "--config=cifar10.yaml", "--static")
    assert "passes with labels of their own 1 of 300" in text
    assert "labels 1.95 KiB" in text
