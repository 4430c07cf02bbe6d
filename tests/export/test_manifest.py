from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace

import pytest

from utad import errors, load_config
from utad.export.exported import ExportedDetector
from utad.export.manifest import MANIFEST_NAME, Manifest, digests, read_graph, read_manifest, write_manifest

GRAPH = b"a graph, or what stands for it here " * 20


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "detector.onnx").write_bytes(GRAPH)
    manifest = Manifest(
        format="onnx",
        precision="fp32",
        config=load_config().model_dump(mode="json"),
        channels=3,
        size=128,
        threshold=0.5,
        parity={"score": 1e-6},
        versions={"utad": "0.1.0"},
        files=digests(tmp_path),
    )
    write_manifest(tmp_path, manifest)
    return tmp_path


def read(folder):
    manifest = read_manifest(folder)
    return manifest, read_graph(folder, manifest)


def rewrite(folder, **changes):
    """Changes the manifest and signs it again, as another version would."""
    path = folder / MANIFEST_NAME
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    content.pop("sha256")
    content["sha256"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(content), encoding="utf-8")


def test_what_was_written_is_read(folder):
    manifest, contents = read(folder)
    assert (manifest.format, manifest.size, manifest.parity) == ("onnx", 128, {"score": 1e-6})
    assert contents == {"detector.onnx": GRAPH}
    write_manifest(folder, replace(manifest, threshold=0.75))
    assert read(folder)[0] == replace(manifest, threshold=0.75)


@pytest.mark.parametrize("name", ["detector.onnx", MANIFEST_NAME])
def test_one_flipped_bit_is_refused_wherever_it_is(folder, name):
    original = (folder / name).read_bytes()
    draw = random.Random(0)
    for _ in range(100):
        damaged = bytearray(original)
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        (folder / name).write_bytes(bytes(damaged))
        with pytest.raises(errors.ModelFileError):
            read(folder)


@pytest.mark.parametrize("name", ["detector.onnx", MANIFEST_NAME])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused(folder, name, share):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(errors.ModelFileError, match="run utad export again"):
        read(folder)


def test_a_missing_file_is_named(folder):
    (folder / "detector.onnx").unlink()
    with pytest.raises(errors.ModelFileError, match=r"detector\.onnx cannot be read"):
        read(folder)
    (folder / MANIFEST_NAME).unlink()
    with pytest.raises(errors.ModelFileError, match=r"holds no manifest\.json"):
        read(folder)


def test_a_newer_format_is_refused_with_both_versions(folder):
    rewrite(folder, format_version=2, versions={"utad": "9.8.7"}, something_new=1)
    with pytest.raises(errors.ModelFileError, match=r"export format 2 \(written by utad 9\.8\.7\).*this is utad 0\.1"):
        read(folder)


@pytest.mark.parametrize("content", ["[]", '{"kind": "other"}', '{"name": "an app", "icons": []}'])
def test_a_foreign_manifest_is_refused(folder, content):
    (folder / MANIFEST_NAME).write_text(content, encoding="utf-8")
    with pytest.raises(errors.ModelFileError, match="not the manifest of an export of utad"):
        read(folder)


def test_an_incomplete_manifest_is_refused(folder):
    rewrite(folder, unknown=1)
    with pytest.raises(errors.ModelFileError, match="not complete"):
        read(folder)


def test_a_graph_that_the_runtime_refuses_is_a_model_file_error(folder):
    with pytest.raises(errors.ModelFileError, match="runtime does not accept the exported graph"):
        ExportedDetector.load(folder)
