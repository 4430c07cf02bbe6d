"""Modules whose buffers get their shapes from fitting, so that a saved state can be loaded into a fresh one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from utad.errors import NotFittedError


class FittedModule(nn.Module):
    """A module whose learned state is buffers that `learned` names; empty until fitted or loaded."""

    def __init__(self, learned: tuple[str, ...]) -> None:
        super().__init__()
        self.learned = learned
        for name in learned:
            self.register_buffer(name, torch.empty(0))

    def require_fitted(self) -> None:
        """Raises `NotFittedError` before the first `fit`."""
        if self.get_buffer(self.learned[0]).numel() == 0:
            raise NotFittedError(f"{type(self).__name__} is used before it was fitted or loaded")

    @override
    def _load_from_state_dict(self, state_dict: Any, prefix: str, *arguments: Any) -> None:
        # torch refuses to load a buffer of another shape; ours are empty until now.
        for name in self.learned:
            stored = state_dict.get(prefix + name)
            if stored is not None:
                setattr(self, name, torch.empty_like(stored, device=self.get_buffer(name).device))
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def at_place(statistics: Tensor, places: Tensor | None, dimensions: int) -> Tensor:
    """What a fitted module knows, of the place of each image where its places have statistics of their own.

    Args:
        statistics: with so many dimensions; one more, `(P + 1, ...)`, with places.
        places: of N images, `(N,)` int64; None where they are not known, or have none.
        dimensions: of the statistics of one place.

    Returns:
        `(N, ...)` with places, and what all images have in common without.
    """
    if statistics.ndim == dimensions:
        return statistics
    return statistics[-1] if places is None else statistics[places]
