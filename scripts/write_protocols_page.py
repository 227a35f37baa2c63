"""Write docs/protocols.md from the configs, so that it cannot drift from them (a test compares).

python -m scripts.write_protocols_page
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from semdd_lightning.experiment.config.configs import compose, overlay, packaged_configs
from semdd_lightning.experiment.config.options import flatten
from semdd_lightning.experiment.config.protocol_facts import find_facts
from semdd_lightning.experiment.config.protocols import Protocol, beyond, covered, read_protocol, settle

PAGE = Path(__file__).parents[1] / "docs" / "protocols.md"
DATA = ("cifar10", "cifar100", "tinyimagenet", "imagewoof", "imagenet100", "imagenet1k")
IPCS = (1, 10, 20, 50, 100)
INTRODUCTION = """# Evaluation protocols

Numbers of this field can be compared only inside one protocol. A protocol is a config that goes over a data
set's:

```sh
semdd fit --config imagewoof.yaml --config protocols/minimax.yaml --data.pool.path my_pool --data.ipc 10
```

The data set's config owns the pool, the classes, the splits, the student and the teacher of soft labels; the
protocol owns the recipe, and replaces the student where it trains on hard labels, unless it names none, as
`hard`. What depends on images per class, classes, image size, student or teacher is settled before the run
begins: `--print_config` and the run's `config.yaml` show the values. Used again for another ipc, student or
mixing, that config is settled anew. Precision, devices and storage are the machine's, and no part of a
protocol.

Any option goes over a protocol's; the table and `result.json` (`protocol_changes`) then name it beside the
protocol's value. Outside of what the reference implementation covers, a run says so before it begins: it
goes on by the config, but there is no published number to compare it with.

The headline is always the accuracy after the last pass. Habits of the reference implementations that change a
number are switches, off by default, and a result names those that were on (`quirks`): `half_cosine`, a cosine
that stops at half the learning rate; `statistics_twice`, a second update of BatchNorm's statistics a step;
`teacher_batch_statistics`, a teacher whose BatchNorm takes the statistics of each batch that it labels;
`best_of_N`, the highest of N tests, beside the headline. Where a method's paper and public code differ, the
code counts.

In the tables, `imagewoof` stands for ImageNet's subsets of ten classes, and `-` for what the reference
implementation has no value for.

Real runs, shortened, with the teacher and from stored labels:
[results/cifar10-protocols.md](results/cifar10-protocols.md).

This page is written by `scripts/write_protocols_page.py` from the configs.
"""
END = "Next: [what to expect of them](recipes.md), or [soft labels](soft-labels.md) stored once.\n"
VIEWS = {"cropped": "resized to size // 7 * 8, centre cut", "whole": "resized to the size"}


def page() -> str:
    """The whole page."""
    names = sorted(path.stem for path in (packaged_configs() / "protocols").glob("*.yaml"))
    sections = [section(name) for name in names]
    return "\n".join([INTRODUCTION, *sections, END])


def section(name: str) -> str:
    """One protocol: what its config says, its recipe on a data set, passes and batches, and its rules.

    Args:
        name: of its config, whose first lines give a command for the data set.
    """
    file = packaged_configs() / "protocols" / f"{name}.yaml"
    data = re.findall(r"--config (\w+)\.yaml", file.read_text())[0]
    protocol = read_protocol(compose(file), file)
    lines = [
        f"## {name}",
        "",
        *said(file.read_text()),
        f"Source: `{protocol.source}`, for {covered(protocol) or 'anything'}.",
        "",
    ]
    lines += [f"Shown for `{data}.yaml` at 10 images per class:", ""]
    rows = recipe(experiment(name, data, {"data.ipc": 10}))
    lines += ["| | |", "|---|---|", *(f"| {row} | {text} |" for row, text in rows.items()), ""]
    lines += ["Passes x batch size:", "", f"| data set | {' | '.join(f'IPC {ipc}' for ipc in IPCS)} |"]
    lines += ["|---|" + "---|" * len(IPCS)]
    for other in DATA:
        amounts = [_amount(protocol, other, ipc) for ipc in IPCS]
        if any(amounts):
            lines.append(f"| {other} | {' | '.join(amount or '-' for amount in amounts)} |")
    if protocol.rules:
        lines += ["", "Rules, later ones over earlier ones:", "", "| when | give |", "|---|---|"]
        lines += [f"| {_pairs(rule.when)} | {_pairs(rule.give)} |" for rule in protocol.rules]
    return "\n".join([*lines, ""])


def said(text: str) -> list[str]:
    """The comment that a config begins with, its command as a block."""
    comment = takewhile(lambda line: line.startswith("#"), text.splitlines())
    lines = [line[1:].removeprefix(" ") for line in comment]
    return [*(f"  {line}" if line.startswith("  ") else line for line in lines), ""]


def recipe(found: dict[str, Any]) -> dict[str, str]:
    """What flat options mean, line by line."""
    averaged = found["model.ema_decay"]
    return {
        "labels": "hard" if _hard(found) else "soft, of the teacher",
        "student": found.get("model.network", "the data set's"),
        "teacher": _teacher(found),
        "loss": _loss(found),
        "optimiser": _optimizer(found),
        "schedule": _schedule(found),
        "weights evaluated": f"moving average, decay {averaged}" if averaged else "the last",
        "training images": _augmentation(found),
        "mixing": _mixing(found),
        "batches": _batches(found),
        "normalisation": f"{_numbers(found['model.mean'])} / {_numbers(found['model.std'])}",
        "test images": VIEWS[found["data.evaluation_view"]],
        "habits that are on": _habits(found),
    }


def experiment(name: str, data: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Flat options of a protocol over a data set's config and under others, without what the parser adds."""
    files = [packaged_configs() / f"{data}.yaml", packaged_configs() / "protocols" / f"{name}.yaml"]
    own, over = map(compose, files)
    found = flatten(overlay(own, over)) | dict(given)
    settled = settle(read_protocol(over, files[1]), flatten(over), find_facts(found))
    settled.check(given)
    return found | settled.given | dict(given)


def _amount(protocol: Protocol, data: str, ipc: int) -> str | None:
    """Passes and batch size; None where the reference implementation has none."""
    own = flatten(compose(packaged_configs() / f"{data}.yaml"))
    if beyond(replace(protocol, resolved_for=find_facts({**own, "data.ipc": ipc}))):
        return None
    found = experiment(protocol.name, data, {"data.ipc": ipc})
    size = found["data.batch_size"] * found["trainer.accumulate_grad_batches"]
    return f"{found['data.passes']:,} x {min(size, ipc * found['data.num_classes']):,}"


def _hard(found: dict[str, Any]) -> bool:
    return str(found["model.class_path"]).endswith("ClassifierModule")


def _teacher(found: dict[str, Any]) -> str:
    if _hard(found):
        return "none"
    members = found.get("model.teacher.teachers")
    if members is None:
        return "the data set's"
    return "mean logits of " + ", ".join(member["init_args"]["name"] for member in members)


def _loss(found: dict[str, Any]) -> str:
    if _hard(found):
        return "cross entropy, weighted by the share of each image where mixed"
    name = {"kl": "KL divergence", "soft_cross_entropy": "soft cross entropy", "mse": "MSE of logits"}
    text = name[found["model.loss"]]
    if found["model.loss"] != "mse":
        squared = "with" if found["model.temperature_squared"] else "without"
        text += f", temperature {found['model.temperature']:g} {squared} its square as a factor"
    weight = found["model.label_weight"]
    return text + (f" + {weight} cross entropy with the own label" if weight else "")


def _optimizer(found: dict[str, Any]) -> str:
    name = found["model.optimizer.class_path"].rpartition(".")[2]
    decay, on = found["model.optimizer.weight_decay"], found["model.weight_decay_on"]
    momentum = found.get("model.optimizer.momentum") if name == "SGD" else None
    parts = [f"{name} {found['model.optimizer.lr']:g}"]
    parts += [] if momentum is None else [f"momentum {momentum:g}"]
    decayed = "weights of 2+ dimensions" if on == "weights" else "all"
    return ", ".join([*parts, f"weight decay {decay:g} on {decayed}"])


def _schedule(found: dict[str, Any]) -> str:
    prefix = "model.schedule."
    options = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
    if "milestones" in options:
        offset = f" + {options['offset']}" if options["offset"] else ""
        at = ", ".join(f"(passes{offset}) * {top} // {bottom}" for top, bottom in options["milestones"])
        return f"x {options['gamma']:g} at {at}{', by a fresh optimiser' if options['fresh'] else ''}"
    end = {1: "zero", 2: "half the rate"}[int(options["stretch"])]
    warmup = f"{options['warmup']} passes of warm-up, then " if options["warmup"] else ""
    return f"{warmup}cosine to {end}"


def _augmentation(found: dict[str, Any]) -> str:
    policy = _policy(found)
    steps = []
    if policy["shuffle_patches"] > 1:
        steps.append("{0} columns, then {0} rows shuffled".format(policy["shuffle_patches"]))
    if policy["pad_crop"]:
        steps.append(f"padded by {policy['pad_crop']} and cropped")
    if policy["crop_scale"][0] < 1:
        steps.append(f"random resized crop {_numbers(policy['crop_scale'])}")
    if policy["horizontal_flip"]:
        steps.append(f"flip {policy['horizontal_flip']:g}")
    if max(policy["color_jitter"]) > 0:
        steps.append(f"colour jitter {_numbers(policy['color_jitter'])}")
    if policy["lighting"]:
        steps.append(f"PCA lighting {policy['lighting']:g}")
    return ", ".join(steps) or "as they are"


def _mixing(found: dict[str, Any]) -> str:
    policy = _policy(found)
    name = {"cutmix": "CutMix", "mixup": "MixUp", "none": "none"}[policy["mix"]]
    return name if name == "none" else f"{name} on every batch, Beta({policy['mix_alpha']:g})"


def _batches(found: dict[str, Any]) -> str:
    parts = found["trainer.accumulate_grad_batches"]
    size = found["data.batch_size"]
    return f"{size * parts:,}" + (f", as {parts} accumulated parts of {size}" if parts > 1 else "")


def _habits(found: dict[str, Any]) -> str:
    habits = ["`half_cosine`"] if found.get("model.schedule.stretch") == 2 else []
    switches = ("statistics_twice", "teacher_batch_statistics")
    habits += [f"`{switch}`" for switch in switches if found.get(f"model.{switch}")]
    for callback in found["trainer.callbacks"] or []:
        options = callback["init_args"]
        every = "hundredth of the passes" if options["every"] is None else f"{options['every']} passes"
        after = f" after {options['after']:.0%} of all" if options["after"] else ""
        habits.append(f"`best_of_N`, a test every {every}{after}")
    return ", ".join(habits) or "none"


def _policy(found: dict[str, Any]) -> dict[str, Any]:
    prefix = "data.augmentation."
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def _numbers(values: list[float]) -> str:
    return f"({', '.join(f'{value:g}' for value in values)})"


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"`{name}: {value}`" for name, value in values.items())


if __name__ == "__main__":
    PAGE.write_text(page())
