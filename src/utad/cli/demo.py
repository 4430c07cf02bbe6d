"""`utad demo`: the whole of it on a photograph of a brick wall, in a few minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from utad.cli.options import Json, on_terminal, print_json, say, start_logging

TEXTURE = "brick"
_NEXT = """
{output}/grid.png shows what the model believes and where it finds defects; {output}/report.html has every image;
{output}/training.html says how the training went.
Next, with your own images, normal ones alone:
  utad train   path/to/normal/images --output my-run
  utad predict my-run path/to/new/images --output my-predictions --save maps,masks,overlays
  utad evaluate my-run path/to/labelled/images --output my-evaluation     # folders normal/ and abnormal/"""


def demo(
    output: Annotated[Path, typer.Option(help="Folder to write to; an earlier demo in it is replaced.")] = Path("demo"),
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one setting; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train on a brick wall, find synthetic defects in it, and leave model, metrics and pictures in --output."""
    start_logging()
    from utad.config import load_config
    from utad.data.catalog import open_category
    from utad.detector import UTAD
    from utad.evaluation.demo import run_demo
    from utad.evaluation.evaluate import labelled
    from utad.report.evaluation_report import HtmlReport
    from utad.report.training_page import training_page

    config = load_config(overrides=settings or ())
    category = open_category(TEXTURE, seed=config.seed)
    say(f"training on {len(category.train)} crops of a {TEXTURE} wall, a few minutes on two cores ...", as_json=as_json)
    page = HtmlReport(labelled(category), title=category.name, subject="The demo: synthetic defects in a photograph.")
    outcome = run_demo(
        UTAD(config=config), category, output, companion=page, training_page=training_page, progress=on_terminal()
    )
    if as_json:
        print_json(outcome.evaluation.as_dict())
    say(f"\n{outcome.table}\n{_NEXT.format(output=output)}", as_json=as_json)
