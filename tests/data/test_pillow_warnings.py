from __future__ import annotations

import threading
import warnings

import pytest

from utad.data.pillow_warnings import quiet_pillow


def warn_from(module: str) -> None:
    warnings.warn_explicit("odd metadata", UserWarning, f"{module}.py", 1, module=module)


def test_drops_warnings_of_pillow_only():
    with quiet_pillow():
        warn_from("PIL.TiffImagePlugin")
        with pytest.raises(UserWarning):
            warn_from("PILLAR")
        with pytest.raises(UserWarning):
            warn_from("elsewhere")
    with pytest.raises(UserWarning):
        warn_from("PIL.TiffImagePlugin")


def test_leaves_the_filters_as_they_were():
    before = list(warnings.filters)
    with quiet_pillow(), quiet_pillow():
        assert len(warnings.filters) == len(before) + 1
    assert list(warnings.filters) == before


def test_overlapping_threads_stay_quiet_to_the_end():
    first_in, first_out = threading.Event(), threading.Event()
    failures: list[Warning] = []

    def second() -> None:
        with quiet_pillow():
            first_in.set()
            first_out.wait(5)
            try:
                warn_from("PIL.Image")
            except UserWarning as warning:
                failures.append(warning)

    with quiet_pillow():
        thread = threading.Thread(target=second)
        thread.start()
        assert first_in.wait(5)
    first_out.set()
    thread.join(5)
    assert not failures
