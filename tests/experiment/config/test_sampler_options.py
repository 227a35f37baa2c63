"""`--sampler` and `--sampler.PARAMETER` of `semdd select`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from semdd_lightning.errors import ConfigError, SelectionError
from semdd_lightning.experiment.config.sampler_options import (
    described_sampler,
    sampler_description,
    split_sampler_argv,
)
from semdd_lightning.selection import Learnable, Random, TwoStage

POSTERIOR = ["--sampler.scores.posterior", "1"]
SPELLED_OUT = {"class_path": "TwoStage", "init_args": {"candidate_ratio": 4, "diversity_weight": 0.1}}


def built(*words: str, of_config: Any = None) -> object:  # noqa: ANN401 - what a config holds
    rest, parameters = split_sampler_argv(words)
    return described_sampler(sampler_description(rest[1] if rest else of_config, parameters))


@pytest.mark.parametrize(
    ("words", "of_config", "expected"),
    [
        ([], None, Learnable()),
        ([], "random", Random()),
        ([], SPELLED_OUT, TwoStage(candidate_ratio=4.0, diversity_weight=0.1)),
        (["--sampler.diversity_weight", "0.3"], None, Learnable(diversity_weight=0.3)),
        (["--sampler.diversity_weight=3e-1"], "two_stage", TwoStage(diversity_weight=0.3)),
        (
            ["--sampler.diversity_weight", "auto"],
            SPELLED_OUT,
            TwoStage(candidate_ratio=4.0, diversity_weight="auto"),
        ),
        (
            ["--sampler", "two_stage", "--sampler.candidates_per_class", "9"],
            SPELLED_OUT,
            TwoStage(candidates_per_class=9),
        ),
        (
            ["--sampler", json.dumps(SPELLED_OUT)],
            "random",
            TwoStage(candidate_ratio=4.0, diversity_weight=0.1),
        ),
        (
            ["--sampler", "{class_path: two_stage}", "--sampler.init_args.text_weight", "1"],
            None,
            TwoStage(text_weight=1.0),
        ),
        (["--sampler", "semdd_lightning.selection.TwoStage"], None, TwoStage()),
        (["--sampler.scores", "{typicality: 1}"], None, Learnable(scores={"typicality": 1.0})),
        (
            ["--sampler.scores.semdd_lightning.selection.scores.Typicality=2", *POSTERIOR],
            None,
            Learnable(scores={"semdd_lightning.selection.scores.Typicality": 2.0, "posterior": 1.0}),
        ),
    ],
)
def test_what_is_asked_for_is_built(words: list[str], of_config: Any, expected: object) -> None:  # noqa: ANN401
    assert built(*words, of_config=of_config) == expected


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--sampler.ratio", "3"], "parameters of the sampler learnable .*candidate_ratio.*, found ratio"),
        (["--sampler", "random", "--sampler.seed", "3"], r"sampler random \(it has none\), found seed"),
        (["--sampler.diversity_weight", "3"], r"^Expected diversity_weight to be in \[0, 1\], found 3"),
        (["--sampler.diversity_weight", "lots"], r"^Expected values that .* learnable takes, .*'lots'.*\Z"),
        (["--sampler.diversity_weight"], "--sampler.diversity_weight to be .* with a value, found none"),
        (["--sampler.diversity_weight", "--ipc"], "with a value, found none"),
        (["--sampler.=3"], "to be --sampler.PARAMETER with a value"),
        (["--sampler", "{class_path: 3}"], "a sampler as a name, or as class_path and init_args"),
        (["--sampler", "{class_path: TwoStage"], "a sampler as a name, or as class_path and init_args"),
        (["--sampler", "{class_path: TwoStage, ratio: 3}"], "a sampler as a name, or as class_path"),
        (["--sampler", ""], "a sampler as a name"),
        (["--sampler", "twostage"], "a sampler out of learnable"),
        (["--sampler.scores.nonsense", "1"], "a score out of class_relevance"),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], found: str) -> None:
    with pytest.raises((ConfigError, SelectionError), match=found):
        built(*words)


def test_refusals_are_one_message(refused: Callable[..., str]) -> None:
    words = ["--config=quickstart.yaml", "--ipc=2", "--out=out"]
    message = refused("select", "--sampler.ratio", "3", *words)
    assert message.startswith("semdd select: Expected parameters of the sampler two_stage")
