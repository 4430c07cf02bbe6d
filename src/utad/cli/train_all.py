"""`utad train --all`: a detector for each product, by the same command in processes of their own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import typer

from utad.cli.options import counted, print_json, say

if TYPE_CHECKING:
    from utad.config import Config
    from utad.products.index import ProductIndex


@dataclass(frozen=True)
class Plan:
    """What is to be trained.

    Attributes:
        data: as it was given.
        output: folder of the index.
        config: of all detectors.
        root: where a downloaded data set lies.
        layout: of the folders.
        inputs: folders that are read.
        resume: go on with an earlier command.
        report: write the page of the index.
    """

    data: str
    output: Path
    config: Config
    root: Path | None
    layout: str | None
    inputs: Sequence[Path]
    resume: bool
    report: bool


def train_all(plan: Plan, options: Sequence[str], *, jobs: int, as_json: bool) -> None:
    """Trains what is not trained, and tells how it went; exits with 1 if a product failed.

    Args:
        plan: what is to be trained.
        options: further ones of `utad train`, for each product.
        jobs: processes at a time.
        as_json: print the index instead of text.

    Raises:
        DatasetError: if the data holds no products.
        OutputError: if the output folder is not to be had.
    """
    from utad.data.catalog import products_of
    from utad.products.folder import ProductFolder
    from utad.products.training import train_products
    from utad.report.products_page import products_page

    names = products_of(plan.data, root=plan.root, layout=plan.layout)
    options = [*options, *([f"--layout={plan.layout}"] if plan.layout is not None else [])]
    options = [*options, *([f"--root={plan.root}"] if plan.root is not None else [])]

    with ProductFolder(
        plan.output, names, source=plan.data, config=plan.config, resume=plan.resume, apart_from=plan.inputs
    ) as folder:

        def command(name: str) -> list[str]:
            # Without the current folder in the path of modules, as in the command itself.
            utad = [sys.executable, "-P", "-c", "from utad.cli import main; main()", "train", "--json"]
            of_product = [f"--category={name}", f"--output={plan.output / name}", f"--config={folder.settings}"]
            return [*utad, *of_product, *options, "--", plan.data]

        train_products(folder, command, jobs=jobs)
        if plan.report:
            folder.write_page(products_page(folder.index))
    _tell(folder.index, plan.output, as_json=as_json)


def _tell(index: ProductIndex, output: Path, *, as_json: bool) -> None:
    from utad.products.index import INDEX_NAME

    if as_json:
        print_json(index.model_dump(mode="json"))
    trained, failed = index.with_status("trained"), index.with_status("failed")
    lines = [
        f"{product.name}: {product.data.n_images} images"
        + (f", {counted(product.data.n_skipped, 'damaged image')} left out" if product.data.n_skipped else "")
        + (f", {product.data.n_outliers} of them unusual" if product.data.n_outliers else "")
        for product in trained
        if product.data is not None
    ]
    lines.append(f"{counted(len(trained), 'detector')}: {output / INDEX_NAME}")
    if trained:
        lines.append(f"next: utad serve {quote(str(output))}")
    say("\n".join(lines), as_json=as_json)
    for product in failed:
        typer.echo(f"not trained: {product.name}: {product.error}", err=True)
    if failed:
        raise typer.Exit(1)
