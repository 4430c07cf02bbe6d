"""What is kept of predictions: the kinds of pictures, and the rows of both tables as bytes; quickly imported."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

TABLES = ("predictions.csv", "predictions.jsonl")
SAVABLE = ("maps", "masks", "overlays", "impressions")
"""Pictures that can be kept of each image, beside its rows."""

FIELDS = ("path", "pred_score", "pred_label", "threshold", "anomaly_map", "pred_mask", "band")
CSV_HEADER = (",".join(FIELDS) + "\r\n").encode()


def csv_line(row: Mapping[str, Any]) -> bytes:
    """A line of the CSV; names that are not UTF-8 keep their bytes.

    Args:
        row: as `Prediction.as_row` gives it.
    """
    plain = {name: row[name] for name in FIELDS}
    text = io.StringIO(newline="")
    csv.DictWriter(text, FIELDS).writerow({**plain, "pred_label": str(row["pred_label"]).lower()})
    return text.getvalue().encode("utf-8", "surrogateescape")


def json_line(row: Mapping[str, Any]) -> bytes:
    """A JSON line; of names that are not UTF-8 it has the escapes that `json.loads` turns into Python's names.

    Args:
        row: as `Prediction.as_row` gives it, and whatever else is to stand there.
    """
    return (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "backslashreplace")
