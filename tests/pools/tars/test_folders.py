from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semdd_lightning.errors import PoolError
from semdd_lightning.pools.tar_folders import _folder_of_classes as find_folder

NAMES = st.text("abc", min_size=1, max_size=2)


def folder_of_classes(parents: Iterable[str], below: str | None, where: str) -> str:
    return find_folder(Counter(parents), below, where)


@given(st.lists(NAMES, max_size=3), st.sets(NAMES, min_size=1), st.lists(NAMES, max_size=2))
def test_one_chain_of_folders_is_gone_down(chain: list[str], classes: set[str], inner: list[str]) -> None:
    inner = inner if len(classes) > 1 else []
    parents = {"/".join([*chain, name]) for name in classes}
    deeper = {"/".join([*chain, name, *inner]) for name in classes}
    assert folder_of_classes(parents | deeper, None, "x.tar") == "/".join(chain)


def test_loose_images_do_not_make_one_class_of_all() -> None:
    assert folder_of_classes(["", "pool/train/cat"], None, "x.tar") == "pool/train"
    with pytest.raises(
        PoolError,
        match=r"found 'pool/train' with folders of images in them; .*, or 'pool' as `below` \(--rea.* where",
    ):
        folder_of_classes(["pool/train", "pool/train/cat", "pool/train/dog"], None, "x.tar")


def test_a_fork_has_to_be_settled() -> None:
    parents = ["pool/first/0", "pool/second/0", "pool/second/1/deep"]
    message = (
        r"found 'pool/first', 'pool/second' with folders .* as x\.tar/pool/second, "
        r"or 'pool' as `below` .* where"
    )
    with pytest.raises(PoolError, match=message):
        folder_of_classes(parents, None, "x.tar")
    assert folder_of_classes(parents, "pool/second", "x.tar") == "pool/second"
    assert folder_of_classes(parents, "./pool//first/", "x.tar") == "pool/first"
    assert folder_of_classes(parents, "pool", "x.tar") == "pool"
    assert folder_of_classes(parents, ".", "x.tar") == ""


@pytest.mark.parametrize("below", [None, "pool", "./pool/"])
def test_pools_side_by_side_are_no_classes(below: str | None) -> None:
    parents = [f"pool/ipc{k}/{c}" for k in (1, 10) for c in range(3)]
    message = r"'pool/ipc1', 'pool/ipc10', which share 3 class folders; give one of "
    with pytest.raises(PoolError, match=message + r"them, as /d/x\.tar/pool/ipc10\."):
        folder_of_classes(parents, below, "/d/x.tar")
    with pytest.raises(PoolError, match=message + r"them \(--reader below=pool/ipc10\)\."):
        folder_of_classes(parents, below, "/d/shards")
    assert folder_of_classes(parents, "pool/ipc10", "/d/x.tar") == "pool/ipc10"


@pytest.mark.parametrize(
    "parents",
    [
        ["train/cat", "train/dog", "dev/cat", "dev/dog", "eval/cat", "eval/dog"],
        ["a/cat", "a/dog", "b/cat", "b/dog", "c/cat", "c/dog"],
        ["a", "a/cat", "a/dog", "b/cat", "b/dog"],
        ["training_set", "testSplit"],
    ],
)
def test_splits_are_no_classes_whatever_they_are_called(parents: list[str]) -> None:
    with pytest.raises(
        PoolError, match=r"which (share 2 class folders|are splits); give one of them, as x"
    ) as error:
        folder_of_classes(parents, None, "x.tar")
    assert "as x.tar/test" not in str(error.value)
    assert "as x.tar/eval" not in str(error.value)


def test_classes_may_have_subfolders_in_common() -> None:
    by_class = [f"pool/{c}/ipc{k}" for c in range(3) for k in (1, 10)]
    assert folder_of_classes(by_class, "pool", "x.tar") == "pool"
    by_wnid = [f"pool/n0000000{c}/{kind}" for c in range(2) for kind in ("a", "b", "c")]
    assert folder_of_classes(by_wnid, "pool", "x.tar") == "pool"


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(
        PoolError, match=r"below 'pool/ipc5' in x\.tar, found none; there are some below 'pool/ipc1'"
    ):
        folder_of_classes(["pool/ipc1/0"], "pool/ipc5", "x.tar")
    with pytest.raises(PoolError, match=r"below 'cat' in x\.tar, found none; there are some below '\.'"):
        folder_of_classes(["cat", "dog"], "cat", "x.tar")


def test_images_without_any_folder() -> None:
    with pytest.raises(PoolError, match=r"neither labels .* nor class folders"):
        folder_of_classes([""], None, "x.tar")
