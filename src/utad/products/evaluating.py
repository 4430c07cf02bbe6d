"""Many products against ground truth: a folder for each, and one table of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from utad.evaluation.evaluate import METRICS, EvaluationReport, as_json_text
from utad.evaluation.tables import comparison_table, row_of
from utad.output_folder import output_folder
from utad.products.each import ProductOutcomes, for_each_product

_PURPOSE = "evaluations"


def evaluate_products(
    models: Mapping[str, Path],
    names: Sequence[str],
    output: Path,
    evaluate: Callable[[str, Path], EvaluationReport],
    *,
    dataset: str,
    apart_from: Iterable[Path] = (),
) -> ProductOutcomes[EvaluationReport]:
    """Evaluates all products; writes `metrics.json` and `metrics.md` of those that could be, beside their folders.

    Args:
        models: by name of the product.
        names: of the products that there are images of.
        output: the folder that holds a folder for each product.
        evaluate: evaluates one, given its name and its model, into a folder of its name there.
        dataset: the images, as they were given.
        apart_from: inputs that the folder must neither hold nor lie in.

    Raises:
        DatasetError: if none of the products has a detector.
        OutputError: if something cannot be written, or `output` overlaps an input or holds tables that are not ours.
    """
    with output_folder(output, _PURPOSE, apart_from=apart_from) as folder:
        folder.refuse_of_other_purposes(METRICS)
        folder.refuse_others(METRICS)
        for name in METRICS:
            folder.remove(name)  # of an earlier call: the folders beside them are written anew
        outcomes = for_each_product(
            models,
            names,
            evaluate,
            source=dataset,
            when_stopped=lambda done: (
                f"{done} of {len(names)} products are evaluated, in {output}; the same command begins anew"
            ),
        )
        if outcomes.done:
            nested = {Path(dataset).name: {name: one.by_seed for name, one in outcomes.done.items()}}
            for file, text in zip(METRICS, (as_json_text(nested), table_of(outcomes)), strict=True):
                folder.write_text(file, text + "\n")
    return outcomes


def table_of(outcomes: ProductOutcomes[EvaluationReport]) -> str:
    """The Markdown table of all products that were evaluated, and below it what is to be known of some of them."""
    table = comparison_table([row_of(name, "utad", [one.as_dict()]) for name, one in outcomes.done.items()])
    notes = [f"{name}: {one.note}" for name, one in outcomes.done.items() if one.note]
    return "\n\n".join([table, *notes])
