"""`semdd export`: what others open, our own readers read back; a card; an upload that may fail."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from semdd_lightning.cli.main import main
from semdd_lightning.export import read_manifest, read_table
from semdd_lightning.export.manifest import FILE_NAME
from semdd_lightning.export.sharing import FORMS
from semdd_lightning.pools import AnyPool
from semdd_lightning.pools.digits import DIGIT_NAMES
from semdd_lightning.pools.listing import FileSource
from semdd_lightning.training.soft_labels.store import LabelStore


def export(run: Path, form: str, *words: str) -> Path:
    out = Path(f"shared-{form}")
    assert main(["export", str(run), f"--to={form}", f"--out={out}", *words]) == 0
    return out


def digests(out: Path) -> set[str]:
    """Of all images, as our own reader finds them."""
    pool = AnyPool(out).read()
    return {hashlib.sha256(pool.read(index)).hexdigest() for index in range(len(pool))}


def front(out: Path) -> Any:  # noqa: ANN401 - YAML
    """The facts before a card's text."""
    return yaml.safe_load((out / "README.md").read_text().split("---\n")[1])


@pytest.mark.parametrize("form", FORMS)
def test_our_own_readers_read_it_back(form: str, chosen: Path) -> None:
    out, manifest = export(chosen, form), read_manifest(chosen)
    assert digests(out) == set(manifest.digests or ())
    named = AnyPool(out, out / "classes.csv").registry()
    assert named.names == manifest.class_names == DIGIT_NAMES
    pool = AnyPool(out).read()
    if form != "folders":  # whose folders are all that names a class
        assert pool.registry.names == manifest.class_names
    assert pool.counts().tolist() == [2] * 10
    assert read_manifest(out) == manifest


@pytest.mark.parametrize("form", FORMS)
def test_verify_knows_every_form(form: str, chosen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = export(chosen, form)
    assert main(["verify", str(out)]) == 0
    next(file for file in sorted(out.rglob("*")) if file.suffix in (".parquet", ".tar", ".png")).unlink()
    assert main(["verify", str(out)]) == 1
    assert "missing" in (error := capsys.readouterr().err) or "cannot be read" in error


@pytest.mark.parametrize("form", [name for name, form in FORMS.items() if form.packed])
def test_verify_tells_other_images_from_the_chosen(
    form: str, chosen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = export(chosen, form).joinpath(FILE_NAME).read_bytes()
    shutil.rmtree(f"shared-{form}")
    words = ["--config=quickstart.yaml", "--ipc=2", "--sampler=k_center", "--out=other"]
    assert main(["select", *words]) == 0
    out = export(Path("other"), form)
    assert main(["verify", str(out)]) == 0
    (out / FILE_NAME).write_bytes(manifest)
    assert main(["verify", str(out)]) == 1
    error = capsys.readouterr().err
    assert "of 20 chosen images are missing or changed" in error
    assert "were not chosen" in error


def test_a_run_of_fit(finished: Path) -> None:
    out = export(finished, "hf")
    assert digests(out) == set(read_manifest(finished).digests or ())


def test_datasets_opens_the_parquet_files(chosen: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    out, manifest = export(chosen, "hf"), read_manifest(chosen)
    found = datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    assert tuple(found.features["label"].names) == DIGIT_NAMES
    assert found["label"] == list(manifest.labels)
    assert found["path"] == list(manifest.paths)
    assert found["step"] == [1, 2] * 10
    table = read_table(chosen).set_index("path")
    assert found["quality"] == table.loc[list(manifest.paths), "quality"].tolist()
    for row, path in enumerate(manifest.paths):
        own = np.asarray(Image.open(chosen / "images" / path).convert("RGB"))
        assert np.array_equal(np.asarray(found[row]["image"].convert("RGB")), own)


def test_webdataset_opens_the_shards(chosen: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    out, manifest = export(chosen, "webdataset"), read_manifest(chosen)
    samples = list(webdataset.WebDataset(str(out / "train-000000.tar"), shardshuffle=False).decode("pil"))
    assert [sample["cls"] for sample in samples] == [*range(10), *range(10)], (
        "all first picks, then all second"
    )
    assert [sample["json"]["path"] for sample in samples] == [*manifest.paths[::2], *manifest.paths[1::2]]
    assert all(sample["png"].size == (16, 16) for sample in samples)
    assert samples[10]["json"]["step"] == 2


def test_the_same_selection_gives_the_same_bytes(chosen: Path) -> None:
    first = export(chosen, "webdataset").rename("first")
    second = export(chosen, "webdataset")
    for file in first.iterdir():
        if file.name != "README.md":
            assert file.read_bytes() == (second / file.name).read_bytes()
    with tarfile.open(second / "train-000000.tar") as tar:
        assert {(member.mtime, member.uid, member.uname) for member in tar} == {(0, 0, "")}


# ------------------------------------------------------------------ the card


def test_the_card_says_where_it_comes_from(chosen: Path, digits: Path) -> None:
    out, manifest = export(chosen, "hf"), read_manifest(chosen)
    text = (out / "README.md").read_text()
    assert front(out)["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*.parquet"}]
    assert "license" not in front(out)
    assert "license: fill in" in text
    assert digits.name.replace("_", "\\_") in text
    assert hashlib.sha256((chosen / "manifest.json").read_bytes()).hexdigest() in text
    for said in ("OpenClipPrior, model digits", "diversity\\_weight 0.2", manifest.pool_fingerprint):
        assert said in text
    assert "load_dataset('shared-hf', split='train')" in text


def test_images_decided_by_hand(chosen: Path, digits: Path) -> None:
    paths = read_manifest(chosen).paths
    Path("choices.csv").write_text(f"path,choice\n{paths[0]},strike\n{paths[3]},pin\n")
    words = [
        "select",
        str(digits),
        "--ipc=2",
        "--sampler=two_stage",
        "--prior=digits",
        "--choices=choices.csv",
        "--out=decided",
    ]
    assert main([*words, "--audit=off"]) == 0
    out = export(Path("decided"), "hf")
    assert "| images decided by hand | 1 struck out, 1 pinned |" in (out / "README.md").read_text()
    assert main(["apply", "decided", str(digits), "--out=applied"]) == 0
    assert main(["verify", "applied"]) == 0
    assert digests(Path("applied")) == digests(out)


def test_names_from_outside_stay_text(workplace: Path) -> None:
    pool = workplace / "<b>|pool`\n"
    generator = np.random.default_rng(0)
    for name in ("cat", "a|b", "<i>"):
        (pool / name).mkdir(parents=True)
        for number in range(3):
            pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(pool / name / f"{number}.v1.png")
    words = [
        "select",
        str(pool),
        "--ipc=1",
        "--sampler=two_stage",
        "--prior=digits",
        "--audit=off",
        "--out=chosen",
    ]
    assert main(words) == 0
    for form in FORMS:
        out = export(Path("chosen"), form)
        card = (out / "README.md").read_text().split("---\n", 2)[2]
        assert "<b>" not in card.split("```")[0]
        assert "&lt;b&gt;\\|pool\\`" in card
        assert front(out)["pretty_name"].startswith("3 images of <b>|pool`")
        names = AnyPool(out, out / "classes.csv").registry().names
        assert names == read_manifest(Path("chosen")).class_names


# ------------------------------------------------------------------ refused


def test_what_is_refused(chosen: Path, refused: Callable[..., str]) -> None:
    words = ["export", str(chosen), "--to=hf"]
    Path("taken").mkdir()
    assert "found something there; nothing was overwritten" in refused(*words, "--out=taken")
    assert "outside of the images in" in refused(*words, "--out=chosen/images/zero")
    assert "found 'name' (no user before the name)" in refused(*words, "--out=new", "--push=name")
    assert "Expected manifest.json in nowhere" in refused("export", "nowhere", "--to=hf", "--out=new")
    assert "no labels.json" in refused(*words, "--out=new", "--labels=nowhere")
    first, second = (chosen / "images" / path for path in read_manifest(chosen).paths[:2])
    first.write_bytes(second.read_bytes())
    assert "has it, found another; `semdd apply` picks it out" in refused(*words, "--out=new")
    first.unlink()
    assert "found No such file" in refused(*words, "--out=new")
    assert not [path for path in Path().iterdir() if "new" in path.name]


def test_an_export_that_is_stopped_leaves_nothing(
    chosen: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, read = sorted(Path().iterdir()), FileSource.read

    def stop(source: FileSource, row: int) -> bytes:
        if row == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return read(source, row)

    monkeypatch.setattr(FileSource, "read", stop)
    assert main(["export", "chosen", "--to=webdataset", "--out=out"]) == 143
    assert main(["apply", "chosen", "chosen", "--out=out"]) == 143
    assert sorted(Path().iterdir()) == before
    assert "Terminated; what was finished is kept" in capsys.readouterr().err


def test_images_that_were_not_exported_come_from_the_pool(chosen: Path) -> None:
    shutil.rmtree(chosen / "images")
    assert digests(export(chosen, "folders")) == set(read_manifest(chosen).digests or ())


# ------------------------------------------------------------------ soft labels


@pytest.fixture
def labelled(small: tuple[str, ...]) -> tuple[str, ...]:
    """One label per image in the folder `labels`, and the options of a run that learns from them."""
    assert main(["relabel", *small, "--static", "--precision=fp32", "--out=labels"]) == 0
    return ("--model.teacher=StoredLabels", "--model.teacher.path=labels", "--data.test=null")


def test_static_labels_lie_beside_the_images(
    labelled: tuple[str, ...], fit: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = fit(*labelled).absolute()
    monkeypatch.chdir(tmp_path)  # the config's relative path is of where the run began
    store = LabelStore.open(run.parents[2] / "labels")
    stored = store.read(0, np.arange(20))["values"].numpy()  # type: ignore[arg-type] # rows of any kind
    parquet, tars, folders = (export(run, form) for form in ("hf", "webdataset", "folders"))
    manifest = read_manifest(run)
    right = stored.argmax(axis=1) == np.array(manifest.labels)
    assert right.mean() > 0.9, "the labels are in the order of the images"
    datasets = pytest.importorskip("datasets")
    found = datasets.load_dataset(str(parquet), split="train", cache_dir=str(tmp_path / "cache"))
    assert np.array_equal(np.array(found["logits"], dtype=np.float32), stored)
    with tarfile.open(tars / "train-000000.tar") as tar:
        of_second = tar.extractfile("00000010.logits.npy")
        assert of_second is not None
        assert np.array_equal(np.load(io.BytesIO(of_second.read())), stored[1])
    for row, path in enumerate(manifest.paths):
        assert np.array_equal(np.load(folders / "images" / f"{path}.npy"), stored[row])
    for out in (parquet, tars, folders):
        card = (out / "README.md").read_text()
        assert "It is a ClipTeacher with" in card
        assert store.header.teacher["sha256"] in card
        assert digests(out) == set(manifest.digests or ())


def test_labels_that_are_not_exported(
    labelled: tuple[str, ...],
    small: tuple[str, ...],
    fit: Callable[..., Path],
    chosen: Path,
    refused: Callable[..., str],
) -> None:
    message = refused("export", str(chosen), "--to=hf", "--out=new", "--labels=labels")
    assert "Expected the soft labels in labels to be made for this run" in message
    assert main(["relabel", *small, "--out=passes"]) == 0
    run = fit("--model.teacher=StoredLabels", "--model.teacher.path=passes", "--data.test=null")
    message = refused("export", str(run), "--to=hf", "--out=new", "--labels=passes")
    assert "found labels of 2 passes" in message
    out = export(run, "hf")
    assert "A student learned from labels of 2 passes" in (out / "README.md").read_text()
    shutil.rmtree(out)
    Path("passes").rename("elsewhere")
    assert "not where they were any more" in (export(run, "hf") / "README.md").read_text()


# ------------------------------------------------------------------ the hub


class Hub:
    """A hub in memory."""

    files: dict[str, list[str]]
    error: Exception | None
    private: bool

    def create_repo(self, *, repo_id: str, repo_type: str, private: bool) -> str:
        if self.error is not None:
            raise self.error
        if repo_id in self.files:
            msg = f"You already created this {repo_type} repo"
            raise ValueError(msg)
        Hub.private = private
        self.files[repo_id] = []
        return f"hub/{repo_id}"

    def upload_folder(self, *, repo_id: str, folder_path: Path, repo_type: str, commit_message: str) -> None:
        self.files[repo_id].extend(sorted(path.name for path in folder_path.iterdir()))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> type[Hub]:
    Hub.files, Hub.error = {}, None
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    return Hub


def test_push(
    hub: type[Hub], chosen: Path, capsys: pytest.CaptureFixture[str], refused: Callable[..., str]
) -> None:
    out = export(chosen, "hf", "--push=user/name")
    assert hub.files == {"user/name": ["README.md", "classes.csv", "data", "manifest.json"]}
    assert hub.private
    assert "hub/user/name" in capsys.readouterr().out
    assert "load_dataset('user/name'" in (out / "README.md").read_text()
    message = refused("export", "chosen", "--to=hf", "--out=again", "--push=user/name")
    assert "found: You already created this dataset repo" in message
    assert len(hub.files["user/name"]) == 4
    assert Path("again/README.md").is_file()


@pytest.mark.parametrize("error", [OSError("no network"), RuntimeError("Token is required\n\nlong story")])
def test_a_push_that_fails(
    error: Exception, hub: type[Hub], chosen: Path, refused: Callable[..., str]
) -> None:
    hub.error = error
    message = refused("export", "chosen", "--to=hf", "--out=out", "--push=user/name")
    assert str(error).splitlines()[0] in message
    assert message.count("\n") == 1
    assert "hf upload user/name out --repo-type dataset" in message
    assert digests(Path("out")) == set(read_manifest(chosen).digests or ())


def test_the_real_client_without_a_network(chosen: Path, refused: Callable[..., str]) -> None:
    message = refused("export", "chosen", "--to=hf", "--out=out", "--push=user/name")
    assert "new on the Hugging Face hub, found: the network is blocked" in message
