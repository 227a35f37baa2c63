"""Images a second of DiT-XL/2 at 256 px: 50 steps with guidance, weights random, which changes no time."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch

from benchmarks.gpu_parts.skipping import Skipped
from benchmarks.measuring import Result, now
from semdd_lightning.classes import ClassRegistry
from semdd_lightning.generation import Diffusion, Task
from semdd_lightning.generation.diffusion import DiffusionMaker

BATCH, STEPS = 32, 50
_XL = {"num_attention_heads": 16, "attention_head_dim": 72, "num_layers": 28, "sample_size": 32}
_TINY = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 1, "sample_size": 4}
_VAE = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2}
_TINY_VAE = {"block_out_channels": (8, 8), "layers_per_block": 1, "norm_num_groups": 4}


def measure(*, quick: bool = False) -> Result:
    """Make a batch to warm up, and then time two.

    Args:
        quick: A tiny network, two images.

    Raises:
        Skipped: If `diffusers` is not installed.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    settings = Diffusion("random", steps=2 if quick else STEPS, batch_size=2 if quick else BATCH)
    task = Task(ClassRegistry(("tench",), ("n01440764",), ("n01440764",)), 3 * settings.batch_size, None, 0)
    maker = DiffusionMaker(settings, task, _pipeline(device, quick), {})
    seconds = []
    for start in range(0, task.images_per_class, settings.batch_size):
        begun = now()
        maker.make(0, range(start, start + settings.batch_size))
        seconds.append(now() - begun)
    rate = settings.batch_size / min(seconds[1:])
    return Result(
        benchmark="gpu",
        settings={"model": "DiT-XL/2", "steps": settings.steps, "batch_size": settings.batch_size},
        ratios=[],
        seconds={"a batch": seconds[1:]},
        figures={"images/s": rate, "hours a thousand images": 1_000 / rate / 3_600},
    )


def _pipeline(device: torch.device, quick: bool) -> Any:  # noqa: ANN401 - of a library without types
    try:
        diffusers: Any = import_module("diffusers")
    except ImportError as error:
        msg = "diffusers is not installed: pip install 'semdd-lightning[diffusion]'"
        raise Skipped(msg) from error
    transformer = diffusers.DiTTransformer2DModel(
        in_channels=4, out_channels=8, patch_size=2, num_embeds_ada_norm=1000, **(_TINY if quick else _XL)
    )
    shape = _TINY_VAE if quick else _VAE
    levels = len(shape["block_out_channels"])  # type: ignore[arg-type]
    vae = diffusers.AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        latent_channels=4,
        **shape,
    )
    pipeline = diffusers.DiTPipeline(transformer, vae, diffusers.DDIMScheduler(clip_sample=False))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device, torch.float32 if device.type == "cpu" else torch.bfloat16)
