from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from semdd_lightning.errors import PriorError
from semdd_lightning.prior import OpenClipPrior, parse_prior
from semdd_lightning.prior.named_models import find_cached_weights


@pytest.mark.parametrize("prefix", ["", "local-dir:"])
def test_local_directory_loads_offline(tiny_clip_dir: Path, prefix: str) -> None:
    prior = OpenClipPrior(f"{prefix}{tiny_clip_dir}")
    clip = prior.load()
    assert clip.embed_dim == 16
    assert clip.preprocessing.size == (32, 32)
    assert clip.logit_scale == pytest.approx(1 / 0.07, rel=1e-5)


def test_loading_leaves_the_global_random_state(tiny_clip_dir: Path) -> None:
    before = torch.random.get_rng_state()
    OpenClipPrior(str(tiny_clip_dir)).load()
    assert torch.equal(before, torch.random.get_rng_state())


def test_directory_with_missing_files_names_them(tiny_clip_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(PriorError, match="no such directory"):
        OpenClipPrior(f"local-dir:{tmp_path / 'nowhere'}").load()
    (tmp_path / "model").mkdir()
    with pytest.raises(PriorError, match=r"missing: open_clip_config\.json; open_clip_model\.safetensors"):
        OpenClipPrior(str(tmp_path / "model")).load()
    shutil.copy(tiny_clip_dir / "open_clip_config.json", tmp_path / "model")
    with pytest.raises(PriorError, match=r"missing: open_clip_model\.safetensors"):
        OpenClipPrior(str(tmp_path / "model")).check()


def test_directory_takes_bin_weights(tiny_clip_dir: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_clip_dir / "open_clip_config.json", tmp_path)
    weights = load_file(tiny_clip_dir / "open_clip_model.safetensors")
    torch.save(weights, tmp_path / "open_clip_pytorch_model.bin")
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = OpenClipPrior(str(tiny_clip_dir)).load().encode_images(images)
    assert torch.equal(OpenClipPrior(str(tmp_path)).load().encode_images(images), expected)


def test_directory_without_its_tokenizer_or_with_a_remote_tower(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_clip(tmp_path / "model")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "some/tokenizer"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(PriorError, match=r"found missing: tokenizer\.json, tokenizer_config\.json"):
        OpenClipPrior(str(folder)).check()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text("{}")
    config["model_cfg"]["text_cfg"]["hf_model_name"] = "some/tower"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(PriorError, match="hf_model_name 'some/tower'"):
        OpenClipPrior(str(folder)).check()


def test_broken_directories(make_clip: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_clip(tmp_path / "model")
    with pytest.raises(PriorError, match="Expected no pretrained beside the model directory"):
        OpenClipPrior(f"local-dir:{folder}", "openai").check()
    with pytest.raises(PriorError, match="Expected activation 'quickgelu', found 'gelu'"):
        OpenClipPrior(str(folder), activation="quickgelu").check()
    save_file({"logit_scale": torch.zeros(())}, folder / "open_clip_model.safetensors")
    with pytest.raises(PriorError, match="found at least 1,606,144 parameters for a file of 76 bytes"):
        OpenClipPrior(str(folder)).check()
    save_file({"logit_scale": torch.zeros(10**6)}, folder / "open_clip_model.safetensors")
    with pytest.raises(PriorError, match="check that file and architecture belong together"):
        OpenClipPrior(str(folder)).load()
    (folder / "open_clip_config.json").write_text('{"model_cfg": {}}')
    with pytest.raises(PriorError, match="to be JSON with model_cfg"):
        OpenClipPrior(str(folder)).check()
    make_clip(folder, resize_mode="sideways")
    with pytest.raises(PriorError, match="resize_mode to be one of"):
        OpenClipPrior(str(folder)).check()


@pytest.fixture
def tiny_architecture(tiny_clip_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tiny model as a named architecture of open_clip, in both activations."""
    config = json.loads((tiny_clip_dir / "open_clip_config.json").read_text())["model_cfg"]
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "Tiny.json").write_text(json.dumps(config))
    (tmp_path / "configs" / "Tiny-quickgelu.json").write_text(json.dumps({**config, "quick_gelu": True}))
    paths = list(open_clip.factory._MODEL_CONFIG_PATHS)
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", paths)
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
    open_clip.add_model_config(tmp_path / "configs")
    return "Tiny"


def test_weights_file_needs_its_activation(tiny_architecture: str, tiny_clip_dir: Path) -> None:
    weights = str(tiny_clip_dir / "open_clip_model.safetensors")
    with pytest.raises(PriorError, match="does not say which activation it was trained with"):
        OpenClipPrior(tiny_architecture, weights).load()
    with pytest.raises(PriorError, match="use the architecture 'Tiny'"):
        OpenClipPrior("Tiny-quickgelu", weights, activation="gelu").load()


def test_stated_activation_is_applied_and_part_of_the_identity(
    tiny_architecture: str, tiny_clip_dir: Path
) -> None:
    weights = str(tiny_clip_dir / "open_clip_model.safetensors")
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    gelu, quick = (OpenClipPrior(tiny_architecture, weights, a) for a in ("gelu", "quickgelu"))
    named = OpenClipPrior("Tiny-quickgelu", weights, "quickgelu")
    assert not torch.allclose(
        gelu.load().encode_images(images), quick.load().encode_images(images), atol=1e-4
    )
    assert torch.equal(named.load().encode_images(images), quick.load().encode_images(images))
    assert gelu.identity() != quick.identity()
    assert named.identity() == quick.identity()


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_torchscript_archive_loads(tiny_architecture: str, tiny_clip_dir: Path, tmp_path: Path) -> None:
    class Node(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    # A module tree with the model's tensors, the way OpenAI's archives carry theirs.
    root = Node()
    for name, value in load_file(tiny_clip_dir / "open_clip_model.safetensors").items():
        *parents, leaf = name.split(".")
        node: torch.nn.Module = root
        for parent in parents:
            if parent not in dict(node.named_children()):
                node.add_module(parent, Node())
            node = node.get_submodule(parent)
        node.register_buffer(leaf, value)
    root.register_buffer("vocab_size", torch.tensor(49408))
    torch.jit.save(torch.jit.trace(root, torch.zeros(1)), tmp_path / "tiny.pt")  # type: ignore[no-untyped-call]
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = OpenClipPrior(str(tiny_clip_dir)).load().encode_images(images)
    clip = OpenClipPrior(tiny_architecture, str(tmp_path / "tiny.pt"), "gelu").load()
    assert torch.equal(clip.encode_images(images), expected)


def test_hub_tag_of_the_other_activation_names_the_architecture() -> None:
    with pytest.raises(PriorError, match="use the architecture 'ViT-B-32-quickgelu'"):
        OpenClipPrior("ViT-B-32", "openai").check()
    with pytest.raises(PriorError, match="use the architecture 'ViT-B-32'"):
        OpenClipPrior("ViT-B-32-quickgelu", "laion2b_s34b_b79k").check()
    with pytest.raises(PriorError, match="leave activation out"):
        OpenClipPrior("ViT-B-32", "laion2b_s34b_b79k", activation="quickgelu").check()
    OpenClipPrior("ViT-B-32-quickgelu", "openai", activation="quickgelu").check()
    OpenClipPrior("roberta-ViT-B-32", "laion2b_s12b_b32k").check()


@pytest.mark.parametrize(
    ("model", "pretrained", "message"),
    [
        ("ViT-B-33", "openai", "did you mean ViT-B-32"),
        ("ViT-B-32", "laion2b_s34b_b79", r"did you mean laion2b_s34b_b79k.*Its tags are: "),
        ("ViT-B-32", None, "or as one of its tags: openai"),
        ("hf-hub:some/repo", None, "hf download some/repo --local-dir DIR"),
    ],
)
def test_unknown_names_get_close_matches(model: str, pretrained: str | None, message: str) -> None:
    with pytest.raises(PriorError, match=message):
        OpenClipPrior(model, pretrained).check()


def test_uncached_tag_without_network_says_what_to_fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("semdd_lightning.prior.named_models.URL_CACHE", tmp_path / "clip")
    message = r"`hf download timm/vit_base_patch32_clip_224\.openai --local-dir my_clip`"
    with pytest.raises(PriorError, match=message):
        OpenClipPrior("ViT-B-32-quickgelu", "openai").load()


def test_without_a_network_a_download_is_not_tried_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(repository: str, *, timeout: float) -> None:
        raise ConnectionError(f"no way to {repository} within {timeout:.0f} s")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("semdd_lightning.prior.named_models.URL_CACHE", tmp_path / "clip")
    monkeypatch.setattr("semdd_lightning.prior.named_models.model_info", unreachable)
    monkeypatch.setattr("semdd_lightning.prior.named_models.download_pretrained", pytest.fail)
    with pytest.raises(PriorError, match=r"ConnectionError: no way to timm/vit_base.* within 10 s"):
        OpenClipPrior("ViT-B-32-quickgelu", "openai").load()


def test_cached_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("semdd_lightning.prior.named_models.URL_CACHE", tmp_path / "clip")
    config = {"hf_hub": "org/repo/", "url": "https://example.org/ViT.pt"}
    assert find_cached_weights(config) is None
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "ViT.pt").touch()
    assert find_cached_weights(config) == tmp_path / "clip" / "ViT.pt"
    snapshot = tmp_path / "models--org--repo" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "open_clip_model.safetensors").touch()
    (tmp_path / "models--org--repo" / "refs").mkdir()
    (tmp_path / "models--org--repo" / "refs" / "main").write_text("abc")
    assert find_cached_weights(config) == snapshot / "open_clip_model.safetensors"


def test_invalid_settings_are_refused() -> None:
    with pytest.raises(PriorError, match="batch_size of the prior to be at least 1"):
        OpenClipPrior("digits", batch_size=0)
    with pytest.raises(PriorError, match="precision to be one of fp32, bf16, fp16"):
        OpenClipPrior("digits", precision="int8")  # type: ignore[arg-type]
    with pytest.raises(PriorError, match="activation to be 'gelu' or 'quickgelu'"):
        OpenClipPrior("digits", activation="relu")  # type: ignore[arg-type]
    with pytest.raises(PriorError, match="prompts to be one of simple"):
        OpenClipPrior("digits", prompts="nonsense")


def test_parse_prior(tiny_clip_dir: Path) -> None:
    weights = str(tiny_clip_dir / "open_clip_model.safetensors")
    assert parse_prior(str(tiny_clip_dir)) == OpenClipPrior(str(tiny_clip_dir))
    assert parse_prior("ViT-B-32:laion2b_s34b_b79k") == OpenClipPrior("ViT-B-32", "laion2b_s34b_b79k")
    assert parse_prior(f"ViT-B-32:{weights}:gelu") == OpenClipPrior("ViT-B-32", weights, "gelu")
    with pytest.raises(PriorError, match="activation to be stated"):
        parse_prior(f"ViT-B-32:{weights}")
    with pytest.raises(PriorError, match="Expected a model directory"):
        parse_prior("no/such/directory")
