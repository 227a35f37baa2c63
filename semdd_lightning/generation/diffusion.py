"""``diffusion``: images of a diffusion model, by class index (DiT) or by prompt (Stable Diffusion, SDXL)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from PIL import Image
from torchvision.transforms.v2 import functional as TF

from semdd_lightning.data.storage import square
from semdd_lightning.errors import ConfigError, NetworkError
from semdd_lightning.generation.class_prompts import class_prompts, require_own_classes
from semdd_lightning.generation.generator import (
    Generator,
    Made,
    Maker,
    Task,
    image_seed,
    require_positive,
)
from semdd_lightning.generation.pipelines import (
    AS_SHIPPED,
    SCHEDULERS,
    directory_digest,
    load_pipeline,
    load_weights,
)
from semdd_lightning.training.checkpoint_card import file_digest
from semdd_lightning.training.teachers.library_teacher import imagenet_indices

_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_ATTEMPTS = 10  # at an image that the safety checker blackens


@dataclass(frozen=True)
class Diffusion(Generator):
    """Images of a diffusion pipeline of the library `diffusers`.

    Every image has noise of its own, drawn by its seed on the CPU. The same batch size gives the same bytes
    in any order and on any number of ranks; another batch size may move the last bits of a network.

    Args:
        model: a local directory with model_index.json, or a name of the Hugging Face hub.
        prompts: of a pipeline that takes prompts: a template with {}, several, a prompt set of CLIP's
            (simple, openai_imagenet, ...), or a file: .csv with the columns class,prompt, or .txt with a
            line for each class in class order.
        negative_prompt: what images shall not show.
        steps: of denoising.
        guidance: scale of classifier-free guidance; 1 or less takes none.
        scheduler: as_shipped, ddim, ddpm, dpm++, euler, euler_ancestral, heun, lcm, lms, pndm or unipc.
        precision: number format of the networks; fp16 and bf16 are for GPUs.
        batch_size: images made at once.
        weights: fine-tuned weights of the network that denoises, as Minimax's DiT: .safetensors, or a
            checkpoint of PyTorch.
        generated_size: pixels per side that a pipeline with prompts is asked for (default: its own).
        prompt_check: what to do with prompts that ask for other classes than theirs, by their words and, with
            a prior, by CLIP: refuse, warn or off.
        safety_checker: as_shipped or off. What the checker blackens is made again with another seed.
        compile: compile the network that denoises; it pays from some hundred images on.
    """

    name: ClassVar[str] = "diffusion"
    meaning: ClassVar[str] = "images of a diffusion model: DiT by class, Stable Diffusion and SDXL by prompt"
    needs_source: ClassVar[bool] = False

    model: str
    prompts: str | tuple[str, ...] = "simple"
    negative_prompt: str | None = None
    steps: int = 50
    guidance: float = 4.0
    scheduler: str = AS_SHIPPED
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    batch_size: int = 8
    weights: Path | None = None
    generated_size: int | None = None
    prompt_check: Literal["refuse", "warn", "off"] = "refuse"
    safety_checker: Literal["as_shipped", "off"] = "as_shipped"
    compile: bool = False

    def __post_init__(self) -> None:
        require_positive(self, "steps", "batch_size", "generated_size")

    def open(self, task: Task, device: torch.device) -> Maker:
        """Load the pipeline, and find out what the classes are to it."""
        if device.type == "cpu" and self.precision == "fp16":
            msg = (
                "Expected precision fp32 or bf16 on a CPU, found fp16; give --precision fp32, or "
                "--device cuda."
            )
            raise ConfigError(msg)
        pipeline, facts = self._pipeline(device)
        return DiffusionMaker(self, task, pipeline, facts)

    def _pipeline(self, device: torch.device) -> tuple[Any, dict[str, Any]]:
        """The pipeline as it is described, and what it is."""
        if self.scheduler not in (AS_SHIPPED, *SCHEDULERS):
            known = ", ".join((AS_SHIPPED, *SCHEDULERS))
            msg = f"Expected scheduler to be one of {known}, found {self.scheduler!r}; take one of them."
            raise ConfigError(msg)
        pipeline, directory = load_pipeline(self.model)
        if self.scheduler != AS_SHIPPED:
            kind = getattr(import_module("diffusers"), SCHEDULERS[self.scheduler])
            pipeline.scheduler = kind.from_config(pipeline.scheduler.config)
        denoiser = "transformer" if hasattr(pipeline, "transformer") else "unet"
        weights = None if self.weights is None else Path(self.weights).expanduser()
        if weights is not None:
            load_weights(getattr(pipeline, denoiser), weights)
        checker = getattr(pipeline, "safety_checker", None)
        if checker is not None and self.safety_checker == "off":
            pipeline.safety_checker = None
        checked = "off" if self.safety_checker == "off" else "on"
        facts = {
            "model": self.model,
            "sha256": directory_digest(directory),
            "pipeline": type(pipeline).__name__,
            "scheduler": type(pipeline.scheduler).__name__,
            "weights": None if weights is None else file_digest(weights),
            "safety_checker": "none ships" if checker is None else checked,
        }
        pipeline.to(device, _TYPES[self.precision])
        if self.compile:
            setattr(pipeline, denoiser, torch.compile(getattr(pipeline, denoiser)))
        return pipeline, facts


class DiffusionMaker(Maker):
    """Makes images by a pipeline: DiT is told the class by its index among ImageNet's, others in words.

    Args:
        settings: how images are made.
        task: what is to be made.
        pipeline: of `diffusers`.
        facts: what it is, in plain values.
    """

    def __init__(
        self,
        settings: Diffusion,
        task: Task,
        pipeline: Any,  # noqa: ANN401 - of a library without types
        facts: dict[str, Any],
    ) -> None:
        self._settings, self._task, self._pipeline = settings, task, pipeline
        self.batch, self.facts = settings.batch_size, facts
        self._by_class = "class_labels" in signature(type(pipeline).__call__).parameters
        if not self._by_class:
            self._prompts = class_prompts(settings.prompts, task.classes)
            if settings.prompt_check != "off":
                require_own_classes(self._prompts, task, settings.prompt_check)
            return
        if settings.negative_prompt is not None or settings.generated_size is not None:
            msg = (
                f"Expected neither negative_prompt nor generated_size for {facts['pipeline']}, which makes "
                "images of one size by class index, found one; remove it."
            )
            raise ConfigError(msg)
        self._indices = imagenet_indices(task.classes)
        self._step = type(pipeline.scheduler).step

    def of_class(self, label: int) -> dict[str, Any]:
        """Index or prompts of the class."""
        if self._by_class:
            return {"class_index": self._indices[label]}
        return {"prompts": list(self._prompts[label])}

    def make(self, label: int, numbers: Sequence[int]) -> list[Made]:
        """Images of one class; those that the safety checker blackens are made again."""
        told = [self.of_class(label)] * len(numbers)  # as the file of each image says it
        if not self._by_class:
            prompts = self._prompts[label]
            told = [{"prompt": prompts[number % len(prompts)]} for number in numbers]
        folder, size = self._task.classes.folders[label], self._task.image_size
        made: dict[int, Made] = {}
        for attempt in range(_ATTEMPTS):
            left = [place for place in range(len(numbers)) if place not in made]
            if not left:
                break
            again = (f"again{attempt}",) if attempt else ()
            seeds = [image_seed(self._task.seed, folder, numbers[place], *again) for place in left]
            images = self._run([told[place] for place in left], seeds)
            for place, seed, image in zip(left, seeds, images, strict=True):
                if image is not None and size is not None:
                    image = TF.to_pil_image(square(image.convert("RGB"), size))
                if image is not None:
                    made[place] = Made(image, {"seed": seed, **told[place]})
        if len(made) < len(numbers):
            msg = (
                f"Expected images of {folder!r} that the safety checker lets pass, found none in {_ATTEMPTS} "
                "attempts; change the prompt, or give --safety-checker off."
            )
            raise NetworkError(msg)
        return [made[place] for place in range(len(numbers))]

    def _run(self, told: Sequence[dict[str, Any]], seeds: Sequence[int]) -> list[Image.Image | None]:
        """The images of one call; none in place of those that the safety checker blackened."""
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        try:
            done = self._pipeline(
                **self._arguments(told, generators),
                generator=generators,
                num_inference_steps=self._settings.steps,
                guidance_scale=self._settings.guidance,
            )
        except (ValueError, TypeError) as error:  # as of a scheduler that needs more steps
            msg = f"Expected settings that {self.facts['pipeline']} runs with, found: {error}; change them."
            raise ConfigError(msg) from error
        flagged = getattr(done, "nsfw_content_detected", None) or [False] * len(seeds)
        return [None if bad else image for image, bad in zip(done.images, flagged, strict=True)]

    def _arguments(self, told: Sequence[dict[str, Any]], drawing: list[torch.Generator]) -> dict[str, Any]:
        """The same as the pipeline takes it; what its steps draw comes from the generators of the images."""
        settings = self._settings
        if self._by_class:
            scheduler = self._pipeline.scheduler  # no pipeline gives it generators: it would draw globally
            if "generator" in signature(self._step).parameters:
                # guidance doubles the batch; the second half of the noise is drawn and thrown away
                doubled = drawing * 2 if settings.guidance > 1 else drawing
                scheduler.step = partial(self._step, scheduler, generator=doubled)
            return {"class_labels": [one["class_index"] for one in told]}
        arguments: dict[str, Any] = {"prompt": [one["prompt"] for one in told]}
        if settings.negative_prompt is not None:
            arguments["negative_prompt"] = [settings.negative_prompt] * len(told)
        if settings.generated_size is not None:
            arguments |= dict.fromkeys(("height", "width"), settings.generated_size)
        return arguments
