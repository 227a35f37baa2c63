"""``semdd select``: choose images from a pool; no student, no YAML needed."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semdd_lightning.cli.configs import find_config, read_data_arguments
from semdd_lightning.cli.run_directory import (
    claim_directory,
    create_run_directory,
    given_back_unless_filled,
    write_versions,
)
from semdd_lightning.errors import ConfigError
from semdd_lightning.pools import AnyPool, ClassFolders, DiskPool
from semdd_lightning.pools.layouts import AUTO

if TYPE_CHECKING:  # torch, which is not needed to refuse bad options
    from semdd_lightning.data.auditing import AuditPolicy

DEFAULT_SAMPLER = "two_stage"
EPILOG = """examples:
  semdd select my_pool --ipc 10 --prior ViT-B-32-quickgelu:openai --out chosen
  semdd select my_pool --ipc 50 --prior my_clip/ --classes classes.txt --sampler k_center
  semdd select --config quickstart.yaml --ipc 5     the pool and prior of an experiment's config

The pool may have any layout that `semdd pool inspect` knows. --out receives the chosen images in class
folders, a manifest from which `semdd verify` makes the selection again, and scores.parquet: every pool image
with scores, stage and reason.
"""


def run(command: str, words: list[str]) -> int:
    """Parse, check the pool and claim the output before torch is imported, select, write, print."""
    options = _parser().parse_args(words)
    settings = _settings(options)
    for reader in (settings.pool, settings.reference):
        if isinstance(reader, DiskPool):
            reader.check()
    with given_back_unless_filled(_claim(settings, options)) as out:
        _select(settings, options, out, [command, *words])
    return 0


@dataclass(frozen=True)
class _Settings:
    """What to select; components that a config describes are built later, where torch is imported."""

    pool: DiskPool | dict[str, Any]
    prior: str | dict[str, Any]
    ipc: int
    sampler: str | dict[str, Any]
    seed: int
    cache_dir: Path | None
    reference: DiskPool | dict[str, Any] | None
    audit: AuditPolicy


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="semdd select",
        description="Choose images per class from a pool, scored by a CLIP model.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "pool", nargs="?", type=Path, help="folder of class folders, or a pool of any other known layout"
    )
    parser.add_argument("--layout", help="name of the pool's layout (default: recognise it)")
    parser.add_argument("--ipc", type=int, help="images per class to choose")
    parser.add_argument(
        "--prior",
        help="CLIP: a local model directory, MODEL:TAG of open_clip, MODEL:FILE:gelu|quickgelu, or digits",
    )
    parser.add_argument(
        "--sampler",
        help="two_stage (default), random, relevance, separability, quality, k_center, herding, "
        "facility_location",
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
        "--audit",
        choices=("refuse", "warn", "off"),
        help="what to do where images do not show the classes of their folders (default refuse)",
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


def _settings(options: argparse.Namespace) -> _Settings:
    """From options first and the config behind them."""
    data = read_data_arguments(find_config(options.config)) if options.config else {}
    for name in ("classes", "layout"):
        if options.pool is None and getattr(options, name) is not None:
            msg = f"Expected --{name} together with a pool, found --config's pool; put it into the config."
            raise ConfigError(msg)
    pool = (
        AnyPool(options.pool, options.classes, layout=options.layout or AUTO)
        if options.pool is not None
        else _reader(_of_type(data, "pool", dict))
    )
    if pool is None:
        msg = "Expected a pool, found none; give its folder or --config. See `semdd select --help`."
        raise ConfigError(msg)
    ipc = options.ipc if options.ipc is not None else _of_type(data, "ipc", int)
    if ipc is None or ipc < 1:
        msg = f"Expected --ipc of at least 1, found {ipc}; say how many images per class to choose."
        raise ConfigError(msg)
    prior = options.prior if options.prior is not None else _of_type(data, "prior", str, dict)
    if prior is None:
        msg = (
            "Expected --prior, found none; give a local CLIP directory, or MODEL:TAG as "
            "ViT-B-32-quickgelu:openai."
        )
        raise ConfigError(msg)
    seed = options.seed if options.seed is not None else _of_type(data, "selection_seed", int)
    cache_dir = _of_type(data, "cache_dir", str)
    return _Settings(
        pool=pool,
        prior=prior,
        ipc=ipc,
        sampler=options.sampler or _of_type(data, "sampler", str, dict) or DEFAULT_SAMPLER,
        seed=0 if seed is None else seed,
        cache_dir=None if cache_dir is None else Path(cache_dir),
        reference=(
            AnyPool(options.reference)
            if options.reference is not None
            else _reader(_of_type(data, "reference", dict))
        ),
        audit=_audit_policy(options.audit or _of_type(data, "audit", str)),
    )


def _audit_policy(given: str | None) -> AuditPolicy:
    policies: dict[str | None, AuditPolicy] = {
        None: "refuse",
        "refuse": "refuse",
        "warn": "warn",
        "off": "off",
    }
    if given in policies:
        return policies[given]
    msg = f"Expected audit to be refuse, warn or off, found {given!r}; correct the config."
    raise ConfigError(msg)


def _of_type(data: dict[str, Any], key: str, *types: type) -> Any:  # noqa: ANN401 - one of the types
    value = data.get(key)
    if value is None or (isinstance(value, types) and not isinstance(value, bool)):
        return value
    kinds = " or ".join({"dict": "a mapping", "int": "a whole number"}.get(t.__name__, "text") for t in types)
    msg = f"Expected {key} of data.init_args to be {kinds}, found {value!r}; correct the config."
    raise ConfigError(msg)


def _reader(description: dict[str, Any] | None) -> ClassFolders | dict[str, Any] | None:
    """A reader of class folders right away, so that it is checked before torch is imported."""
    if description is None or str(description.get("class_path")).rpartition(".")[2] != ClassFolders.__name__:
        return description
    arguments = description.get("init_args")
    known = isinstance(arguments, dict) and arguments.keys() <= {"path", "classes", "class_names"}
    if not isinstance(arguments, dict) or not known:
        return description  # what is wrong with it is said where it is built
    path, classes, names = (arguments.get(key) for key in ("path", "classes", "class_names"))
    plain = isinstance(path, str) and isinstance(classes, str | None) and isinstance(names, list | None)
    if not plain or not all(isinstance(name, str) for name in names or ()):
        return description
    listed = None if names is None else tuple(names)
    return ClassFolders(Path(str(path)), None if classes is None else Path(classes), listed)


def _claim(settings: _Settings, options: argparse.Namespace) -> Path:
    """The output's directory, made empty so that nobody else takes its name."""
    if options.out is not None:
        out: Path = options.out
        claim_directory(out)
        return out
    pool = settings.pool
    if isinstance(pool, DiskPool):
        return create_run_directory(Path("selections"), Path(pool.path).expanduser().absolute().name)
    return create_run_directory(Path("selections"), Path(options.config).stem)


def _select(settings: _Settings, options: argparse.Namespace, out: Path, words: list[str]) -> None:
    from semdd_lightning.cli.devices import pick_device
    from semdd_lightning.data import select
    from semdd_lightning.export import build_component
    from semdd_lightning.pools import PoolReader
    from semdd_lightning.prior import OpenClipPrior, parse_prior
    from semdd_lightning.report import print_selection_table, statistics_record, write_contact_sheet
    from semdd_lightning.selection import Sampler, build_sampler

    device = pick_device(options.device)
    pool, prior, sampler, reference = settings.pool, settings.prior, settings.sampler, settings.reference
    reader = build_component(pool, PoolReader) if isinstance(pool, dict) else pool
    real = build_component(reference, PoolReader) if isinstance(reference, dict) else reference
    built = build_component(sampler, Sampler) if isinstance(sampler, dict) else build_sampler(sampler)
    reader.prepare()
    if real is not None:
        real.prepare()
    chosen = select(
        reader,
        parse_prior(prior) if isinstance(prior, str) else build_component(prior, OpenClipPrior),
        settings.ipc,
        built,
        settings.seed,
        reference=real,
        device=device,
        cache_dir=settings.cache_dir,
        audit=settings.audit,
    )
    chosen.export(out, link=options.link, claimed=True)
    write_versions(out, words)
    write_contact_sheet(out / "subset.png", chosen.table, chosen.pool)
    rows = {
        "pool": f"{chosen.pool.root}: {len(chosen.pool)} usable images, {len(chosen.pool.excluded)} excluded",
        "sampler": built.name,
        "images per class": str(settings.ipc),
        "encoded by CLIP": f"{chosen.embeddings.encoded} images now, the others came from the cache",
        "seconds": ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in chosen.seconds.items()),
        "written to": str(out),
    }
    next_commands = [f"semdd verify {out}", f"look at {out / 'subset.png'}"]
    print_selection_table("semdd select", rows, statistics_record(chosen.report()), next_commands)
