from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import pytest

from utad.data import elpv
from utad.data.elpv import open_elpv
from utad.data.reading import read_size
from utad.errors import DatasetError, InputError, MissingDependencyError


@pytest.fixture(scope="module")
def table() -> Counter:
    """How many cells of each kind and probability the file lists, counted another way."""
    pytest.importorskip("elpv_dataset")
    spec = importlib.util.find_spec("elpv_dataset")
    lines = (Path(spec.origin).parent / "data" / "labels.csv").read_text().split("\n")
    return Counter((line.split()[2], line.split()[1][:4]) for line in lines if line)


def test_the_file_is_whole(table):
    assert sum(table.values()) == 2624


@pytest.mark.parametrize("kind", ["mono", "poly"])
def test_counts(table, kind):
    category = open_elpv(kind, seed=0)
    normal = table[kind, "0.0"]
    assert category.name == f"elpv-{kind}"
    assert len(category.train) == round(0.75 * normal)
    assert Counter(sample.anomalous for sample in category.test) == {
        False: normal - round(0.75 * normal),
        True: table[kind, "1.0"],
    }
    assert not any(sample.anomalous for sample in category.train)


def test_the_cells_in_between_only_when_asked(table):
    sure, all_ = open_elpv("mono", seed=0), open_elpv("mono", seed=0, uncertain=True)
    between = sum(count for (kind, value), count in table.items() if kind == "mono" and value in ("0.33", "0.66"))
    assert between > 0
    assert len(all_.test) - len(sure.test) == between
    assert sum(sample.defect == "uncertain" for sample in all_.test) == between
    assert [s.name for s in all_.train] == [s.name for s in sure.train]


def test_the_split_is_seeded_disjoint_and_in_file_order(table):
    one, same, other = (open_elpv("poly", seed=seed) for seed in (0, 0, 1))
    train, test = ([sample.name for sample in part] for part in (one.train, one.test))
    assert train == [sample.name for sample in same.train]
    assert train != [sample.name for sample in other.train]
    assert not set(train) & set(test)
    assert train == sorted(train)
    assert [name for name, sample in zip(test, one.test, strict=True) if not sample.anomalous] == sorted(
        name for name, sample in zip(test, one.test, strict=True) if not sample.anomalous
    )


def test_the_files_are_there(table):
    assert read_size(open_elpv("mono", seed=0).train[0].image) == (300, 300)


def rows(tmp_path, *lines: str) -> Path:
    (tmp_path / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def test_another_root(tmp_path):
    lines = [f"images/{i}.png  0.0  mono" for i in range(4)] + ["images/9.png  1.0  mono"]
    category = open_elpv("mono", seed=3, root=rows(tmp_path, *lines))
    assert (len(category.train), len(category.test)) == (3, 2)
    assert category.test[-1].image == tmp_path / "images" / "9.png"


@pytest.mark.parametrize(
    ("line", "words"),
    [("images/1.png 0.0", "line 3"), ("a.png none mono", "line 3"), ("../a.png 0.0 mono", "outside")],
)
def test_damaged_tables(tmp_path, line, words):
    good = "images/{}.png 0.0 mono"
    with pytest.raises(DatasetError, match=words):
        open_elpv("mono", seed=0, root=rows(tmp_path, good.format(1), good.format(2), line))


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    with pytest.raises(DatasetError, match=r"labels\.csv"):
        open_elpv("mono", seed=0, root=tmp_path)
    with pytest.raises(DatasetError, match="0 normal poly"):
        open_elpv("poly", seed=0, root=rows(tmp_path, "a.png 0.0 mono"))
    with pytest.raises(InputError, match="'both'"):
        open_elpv("both", seed=0)  # type: ignore[arg-type]
    monkeypatch.setattr(elpv, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'utad\[bench\]'"):
        open_elpv("mono", seed=0)
