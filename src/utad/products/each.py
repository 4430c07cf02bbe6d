"""One command for many products: each folder of images with the detector of its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from utad.errors import DatasetError, UTADError, noted


class Plain(Protocol):
    """What has plain values."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""


Outcome = TypeVar("Outcome", bound=Plain)


@dataclass
class ProductOutcomes(Generic[Outcome]):
    """What a command came to.

    Attributes:
        done: by product.
        failed: products that it failed for, each with its reason.
    """

    done: dict[str, Outcome] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"products": {name: one.as_dict() for name, one in self.done.items()}, "failed": list(self.failed)}


def for_each_product(
    models: Mapping[str, Path],
    names: Sequence[str],
    act: Callable[[str, Path], Outcome],
    *,
    source: str,
    when_stopped: Callable[[int], str],
) -> ProductOutcomes[Outcome]:
    """Does the same for all products; one that has no detector, or fails, is named and the rest goes on.

    Args:
        models: by name of the product.
        names: of the products that there are images of.
        act: what is done, given the name of a product and its model.
        source: of the images, for an error.
        when_stopped: what to say of so many products that are done where the command is stopped.

    Raises:
        DatasetError: if none of the products has a detector.
    """
    if not models.keys() & set(names):
        raise DatasetError(
            f"{source} holds the products {', '.join(names)}, and there are detectors for {', '.join(models)}: a "
            "folder has the name of its product"
        )
    outcomes = ProductOutcomes[Outcome]()
    with noted(lambda: when_stopped(len(outcomes.done))):
        for name in names:
            if name not in models:
                outcomes.failed.append(f"{name}: there is no trained detector of this name")
                continue
            try:
                outcomes.done[name] = act(name, models[name])
            except UTADError as error:
                outcomes.failed.append(f"{name}: {error}")
    return outcomes
