from __future__ import annotations

from tests.report.elements import Elements
from utad.products.index import Product, ProductData, ProductIndex
from utad.report.products_page import products_page


def test_each_product_has_a_line_with_a_link_to_its_report_and_what_it_is_called_stays_text():
    hostile = "teil#1 <b onclick=alert(1)>"
    data = ProductData(layout="flat", n_images=212, n_skipped=4, n_outliers=3, left_out=("2 links that lead nowhere",))
    trained = Product(
        name=hostile, folder=hostile, preset="fast", seed=7, status="trained", threshold=0.5, seconds=312.0, data=data
    )
    failed = Product(name="cap", folder="cap", preset="fast", seed=7, status="failed", error="got <i>1</i> image")
    page = products_page(ProductIndex(version="0.1.0", source="parts & more", products=(trained, failed)))
    elements = Elements(page)
    assert "1 of 2 detectors are trained on parts & more." in elements.text
    assert [found["href"] for tag, found in elements.elements if tag == "a"] == [
        "teil%231%20%3Cb%20onclick%3Dalert%281%29%3E/report.html"
    ]
    words = elements.text.split("product", 1)[1]
    for value in (
        hostile,
        "trained",
        "212",
        "4",
        "3",
        "0.5",
        "fast",
        "7",
        "5 min",
        "left out: 2 links that lead nowhere",
    ):
        assert value in words
    assert "got <i>1</i> image" in words
    assert not any("onclick" in found for _, found in elements.elements)
    assert {tag for tag, _ in elements.elements}.isdisjoint({"b", "i", "script"})
