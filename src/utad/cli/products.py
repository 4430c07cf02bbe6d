"""What commands do with an index of detectors and one folder that holds a folder for each product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import typer

from utad.cli.options import print_json, say, tell_failures


class Summary(Protocol):
    """What a command made of the images of a product."""

    failed: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""


Made = TypeVar("Made", bound=Summary)


def in_each_folder(
    index: Path,
    paths: Sequence[Path],
    act: Callable[[str, Path, Path], Made],
    *,
    given_as: str,
    in_words: Callable[[Made], str],
    leads_to: Callable[[str, Made], Path],
    not_done: str,
    when_stopped: Callable[[int], str],
    as_json: bool,
) -> None:
    """Does the same to each folder with the detector of its name, and says what came of it.

    Args:
        index: of the detectors.
        paths: the folder of folders, alone.
        act: what is done, given the name of a product, its model and its folder.
        given_as: the name of the argument that `paths` are.
        in_words: what was made of the images that could be read.
        leads_to: the file to open.
        not_done: the participle before what could not be done.
        when_stopped: as for `for_each_product`.
        as_json: stdout is for the JSON object alone.

    Raises:
        BadParameter: if `paths` are anything else.
        Exit: with 1, if something could not be done.
    """
    from utad.data.folder import product_folders
    from utad.products.each import for_each_product
    from utad.products.index import trained_models

    if len(paths) != 1 or not paths[0].is_dir():
        raise typer.BadParameter(
            "MODEL is an index of detectors: give one folder that holds a folder for each product", param_hint=given_as
        )
    (folder,) = paths
    found = for_each_product(
        trained_models(index),
        product_folders(folder),
        lambda name, model: act(name, model, folder / name),
        source=str(folder),
        when_stopped=when_stopped,
    )
    if as_json:
        print_json(found.as_dict())
    lines = [
        f"{name}: {in_words(one)}"
        + (f", {len(one.failed)} could not be read" if one.failed else "")
        + f": {leads_to(name, one)}"
        for name, one in found.done.items()
    ]
    say("\n".join(lines), as_json=as_json)
    tell_failures([line for one in found.done.values() for line in one.failed] + found.failed, not_done=not_done)
