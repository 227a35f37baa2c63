from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from semdd_lightning.datasets import DATASETS
from semdd_lightning.errors import ClassListError
from semdd_lightning.export.manifest import build_component, describe
from semdd_lightning.pools import ClassFolders, ImageSet


def _pool(root: Path, folders: tuple[str, ...]) -> Path:
    for folder in folders:
        (root / folder).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(root / folder / "0.png")
    return root


@pytest.mark.parametrize("form", ["wnids", "names", "numbers"])
def test_folders_by_the_name_of_a_data_set(tmp_path: Path, form: str) -> None:
    spec = DATASETS["imagewoof"]
    numbers = tuple(str(i) for i in range(10))
    folders = {"wnids": spec.wnids or (), "names": spec.names, "numbers": numbers}[form]
    registry = ClassFolders(_pool(tmp_path / "pool", folders), "imagewoof").registry()
    assert (registry.names, registry.wnids, registry.folders) == (spec.names, spec.wnids, folders)


def test_a_manifest_keeps_the_name_and_makes_a_files_path_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "imagewoof").mkdir()
    pool = ClassFolders(Path("imagewoof"), Path("imagewoof"))  # paths, as configs and command lines give them
    described = describe(pool)
    assert described["init_args"]["classes"] == "imagewoof"
    again = build_component(described, ImageSet)
    assert again == ClassFolders(tmp_path / "imagewoof", "imagewoof")
    in_a_file = describe(ClassFolders(Path("imagewoof"), Path("classes.txt")))
    assert in_a_file["init_args"]["classes"] == str(tmp_path / "classes.txt")


def test_class_list_that_is_none(tmp_path: Path) -> None:
    pool = ClassFolders(_pool(tmp_path, ("a", "b")), Path("imagewof"))
    with pytest.raises(
        ClassListError, match=r"or the name of a data set, found imagewof \(close to imagewoof"
    ):
        pool.check()
    with pytest.raises(ClassListError, match="Expected classes or class_names, found both"):
        ClassFolders(tmp_path, "imagewoof", ("a", "b")).check()
    with pytest.raises(ClassListError, match="Expected one folder for each of the 10 classes"):
        ClassFolders(tmp_path, "imagewoof").check()


def test_wnids_without_names_are_read_and_refused_where_names_are_asked_for(tmp_path: Path) -> None:
    found = ClassFolders(_pool(tmp_path, ("n00000001", "n00000002"))).resolve()
    with pytest.warns(UserWarning, match="Expected"):
        assert found.read(tmp_path / ".cache").registry.names == ("n00000001", "n00000002")
    with pytest.raises(ClassListError, match="Expected wnids of ImageNet-1K, found 2 that are not"):
        _ = found.registry


def test_classes_named_by_wnid_get_their_names_once(tmp_path: Path) -> None:
    found = ClassFolders(_pool(tmp_path, ("n01440764", "n02102040"))).resolve()
    assert found.classes.names == ("n01440764", "n02102040")
    assert found.registry.names == ("tench", "English Springer Spaniel")
    assert found.registry is found.registry
    with pytest.warns(UserWarning, match="Expected"):
        pool = found.read(tmp_path / ".cache")
    assert pool.registry == found.registry
    assert found.read(tmp_path / ".cache") is pool
