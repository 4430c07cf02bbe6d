from __future__ import annotations

import pytest
import torch
from torch import Tensor

from utad.config import AugmentConfig
from utad.data.working_region import WorkingRegion
from utad.training.batches import StepBatches

UNCHANGED = AugmentConfig(rotation=0.0, crop_scale=1.0)


def numbered(count: int) -> Tensor:
    """Image i is flat with value i / 100."""
    return (torch.arange(count) / 100)[:, None, None, None].expand(count, 1, 4, 4).contiguous()


def batches(count: int = 10, **settings) -> StepBatches:
    defaults = {"batch_size": 4, "seed": 0, "stage": "ie_net", "first": 0, "last": 10}
    augmentation = settings.pop("augmentation", UNCHANGED)
    return StepBatches(numbered(count), augmentation, **{**defaults, **settings})


def numbers(batch: Tensor) -> list[int]:
    return (100 * batch.mean(dim=(1, 2, 3))).round().int().tolist()


@pytest.mark.parametrize(("count", "batch_size"), [(10, 4), (12, 4), (7, 3), (5, 5), (3, 2)])
def test_every_image_comes_once_in_each_round(count, batch_size):
    steps = 3 * count
    drawn = [index for batch in batches(count, batch_size=batch_size, last=steps) for index in numbers(batch)]
    assert len(drawn) == steps * batch_size
    rounds = [drawn[start : start + count] for start in range(0, len(drawn) - count + 1, count)]
    assert len(rounds) == 3 * batch_size
    assert all(sorted(part) == list(range(count)) for part in rounds)
    assert len({tuple(part) for part in rounds}) > 1


def test_batches_from_a_later_step_are_those_of_the_whole_run():
    strong = AugmentConfig(rotation=30.0, crop_scale=0.5, horizontal_flip=True)
    whole = list(batches(augmentation=strong, last=12))
    for first in (1, 5, 11):
        resumed = list(batches(augmentation=strong, first=first, last=12))
        assert len(resumed) == 12 - first
        assert all(torch.equal(one, other) for one, other in zip(resumed, whole[first:], strict=True))


@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_the_ranks_share_each_batch_without_overlap(world_size):
    for step, whole in enumerate(batches()):
        shares = [numbers(batches(rank=rank, world_size=world_size)[step]) for rank in range(world_size)]
        assert sorted(index for share in shares for index in share) == sorted(numbers(whole))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_ranks_augment_with_their_own_random_numbers():
    strong = AugmentConfig(rotation=30.0, crop_scale=0.5)
    images = torch.rand(1, 1, 8, 8).expand(4, -1, -1, -1)
    settings = {"batch_size": 4, "seed": 0, "stage": "ie_net", "first": 0, "last": 1, "world_size": 2}
    first, second = (StepBatches(images, strong, rank=rank, **settings)[0] for rank in (0, 1))
    assert not torch.allclose(first, second, atol=1e-3)


def test_seed_and_stage_change_the_order():
    def order(**settings) -> list[list[int]]:
        return [numbers(batch) for batch in batches(**settings)]

    assert order() == order()
    assert order(seed=1) != order()
    assert order(stage="expert_net") != order()


def test_a_batch_is_no_larger_than_the_data():
    assert [sorted(numbers(batch)) for batch in batches(3, batch_size=8, last=2)] == [[0, 1, 2], [0, 1, 2]]


def test_the_end_is_where_it_was_asked_for():
    assert len(batches(first=3, last=5)) == 2
    assert len(batches(first=5, last=5)) == len(batches(first=9, last=5)) == 0
    with pytest.raises(IndexError):
        batches(first=3, last=5)[2]


def test_batches_are_augmented_and_the_images_are_not():
    images = torch.rand(4, 1, 8, 8)
    before = images.clone()
    settings = {"batch_size": 4, "seed": 0, "stage": "ie_net", "first": 0, "last": 2}
    first, second = StepBatches(images, AugmentConfig(rotation=30.0, crop_scale=0.5), **settings)
    assert first.shape == second.shape == images.shape
    assert not torch.allclose(first.sort(dim=0).values, second.sort(dim=0).values, atol=1e-3)
    assert torch.equal(images, before)


def test_what_augmentation_brings_into_the_outside_is_filled_again():
    region = WorkingRegion((torch.arange(4) < 2).float().expand(4, 4), torch.full((1, 1, 1), 0.9))
    strong = AugmentConfig(rotation=90.0, crop_scale=0.5)
    for batch in batches(augmentation=strong, region=region):
        assert (batch[..., 2:] == 0.9).all()
        assert (batch[..., :2] < 0.9).all()
