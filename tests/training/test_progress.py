from __future__ import annotations

import pytest

from utad.errors import OutputError
from utad.training.progress import drop_rows

HEADER = "stage,step,term,value\n"


def test_a_new_file_has_the_header_alone(tmp_path):
    path = tmp_path / "run" / "metrics.csv"
    drop_rows(path, "ie_net", 0)
    assert path.read_text(encoding="utf-8") in (HEADER, HEADER.replace("\n", "\r\n"))


def test_later_rows_of_the_stage_are_dropped_and_no_others(tmp_path):
    path = tmp_path / "metrics.csv"
    rows = [f"{stage},{step},loss,0.5\n" for stage in ("ie_net", "expert_net") for step in range(12)]
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    drop_rows(path, "expert_net", 10)
    kept = path.read_text(encoding="utf-8").splitlines()
    assert kept == [line.strip() for line in (HEADER, *rows[:12], *rows[12:22])]
    drop_rows(path, "ie_net", 0)
    assert path.read_text(encoding="utf-8").splitlines() == [HEADER.strip(), *kept[13:]]


@pytest.mark.parametrize("damaged", ["ie_net,1,lo", "ie_net", "", "ie_net,x,loss,1", "ie_net,1,loss,1,2"])
def test_a_damaged_row_is_dropped(tmp_path, damaged):
    path = tmp_path / "metrics.csv"
    path.write_text(f"{HEADER}ie_net,0,loss,0.5\n{damaged}", encoding="utf-8")
    drop_rows(path, "ie_net", 9)
    assert path.read_text(encoding="utf-8").splitlines() == [HEADER.strip(), "ie_net,0,loss,0.5"]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(OutputError, match=r"taken/metrics\.csv"):
        drop_rows(tmp_path / "taken" / "metrics.csv", "ie_net", 0)
