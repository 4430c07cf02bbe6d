from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from utad.data.tensors import to_uint8
from utad.models.two_stage import ALL_IMAGES, Restoration
from utad.prediction import RestoredPictures
from utad.types import StoredPictures

NAMES = ("impression", "naive_impression", "reconstruction")
NOTHING = torch.empty(0)


class Doubling:
    """Networks that say what they were asked for."""

    def __init__(self) -> None:
        self.asked = []

    def naive(self, images, impressions):
        self.asked.append("naive")
        return images * impressions

    def reconstruct(self, images, impressions):
        self.asked.append("reconstruct")
        return (images + impressions) / 2


@pytest.fixture
def networks():
    return Doubling()


def restoration(**without: torch.Tensor) -> Restoration:
    torch.manual_seed(0)
    images = {name: torch.rand(3, 1, 8, 8) for name in ALL_IMAGES}
    return Restoration(**{**images, **without}, latent=torch.zeros(3, 4))


def test_pictures_are_those_of_the_restored_images_at_the_size_of_the_image(networks):
    restored = restoration()
    pictures = RestoredPictures(restored, 1, (12, 9), networks)
    for name in NAMES:
        expected = to_uint8(getattr(restored, name)[1], (12, 9))
        np.testing.assert_array_equal(getattr(pictures, name), expected)
    assert networks.asked == []


def test_what_the_measurement_did_not_need_is_restored_once_when_it_is_asked_for(networks):
    restored = restoration(naive_impression=NOTHING, reconstruction=NOTHING)
    pictures = RestoredPictures(restored, 2, (8, 8), networks)
    assert networks.asked == []
    x, m = restored.image[2], restored.impression[2]
    for _ in range(2):
        np.testing.assert_array_equal(pictures.reconstruction, to_uint8((x + m) / 2, (8, 8)))
    assert networks.asked == ["reconstruct"]
    np.testing.assert_array_equal(pictures.naive_impression, to_uint8(x * m, (8, 8)))
    assert networks.asked == ["reconstruct", "naive"]


def test_pickled_pictures_need_no_network(networks):
    pictures = RestoredPictures(restoration(reconstruction=NOTHING), 0, (5, 6), networks)
    arrived = pickle.loads(pickle.dumps(pictures))
    assert isinstance(arrived, StoredPictures)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(arrived, name), getattr(pictures, name))
