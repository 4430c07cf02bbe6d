from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests import fabricate
from utad.data.catalog import open_category
from utad.data.folder import folder_categories, open_folder, product_folders
from utad.data.reading import load_image
from utad.errors import DatasetError


def names(samples) -> list[str]:
    return [sample.name for sample in samples]


def test_a_flat_folder_trains_and_tests_nothing(tmp_path):
    category = open_folder(fabricate.photos(tmp_path / "parts"))
    assert category.name == "parts"
    assert names(category.train) == ["1.png", "2.JPG", "10.jpeg", "grey 16.png", "näher/übung.bmp"]
    assert all(sample.anomalous is False for sample in category.train)
    assert category.test == ()
    assert [load_image(sample).shape[:2] for sample in category.train][:2] == [(30, 50), (64, 40)]


def test_normal_and_abnormal_are_split_in_one_run(tmp_path):
    root = fabricate.normal_abnormal(tmp_path, n_normal=20)
    category = open_folder(root, seed=0)
    normal = [sample for sample in category.test if not sample.anomalous]
    assert len(category.train) == 16
    assert len(normal) == 4
    numbers = [int(sample.name.removeprefix("normal/").removesuffix(".png")) for sample in normal]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert sorted(names(category.train) + names(normal)) == sorted(f"normal/{i}.png" for i in range(1, 21))
    assert names(category.test)[4:] == ["abnormal/1.png", "abnormal/2.png", "abnormal/3.png"]
    assert all(sample.mask is not None for sample in category.test[4:])


def test_the_split_follows_the_seed(tmp_path):
    root = fabricate.normal_abnormal(tmp_path, n_normal=30)
    assert names(open_folder(root, seed=0).test) == names(open_folder(root, seed=0).test)
    assert len({tuple(names(open_folder(root, seed=seed).test)) for seed in range(8)}) > 2


def test_normal_alone_trains_whole(tmp_path):
    category = open_folder(fabricate.normal_abnormal(tmp_path, n_normal=5, n_abnormal=0))
    assert len(category.train) == 5
    assert category.test == ()


def test_subfolders_of_abnormal_name_the_defect(tmp_path):
    fabricate.normal_abnormal(tmp_path, n_abnormal=0)
    for kind in ("dent", "crack"):
        fabricate.save(tmp_path / "anomalous" / kind / "1.png", fabricate.defective())
        fabricate.save(tmp_path / "masks" / kind / "1_mask.png", fabricate.square_mask())
    category = open_folder(tmp_path)
    anomalous = [sample for sample in category.test if sample.anomalous]
    assert [(sample.name, sample.defect) for sample in anomalous] == [
        ("anomalous/crack/1.png", "crack"),
        ("anomalous/dent/1.png", "dent"),
    ]
    assert [sample.mask.parent.name for sample in anomalous] == ["crack", "dent"]


def test_masks_of_abnormal_images_pair_by_whole_names(tmp_path):
    root = fabricate.normal_abnormal(tmp_path, n_abnormal=11)
    for sample in open_folder(root).test:
        if sample.anomalous:
            assert sample.mask.stem == sample.image.stem
    (root / "masks" / "1.png").unlink()
    fabricate.save(root / "masks" / "12_mask.png", fabricate.square_mask())
    with pytest.raises(DatasetError) as caught:
        open_folder(root)
    assert "2 inconsistencies" in str(caught.value)
    assert str(root / "abnormal" / "1.png") in str(caught.value)
    assert str(root / "masks" / "12_mask.png") in str(caught.value)


def test_mvtec_at_root_below_it_and_one_deeper(tmp_path):
    fabricate.mvtec_category(tmp_path / "data" / "bottle")
    fabricate.mvtec_category(tmp_path / "data" / "cable")
    assert open_folder(tmp_path / "data" / "bottle").name == "bottle"
    assert open_folder(tmp_path / "data", category="cable").name == "cable"
    with pytest.raises(DatasetError, match=r"name one of bottle \(mvtec\), cable \(mvtec\)"):
        open_folder(tmp_path / "data")
    assert folder_categories(tmp_path / "data") == ("bottle", "cable")
    assert folder_categories(tmp_path / "data" / "cable") == ("cable",)


def test_visa(tmp_path):
    root = fabricate.visa(tmp_path, ("candle", "pcb1"))
    assert open_folder(root, category="pcb1").name == "pcb1"
    assert folder_categories(root) == ("candle", "pcb1")


def test_a_category_is_a_subfolder(tmp_path):
    fabricate.photos(tmp_path / "line 1")
    assert open_folder(tmp_path, category="line 1").name == "line 1"
    with pytest.raises(DatasetError, match="no folder 'line 2'"):
        open_folder(tmp_path, category="line 2")
    for name in ("..", "a/b", "", "../line 1"):
        with pytest.raises(DatasetError, match="expected the name of one folder"):
            open_folder(tmp_path / "line 1", category=name)


@pytest.mark.parametrize("part", ["abnormal", "test", "ground_truth"])
def test_half_a_layout_is_never_taken_for_normal_images(tmp_path, part):
    fabricate.save(tmp_path / part / "1.png", fabricate.defective())
    fabricate.save(tmp_path / "pictures" / "1.png", fabricate.picture())
    with pytest.raises(DatasetError, match="--layout flat"):
        open_folder(tmp_path)
    assert len(open_folder(tmp_path, layout="flat").train) == 2


def test_locations_without_images(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        open_folder(tmp_path / "gone")
    with pytest.raises(DatasetError, match="is a file"):
        open_folder(fabricate.save(tmp_path / "a.png", fabricate.picture()))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no image files"):
        open_folder(tmp_path / "empty")
    with pytest.raises(DatasetError, match="not a folder"):
        folder_categories(tmp_path / "gone")


def test_both_names_for_abnormal(tmp_path):
    fabricate.normal_abnormal(tmp_path)
    fabricate.save(tmp_path / "anomalous" / "1.png", fabricate.defective())
    with pytest.raises(DatasetError, match="keep one"):
        open_folder(tmp_path)


@given(st.integers(0, 9), st.integers(0, 4), st.integers(0, 3))
@settings(max_examples=12, deadline=None)
def test_without_a_split_every_image_is_a_test_image(n_normal, n_abnormal, seed):
    assume(n_normal + n_abnormal)
    with tempfile.TemporaryDirectory() as folder:
        root = fabricate.normal_abnormal(Path(folder), n_normal=n_normal, n_abnormal=n_abnormal, masks=False)
        category = open_folder(root, seed=seed, split=False)
        assert category.train == ()
        assert sum(sample.anomalous is False for sample in category.test) == n_normal
        assert sum(sample.anomalous is True for sample in category.test) == n_abnormal


def test_the_split_loses_no_image_and_says_what_it_did(tmp_path, caplog):
    root = fabricate.normal_abnormal(tmp_path / "x", n_normal=9, n_abnormal=2)
    with caplog.at_level("INFO", "utad"):
        category = open_folder(root)
    assert len(category.train) + len(category.test) == 11
    assert "7 normal to train on; 2 normal and 2 anomalous to test on, 2 with masks" in caplog.text
    assert (category.layout, category.left_out) == ("labelled", ())


def test_what_is_left_out_is_counted_by_reason(tmp_path, caplog):
    root = fabricate.normal_abnormal(tmp_path, n_normal=4, n_abnormal=1)
    for name in ("a.heic", "b.HEIC", "c.avif", "d.jp2", "e.gif", "f.npy"):
        (root / "normal" / name).write_bytes(b"x")
    fabricate.save(root / "normal" / "@eaDir" / "1.png" / "SYNOPHOTO_THUMB_M.jpg", fabricate.picture(8, 8))
    fabricate.save(root / "normal" / ".thumbnails" / "1.jpg", fabricate.picture(8, 8))
    fabricate.save(root / "overlays" / "1.png", fabricate.picture())
    pages = [Image.fromarray(fabricate.picture(seed=seed)) for seed in range(3)]
    pages[0].save(root / "normal" / "stack.tif", save_all=True, append_images=pages[1:])
    category = open_folder(root, split=False)
    assert len(category.test) == 6
    assert sorted(category.left_out) == [
        "1 .avif, a format that is not read",
        "1 .gif, a format that is not read",
        "1 .jp2, a format that is not read",
        "1 .npy, a format that is not read",
        "1 hidden (the name begins with a point)",
        "1 images that the layout has no place for (overlays 1)",
        "1 in @eaDir, which file servers and systems make",
        "2 .heic, a format that is not read",
        "2 pages after the first of 1 files, of which the first is read",
    ]
    assert all(line in caplog.text for line in category.left_out)


def test_files_of_which_nothing_is_known_are_counted_and_notes_are_not(tmp_path):
    fabricate.save(tmp_path / "1.png", fabricate.picture())
    for name in ("a.img", "b.IMG", "scan", "c.001", "c.002", "d.x", "e.y", "f.z", "line/g.tga"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for name in ("README", "LICENSE.txt", "labels.csv", "1.xml", "Thumbs.db", ".DS_Store", "desktop.ini"):
        (tmp_path / name).write_bytes(b"x")
    assert open_folder(tmp_path).left_out == (
        "1 .tga, a format that is not read",
        "8 whose ending is not that of an image (.img 2, .001 1, .002 1, .x 1, .y 1, ...)",
    )


def test_a_category_beside_other_images_is_not_chosen_in_silence(tmp_path):
    fabricate.normal_abnormal(tmp_path / "line 1")
    fabricate.save(tmp_path / "pictures" / "1.png", fabricate.picture())
    with pytest.raises(DatasetError, match=r"line 1 \(labelled\) beside 1 other images"):
        open_folder(tmp_path)
    (tmp_path / "pictures" / "1.png").unlink()
    assert open_folder(tmp_path).name == "line 1"


def test_a_layout_that_is_asked_for(tmp_path):
    root = fabricate.normal_abnormal(tmp_path)
    with pytest.raises(DatasetError, match="not in the layout btad: expected train/ok"):
        open_folder(root, layout="btad")
    with pytest.raises(DatasetError, match="got layout 'mvtek', expected one of visa"):
        open_folder(root, layout="mvtek")


@pytest.mark.parametrize("name", ["https://example.org/x", "parts.zip", "parts.tar.gz", "s3://bucket/x"])
def test_urls_and_archives_are_refused_by_name(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts.zip").write_bytes(b"PK")
    words = "is a URL" if ":" in name else "is an archive.*unpack it"
    with pytest.raises(DatasetError, match=words):
        open_category(name)
    with pytest.raises(DatasetError, match=words):
        open_folder(Path(name))


def test_products_are_all_folders_that_hold_images(tmp_path):
    fabricate.mvtec_category(tmp_path / "bottle")
    fabricate.save(tmp_path / "part10" / "deep" / "0.png", fabricate.picture())
    fabricate.save(tmp_path / "part9" / "0.png", fabricate.picture())
    fabricate.save(tmp_path / ".hidden" / "0.png", fabricate.picture())
    (tmp_path / "empty").mkdir()
    assert product_folders(tmp_path) == ("bottle", "part9", "part10")
    fabricate.save(tmp_path / "0.png", fabricate.picture())
    with pytest.raises(DatasetError, match=r"holds 1 images beside its folders, such as 0\.png"):
        product_folders(tmp_path)


def test_what_is_one_product_or_none_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"is one category \(mvtec\)"):
        product_folders(fabricate.mvtec_category(tmp_path / "bottle"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no folder with images"):
        product_folders(tmp_path / "empty")
    with pytest.raises(DatasetError, match="is not a folder"):
        product_folders(tmp_path / "missing")


def test_the_products_of_class_folders_are_their_classes(tmp_path):
    assert product_folders(fabricate.class_folders(tmp_path), layout="classes") == ("cat", "dog", "ship")
