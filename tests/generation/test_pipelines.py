"""Weights under DiT's own names, with DiffFit's factors, make the network that they are of."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from semdd_lightning.errors import NetworkError
from semdd_lightning.generation.pipelines import from_dit_names, load_weights
from tests.generation.tiny_pipelines import tiny_transformer

WIDTH, HEADS, DEPTH = 16, 2, 2


def dit_state() -> dict[str, Tensor]:
    """Weights as DiT's code names them; the first block has DiffFit's factors, as in Minimax Diffusion."""
    shapes = {
        "x_embedder.proj.weight": (WIDTH, 4, 2, 2),
        "x_embedder.proj.bias": (WIDTH,),
        "t_embedder.mlp.0.weight": (WIDTH, 256),
        "t_embedder.mlp.0.bias": (WIDTH,),
        "t_embedder.mlp.2.weight": (WIDTH, WIDTH),
        "t_embedder.mlp.2.bias": (WIDTH,),
        "y_embedder.embedding_table.weight": (1001, WIDTH),
        "final_layer.linear.weight": (32, WIDTH),
        "final_layer.linear.bias": (32,),
        "final_layer.adaLN_modulation.1.weight": (2 * WIDTH, WIDTH),
        "final_layer.adaLN_modulation.1.bias": (2 * WIDTH,),
        "pos_embed": (1, 16, WIDTH),
    }
    layers = {"attn.qkv": (48, 16), "attn.proj": (16, 16), "mlp.fc1": (64, 16), "mlp.fc2": (16, 64)}
    for block in range(DEPTH):
        for layer, shape in {**layers, "adaLN_modulation.1": (96, 16)}.items():
            shapes[f"blocks.{block}.{layer}.weight"] = shape
            shapes[f"blocks.{block}.{layer}.bias"] = shape[:1]
    shapes |= {f"blocks.0.{name}": (16,) for name in ("attn.gamma2", "gamma1", "gamma2")}
    shapes["blocks.0.attn.gamma1"] = (48,)
    generator = torch.Generator().manual_seed(0)
    return {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def literal_dit(
    state: dict[str, Tensor], latents: Tensor, time: Tensor, label: Tensor, places: Tensor
) -> Tensor:
    """DiT as its paper (arXiv 2212.09748) has it, with DiffFit's factors where there are some."""

    def linear(name: str, x: Tensor) -> Tensor:
        return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        return F.layer_norm(x, (WIDTH,), eps=1e-6) * (1 + scale[:, None]) + shift[:, None]

    patches = F.conv2d(latents, state["x_embedder.proj.weight"], state["x_embedder.proj.bias"], stride=2)
    x = patches.flatten(2).mT + places
    angles = time[:, None] * torch.exp(-torch.log(torch.tensor(10000.0)) * torch.arange(128) / 128)
    waves = torch.cat([angles.cos(), angles.sin()], dim=1)
    condition = linear("t_embedder.mlp.2", F.silu(linear("t_embedder.mlp.0", waves)))
    condition = condition + state["y_embedder.embedding_table.weight"][label]
    for block in range(DEPTH):
        prefix = f"blocks.{block}"
        one = torch.ones(())
        parts = linear(f"{prefix}.adaLN_modulation.1", F.silu(condition)).chunk(6, dim=1)
        inner = modulated(x, parts[0], parts[1])
        mixed = state.get(f"{prefix}.attn.gamma1", one) * linear(f"{prefix}.attn.qkv", inner)
        q, k, v = mixed.reshape(len(x), -1, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.mT / (WIDTH // HEADS) ** 0.5, dim=-1)
        seen = (weights @ v).transpose(1, 2).reshape(x.shape)
        seen = state.get(f"{prefix}.attn.gamma2", one) * linear(f"{prefix}.attn.proj", seen)
        x = x + state.get(f"{prefix}.gamma1", one) * parts[2][:, None] * seen
        hidden = F.gelu(linear(f"{prefix}.mlp.fc1", modulated(x, parts[3], parts[4])), approximate="tanh")
        x = x + state.get(f"{prefix}.gamma2", one) * parts[5][:, None] * linear(f"{prefix}.mlp.fc2", hidden)
    shift, scale = linear("final_layer.adaLN_modulation.1", F.silu(condition)).chunk(2, dim=1)
    x = linear("final_layer.linear", modulated(x, shift, scale)).reshape(len(x), 4, 4, 2, 2, 8)
    return torch.einsum("nhwpqc->nchpwq", x).reshape(len(x), 8, 8, 8)


@pytest.mark.parametrize("kind", ["checkpoint", "safetensors", "wrapped"])
def test_the_network_is_that_of_dits_own_code(kind: str, tmp_path: Path) -> None:
    state, path = dit_state(), tmp_path / "weights.pt"
    if kind == "checkpoint":  # as Minimax Diffusion writes it
        other = {name: torch.zeros_like(value) for name, value in state.items()}
        torch.save({"model": other, "ema": state, "opt": {}, "args": argparse.Namespace(lr=1)}, path)
    elif kind == "wrapped":
        torch.save({f"module.{name}": value for name, value in state.items()}, path)
    else:
        path = tmp_path / "weights.safetensors"
        save_file(state, path)
    network = tiny_transformer().eval()
    load_weights(network, path)
    generator = torch.Generator().manual_seed(1)
    latents, time = torch.randn(3, 4, 8, 8, generator=generator), torch.tensor([1.0, 20.0, 900.0])
    label = torch.tensor([0, 217, 1000])
    with torch.no_grad():
        found = network(latents, timestep=time, class_labels=label).sample
        expected = literal_dit(state, latents, time, label, network.pos_embed.pos_embed)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=2e-4)
    del state["blocks.0.attn.gamma1"]
    assert not torch.equal(
        from_dit_names(state)["transformer_blocks.0.attn1.to_q.weight"],
        network.state_dict()["transformer_blocks.0.attn1.to_q.weight"],
    )


def test_weights_under_the_librarys_names_are_taken_as_they_are(tmp_path: Path) -> None:
    one, other = tiny_transformer(), tiny_transformer()
    torch.save(one.state_dict(), tmp_path / "weights.pt")
    load_weights(other, tmp_path / "weights.pt")
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_other_weights_are_refused(tmp_path: Path) -> None:
    state = tiny_transformer().state_dict()
    torch.save(
        {name: value for name, value in state.items() if "proj_out_1" not in name}, tmp_path / "few.pt"
    )
    with pytest.raises(NetworkError, match=r"2 missing \(as proj_out_1.bias\) and 0 others"):
        load_weights(tiny_transformer(), tmp_path / "few.pt")
    torch.save({**state, "proj_out_1.bias": torch.zeros(3)}, tmp_path / "size.pt")
    with pytest.raises(NetworkError, match="of this size"):
        load_weights(tiny_transformer(), tmp_path / "size.pt")
    (tmp_path / "text.pt").write_text("nothing")
    with pytest.raises(NetworkError, match="Expected weights in"):
        load_weights(tiny_transformer(), tmp_path / "text.pt")
