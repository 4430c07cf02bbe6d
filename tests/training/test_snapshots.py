from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training import tiny
from tests.training.test_fit import Killed, kill_at_save
from utad.training.fit import TrainingReport, train_two_stage
from utad.training.snapshots import SIDE, levels

COUNT = 9


def trained(*overrides: str, directory=None, resume: bool = False) -> tuple[object, TrainingReport]:
    config = tiny.config(*overrides)
    model = tiny.model(config)
    return model, train_two_stage(model, tiny.images(COUNT), config, directory=directory, resume=resume)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    directory = tmp_path_factory.mktemp("whole")
    return *trained(directory=directory), directory


def test_both_stages_keep_what_they_made_of_the_same_images(whole):
    model, report, _ = whole
    images = tiny.images(COUNT)
    with torch.no_grad():
        restored = model(images)
    for record, name in zip(report.records, ("impression", "reconstruction"), strict=True):
        assert (record.shows, record.example_rows) == (name, (0, 2, 4, 6))
        # A part of 6 steps each: 0.02, 0.1, 0.25, 0.5 and all of them.
        assert list(record.snapshots) == [1, 2, 3, 6]
        assert record.examples.shape == (4, 32, 32, 3)
        assert np.array_equal(record.examples[1, ..., 0], levels(images[2:3])[0, 0].numpy())
        # The last one is what the trained network makes of them, to rounding.
        last = levels(restored[name][[0, 2, 4, 6]])[:, 0].numpy().astype(int)
        assert np.abs(record.snapshots[6][..., 0].astype(int) - last).max() <= 1
        assert not np.array_equal(record.snapshots[1], record.snapshots[6])


def test_taking_them_changes_no_weight(whole):
    private, report = trained("explain.privacy=true")
    assert tiny.same_weights(private, whole[0])
    assert all(record.snapshots == {} and record.example_rows == () for record in report.records)


@pytest.mark.parametrize(("number", "after"), [(2, True), (5, False)])
def test_a_resumed_training_has_all_of_them_and_whole_curves(tmp_path, monkeypatch, whole, number, after):
    with monkeypatch.context() as killing:
        kill_at_save(killing, number, after=after)
        with pytest.raises(Killed):
            trained(directory=tmp_path)
    _, resumed = trained(directory=tmp_path, resume=True)
    for one, other in zip(resumed.records, whole[1].records, strict=True):
        assert list(one.snapshots) == list(other.snapshots)
        assert all(np.array_equal(one.snapshots[step], other.snapshots[step]) for step in one.snapshots)
        assert one.curves.keys() == other.curves.keys()
        assert all(np.array_equal(one.curves[term].means, other.curves[term].means) for term in one.curves)


def test_a_finished_training_has_them_from_its_checkpoints(whole):
    _, again = trained(directory=whole[2], resume=True)
    assert set(again.seconds.values()) == {0.0}
    for one, other in zip(again.records, whole[1].records, strict=True):
        assert np.array_equal(one.snapshots[6], other.snapshots[6])
        assert np.array_equal(one.examples, other.examples)
        assert one.curves["loss"].means.tolist() == other.curves["loss"].means.tolist()


def test_large_pictures_are_kept_small_and_values_clipped():
    found = levels(torch.tensor([-1.0, 0.5, 2.0, float("nan")]).view(1, 1, 2, 2))
    assert found.flatten().tolist() == [0, 128, 255, 0]
    assert levels(torch.rand(2, 3, 3 * SIDE, 3 * SIDE)).shape == (2, 3, SIDE, SIDE)
