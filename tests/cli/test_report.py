from __future__ import annotations

import json
import re

from typer.testing import CliRunner

from tests import fabricate
from utad.cli.app import app


def utad(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)


def test_evaluate_writes_a_report_with_the_numbers_of_metrics_json(run, parts, tmp_path):
    result = utad("evaluate", run, parts, "--output", tmp_path / "e")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip().endswith("report.html")
    page = (tmp_path / "e" / "report.html").read_text(encoding="utf-8")
    metrics = json.loads((tmp_path / "e" / "metrics.json").read_text(encoding="utf-8"))
    evaluation = metrics[parts.name][parts.name]["utad"]["0"]
    shown = dict(re.findall(r'data-key="([\w.]+)" data-value="([-\d.e]+)"', page))
    assert float(shown["image.auroc"]) == evaluation["image"]["auroc"]
    assert float(shown["pixel.aupro"]) == evaluation["pixel"]["aupro"]
    assert page.count('class="card"') == evaluation["n_normal"] + evaluation["n_anomalous"]
    # Without a report, none of an earlier evaluation stays.
    result = utad("evaluate", run, parts, "--output", tmp_path / "e", "--no-report")
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "e" / "report.html").exists()


def test_evaluate_explains_as_many_images_as_it_is_asked_to(run, parts, tmp_path):
    result = utad("evaluate", run, parts, "--output", tmp_path / "e", "--explain", 2)
    assert result.exit_code == 0, result.output
    pages = list((tmp_path / "e" / "explanations").rglob("*.html"))
    assert len(pages) == 2
    assert 'href="../../report.html"' in pages[0].read_text(encoding="utf-8")
    assert utad("evaluate", run, parts, "--output", tmp_path / "e", "--explain", 2, "--no-report").exit_code == 2


def test_an_export_that_stands_alone_is_evaluated_and_explained(run, parts, tmp_path):
    result = utad("evaluate", run / "openvino", parts, "--output", tmp_path / "e", "--explain", 1)
    assert result.exit_code == 0, result.output
    (page,) = (tmp_path / "e" / "explanations").rglob("*.html")
    assert 'alt="Normal image' in page.read_text(encoding="utf-8")


def test_benchmark_writes_a_page_of_its_tables(tmp_path):
    fabricate.mvtec_category(tmp_path / "data" / "bottle")
    command = ["benchmark", "folder", "--root", tmp_path / "data", "--methods", "padim", "--jobs", 0, "--seeds", "0,1"]
    for _ in range(2):  # the second time its own page is replaced
        result = utad(*command, "--output", tmp_path / "o")
        assert result.exit_code == 0, result.output
    page = (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    assert page.count('data-method="padim"') == 3
    document = json.loads((tmp_path / "o" / "results.json").read_text(encoding="utf-8"))
    for cell in document["cells"]:
        assert f'<td class="number">{cell["evaluation"]["image"]["auroc"]:.3f}</td>' in page
