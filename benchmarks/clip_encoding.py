"""CLIP embedding of a pool against decoding and the model alone: ``python -m benchmarks.clip_encoding``.

Seeded JPEG photographs of 500 x 375 pixels, and seeded PNG images of 32 x 32, are embedded with a ViT-B/32 of
random weights: `embed_pool` with an empty cache, the model loaded before. In the same rounds the photographs
are read, decoded and resized alone, in as many threads as there are cores, and the model runs alone on
batches in memory. On a CPU, where both share the cores, photographs cannot take less than the sum of the two;
on a GPU not less than the slower one. Images of 32 pixels cannot take less than the model alone.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.measuring import ROUNDS, Ratio, Result, arguments, paired, time_in_turns
from semdd_lightning.pools import ClassFolders, Pool, decode_image
from semdd_lightning.prior import LoadedClip, OpenClipPrior, PoolEmbeddings, embed_pool

Precision = Literal["fp32", "bf16", "fp16"]
PHOTOGRAPH, SMALL = (500, 375), (32, 32)
CLASSES = 2
LAYERS = 12
TEXT_TOWER = {"context_length": 77, "vocab_size": 49_408, "width": 64, "heads": 1, "layers": 1}


@dataclass(frozen=True)
class LoadedPrior(OpenClipPrior):
    """A prior whose model has been loaded, so that embedding is timed and not the start.

    Args:
        clip: The loaded model.
    """

    clip: LoadedClip | None = None

    def load(self, device: torch.device | str = "cpu") -> LoadedClip:
        """The loaded model."""
        return super().load(device) if self.clip is None else self.clip


def main() -> None:
    """Measure, print tables and write a JSON file."""
    parser = arguments("clip_encoding", __doc__, "a shallow model, few images and rounds")
    parser.add_argument("--images", type=int, default=128, help="images of each kind (default 128)")
    parser.add_argument("--batch-size", type=int, default=64, help="images of a forward pass (default 64)")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16", "fp16"), help="of the model")
    options = parser.parse_args()
    if options.quick:
        result = quick()
    else:
        result = measure(options.images, options.batch_size, options.precision, rounds=options.rounds)
    result.publish(options.json)


def quick() -> Result:
    """A few seconds of it, with a model of three layers."""
    return measure(images=64, batch_size=32, rounds=3, layers=3)


def measure(
    images: int = 128,
    batch_size: int = 64,
    precision: Precision = "fp32",
    rounds: int = ROUNDS,
    layers: int = LAYERS,
) -> Result:
    """Embed both kinds of pool.

    Args:
        images: Images of each kind; a whole number of batches, as the last one is filled up.
        batch_size: Images of a forward pass.
        precision: Number format of the forward pass.
        rounds: Rounds that count.
        layers: Layers of the image tower; 12 make ViT-B/32.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory(prefix="clip-encoding-") as temporary:
        root = Path(temporary)
        model = write_model(root / "model", layers=layers)
        clip = OpenClipPrior(str(model), precision=precision, batch_size=batch_size).load(device)
        prior = LoadedPrior(str(model), precision=precision, batch_size=batch_size, clip=clip)
        photographs = write_pool(root / "photographs", images, PHOTOGRAPH, "JPEG")
        small = write_pool(root / "small", images, SMALL, "PNG")
        inputs = torch.stack([clip.preprocess(image) for image in decode(photographs)])
        batches = [inputs[start : start + batch_size] for start in range(0, images, batch_size)]
        seconds = time_in_turns(
            {
                "photographs, embed_pool": lambda: embed(photographs, prior, device, root / "cache"),
                "photographs, read, decode and resize alone": lambda: decode(photographs, clip.resize),
                "32 px, embed_pool": lambda: embed(small, prior, device, root / "cache"),
                "model alone": lambda: encode(clip, batches),
            },
            rounds,
        )
    ours, decoding, ours_small, encoding = seconds.values()
    together = max if device.type == "cuda" else sum
    limit = [together(pair) for pair in zip(decoding, encoding, strict=True)]
    bar = None if layers < LAYERS else 0.9 if device.type == "cuda" else 0.95
    return Result(
        benchmark="clip_encoding",
        settings={"images": images, "batch_size": batch_size, "precision": precision, "layers": layers},
        ratios=[
            Ratio("500 x 375 JPEG, of the limit of decoding and model", paired(limit, ours), bar),
            Ratio("32 px, of the limit of the model", paired(encoding, ours_small), bar),
        ],
        seconds=seconds,
        figures={f"{name}, images/s": images / median(times) for name, times in seconds.items()},
    )


def embed(pool: Pool, prior: OpenClipPrior, device: torch.device, cache: Path) -> PoolEmbeddings:
    """Embed a pool of which no image is cached; its few prompts are from the second call on."""
    shutil.rmtree(cache / "embeddings", ignore_errors=True)
    return embed_pool(pool, prior, device=device, cache_dir=cache, progress=False)


def decode(
    pool: Pool, resize: Callable[[Image.Image], Image.Image] = lambda image: image
) -> list[Image.Image]:
    """Read, decode and resize a pool's images in as many threads as there are cores."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(lambda index: resize(decode_image(pool.read(index))), range(len(pool))))


def encode(clip: LoadedClip, batches: list[Tensor]) -> Tensor:
    """Encode batches that lie in memory, on the device where the model is."""
    return torch.cat([clip.encode_images(batch) for batch in batches])


def write_model(folder: Path, **vision: int) -> Path:
    """A model directory of ViT-B/32 with random, seeded weights and next to no text tower.

    Args:
        folder: Directory to make.
        vision: What differs from ViT-B/32 in the image tower.
    """
    config: dict[str, Any] = open_clip.get_model_config("ViT-B-32") or {}
    config |= {"vision_cfg": config["vision_cfg"] | vision, "text_cfg": TEXT_TOWER}
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.CLIP(**config)
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    return folder


def write_pool(root: Path, images: int, size: tuple[int, int], image_format: str) -> Pool:
    """A pool of two class folders.

    Args:
        root: Folder to make.
        images: Number of images.
        size: Their width and height in pixels.
        image_format: As PIL names it.
    """
    random = np.random.default_rng(0)
    for number in range(images):
        file = root / f"class{number % CLASSES}" / f"{number:06d}.{image_format.lower()}"
        file.parent.mkdir(parents=True, exist_ok=True)
        photograph_like(random, *size).save(file, image_format, quality=95)
    return ClassFolders(root).read(root.with_name("index"))


def photograph_like(random: np.random.Generator, width: int, height: int) -> Image.Image:
    """Noise whose contrast falls with its scale, as in photographs, so that JPEG takes as many bytes for it.

    Args:
        random: Where the noise comes from.
        width: Width in pixels.
        height: Height in pixels.
    """
    pixels = np.zeros((3, height, width))
    for octave in range(1, max(width, height).bit_length()):
        grains = random.normal(scale=1.6**-octave, size=(3, 2**octave, 2**octave)).astype(np.float32)
        for channel, grain in zip(pixels, grains, strict=True):
            channel += np.asarray(Image.fromarray(grain).resize((width, height), Image.Resampling.BILINEAR))
    pixels = 120 + 55 * (pixels - pixels.mean()) / pixels.std()
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


if __name__ == "__main__":
    main()
