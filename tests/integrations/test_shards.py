from __future__ import annotations

import pytest

from utad.errors import OutputError
from utad.integrations.shards import ShardFolder

parquet = pytest.importorskip("pyarrow.parquet")

NAMES = [f"{index}.png" for index in range(5)]


def row(position: int, error: str | None = None) -> dict[str, object]:
    scored = {"pred_score": position / 4, "pred_label": position > 2, "threshold": 0.5, "band": "pass"}
    cells = dict.fromkeys(scored) if error else scored
    return {"path": NAMES[position], "anomaly_map": None, "pred_mask": None, "error": error, **cells}


def paths(folder) -> list[str]:
    return parquet.read_table(folder / "predictions")["path"].to_pylist()


def test_rows_in_any_order_and_twice_are_once_and_in_order_in_the_shards(tmp_path):
    with ShardFolder(tmp_path / "out", NAMES, shard_size=2) as shards:
        shards.add({4: row(4), 1: row(1, "1.png: torn"), 3: row(3)})
        shards.add({3: row(3), 0: row(0), 2: row(2)})
        shards.add({0: row(0)})
    files = sorted(file.name for file in (tmp_path / "out" / "predictions").iterdir())
    assert files == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    table = parquet.read_table(tmp_path / "out" / "predictions")
    assert table.column_names == [
        *("path", "pred_score", "pred_label", "threshold", "anomaly_map", "pred_mask", "band"),
    ]
    assert table["path"].to_pylist() == ["0.png", "2.png", "3.png", "4.png"]
    assert table["pred_label"].to_pylist() == [False, False, True, True]
    assert [str(table.schema.field(name).type) for name in ("pred_score", "pred_label", "anomaly_map")] == [
        *("double", "bool", "string"),
    ]
    assert (tmp_path / "out" / "unread.csv").read_text(encoding="utf-8") == "path,error\n1.png,1.png: torn\n"
    assert (shards.summary.n_images, shards.summary.n_anomalous, shards.summary.failed) == (4, 2, ["1.png: torn"])


def test_an_interrupted_run_goes_on_behind_whole_shards(tmp_path):
    def interrupted() -> None:
        with ShardFolder(tmp_path, NAMES, shard_size=2, run="a") as shards:
            shards.add({2: row(2, "2.png: torn"), 3: row(3), 0: row(0)})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        interrupted()
    assert "1 shards are whole" in caught.value.__notes__[0]
    before = (tmp_path / "predictions/part-00001.parquet").stat().st_mtime_ns
    with ShardFolder(tmp_path, NAMES, shard_size=2, run="a", resume=True) as shards:
        assert shards.left == [0, 1, 4]
        shards.add({position: row(position) for position in range(5)})
    assert (tmp_path / "predictions/part-00001.parquet").stat().st_mtime_ns == before
    assert paths(tmp_path) == ["0.png", "1.png", "3.png", "4.png"]
    assert shards.summary.failed == ["2.png: torn"]


def test_a_shard_that_was_written_and_not_recorded_is_written_anew(tmp_path):
    with ShardFolder(tmp_path, NAMES, shard_size=2, run="a") as shards:
        shards.add({position: row(position) for position in range(5)})
    record = tmp_path / ".utad-record.jsonl"
    lines = record.read_text().splitlines(keepends=True)
    last = next(index for index, line in enumerate(lines) if '"shard": 2' in line)
    record.write_text("".join(lines[:last]))
    (tmp_path / "unread.csv").unlink()
    with ShardFolder(tmp_path, NAMES, shard_size=2, run="a", resume=True) as shards:
        assert shards.left == [4]
        shards.add({4: row(4)})
    assert paths(tmp_path) == NAMES


def test_another_run_and_foreign_files_are_refused(tmp_path):
    with ShardFolder(tmp_path / "out", NAMES, shard_size=2, run="a") as shards:
        shards.add({position: row(position) for position in range(5)})
        second = ShardFolder(tmp_path / "out", NAMES, shard_size=2)
        with pytest.raises(OutputError, match="another run writes"), second:
            pass
    other = ShardFolder(tmp_path / "out", NAMES, shard_size=2, run="b", resume=True)
    with pytest.raises(OutputError, match="model or settings differ"), other:
        pass
    foreign = tmp_path / "foreign" / "predictions" / "part-00000.parquet"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("not ours")
    with pytest.raises(OutputError, match="utad did not write"), ShardFolder(tmp_path / "foreign", NAMES, shard_size=2):
        pass
    assert foreign.read_text() == "not ours"
