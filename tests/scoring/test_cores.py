from __future__ import annotations

from threading import Thread, current_thread

import pytest
import torch

from utad.scoring.cores import over_cores


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def threads_of_a_new_thread() -> int:
    found = []
    thread = Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_results_come_in_order_and_in_inference_mode(four_threads):
    results = list(over_cores(lambda item: (item, torch.is_inference_mode_enabled()), range(50)))
    assert results == [(item, True) for item in range(50)]


@pytest.mark.parametrize(("items", "each"), [(2, 2), (4, 1), (9, 1)])
def test_the_threads_share_the_cores(four_threads, items, each):
    found = list(over_cores(lambda _: (torch.get_num_threads(), current_thread().name), range(items)))
    assert {threads for threads, _ in found} == {each}
    assert all(name.startswith("utad") for _, name in found)


def test_other_threads_keep_their_number_of_cores(four_threads):
    results = over_cores(lambda item: item, range(20))
    next(results)
    assert torch.get_num_threads() == 4
    assert threads_of_a_new_thread() == 4
    results.close()
    assert threads_of_a_new_thread() == 4


def test_a_single_item_has_all_cores_and_this_thread(four_threads):
    assert list(over_cores(lambda _: (torch.get_num_threads(), current_thread()), [0])) == [(4, current_thread())]


def test_an_error_reaches_the_caller(four_threads):
    def fail(item: int) -> int:
        if item == 3:
            raise ValueError("item 3")
        return item

    with pytest.raises(ValueError, match="item 3"):
        list(over_cores(fail, range(9)))
