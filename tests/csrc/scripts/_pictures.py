"""Somewhere to draw, and a picture that takes for ever."""

import array

# A window inside of the set, at the greatest depth: seconds for a pixel.
ENDLESS = {"xmin": -0.1, "xmax": 0.1, "ymin": -0.1, "ymax": 0.1, "max_iter": 2**31 - 1}


def blank(height: int, width: int) -> memoryview:
    """Return `height` rows of `width` zeros."""
    return memoryview(array.array("i", bytes(4 * height * width))).cast("B").cast("i", (height, width))
