"""The data sets, one a file; ``open_source`` is the only place that knows them all.

Data sets that do not come with a package are read from a folder (``--data`` or ``$BRAMBLE_DATA``: <folder>/mnist/…,
<folder>/fashion-mnist/…, <folder>/cifar10/…), else downloaded by Keras and checked against a known digest.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import assert_never

from bramble.datasets.types import Source
from bramble.recipe import Data

Event = Callable[[str], None]


def open_source(how: Data, folder: Path, data_dir: Path | None, strict: bool, warn: Event) -> Source:
    """Open the data set of a recipe that lies in ``folder``; pictures are not loaded yet.

    ``strict`` makes a damaged picture an error; otherwise ``warn`` is told its name and it is skipped.
    Raises DataError where the data is not there, saying how to get it.
    """
    match how.name:
        case "digits":
            from bramble.datasets import digits

            return digits.source()
        case "mnist":
            from bramble.datasets import mnist

            return mnist.source(data_dir)
        case "fashion_mnist":
            from bramble.datasets import fashion_mnist

            return fashion_mnist.source(data_dir)
        case "cifar10":
            from bramble.datasets import cifar10

            return cifar10.source(data_dir)
        case "folder":
            from bramble.datasets import folder as pictures

            return pictures.source(how, folder, strict, warn)
        case _:
            assert_never(how.name)
