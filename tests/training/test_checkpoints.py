from __future__ import annotations

import os
import random
import resource
from pathlib import Path

import pytest
import torch

from tests.payload import Payload
from tests.training import tiny
from utad.errors import OutputError, TrainingError
from utad.training.checkpoints import AtomicCheckpointIO, check_identity, read_checkpoint
from utad.training.fit import train_two_stage


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The folder of a finished run."""
    directory = tmp_path_factory.mktemp("finished")
    config = tiny.config()
    train_two_stage(tiny.model(config), tiny.images(), config, directory=directory)
    return directory


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    """A small checkpoint."""
    path = tmp_path / "ie_net.ckpt"
    state = {"state_dict": {"weight": torch.arange(64.0)}, "global_step": 3, "utad": {"version": "1", "settings": "{}"}}
    AtomicCheckpointIO().save_checkpoint(state, path)
    return path


def refused(path: Path) -> bool:
    """Whether a file is refused with the error made for it; any other error comes through."""
    try:
        read_checkpoint(path)
    except TrainingError as error:
        return str(path) in str(error)
    return False


def test_a_checkpoint_is_read_as_it_was_written(checkpoint):
    state = AtomicCheckpointIO().load_checkpoint(checkpoint)
    assert torch.equal(state["state_dict"]["weight"], torch.arange(64.0))
    assert state["global_step"] == 3
    assert os.listdir(checkpoint.parent) == ["ie_net.ckpt"]


def test_checkpoints_of_a_run_load_without_unpickling_code(finished):
    for stage in ("ie_net", "expert_net"):
        state = read_checkpoint(finished / "checkpoints" / f"{stage}.ckpt")
        assert state["global_step"] == 6
        assert set(state["utad"]) == {"version", "settings", "training images"}
        assert all(isinstance(tensor, torch.Tensor) for tensor in state["state_dict"].values())


@pytest.mark.parametrize("writer", ["own", "torch", "legacy torch"])
def test_a_payload_is_refused_and_never_run(tmp_path, writer):
    path, trace = tmp_path / "ie_net.ckpt", tmp_path / "trace"
    content = {"state_dict": {}, "global_step": 6, "payload": Payload(trace)}
    if writer == "own":
        AtomicCheckpointIO().save_checkpoint(content, path)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=writer == "torch")
    assert refused(path)
    assert not trace.exists()


def test_resuming_never_runs_a_payload(tmp_path):
    path, trace = tmp_path / "checkpoints" / "ie_net.ckpt", tmp_path / "trace"
    AtomicCheckpointIO().save_checkpoint({"state_dict": {}, "global_step": 6, "payload": Payload(trace)}, path)
    config = tiny.config()
    with pytest.raises(TrainingError, match="delete it to start its stage again"):
        train_two_stage(tiny.model(config), tiny.images(), config, directory=tmp_path, resume=True)
    assert not trace.exists()


def test_the_payload_of_these_tests_would_run(tmp_path):
    path, trace = tmp_path / "ie_net.ckpt", tmp_path / "trace"
    torch.save({"state_dict": {}, "payload": Payload(trace)}, path)
    torch.load(path, weights_only=False)
    assert trace.exists()


def test_a_truncated_checkpoint_is_refused_wherever_it_ends(checkpoint):
    content = checkpoint.read_bytes()
    for length in [0, 1, 2, *range(3, len(content), 97), len(content) - 1]:
        checkpoint.write_bytes(content[:length])
        assert refused(checkpoint), f"cut after {length} bytes"


def test_a_flipped_bit_is_refused_or_changes_nothing(checkpoint):
    content, whole = checkpoint.read_bytes(), read_checkpoint(checkpoint)
    rng = random.Random(0)
    for position in (rng.randrange(8 * len(content)) for _ in range(300)):
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << (position % 8)
        checkpoint.write_bytes(damaged)
        if not refused(checkpoint):
            state = read_checkpoint(checkpoint)
            assert torch.equal(state["state_dict"]["weight"], whole["state_dict"]["weight"]), f"bit {position}"
            assert {key: state[key] for key in ("global_step", "utad")} == {
                key: whole[key] for key in ("global_step", "utad")
            }, f"bit {position}"


@pytest.mark.parametrize("content", [[1, 2], {"weight": torch.ones(1)}, torch.ones(1)])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.ckpt")
    assert refused(tmp_path / "other.ckpt")
    (tmp_path / "other.ckpt").write_bytes(b"no checkpoint at all")
    assert refused(tmp_path / "other.ckpt")


def test_a_disk_that_fills_up_leaves_the_last_checkpoint(checkpoint):
    before = checkpoint.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may grow beyond 100 kB: the same error as a full disk, half-way through the 4 MB.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError) as caught:
            AtomicCheckpointIO().save_checkpoint({"state_dict": {"weight": torch.ones(1_000_000)}}, checkpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(checkpoint) in str(caught.value)
    assert checkpoint.read_bytes() == before
    assert os.listdir(checkpoint.parent) == ["ie_net.ckpt"]


def test_removing_a_checkpoint_twice_is_no_error(checkpoint):
    AtomicCheckpointIO().remove_checkpoint(checkpoint)
    AtomicCheckpointIO().remove_checkpoint(checkpoint)
    assert not checkpoint.exists()


def test_the_identity_must_agree_and_what_differs_is_named():
    stored = {"utad": {"version": "1", "settings": "a", "training images": "b"}}
    check_identity(stored, stored["utad"], Path("ie_net.ckpt"))
    with pytest.raises(TrainingError, match=r"ie_net\.ckpt belongs to another run: its settings differ"):
        check_identity(stored, {**stored["utad"], "settings": "c"}, Path("ie_net.ckpt"))
    with pytest.raises(TrainingError, match="its version and training images differ"):
        check_identity(stored, {"version": "2", "settings": "a", "training images": "c"}, Path("ie_net.ckpt"))
    with pytest.raises(TrainingError, match="its version and settings and training images differ"):
        check_identity({}, stored["utad"], Path("ie_net.ckpt"))


@pytest.mark.parametrize(
    ("overrides", "differing"),
    [
        (["expert_net.width=5"], "settings"),
        (["seed=1"], "settings"),
        (["augment.rotation=4"], "settings"),
        ([], "training images"),
    ],
)
def test_a_run_is_not_resumed_with_other_settings_or_images(finished, overrides, differing):
    config = tiny.config(*overrides, seed=1 if "seed=1" in overrides else 0)
    images = tiny.images() if overrides else tiny.images().flip(0)
    with pytest.raises(TrainingError, match=f"belongs to another run: its {differing} differ"):
        train_two_stage(tiny.model(config), images, config, directory=finished, resume=True)


def test_a_run_is_resumed_with_another_way_of_scoring(finished):
    config = tiny.config("scoring.method=paper", "calibration.image_fpr=0.05", "backbone.stages=[0, 1]")
    report = train_two_stage(tiny.model(config), tiny.images(), config, directory=finished, resume=True)
    assert report.seconds == {"ie_net": 0.0, "expert_net": 0.0}
