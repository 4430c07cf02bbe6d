from __future__ import annotations

import hashlib
import json
import pickle
import random
import resource
import struct
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tests.payload import Payload
from utad import UTAD, model_file
from utad.errors import ModelFileError, OutputError
from utad.model_file import read_model, write_model
from utad.models.migration import FORMAT_VERSION
from utad.run_folder import MODEL_NAME, find_model

MANIFEST = {"config": {"preset": "fast", "image": {"size": 64}}, "threshold": 0.25, "note": "größer"}


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "weight": torch.randn(4, 3, 3, 3, generator=generator),
        "half": torch.randn(5, generator=generator).to(torch.bfloat16),
        "double": torch.tensor([1 / 3], dtype=torch.float64),
        "steps": torch.tensor(7),
        "flags": torch.tensor([True, False]),
        "empty": torch.empty(0, 2),
    }


@pytest.fixture
def model(tmp_path) -> Path:
    path = tmp_path / MODEL_NAME
    write_model(path, MANIFEST, tensors())
    return path


def refused(path: Path) -> bool:
    """Whether a file is refused with the error made for it; any other error comes through."""
    try:
        read_model(path)
    except ModelFileError:
        return True
    return False


def test_a_model_is_read_as_it_was_written(model):
    stored = read_model(model)
    expected = tensors()
    assert stored.tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert stored.tensors[name].dtype == tensor.dtype
        assert torch.equal(stored.tensors[name], tensor), name
    assert {key: stored.manifest[key] for key in MANIFEST} == MANIFEST
    assert stored.manifest["format"] == FORMAT_VERSION
    assert stored.manifest["versions"]["torch"] == version("torch")


def test_strided_tensors_are_stored_by_value(tmp_path):
    weight = torch.arange(24.0).view(1, 2, 3, 4)
    write_model(
        tmp_path / "m",
        {},
        {"turned": weight.permute(0, 3, 1, 2), "last": weight.contiguous(memory_format=torch.channels_last)},
    )
    stored = read_model(tmp_path / "m").tensors
    assert torch.equal(stored["turned"], weight.permute(0, 3, 1, 2))
    assert torch.equal(stored["last"], weight)


def test_the_digest_can_be_checked_without_this_package(model):
    with safe_open(model, framework="pt") as file:
        metadata = file.metadata()
    digest = hashlib.sha256(metadata["utad_manifest"].encode())
    for name, tensor in sorted(tensors().items()):
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    assert metadata["utad_sha256"] == digest.hexdigest()


def test_a_flipped_bit_is_refused_wherever_it_is(model):
    content = model.read_bytes()
    header = 8 + struct.unpack("<Q", content[:8])[0]
    rng = random.Random(0)
    # 100 in the whole file, and as many in the header, where a flip could change meaning and still parse.
    positions = [rng.randrange(8 * len(content)) for _ in range(100)]
    positions += [rng.randrange(8 * header) for _ in range(100)]
    for position in positions:
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << (position % 8)
        model.write_bytes(damaged)
        assert refused(model), f"bit {position % 8} of byte {position // 8}"
    model.write_bytes(content)
    assert not refused(model)


def test_a_truncated_file_is_refused_wherever_it_ends(model):
    content = model.read_bytes()
    for length in [*range(0, 16), *range(16, len(content), 41), len(content) - 1]:
        model.write_bytes(content[:length])
        assert refused(model), f"cut after {length} bytes"
    model.write_bytes(content + b"\x00")
    assert refused(model)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_and_never_run(tmp_path, protocol):
    path, trace = tmp_path / MODEL_NAME, tmp_path / "trace"
    path.write_bytes(pickle.dumps(Payload(trace), protocol=protocol))
    assert refused(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists(), "the payload of this test does nothing"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_of_torch_is_refused_by_name_and_never_run(tmp_path, zipped):
    path, trace = tmp_path / MODEL_NAME, tmp_path / "trace"
    torch.save({"weight": torch.ones(2), "payload": Payload(trace)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelFileError, match="is a pickle, not a safetensors model: it was not opened") as caught:
        read_model(path)
    assert str(path) in str(caught.value)
    assert not trace.exists()


def test_a_newer_format_is_refused_naming_both_versions(tmp_path, monkeypatch):
    path = tmp_path / MODEL_NAME
    with monkeypatch.context() as newer:
        newer.setattr(model_file, "FORMAT_VERSION", FORMAT_VERSION + 1)
        newer.setattr(model_file, "version", lambda package: "9.8.7")
        write_model(path, MANIFEST, tensors())
    with pytest.raises(ModelFileError) as caught:
        read_model(path)
    message = str(caught.value)
    assert f"model format {FORMAT_VERSION + 1} (written by utad 9.8.7)" in message
    assert f"utad {version('utad')}" in message
    assert f"formats up to {FORMAT_VERSION}: update utad" in message


@pytest.mark.parametrize("manifest", ["[]", "{}", "no json", '{"format": "2"}', '{"format": 2}', '{"format": null}'])
def test_a_manifest_of_another_kind_is_refused_though_its_digest_is_right(tmp_path, manifest):
    digest = hashlib.sha256(manifest.encode() + b"a|torch.float32|(1,)|" + struct.pack("<f", 1.0)).hexdigest()
    metadata = {"utad_manifest": manifest, "utad_sha256": digest}
    save_file({"a": torch.ones(1)}, tmp_path / "m", metadata=metadata)
    assert refused(tmp_path / "m")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"utad_manifest": json.dumps({"format": 1})}])
def test_safetensors_of_another_origin_are_told_apart(tmp_path, metadata):
    save_file({"a": torch.ones(1)}, tmp_path / "m", metadata=metadata)
    with pytest.raises(ModelFileError, match="not a model of utad"):
        read_model(tmp_path / "m")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_what_is_not_finite_is_never_saved(model, value, dtype):
    before = model.read_bytes()
    broken = torch.ones(2, 2, dtype=dtype)
    broken[1, 0] = value
    with pytest.raises(ModelFileError, match=r"tensor expert\.bias"):
        write_model(model, MANIFEST, {"fine": torch.ones(1), "expert.bias": broken})
    assert model.read_bytes() == before


def test_a_path_that_cannot_be_written_is_named(model):
    before = model.read_bytes()
    with pytest.raises(OutputError) as caught:
        write_model(model / "below.safetensors", MANIFEST, tensors())
    assert str(model / "below.safetensors") in str(caught.value)
    assert model.read_bytes() == before


def test_a_disk_that_fills_up_leaves_the_model_that_was_there(model):
    before = model.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may grow beyond 100 kB: the same error as a full disk, half-way through the 4 MB.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError) as caught:
            write_model(model, MANIFEST, {"weight": torch.ones(1_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(model) in str(caught.value)
    assert model.read_bytes() == before
    assert [path.name for path in model.parent.iterdir()] == [MODEL_NAME]


def test_a_folder_stands_for_the_model_in_it(model):
    assert find_model(model.parent) == model
    assert find_model(model) == model
    assert torch.equal(read_model(model.parent).tensors["weight"], tensors()["weight"])


def test_a_folder_without_a_model_and_a_missing_path_are_told_apart(tmp_path):
    with pytest.raises(ModelFileError, match=r"holds no model\.safetensors: expected a model file"):
        find_model(tmp_path)
    with pytest.raises(ModelFileError, match=r"there is no model at .*gone"):
        find_model(tmp_path / "gone")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "ie_net.ckpt").touch()
    with pytest.raises(ModelFileError, match="its training has not finished; the same utad train with --resume"):
        find_model(tmp_path)
    (tmp_path / MODEL_NAME).mkdir()
    with pytest.raises(ModelFileError, match=r"holds no model\.safetensors"):
        read_model(tmp_path)


def test_normal_images_travel_with_the_model_and_survive_saving_it_again(run, tmp_path):
    first = UTAD.load(run)
    assert first.normal_images is not None
    first.save(tmp_path / "again.safetensors")
    again = UTAD.load(tmp_path / "again.safetensors").normal_images
    assert again is not None
    assert again.names == first.normal_images.names
    assert again.thumbnails == first.normal_images.thumbnails
    np.testing.assert_array_equal(again.codes, first.normal_images.codes)
