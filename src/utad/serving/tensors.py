"""Requests and answers of the Open Inference Protocol, as JSON and with its extension for binary tensors."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.errors import InputError

INPUT = "image"

DATATYPES: Mapping[str, str] = {
    "pred_score": "FP64",
    "pred_label": "BOOL",
    "band": "BYTES",
    "threshold": "FP64",
    "anomaly_map": "FP32",
    "pred_mask": "BOOL",
    "impression": "UINT8",
    "naive_impression": "UINT8",
    "reconstruction": "UINT8",
}
"""The outputs, in the words of the protocol."""

ALWAYS = ("pred_score", "pred_label", "band", "threshold")
"""What is answered where no outputs are named: one value for each image."""


@dataclass(frozen=True)
class InferRequest:
    """What is asked.

    Attributes:
        id: of the request, to be given back; None without.
        images: `(N, H, W, 3)` uint8, RGB.
        outputs: names, each with whether it is wanted as binary data.
    """

    id: str | None
    images: NDArray[np.uint8] = field(repr=False)
    outputs: Mapping[str, bool]


def parse_request(body: bytes, header_length: int | None) -> InferRequest:
    """Reads the body of a request.

    Args:
        body: JSON, and behind it binary data.
        header_length: of the JSON, in bytes; None where there is nothing behind it.

    Raises:
        InputError: if it is not as the protocol has it, or not for this model.
    """
    end = len(body) if header_length is None else header_length
    if not 0 <= end <= len(body):
        raise InputError(f"got Inference-Header-Content-Length of {end} and a body of {len(body)} bytes")
    try:
        content = json.loads(body[:end])
    except (ValueError, RecursionError) as error:
        raise InputError(f"the body is not JSON: {error}") from None
    inputs = content.get("inputs") if isinstance(content, dict) else None
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise InputError(f"expected one input, {INPUT}")
    parameters = _mapping(content.get("parameters"))
    given = content.get("id")
    images = _image(inputs[0], body[end:])
    return InferRequest(
        None if given is None else str(given),
        images,
        _outputs(content, binary=bool(parameters.get("binary_data_output"))),
    )


def write_response(
    head: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], binary: Mapping[str, bool]
) -> tuple[bytes, int | None]:
    """The body of an answer.

    Args:
        head: what stands beside the outputs.
        tensors: by name, the first axis being the images; strings as objects.
        binary: whether each is written behind the JSON.

    Returns:
        The body, and the length of its JSON in bytes where something stands behind it.
    """
    outputs: list[dict[str, Any]] = []
    behind: list[bytes] = []
    for name, tensor in tensors.items():
        output: dict[str, Any] = {"name": name, "datatype": DATATYPES[name], "shape": list(tensor.shape)}
        if binary[name]:
            behind.append(_bytes_of(tensor))
            output["parameters"] = {"binary_data_size": len(behind[-1])}
        else:
            output["data"] = tensor.ravel().tolist()
        outputs.append(output)
    header = json.dumps({**head, "outputs": outputs}, allow_nan=False).encode()
    return header + b"".join(behind), len(header) if behind else None


def _outputs(content: Mapping[str, Any], *, binary: bool) -> dict[str, bool]:
    named = content.get("outputs") or [{"name": name} for name in ALWAYS]
    if not isinstance(named, list) or not all(isinstance(output, dict) for output in named):
        raise InputError("expected outputs to be a list of objects")
    found: dict[str, bool] = {}
    for output in named:
        name = output.get("name")
        if name not in DATATYPES:
            raise InputError(f"got the output {str(name)[:80]!r}, expected of {', '.join(DATATYPES)}")
        found[name] = bool(_mapping(output.get("parameters")).get("binary_data", binary))
    return found


def _image(tensor: Mapping[str, Any], behind: bytes) -> NDArray[np.uint8]:
    name, datatype, shape = tensor.get("name"), tensor.get("datatype"), tensor.get("shape")
    if name != INPUT or datatype != "UINT8":
        got = f"{str(name)[:80]!r} of {str(datatype)[:20]}"
        raise InputError(f"got the input {got}, expected {INPUT!r} of UINT8, (N, H, W, 3) in RGB")
    if (
        not isinstance(shape, list)
        or len(shape) != 4
        or not all(type(side) is int and side > 0 for side in shape)
        or shape[3] != 3
    ):
        raise InputError(f"got an image of shape {str(shape)[:80]}, expected (N, H, W, 3)")
    size = math.prod(shape)
    in_binary = _mapping(tensor.get("parameters")).get("binary_data_size")
    if in_binary is not None:
        if in_binary != size or len(behind) != size:
            raise InputError(f"got {len(behind)} bytes behind the JSON, expected {size} for shape {shape}")
        return np.frombuffer(behind, np.uint8).reshape(shape)
    return _from_json(tensor.get("data"), shape, size)


def _from_json(data: Any, shape: Sequence[int], size: int) -> NDArray[np.uint8]:
    try:
        values = np.asarray(data)
    except ValueError:
        raise InputError("the data of the image are lists of different lengths") from None
    if values.size != size:
        raise InputError(f"got {values.size} values, expected {size} for shape {list(shape)}")
    if values.dtype.kind not in "iu" or values.min() < 0 or values.max() > 255:
        raise InputError("the data of the image have to be integers from 0 to 255")
    return values.astype(np.uint8).reshape(tuple(shape))


def _bytes_of(tensor: NDArray[Any]) -> bytes:
    if tensor.dtype != object:
        return np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")).tobytes()
    texts = [text.encode() for text in tensor.ravel()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
