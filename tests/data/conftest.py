from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image


@pytest.fixture(scope="session")
def photographs() -> dict[str, np.ndarray]:
    folder = Path(skimage.__file__).parent / "data"
    names = ("brick", "grass", "gravel")
    return {name: np.array(Image.open(folder / f"{name}.png").convert("RGB")) for name in names}
