"""The digest of a network tells apart whatever gives other logits."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from semdd_lightning.models import NormalizedNetwork
from semdd_lightning.training.checkpoint_card import weights_digest

HALVES, QUARTERS = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


@pytest.fixture
def layer() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 2))


def test_resize_and_normalisation_are_part_of_a_network(layer: nn.Module) -> None:
    other = deepcopy(layer)
    next(other.parameters()).data += 1
    networks = [
        layer,
        other,
        NormalizedNetwork(layer, 2, HALVES, HALVES),
        NormalizedNetwork(layer, 3, HALVES, HALVES),
        NormalizedNetwork(layer, 2, QUARTERS, HALVES),
        NormalizedNetwork(layer, 2, HALVES, QUARTERS),
    ]
    assert len({weights_digest(network) for network in networks}) == len(networks)
    assert weights_digest(networks[2]) == weights_digest(NormalizedNetwork(layer, 2, HALVES, HALVES))


def test_members_of_an_ensemble_count_too(layer: nn.Module) -> None:
    def pair(size: int) -> nn.Module:
        return nn.ModuleList(NormalizedNetwork(layer, side, HALVES, HALVES) for side in (2, size))

    assert weights_digest(pair(2)) != weights_digest(pair(3))
    assert weights_digest(pair(3)) == weights_digest(pair(3))
