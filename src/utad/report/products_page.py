"""The page of many products: what became of each, with a link to the report of its training."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from utad.products.index import Product, ProductIndex
from utad.progress import spoken
from utad.report.rendering import render, text
from utad.run_folder import REPORT_NAME


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes:
        name: of the product.
        status: of its training.
        link: to its report; empty where there is none.
        cells: values as text, in the order of the headings.
        note: why it failed, or what was left out of its folder.
    """

    name: str
    status: str
    link: str
    cells: tuple[str, ...]
    note: str


def products_page(index: ProductIndex) -> str:
    """The page.

    Args:
        index: of the products; the page lies beside it.
    """
    trained = len(index.with_status("trained"))
    return render(
        "products.html",
        title="Products",
        source=text(index.source),
        trained=trained,
        count=len(index.products),
        headings=("images", "damaged", "unusual", "threshold", "preset", "seed", "time"),
        lines=[_line(product) for product in index.products],
    )


def _line(product: Product) -> Line:
    data, seconds = product.data, product.seconds
    counts = (data.n_images, data.n_skipped, data.n_outliers) if data is not None else ("", "", "")
    cells = (
        *map(str, counts),
        "" if product.threshold is None else f"{product.threshold:.3g}",
        product.preset,
        str(product.seed),
        "" if seconds is None else spoken(seconds),
    )
    note = product.error or (f"left out: {'; '.join(data.left_out)}" if data is not None and data.left_out else "")
    link = f"{quote(product.folder, errors='surrogateescape')}/{REPORT_NAME}" if product.status == "trained" else ""
    return Line(text(product.name), product.status, link, cells, text(note))
