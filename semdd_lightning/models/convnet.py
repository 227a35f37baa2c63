"""ConvNet-D, the student of the dataset condensation literature."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from semdd_lightning.errors import NetworkError
from semdd_lightning.models.norms import Norm, build_norm, require_positive


class ConvNet(nn.Module):
    """ConvNet-D: D blocks of 3x3 convolution, norm, ReLU and 2x2 pooling, then one linear layer.

    Gidaris & Komodakis (2018), "Dynamic few-shot visual learning without forgetting"; with instance norm in
    Zhao & Bilen (2021), "Dataset condensation with gradient matching"; with batch norm in RDED (Sun et al.
    2024). Parameters have the names that those code bases use (`layers.conv.0.weight`,
    `classifier.weight`), so that published weights load.

    Args:
        num_classes: Number of logits C.
        image_size: Height and width of the images, in pixels; at least `2 ** depth` where there is pooling.
        depth: Number of blocks D.
        width: Channels of every block.
        norm: Normalisation: "batch", "instance", "layer", "group" or "none".
        pooling: "avg", "max" or "none"; each block halves the image (rounding down) unless "none".

    Raises:
        NetworkError: If the images are too small for the depth, or an option is unknown.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: int,
        depth: int = 3,
        width: int = 128,
        norm: Norm = "batch",
        pooling: Literal["avg", "max", "none"] = "avg",
    ) -> None:
        super().__init__()
        require_positive(num_classes=num_classes, image_size=image_size, depth=depth, width=width)
        largest = image_size.bit_length() - 1  # each block halves, rounding down
        if pooling != "none" and depth > largest:
            msg = (
                f"Expected images of at least {2**depth} px for a ConvNet of depth {depth}, found "
                f"{image_size}; the largest depth for {image_size} px is {largest}."
            )
            raise NetworkError(msg)
        pools = {"avg": nn.AvgPool2d(2), "max": nn.MaxPool2d(2), "none": nn.Identity()}
        if pooling not in pools:
            msg = f"Expected pooling to be avg, max or none, found {pooling!r}; use one of these."
            raise NetworkError(msg)
        sides = [image_size if pooling == "none" else image_size >> block for block in range(depth + 1)]
        convolutions = [nn.Conv2d(width if block else 3, width, 3, padding=1) for block in range(depth)]
        norms = [build_norm(norm, width, sides[block]) for block in range(depth)]
        self.layers = _Layers(convolutions, norms)
        self.activation = nn.ReLU()
        self.pool = pools[pooling]
        self.classifier = nn.Linear(width * sides[-1] ** 2, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images `(B, 3, S, S)` to logits `(B, C)`."""
        features = images
        for convolution, norm in zip(self.layers.conv, self.layers.norm, strict=True):
            features = self.pool(self.activation(norm(convolution(features))))
        logits: Tensor = self.classifier(features.flatten(1))
        return logits


class _Layers(nn.Module):
    """Holds the layers of all blocks under their published names."""

    def __init__(self, convolutions: list[nn.Conv2d], norms: list[nn.Module]) -> None:
        super().__init__()
        self.conv = nn.ModuleList(convolutions)
        self.norm = nn.ModuleList(norms)
