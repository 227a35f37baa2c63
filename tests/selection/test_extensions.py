"""Samplers and scores of one's own: found by path, and refused where they are none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from semdd_lightning.errors import SelectionError
from semdd_lightning.selection import (
    ClassImages,
    ClassPool,
    Embeddings,
    Picks,
    Quality,
    QualityRule,
    Sampler,
    Score,
    TwoStage,
    build_sampler,
    build_score,
    sampler_kind,
    sampler_meanings,
    sampler_word,
    score_columns,
    score_meanings,
)

MakePool = Callable[..., Embeddings]

MODULE = '''
from dataclasses import dataclass
import torch
from semdd_lightning.selection import Picks, Sampler, Score, TwoStage

@dataclass(frozen=True)
class First(Sampler):
    """The first by path.

    And nothing else.
    """
    def pick(self, pool, ipc, seed):
        return Picks(torch.arange(ipc), torch.zeros(ipc, dtype=torch.float64))

@dataclass(frozen=True)
class Needy(First):
    count: int

class Bare(Sampler):
    def pick(self, pool, ipc, seed): ...

@dataclass(frozen=True)
class Abstract(Sampler):
    pass

@dataclass(frozen=True)
class Thief(Score):
    name = "typicality"
    def __call__(self, images):
        return images.own

@dataclass(frozen=True)
class Negative(Score):
    def __call__(self, images):
        return -images.own

class Closer(TwoStage):
    pass
'''


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "foreign.py").write_text(MODULE)
    (tmp_path / "leaving.py").write_text("import sys; sys.exit('no')")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("foreign", None)


def install(folder: Path, **points: str) -> None:
    """Entry points of a package that is nothing else."""
    information = folder / "foreign-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Name: foreign\nVersion: 1.0\n")
    lines = [f"[semdd_lightning.samplers]\n{name} = {path}\n" for name, path in points.items()]
    (information / "entry_points.txt").write_text("".join(lines))


def test_a_path_leads_to_a_sampler(make_pool: MakePool) -> None:
    for path in ("foreign.First", "foreign:First"):
        sampler = build_sampler(path)
        assert sampler.name == "foreign.First"
        assert sampler.meaning == "The first by path"
        assert sampler_word(type(sampler)) == "foreign.First"
    selection = sampler.select(make_pool(0), 2)
    assert [rows[:2].tolist() for rows in make_pool(0).class_rows()] == selection.indices.reshape(
        3, 2
    ).tolist()


def test_a_kind_without_a_name_does_not_go_by_that_of_its_parent() -> None:
    assert build_sampler("foreign.Closer").name == "foreign.Closer"
    assert TwoStage.name == "two_stage"


def test_classes_of_this_package_go_by_their_names_too() -> None:
    for name in ("two_stage", "TwoStage", "semdd_lightning.selection.TwoStage"):
        assert sampler_kind(name) is TwoStage
    assert sampler_word(TwoStage) == "two_stage"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("nowhere.First", "cannot be imported"),
        ("foreign.Last", "cannot be imported"),
        ("leaving.First", "cannot be imported"),
        ("foreign.Needy", "defaults for all parameters"),
        ("foreign.Bare", "a dataclass that derives from"),
        ("foreign.Abstract", "has all its methods"),
        ("foreign.Negative", "derives from semdd_lightning.selection.sampler.Sampler"),
        ("foreign.torch", "a dataclass that derives from"),
        (".", "cannot be imported"),
    ],
)
def test_what_is_no_sampler_is_refused(path: str, found: str) -> None:
    with pytest.raises(SelectionError, match=found):
        build_sampler(path)


def test_a_name_of_this_package_cannot_be_taken() -> None:
    with pytest.raises(SelectionError, match="a name of its own, found 'typicality', which is a score of"):
        build_score("foreign.Thief")


def test_installed_samplers_are_listed_and_built(tmp_path: Path) -> None:
    install(tmp_path, first="foreign:First", random="foreign:First", lost="foreign:Lost", leaving="leaving:X")
    meanings = sampler_meanings()
    assert list(meanings)[-3:] == ["first", "leaving", "lost"]
    assert meanings["first"] == "The first by path"
    assert meanings["random"] == "drawn from each class: the baseline", "ours keep their names"
    for broken in ("lost", "leaving"):
        assert meanings[broken].startswith(f"cannot be used: Expected '{broken}' to be the path of a sampler")
    assert type(build_sampler("first")).__name__ == "First"
    with pytest.raises(SelectionError, match=r"out of learnable, .*, first, leaving, lost, found 'last'"):
        build_sampler("last")
    assert all(score_meanings().values())


def test_a_score_of_ones_own_is_part_of_quality_and_table(make_pool: MakePool) -> None:
    pool = replace(make_pool(1), classifier=None)
    table = Quality(scores={"foreign.Negative": 1.0}, prototypes="text").select(pool, 2).scores
    assert (table["foreign.Negative"] == -table["class_relevance"]).all()
    assert score_columns(table) == ["class_relevance", "class_separability", "foreign.Negative"]
    chosen = table[table["step"].notna()]
    worst = table.groupby("label")["class_relevance"].nsmallest(2).index.get_level_values(1)
    assert set(chosen.index) == set(worst)


@dataclass(frozen=True)
class Same(Score):
    """Has another's name."""

    name = "foreign.Negative"

    def __call__(self, images: ClassImages) -> Tensor:
        return images.own


def test_two_scores_cannot_share_a_column() -> None:
    with pytest.raises(SelectionError, match="scores with different names"):
        QualityRule(scores={"foreign.Negative": 1.0, f"{Same.__module__}.Same": 1.0})


@dataclass(frozen=True)
class Odd(Score):
    """Gives what it is told to."""

    value: ClassVar[object] = None

    def __call__(self, images: ClassImages) -> Tensor:
        return self.value  # type: ignore[return-value]  # the very case


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, "found NoneType"),
        (torch.zeros(3), r"found shape \(3,\)"),
        (torch.full((12,), torch.nan), "found some that are not finite"),
    ],
)
def test_a_score_is_a_finite_number_for_every_image(
    make_pool: MakePool, value: object, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Odd, "value", value)
    monkeypatch.setattr(QualityRule, "score", lambda _, __: Odd())
    with pytest.raises(SelectionError, match=f"a tensor of 12 finite numbers for class 0, {found}"):
        Quality(scores={"odd": 1.0}).select(make_pool(2, counts=(12, 12)), 2)


@dataclass(frozen=True)
class Told(Sampler):
    """Picks what it is told to, and keeps what it is given."""

    picks: object = None
    kept: list[ClassPool] = field(default_factory=list)

    def pick(self, pool: ClassPool, ipc: int, seed: int) -> Picks:
        self.kept.append(pool)
        return self.picks or Picks(torch.arange(ipc), pool.quality[:ipc])  # type: ignore[return-value]


ZEROS = torch.zeros(2)


@pytest.mark.parametrize(
    ("picks", "found"),
    [
        ([0, 1], "Picks, found list"),
        (Picks([0, 1], ZEROS), "as order, found list"),  # type: ignore[arg-type]  # the very case
        (Picks(torch.tensor([0]), ZEROS), r"2 different positions below 11 as order, found torch.int64 of"),
        (Picks(torch.tensor([1, 1]), ZEROS), "as order, .*: 1, 1;"),
        (Picks(torch.tensor([0, 11]), ZEROS), "as order, .*: 0, 11;"),
        (Picks(torch.tensor([-1, 0]), ZEROS), "as order"),
        (Picks(torch.tensor([0.0, 1.0]), ZEROS), "as order, found torch.float32"),
        (Picks(torch.arange(2), torch.zeros(3)), "2 numbers as values"),
        (Picks(torch.arange(2), ZEROS, torch.arange(3), 2), "all 11 positions as ranking"),
        (Picks(torch.arange(2), ZEROS, torch.arange(11), 1), r"kept in \[2, 11\], .* and 1"),
    ],
)
def test_what_is_no_choice_is_refused(make_pool: MakePool, picks: object, found: str) -> None:
    with pytest.raises(SelectionError, match=rf"the sampler \S*Told to pick .*{found}"):
        Told(picks).select(make_pool(3, counts=(11, 11)), 2)


def test_what_pick_is_given_may_be_kept(make_pool: MakePool) -> None:
    embeddings = make_pool(4, dtype=torch.float32)
    sampler = Told()
    table = sampler.select(embeddings, 2).scores
    assert sorted(pool.class_index for pool in sampler.kept) == [0, 1, 2]
    for pool in sampler.kept:
        rows = pool.rows.numpy()
        assert torch.equal(pool.image_embeddings, embeddings.image_embeddings[pool.rows].double())
        assert table["quality"].to_numpy()[rows].tolist() == pool.quality.tolist()
        for name, values in pool.scores.items():
            assert table[name].to_numpy()[rows].tolist() == values.tolist()
        cosines = pool.image_embeddings @ pool.prototypes.T
        torch.testing.assert_close(pool.own, cosines[:, pool.class_index])
        cosines[:, pool.class_index] = -torch.inf
        torch.testing.assert_close(pool.rival, cosines.amax(dim=1))
