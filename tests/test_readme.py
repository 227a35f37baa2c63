"""Every command and every Python example of the README and of the first pages of the documentation run."""

import re
import shlex
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semdd_lightning.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [README, *((ROOT / "docs" / name).read_text() for name in ("start.md", "samplers.md"))]
FENCES = re.findall(r"```(\w+)\n(.*?)```", "\n".join(PAGES), flags=re.DOTALL)
SHELL = list(dict.fromkeys(line for kind, text in FENCES if kind == "sh" for line in text.splitlines()))
PYTHON = [text for kind, text in FENCES if kind == "python"]
SHORT = ["--data.passes=2", "--data.passes_per_epoch=1"]
SMALL = {"fit": [*SHORT, "--trainer.check_val_every_n_epoch=1"], "compare": SHORT}
SMALL_QUICKSTART = [
    "--data.pool.images_per_class=12",
    "--model.student.init_args.depth=1",
    "--model.student.init_args.width=8",
]


@pytest.fixture
def workplace(tmp_path: Path, tiny_clip_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``my_pool``, and the tiny CLIP where the README names a published one."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    for name in names:
        (tmp_path / "my_pool" / name).mkdir(parents=True)
        for i in range(12):
            pixels = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "my_pool" / name / f"{i}.png")
    (tmp_path / "tiny_clip").symlink_to(tiny_clip_dir)
    return tmp_path


def semdd_commands() -> list[list[str]]:
    words = [shlex.split(line) for line in SHELL]
    tails = [line[line.index(".venv/bin/semdd") :] for line in words if ".venv/bin/semdd" in line]
    return [line[1:] for line in [*tails, *(line for line in words if line[0] == "semdd")]]


def test_the_readme_shows_what_it_should() -> None:
    assert len(PYTHON) == 1
    assert len([line for line in PYTHON[0].splitlines() if line]) < 10
    assert ".venv/bin/python -m pytest" in SHELL
    assert len(README.splitlines()) < 120
    assert {words[0] for words in semdd_commands()} <= set(COMMANDS)


def test_commands_run(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = ["--data.test=FolderImages", "--data.test.path=my_pool", "--data.validation=null"]
    shown: list[str] = []
    run: list[list[str]] = []

    def open_in_browser(address: str) -> bool:
        shown.append(address)
        return True

    monkeypatch.setattr("webbrowser.open", open_in_browser)
    for words in semdd_commands():
        words = ["tiny_clip" if word == "ViT-B-32-quickgelu:openai" else word for word in words]
        extra = SMALL.get(words[0], [])
        words = words[: words.index("--seeds") + 2] if "--seeds" in words else words
        if "quickstart.yaml" in words:
            extra = [*extra, *SMALL_QUICKSTART[: 1 if "protocols/hard.yaml" in words else None]]
        if "cifar10.yaml" in words:  # real data, CLIP and teacher that a test cannot have
            prior = ["--data.prior={model: tiny_clip, pretrained: null}"]
            prior.append("--data.ipc=1")  # too few images to tell an untrained teacher from a good one
            extra = [*extra, *real, *prior, "--model.teacher=ClipTeacher", "--trainer.devices=1"]
        if words[0] in ("fit", "select") and "my_pool" in " ".join(words):
            extra = [*extra, "--audit=off" if words[0] == "select" else "--data.audit=off"]  # pixels of noise
        if [*words, *extra] not in run:  # with fewer seeds, two may be the same
            assert main([*words, *extra]) == 0, (words, capsys.readouterr().err)
            run.append([*words, *extra])
    assert "top-1" in capsys.readouterr().out
    assert shown == [(workplace / "chosen" / "report.html").as_uri()]


def test_python_example_runs(workplace: Path) -> None:
    code = PYTHON[0].replace('"ViT-B-32-quickgelu", "openai"', '"tiny_clip"')
    assert "tiny_clip" in code
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(code, "start.md", "exec"), {})  # noqa: S102 - our own example
    assert len(list((workplace / "subset" / "images").rglob("*.png"))) == 100
