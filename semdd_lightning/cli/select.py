"""``semdd select``: choose images from a pool; no student, no YAML needed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semdd_lightning.cli.pool_options import add_pool_options
from semdd_lightning.cli.select_settings import SelectSettings, select_settings
from semdd_lightning.experiment.config.sampler_options import (
    ParserWithChoices,
    described_sampler,
    split_sampler_argv,
)
from semdd_lightning.experiment.run.directory import write_versions
from semdd_lightning.experiment.run.ownership import Claim, claim_apart
from semdd_lightning.names import command
from semdd_lightning.pools import DiskPool, ImageSet, ResolvedImages

if TYPE_CHECKING:  # torch, which is not needed to refuse bad options
    from semdd_lightning.data import Classifier

EPILOG = """examples:
  semdd select my_pool --ipc 10 --prior ViT-B-32-quickgelu:openai --out chosen
  semdd select my_pool --ipc 50 --prior my_clip/ --classes classes.txt --sampler k_center
  semdd select my_pool --ipc 50 --prior my_clip/ --sampler two_stage --sampler.diversity_weight 0.4
  semdd select --config quickstart.yaml --ipc 5     the pool and prior of an experiment's config

The pool may have any layout that `semdd pool inspect` knows. --out receives the chosen images in class
folders, a manifest from which `semdd verify` makes the selection again, and scores.parquet: every pool image
with scores, stage and reason.
"""


def run(command: str, argv: list[str]) -> int:
    """Parse, check the pool and claim the output before torch is imported, select, write, print."""
    rest, parameters = split_sampler_argv(argv)
    options = _parser().parse_args(rest)
    settings = select_settings(options, parameters)
    pool = _resolved(settings.pool)
    reference = None if settings.reference is None else _resolved(settings.reference)
    with _claim(settings, options) as claim:
        claim.clear()
        _select(settings, pool, reference, options, claim, [command, *argv])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = ParserWithChoices(
        prog="semdd select",
        description="Choose images per class from a pool, scored by a CLIP model.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "pool", nargs="?", type=Path, help="folder of class folders, or a pool of any other known layout"
    )
    add_pool_options(parser)
    parser.add_argument("--ipc", type=int, help="images per class to choose")
    parser.add_argument(
        "--prior",
        action="append",
        help="CLIP: a local model directory, MODEL:TAG of open_clip, MODEL:FILE:gelu|quickgelu, or digits; "
        "or an image model: timm/NAME or timm/NAME:FILE; several times for several models",
    )
    parser.add_argument(
        "--sampler",
        help="one of those below, the path of a class, or class_path and init_args as "
        "JSON; --sampler.PARAMETER VALUE sets one of its parameters (docs/method.md)",
    )
    parser.add_argument(
        "--classes",
        type=Path,
        help="class list in order, .txt or .csv, or a data set's name, as cifar10; wins over folder names",
    )
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="DIR",
        help="real images of the same classes, for a sampler with prototypes: image or both, and the audit",
    )
    parser.add_argument(
        "--classifier",
        metavar="NAME",
        help="a network for samplers and scores that ask one: torchvision/resnet50, timm/NAME, "
        "either with :FILE of its weights, or a checkpoint of `semdd fit`",
    )
    parser.add_argument(
        "--audit",
        choices=("refuse", "warn", "off"),
        help="what to do where images do not show the classes of their folders (default refuse)",
    )
    parser.add_argument(
        "--choices",
        type=Path,
        metavar="CSV",
        help="what was struck out and pinned in the page of a selection: never chosen, and chosen first",
    )
    parser.add_argument("--seed", type=int, help="selection seed of samplers that draw (default 0)")
    parser.add_argument(
        "--config", help="take what is not given here from the data part of an experiment's config"
    )
    parser.add_argument(
        "--out", type=Path, help="new directory for the result (default selections/POOL/TIME)"
    )
    parser.add_argument("--link", action="store_true", help="hard-link the images instead of copying them")
    parser.add_argument("--device", help="where CLIP runs, as cuda:0 (default: a GPU if there is one)")
    return parser


def _claim(settings: SelectSettings, options: argparse.Namespace) -> Claim:
    """The output's directory, so that nobody else takes it."""
    places = [
        reader.get("init_args", {}).get("path") if isinstance(reader, dict) else reader.path
        for reader in (settings.pool, settings.reference)
        if reader is not None
    ]
    of_disk = isinstance(settings.pool, DiskPool)
    name = Path(places[0]).expanduser().absolute().name if of_disk else Path(options.config).stem
    return claim_apart(options.out, Path("selections"), name, places)


def _resolved(images: DiskPool | dict[str, Any]) -> ResolvedImages | dict[str, Any]:
    """What is found at a path, or refused, before anything is written; the description of anything else."""
    return images.resolve() if isinstance(images, DiskPool) else images


def _built(images: ResolvedImages | dict[str, Any]) -> ImageSet | ResolvedImages:
    from semdd_lightning.export import build_component

    return build_component(images, ImageSet) if isinstance(images, dict) else images


def _select(
    settings: SelectSettings,
    pool: ResolvedImages | dict[str, Any],
    reference: ResolvedImages | dict[str, Any] | None,
    options: argparse.Namespace,
    claim: Claim,
    argv: list[str],
) -> None:
    from semdd_lightning.data import select
    from semdd_lightning.data.priors import build_priors
    from semdd_lightning.experiment.run.record import write_pictures
    from semdd_lightning.given import pick_device
    from semdd_lightning.prior import prior_in_words
    from semdd_lightning.report import encoded_words, print_selection_table, statistics_record

    device = pick_device(options.device)
    built = described_sampler(settings.sampler)
    chosen = select(
        _built(pool),
        build_priors(settings.prior),
        settings.ipc,
        built,
        settings.seed,
        reference=None if reference is None else _built(reference),
        classifier=None if settings.classifier is None else _classifier(settings.classifier),
        device=device,
        cache_dir=settings.cache_dir,
        audit=settings.audit,
        choices=settings.choices,
    )
    out = claim.directory
    whole = chosen.export(out / ".whole", link=options.link)
    write_versions(whole, argv)
    write_pictures(whole, chosen)
    claim.adopt(whole)
    rows = {
        "pool": f"{chosen.pool.root}: {len(chosen.pool)} usable images, {len(chosen.pool.excluded)} excluded",
        "sampler": built.name,
        "prior": prior_in_words(chosen.manifest.prior),
        "images per class": str(settings.ipc),
        "encoded by CLIP": encoded_words(chosen.embeddings.encoded),
        "seconds": ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in chosen.seconds.items()),
        "written to": str(out),
    }
    share = command("semdd", "export", out, "--to", "hf", "--out", Path(f"{out}-hf"))
    next_commands = [command("semdd", "open", out), command("semdd", "verify", out), share]
    print_selection_table("semdd select", rows, statistics_record(chosen.report()), next_commands)


def _classifier(asked: str | dict[str, Any]) -> Classifier:
    from semdd_lightning.data import Classifier
    from semdd_lightning.export import build_component
    from semdd_lightning.training.teachers import parse_teacher  # by which teachers have short names too

    return parse_teacher(asked) if isinstance(asked, str) else build_component(asked, Classifier)
