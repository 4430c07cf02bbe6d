from __future__ import annotations

import hashlib

import torch

from utad.seeding import derived_seed, generator_for


def test_the_seed_is_the_first_63_bits_of_a_sha256():
    digest = hashlib.sha256(b"0/ie_net/order/3").digest()
    assert derived_seed(0, "ie_net/order", 3) == int.from_bytes(digest[:8], "little") // 2


def test_seeds_differ_by_seed_purpose_and_index():
    seeds = {
        derived_seed(seed, purpose, index)
        for seed in (0, 1, 2**32 - 1)
        for purpose in ("ie_net/order", "ie_net/augment/0", "ie_net/augment/1", "expert_net/order")
        for index in range(50)
    }
    assert len(seeds) == 3 * 4 * 50
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_generator_depends_on_what_it_is_for_and_not_on_what_was_drawn_before():
    expected = torch.rand(4, generator=generator_for(0, "critics", 2))
    torch.manual_seed(123)
    other = torch.rand(4, generator=generator_for(0, "critics", 3))
    assert torch.equal(torch.rand(4, generator=generator_for(0, "critics", 2)), expected)
    assert not torch.equal(other, expected)


def test_making_a_generator_leaves_the_global_one_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    generator_for(0, "critics").seed()
    assert torch.equal(torch.rand(3), expected)
