"""``semdd select``: choose images from a pool; no student, no YAML needed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semdd_lightning.cli.options import add_pool_options, command_parser, pool_argv, pool_of
from semdd_lightning.errors import ConfigError
from semdd_lightning.experiment.config.configs import find_config, read_data_arguments
from semdd_lightning.experiment.config.sampler_options import (
    ParserWithChoices,
    described_sampler,
    sampler_description,
    split_sampler_argv,
)
from semdd_lightning.experiment.run.directory import write_versions
from semdd_lightning.experiment.run.ownership import Claim, claim_apart
from semdd_lightning.export import build_component, read_choices
from semdd_lightning.names import command
from semdd_lightning.pools import AnyPool, ClassFolders, DiskPool, ImageSet, ResolvedImages

if TYPE_CHECKING:  # torch, which is not needed to refuse bad options
    from semdd_lightning.data import Classifier

AUDIT_POLICIES = ("refuse", "warn", "off")
OF_CONFIG: dict[str, tuple[str, tuple[type, ...]]] = {
    "pool": ("pool", (dict,)),
    "ipc": ("ipc", (int,)),
    "prior": ("prior", (str, dict, list)),
    "seed": ("selection_seed", (int,)),
    "cache_dir": ("cache_dir", (str,)),
    "choices": ("choices", (str,)),
    "sampler": ("sampler", (str, dict)),
    "reference": ("reference", (dict,)),
    "audit": ("audit", (str,)),
    "classifier": ("classifier", (str, dict)),
}
"""What of data.init_args stands behind an option, and of which types it may be."""
_KINDS = {dict: "a mapping", list: "a list", int: "a whole number", str: "text"}
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
    options = _options(argv)
    pool = _resolved(options.pool)
    reference = None if options.reference is None else _resolved(options.reference)
    with _claim(options, isinstance(pool, ResolvedImages)) as claim:
        claim.clear()
        _select(options, pool, reference, claim, [command, *argv])
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    """The options, each with what a config says in the place of one that is not given.

    Components that a config describes stay descriptions: they are built where torch is imported.
    """
    rest, parameters = split_sampler_argv(argv)
    options = _parser().parse_args(rest, argparse.Namespace(cache_dir=None))
    data = read_data_arguments(find_config(options.config)) if options.config else {}
    of_pool = [] if options.classes is None else ["--classes"]
    of_pool += [word for word in pool_argv(options) if word.startswith("--")]
    if options.pool is None and of_pool:
        msg = f"Expected {of_pool[0]} together with a pool, found --config's pool; put it into the config."
        raise ConfigError(msg)
    if options.pool is not None:
        options.pool = pool_of(options.pool, options.classes, options)
    if options.reference is not None:
        options.reference = AnyPool(options.reference)
    for option, (key, types) in OF_CONFIG.items():
        if getattr(options, option) is None:
            setattr(options, option, _of_type(data, key, types))
    _check(options)
    options.sampler = sampler_description(options.sampler, parameters)
    options.choices = None if options.choices is None else read_choices(options.choices)
    return options


def _of_type(data: dict[str, Any], key: str, types: tuple[type, ...]) -> Any:  # noqa: ANN401 - one of the types
    value = data.get(key)
    if isinstance(value, list) and list in types and not all(isinstance(one, dict) for one in value):
        msg = f"Expected every {key} of data.init_args to be a mapping, found {value!r}; correct the config."
        raise ConfigError(msg)
    if value is None or (isinstance(value, types) and not isinstance(value, bool)):
        return value
    kinds = " or ".join(_KINDS[kind] for kind in types)
    msg = f"Expected {key} of data.init_args to be {kinds}, found {value!r}; correct the config."
    raise ConfigError(msg)


def _check(options: argparse.Namespace) -> None:
    """Refuse what is needed and nowhere, and what makes no sense."""
    if options.pool is None:
        msg = "Expected a pool, found none; give its folder or --config. See `semdd select --help`."
    elif options.ipc is None or options.ipc < 1:
        msg = f"Expected --ipc of at least 1, found {options.ipc}; say how many images per class to choose."
    elif options.prior is None:
        msg = (
            "Expected --prior, found none; give a local CLIP directory, or MODEL:TAG as "
            "ViT-B-32-quickgelu:openai."
        )
    elif options.audit not in (None, *AUDIT_POLICIES):
        msg = f"Expected audit to be refuse, warn or off, found {options.audit!r}; correct the config."
    else:
        return
    raise ConfigError(msg)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "select", "Choose images per class from a pool, scored by a CLIP model.", EPILOG, ParserWithChoices
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
        choices=AUDIT_POLICIES,
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


def _resolved(images: DiskPool | dict[str, Any]) -> ResolvedImages | dict[str, Any]:
    """What is found at a path, or refused, before anything is written; the description of anything else."""
    if isinstance(images, dict) and str(images.get("class_path")).rpartition(".")[2] == ClassFolders.__name__:
        return build_component(images, ImageSet).resolve()
    return images.resolve() if isinstance(images, DiskPool) else images


def _claim(options: argparse.Namespace, of_disk: bool) -> Claim:
    """The output's directory, so that nobody else takes it."""
    places = [
        (given.get("init_args") or {}).get("path") if isinstance(given, dict) else given.path
        for given in (options.pool, options.reference)
        if given is not None
    ]
    name = Path(str(places[0])).expanduser().absolute().name if of_disk else Path(options.config).stem
    return claim_apart(options.out, Path("selections"), name, places)


def _select(
    options: argparse.Namespace,
    pool: ResolvedImages | dict[str, Any],
    reference: ResolvedImages | dict[str, Any] | None,
    claim: Claim,
    argv: list[str],
) -> None:
    from semdd_lightning.data import select
    from semdd_lightning.data.selection_plan import build_priors
    from semdd_lightning.experiment.run.record import write_pictures
    from semdd_lightning.given import pick_device
    from semdd_lightning.prior import prior_in_words
    from semdd_lightning.report import encoded_words, print_selection_table, statistics_record

    device, sampler = pick_device(options.device), described_sampler(options.sampler)
    chosen = select(
        build_component(pool, ImageSet) if isinstance(pool, dict) else pool,
        build_priors([options.prior] if isinstance(options.prior, str) else options.prior),
        options.ipc,
        sampler,
        options.seed or 0,
        reference=build_component(reference, ImageSet) if isinstance(reference, dict) else reference,
        classifier=None if options.classifier is None else _classifier(options.classifier),
        device=device,
        cache_dir=None if options.cache_dir is None else Path(options.cache_dir),
        audit=options.audit or "refuse",
        choices=options.choices,
    )
    out = claim.directory
    whole = chosen.export(out / ".whole", link=options.link)
    write_versions(whole, argv)
    write_pictures(whole, chosen)
    claim.adopt(whole)
    rows = {
        "pool": f"{chosen.pool.root}: {len(chosen.pool)} usable images, {len(chosen.pool.excluded)} excluded",
        "sampler": sampler.name,
        "prior": prior_in_words(chosen.manifest.prior),
        "images per class": str(options.ipc),
        "encoded by CLIP": encoded_words(chosen.embeddings.encoded),
        "seconds": ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in chosen.seconds.items()),
        "written to": str(out),
    }
    share = command("semdd", "export", out, "--to", "hf", "--out", Path(f"{out}-hf"))
    next_commands = [command("semdd", "open", out), command("semdd", "verify", out), share]
    print_selection_table("semdd select", rows, statistics_record(chosen.report()), next_commands)


def _classifier(asked: str | dict[str, Any]) -> Classifier:
    from semdd_lightning.data import Classifier
    from semdd_lightning.training.teachers.library_teacher import parse_teacher

    return parse_teacher(asked) if isinstance(asked, str) else build_component(asked, Classifier)
