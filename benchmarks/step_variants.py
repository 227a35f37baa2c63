"""What else a training step could gain: ``python -m benchmarks.step_variants --student conv3``.

The bare loop of `student_training`, as it is and with one thing changed: the student in bfloat16 where
autocast allows it, student and teacher compiled, four students stacked into one network by ``torch.func``. A
ratio says how many students of the variant train in the time of one as it is. Passes before the clock starts
are not counted, which leaves out what compiling takes.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from benchmarks.measuring import Ratio, Result, arguments, in_turns, paired
from benchmarks.student_training import bare_training, optimizer_and_schedule, seconds_after
from benchmarks.training_task import TEMPERATURE, TrainingTask
from semdd_lightning.freed_memory import keep_freed_memory
from semdd_lightning.training import parameter_groups, soft_label_loss
from semdd_lightning.training.teachers import FrozenTeacher

STACKED = 4


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = arguments("step_variants", __doc__, "a small form of it")
    parser.add_argument("--student", default="conv3", help="short name of student and teacher")
    parser.add_argument("--passes", type=int, default=18, help="passes that are timed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        if options.quick:
            result = measure(TrainingTask(Path(root), image_size=8, passes=1, skipped=1), rounds=1)
        else:
            task = TrainingTask(Path(root), options.student, passes=options.passes)
            result = measure(task, options.rounds)
    result.publish(options.json)


def measure(task: TrainingTask, rounds: int = 5) -> Result:
    """Time the step as it is and its variants in turns.

    Args:
        task: What is trained.
        rounds: Rounds that count.
    """
    keep_freed_memory()
    task.write()
    contestants = {name: partial(_seconds, task, training) for name, training in VARIANTS.items()}
    seconds = in_turns(contestants, rounds)
    plain = seconds["as it is"]
    ratios = [
        Ratio(f"as it is / {name}", (STACKED if VARIANTS[name] is stacked else 1) * paired(plain, own))
        for name, own in seconds.items()
        if own is not plain
    ]
    settings = {"student": task.student, "passes": task.passes, "image_size": task.image_size}
    return Result("step_variants", settings, ratios, seconds)


def as_it_is(task: TrainingTask) -> Iterator[None]:
    """The step of the bare loop."""
    return bare_training(_student(task), _teacher(task), _passes(task))


def in_bfloat16(task: TrainingTask) -> Iterator[None]:
    """The student in bfloat16 as ``--trainer.precision bf16-mixed`` has it; the teacher keeps float32."""
    return bare_training(InBfloat16(_student(task)), _teacher(task), _passes(task))


def compiled(task: TrainingTask) -> Iterator[None]:
    """Student and teacher by ``torch.compile``."""
    student, teacher = _student(task), _teacher(task)
    student.compile()
    teacher.network.compile()
    return bare_training(student, teacher, _passes(task))


def stacked(task: TrainingTask) -> Iterator[None]:
    """Several students as one network, each with batches of its own."""
    students = [_student(task) for _ in range(STACKED)]
    passes = [
        [images.expand(STACKED, *images.shape).contiguous() for images in batches]
        for batches in _passes(task)
    ]
    return stacked_training(students, _teacher(task), passes)


def stacked_training(
    students: list[nn.Module], teacher: FrozenTeacher, passes: Sequence[Sequence[Tensor]]
) -> Iterator[None]:
    """`bare_training` of several students at once; each ends with the parameters that it was trained to.

    Args:
        students: What is trained, networks of one kind.
        teacher: What they learn from; it labels all batches at once.
        passes: For each pass its batches, images in [0, 1], one batch a student, (students, B, 3, S, S) each.
    """
    parameters, buffers = stack_module_state([student.train() for student in students])
    network = copy.deepcopy(students[0]).to("meta")

    def forward(parameters: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor) -> Tensor:
        logits: Tensor = functional_call(network, (parameters, buffers), (images,))
        return logits

    optimizer, schedule = optimizer_and_schedule(stacked_groups(students[0], parameters), len(passes))
    for batches in passes:
        for images in batches:
            logits = vmap(forward)(parameters, buffers, images).flatten(0, 1)
            # the mean over all students' images: each student's gradient is its own, divided by their number
            loss = len(students) * soft_label_loss(logits, teacher(images.flatten(0, 1)), TEMPERATURE)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
        yield
    state = parameters | buffers
    for index, student in enumerate(students):
        student.load_state_dict({name: state[name][index].detach() for name in student.state_dict()})


def stacked_groups(student: nn.Module, parameters: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    """The groups of one student's parameters, with those of all students in their places.

    Args:
        student: One of them.
        parameters: All of them, stacked, by name.
    """
    names = {parameter: name for name, parameter in student.named_parameters()}
    groups = parameter_groups(student, "weights")
    return [group | {"params": [parameters[names[own]] for own in group["params"]]} for group in groups]


VARIANTS: dict[str, Callable[[TrainingTask], Iterator[None]]] = {
    "as it is": as_it_is,
    "bfloat16": in_bfloat16,
    "compiled": compiled,
    f"{STACKED} students stacked": stacked,
}


class InBfloat16(nn.Module):
    """A network whose products autocast takes in bfloat16; its logits are float32.

    Args:
        network: From images to logits.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, 3, H, W)."""
        with torch.autocast(images.device.type, torch.bfloat16):
            logits: Tensor = self.network(images)
        return logits.float()


def _seconds(task: TrainingTask, training: Callable[[TrainingTask], Iterator[None]]) -> float:
    return seconds_after(task.skipped, training(task))


def _student(task: TrainingTask) -> nn.Module:
    return task.new_student().to(_device()).to(memory_format=torch.channels_last)


def _teacher(task: TrainingTask) -> FrozenTeacher:
    return FrozenTeacher(task.teacher_network(), _device())


def _passes(task: TrainingTask) -> Sequence[Sequence[Tensor]]:
    shape = (task.num_images, 3, task.image_size, task.image_size)
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(_device())
    return [torch.split(images, task.batch_size)] * (task.skipped + task.passes)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


if __name__ == "__main__":
    main()
