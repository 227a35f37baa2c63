"""One way from an image file to 8-bit RGB, used for the check, the prior and the student alike."""

from __future__ import annotations

from io import BytesIO
from math import sqrt

import numpy as np
from PIL import Image

from semdd_lightning.errors import PoolError

_POWERS = np.stack([np.arange(256), np.arange(256) ** 2], axis=1)  # (values, 2)
_DEEP_MODES = ("I", "F")  # and I;16, I;16B, ...: PIL would clip these at 255


def went_bad(image: str, error: OSError) -> PoolError:
    """That an image cannot be read or decoded any more.

    Args:
        image: The image, in words.
        error: What was found.
    """
    return PoolError(
        f"Expected {image} to be readable, as it was when the pool was indexed, found {error}; restore the "
        "image, or read the pool anew."
    )


def decode_image(content: bytes, at_least: int | None = None) -> Image.Image:
    """Decode the bytes of an image file to RGB.

    Colour modes go through PIL's own conversion, as in open_clip's preprocessing: alpha is dropped and
    EXIF orientation is not applied. Greyscale deeper than 8 bits is scaled instead of clipped.

    Args:
        content: The whole file.
        at_least: Smallest side in pixels that will do, where a picture made smaller will: JPEG decodes to
            that in a fraction of the time.

    Raises:
        OSError: If the bytes are no image, are cut off, or would decode to more than PIL's
            ``MAX_IMAGE_PIXELS``, of which PIL itself would only warn up to twice that number.
    """
    try:
        with Image.open(BytesIO(content)) as image:
            pixels, most = image.width * image.height, Image.MAX_IMAGE_PIXELS
            if most is not None and pixels > most:
                msg = f"Image size ({pixels} pixels) exceeds limit of {most} pixels"
                raise Image.DecompressionBombError(msg)
            if at_least is not None:
                image.draft(None, (at_least, at_least))
            image.load()
            image.info.pop("transparency", None)  # it is dropped; PIL would warn of some kinds
            deep = image.mode in _DEEP_MODES or image.mode.startswith("I;16")
            return (_scale_deep_grey(image) if deep else image).convert("RGB")
    except (OSError, MemoryError):
        raise
    except Exception as error:  # PIL's decoders let ValueError, SyntaxError, struct.error, ... through
        msg = f"{type(error).__name__}: {error}"
        raise OSError(msg) from error


def contrast(image: Image.Image) -> float:
    """Standard deviation over the pixels, 0 to 127.5, of the channel that varies most; 0 for one colour.

    Exact for images of any size at the cost of one histogram, a fraction of what decoding takes.

    >>> contrast(Image.new("RGB", (4, 4), (255, 0, 0)))
    0.0
    >>> contrast(Image.fromarray(np.array([[0, 10]], dtype=np.uint8)).convert("RGB"))
    5.0

    Args:
        image: An 8-bit image.
    """
    counts = np.array(image.histogram(), dtype=np.int64).reshape(-1, 256)  # (channels, values)
    num_pixels = image.width * image.height
    sums = (counts @ _POWERS).tolist()  # of values and squares; whole numbers, so that nothing cancels
    variances = [(num_pixels * squares - total**2) / num_pixels**2 for total, squares in sums]
    return sqrt(max(variances))


def _scale_deep_grey(image: Image.Image) -> Image.Image:
    """Map grey values to 0..255 by the first range [0, r] that holds them all, else by their own range."""
    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite((low, high)).all():
        msg = "Expected finite grey values, found NaN or infinity."
        raise ValueError(msg)
    ranges = (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,)
    fitting = [top for top in ranges if low >= 0 and high <= top]
    bottom, top = (0.0, fitting[0]) if fitting else (low, high)
    span = (top - bottom) or 1.0
    return Image.fromarray(np.rint((values - bottom) / span * 255.0).astype(np.uint8))
