"""Train the small CLIP of the offline quickstart from scratch on handwritten digits.

Recreates `semdd_lightning/assets/digits_clip/`: a ViT of 16 x 16 pixels and a narrow text transformer,
trained on the training half of scikit-learn's digits only, saved in fp16 in open_clip's local format.

    python scripts/train_digits_clip.py --out semdd_lightning/assets/digits_clip

The objective is cross entropy between image-text cosines (times the learned logit scale) and the digit,
averaged over a few prompt templates per step. Rows of the token table that no prompt uses are set to zero:
untrained, they would be noise that only takes room in an archive.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save
from torch import Tensor, nn

from semdd_lightning.assets import digits_clip
from semdd_lightning.pools.digits import DIGIT_NAMES, digits_split

TEMPLATES = (
    "a photo of a {}.",
    "a photo of the digit {}.",
    "{}",
    "{}.",
    "a photo of the {}.",
    "a photo of a digit {}.",
    "the number {}.",
    "a handwritten {}.",
    "a handwritten digit {}.",
    "a picture of a {}.",
    "an image of a {}.",
    "a drawing of a {}.",
    "a blurry photo of a {}.",
    "a bad photo of a {}.",
    "a low resolution photo of a {}.",
    "a black and white photo of a {}.",
)
MEASURED_TEMPLATES = TEMPLATES[:3]
TEMPLATES_PER_STEP = 4
MAX_LOGIT_SCALE = 100.0

CONFIG: dict[str, dict[str, Any]] = {
    "model_cfg": {
        "embed_dim": 64,
        "vision_cfg": {"image_size": 16, "layers": 4, "width": 96, "head_width": 32, "patch_size": 4},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
    },
    "preprocess_cfg": {
        "mean": [0.3, 0.3, 0.3],
        "std": [0.35, 0.35, 0.35],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    },
}

README = """# A small CLIP for handwritten digits

A CLIP in open_clip's own local format: `open_clip.create_model_and_transforms("local-dir:<this folder>")`,
tokenizer from the same name. ViT of 16 x 16 pixels (patch 4, width 96, 4 layers), text transformer of width
32 with 2 layers, context 16, embedding 64, fp16 weights. It stands in where no real CLIP can be had: it knows
ten digits by their English names and nothing else, so results made with it say nothing about results with a
real CLIP. Words that its training prompts do not use have zero token embeddings: it cannot tell them apart.

- **Trained on** the training half of scikit-learn's handwritten digits, {train} images
  (`digits_split("train")`), from scratch, {epochs} epochs, seed {seed}, with small random shifts, rotations,
  shears, scales and contrasts. No other data.
- **Zero-shot top-1** on the {test} images of the test half, not trained on, with these fp16 weights (one
  training run; the halves share no image, but they share writers):
{accuracies}
- **Made by** `python scripts/train_digits_clip.py --out semdd_lightning/assets/digits_clip` (torch {torch},
  open_clip {open_clip}, CPU).
- **Licence**: the weights carry the licence of this package. The data, of which no image is contained here,
  are the test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, UCI Machine
  Learning Repository, 1998, CC BY 4.0) as distributed with scikit-learn (BSD 3-Clause).
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, save, and print the zero-shot accuracy of what was saved.

    Args:
        arguments: The command line; by default that of the process.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--out", type=Path, default=digits_clip(), help="folder to write (default: the asset)"
    )
    parser.add_argument(
        "--epochs", type=int, default=100, help="visits to every image (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, order, augmentation")
    options = parser.parse_args(arguments)

    start = time.perf_counter()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    (out / "open_clip_config.json").write_text(json.dumps(CONFIG, indent=2) + "\n", encoding="utf-8")
    model = train(out, options.epochs, options.seed)
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    (out / "open_clip_model.safetensors").write_bytes(save(weights, metadata={"format": "pt"}))
    seconds = time.perf_counter() - start

    accuracies = {template: zero_shot_accuracy(out, template) for template in MEASURED_TEMPLATES}
    lines = [f"  - `{template}`: {100 * accuracy:.1f} %" for template, accuracy in accuracies.items()]
    (out / "README.md").write_text(_readme(lines, options.epochs, options.seed), encoding="utf-8")
    size = sum(file.stat().st_size for file in out.iterdir())
    print(
        f"Trained in {seconds:.0f} s; {size / 1e6:.2f} MB; logit scale {model.logit_scale.exp().item():.1f}"
    )
    print("\n".join(["Zero-shot top-1 on the test half, saved weights:", *lines]))


def train(folder: Path, epochs: int, seed: int, batch_size: int = 100) -> open_clip.CLIP:
    """Train the model that the folder's config describes.

    Args:
        folder: Folder with `open_clip_config.json`, also the name of the tokenizer.
        epochs: Visits to every training image.
        seed: Seed of initial weights, order and augmentation.
        batch_size: Images a step.

    Returns:
        The trained model in fp32, in evaluation mode.
    """
    torch.manual_seed(seed)  # the libraries' initialisation knows only the global generator
    generator = torch.Generator().manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(_prompts(TEMPLATES))
    _zero_unused_tokens(model, tokens)
    images, labels = _training_tensors()

    optimizer = torch.optim.AdamW(_parameter_groups(model), lr=2e-3, betas=(0.9, 0.98))
    steps = epochs * math.ceil(len(images) / batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps, pct_start=0.1)
    model.train()
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(images), generator=generator), batch_size):
            batch = _normalize(augment(images[rows], generator))
            chosen = torch.randperm(len(TEMPLATES), generator=generator)[:TEMPLATES_PER_STEP]
            texts = tokens.view(len(TEMPLATES), 10, -1)[chosen].flatten(0, 1)
            cosines = model.encode_image(batch, normalize=True) @ model.encode_text(texts, normalize=True).T
            logits = model.logit_scale.exp() * cosines.view(len(rows), TEMPLATES_PER_STEP, 10)
            targets = labels[rows, None].expand(-1, TEMPLATES_PER_STEP)
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                model.logit_scale.clamp_(max=math.log(MAX_LOGIT_SCALE))
    return model.eval()


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift, rotate, scale and re-contrast every image of a batch by its own small random amount.

    Args:
        images: (B, 3, S, S), values 0 to 1.
        generator: Where the amounts are drawn from.

    Returns:
        (B, 3, S, S), values 0 to 1.
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(images), generator=generator)

    angle, shear = uniform(-0.2, 0.2), uniform(-0.2, 0.2)
    height, width = uniform(0.85, 1.15), uniform(0.85, 1.15)
    cos, sin = angle.cos(), angle.sin()
    top = torch.stack([width * cos, width * (shear * cos - sin), uniform(-0.15, 0.15)], dim=1)
    bottom = torch.stack([height * sin, height * (shear * sin + cos), uniform(-0.15, 0.15)], dim=1)
    grid = F.affine_grid(torch.stack([top, bottom], dim=1), list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, align_corners=False)
    return moved.clamp(min=0).pow(uniform(0.7, 1.4)[:, None, None, None]).clamp(max=1)


def zero_shot_accuracy(folder: Path, template: str) -> float:
    """Measure the saved model on the test half, as a user of open_clip would load it.

    Args:
        folder: The model's folder.
        template: Prompt with one `{}` for the class name.

    Returns:
        Top-1 accuracy, 0 to 1.
    """
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()
    images, labels = digits_split("test")
    batch = torch.stack([preprocess(Image.fromarray(image)) for image in images])
    with torch.no_grad():
        prototypes = model.encode_text(tokenizer(_prompts([template])), normalize=True)
        predicted = (model.encode_image(batch, normalize=True) @ prototypes.T).argmax(dim=1)
    return float(np.mean(predicted.numpy() == labels))


def _prompts(templates: Sequence[str]) -> list[str]:
    return [template.format(name) for template in templates for name in DIGIT_NAMES]


def _training_tensors() -> tuple[Tensor, Tensor]:
    images, labels = digits_split("train")
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(labels)


def _normalize(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(CONFIG["preprocess_cfg"][key]).view(3, 1, 1) for key in ("mean", "std"))
    return (images - mean) / std


def _zero_unused_tokens(model: open_clip.CLIP, tokens: Tensor) -> None:
    table = model.token_embedding.weight
    used = torch.zeros(len(table), dtype=torch.bool).index_fill(0, torch.unique(tokens), True)
    with torch.no_grad():
        table[~used] = 0


def _parameter_groups(model: open_clip.CLIP) -> list[dict[str, object]]:
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        decays = parameter.ndim >= 2 and "embedding" not in name
        (matrices if decays else others).append(parameter)
    return [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]


def _readme(accuracies: Sequence[str], epochs: int, seed: int) -> str:
    train_count, test_count = len(digits_split("train")[1]), len(digits_split("test")[1])
    return README.format(
        train=train_count,
        test=test_count,
        epochs=epochs,
        seed=seed,
        accuracies="\n".join(accuracies),
        torch=torch.__version__,
        open_clip=open_clip.__version__,
    )


if __name__ == "__main__":
    main()
