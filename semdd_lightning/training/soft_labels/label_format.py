"""How one soft label is stored, what that costs in bytes, and what it loses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, with_config
from torch import Tensor
from torch.nn import functional as F

from semdd_lightning.errors import LabelError
from semdd_lightning.records import RECORD
from semdd_lightning.training.losses import SoftLabelLoss, soft_label_loss

Precision = Literal["fp32", "fp16", "int8"]

KL_AT = "kl_at_"  # a temperature
MOST_CLASSES = 10**6
_STEPS = 255  # of int8, between a row's smallest and largest value
_ROWS = 4096  # whose cost is measured at once: in float64, a large pass as a whole would not fit


@with_config(RECORD)
@dataclass(frozen=True)
class LabelFormat:
    """How the teacher's logits of one image are stored.

    With ``top_k``, the k largest logits are kept, and all others share one logit, chosen so that at
    ``temperature`` the kept classes keep their probabilities and the rest of the mass is spread evenly.
    Without ``top_k`` all logits are there, and fit a loss at any temperature.

    Args:
        num_classes: C.
        precision: fp32, fp16, or int8 with a scale and an offset (fp16) for each row.
        top_k: logits kept of each row (default: all).
        temperature: at which the rest of ``top_k`` is spread evenly; that of the loss.
    """

    num_classes: Annotated[int, Field(ge=1, le=MOST_CLASSES)]
    precision: Precision = "fp16"
    top_k: int | None = None
    temperature: Annotated[float, Field(gt=0)] = 1.0

    def __post_init__(self) -> None:
        if self.top_k is not None and not 1 <= self.top_k < self.num_classes:
            msg = (
                f"Expected top_k between 1 and {self.num_classes - 1} for {self.num_classes} classes, found "
                f"{self.top_k}; leave it out to keep all."
            )
            raise LabelError(msg)

    @property
    def identity(self) -> dict[str, Any]:
        """What labels depend on; no temperature where all logits are there."""
        return asdict(self) if self.top_k is not None else {**asdict(self), "temperature": None}

    @property
    def in_words(self) -> str:
        """Precision, and which logits are kept.

        Examples:
            >>> LabelFormat(10).in_words, LabelFormat(10, "int8", 3).in_words
            ('fp16, all logits', 'int8, the 3 largest logits, the rest evenly')
        """
        kept = "all logits" if self.top_k is None else f"the {self.top_k} largest logits, the rest evenly"
        return f"{self.precision}, {kept}"

    def require_fit(self, loss: SoftLabelLoss, temperature: float) -> None:
        """See that a loss can learn from labels that are stored so.

        Args:
            loss: which one.
            temperature: its own; without effect on ``mse``.

        Raises:
            LabelError: if what was left out would mean something else to it.
        """
        if self.top_k is None:
            return
        if loss == "mse":
            msg = (
                f"Expected labels with all logits for the loss mse, found the {self.top_k} largest, whose "
                "rest keeps probabilities and no logits; leave out top_k, int8 takes half the bytes of fp16."
            )
            raise LabelError(msg)
        if temperature != self.temperature:
            msg = (
                f"Expected labels for temperature {temperature:g}, found the {self.top_k} largest logits, "
                f"the rest spread evenly at {self.temperature:g}; give --model.temperature "
                f"{self.temperature:g}, or make labels with all logits, which fit any temperature."
            )
            raise LabelError(msg)

    @property
    def parts(self) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
        """Type and shape of what is stored for one label, by name."""
        kept = self.num_classes if self.top_k is None else self.top_k
        if self.precision == "int8":
            half = (torch.float16, ())
            parts = {"values": (torch.uint8, (kept,)), "scale": half, "offset": half}
        else:
            parts = {"values": (self._float_type, (kept,))}
        if self.top_k is not None:
            parts |= {"classes": (self._class_type, (kept,)), "rest": (self._float_type, ())}
        return parts

    @property
    def _float_type(self) -> torch.dtype:
        return torch.float32 if self.precision == "fp32" else torch.float16

    @property
    def _class_type(self) -> torch.dtype:
        """The smallest type that counts the classes."""
        if self.num_classes <= 2**8:
            return torch.uint8
        return torch.int16 if self.num_classes <= 2**15 else torch.int32

    @property
    def bytes_per_label(self) -> int:
        """Bytes of one stored label.

        Examples:
            >>> LabelFormat(1000).bytes_per_label, LabelFormat(1000, "int8").bytes_per_label
            (2000, 1004)
            >>> LabelFormat(1000, top_k=10).bytes_per_label
            42
        """
        return sum(dtype.itemsize * (shape[0] if shape else 1) for dtype, shape in self.parts.values())

    def encode(self, logits: Tensor) -> dict[str, Tensor]:
        """Stored parts of logits (n, C), on the CPU, each (n, ...) as `parts` says.

        Raises:
            LabelError: if a logit is not finite, or too large for what it is stored as.
        """
        values = logits = logits.detach().float().cpu()
        parts: dict[str, Tensor] = {}
        if self.top_k is not None:
            values, classes = logits.topk(self.top_k, dim=1)
            parts["classes"] = classes.to(self._class_type)
            parts["rest"] = even_rest(logits, classes, self.temperature).to(self._float_type)
        if self.precision == "int8":
            parts |= _encode_rows(values)
        else:
            parts["values"] = values.to(self._float_type)
        numbers = [logits, *(part for part in parts.values() if part.is_floating_point())]
        if not all(bool(part.isfinite().all()) for part in numbers):
            msg = (
                f"Expected logits that are finite and fit into {self.precision}, found some from "
                f"{float(logits.min()):g} to {float(logits.max()):g}; look at the teacher, or store fp32."
            )
            raise LabelError(msg)
        return parts

    def decode(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Logits (n, C) in float32 of stored parts, on their device."""
        values = parts["values"].float()
        if self.precision == "int8":
            values = values * parts["scale"].float()[:, None] + parts["offset"].float()[:, None]
        if self.top_k is None:
            return values
        logits = parts["rest"].float()[:, None].repeat(1, self.num_classes)
        return logits.scatter(1, parts["classes"].long(), values)


def even_rest(logits: Tensor, kept: Tensor, temperature: float) -> Tensor:
    """The one logit that carries, on each class that is not kept, an even share of their probability.

    It is ``T (log sum exp(z / T) - log m)`` over the m classes that are not kept: with it in their place, the
    softmax at temperature T has the same denominator.

    Args:
        logits: (n, C).
        kept: classes that keep their logits, (n, k), k < C.
        temperature: T.

    Returns:
        Logits, (n,).
    """
    others = (logits / temperature).scatter(1, kept, -torch.inf)
    count = torch.tensor(logits.shape[1] - kept.shape[1], dtype=logits.dtype)
    return temperature * (others.logsumexp(dim=1) - count.log())


def storing_costs(
    exact: Tensor, parts: Mapping[str, Tensor], form: LabelFormat, temperature: float
) -> dict[str, float]:
    """What stored labels lost, to a loss between distributions and to one between logits.

    Args:
        exact: logits, (n, C).
        parts: what is stored of them.
        form: how.
        temperature: T, of the loss.

    Returns:
        ``kl_at_T`` and ``kl_at_1``, mean KL divergences of the stored from the exact labels, in nats;
        ``mse``, the mean squared error of the logits, and ``mean_square`` of the exact ones beside it.
    """
    totals: Counter[str] = Counter()
    for rows in torch.split(torch.arange(len(exact)), _ROWS):
        truth = exact[rows].double()
        stored = form.decode({name: part[rows] for name, part in parts.items()}).double()
        means = {f"{KL_AT}{at:g}": soft_label_loss(stored, truth, at) for at in (temperature, 1.0)}
        means |= {"mse": F.mse_loss(stored, truth), "mean_square": truth.square().mean()}
        totals.update({name: len(rows) * float(mean) for name, mean in means.items()})
    return {name: total / len(exact) for name, total in totals.items()}


def _encode_rows(values: Tensor) -> dict[str, Tensor]:
    """Codes 0 to 255 between each row's smallest and largest value, by a scale and an offset in fp16."""
    low, high = values.aminmax(dim=1)
    offset = low.half()
    scale = ((high - offset.float()) / _STEPS).half()
    safe = torch.where(scale > 0, scale, 1).float()  # a row of equal values needs no steps
    codes = ((values - offset.float()[:, None]) / safe[:, None]).round().clamp(0, _STEPS)
    return {"values": codes.to(torch.uint8), "scale": scale, "offset": offset}
