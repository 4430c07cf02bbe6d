"""The folder of many products: `index.json` with its page, `settings.yaml`, and a folder a product, its own run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from utad import __version__
from utad.config import Config
from utad.errors import OutputError
from utad.evaluation.results_folder import ResultsFolder
from utad.output_folder import OutputFolder, complete
from utad.products.index import INDEX_NAME, Product, ProductData, ProductIndex, Status, read_index
from utad.run_folder import MODEL_NAME, REPORT_NAME

SETTINGS_NAME = "settings.yaml"
LOG_NAME = "train.log"

_NAMES = frozenset({INDEX_NAME, SETTINGS_NAME, REPORT_NAME})
_PURPOSE = "index"
_WORDS = {"data": "data", "settings": "settings"}


class ProductFolder(ResultsFolder):
    """Keeps the index: after each change of a product it is on disk.

    Args:
        directory: made if need be.
        names: of the products, in the order of the data.
        source: the data, as it was given.
        config: of all of them.
        resume: go on with an earlier command in this folder, if there was one: what is trained stays.
        apart_from: inputs that the folder must neither hold nor lie in.

    Attributes:
        index: as it is on disk.

    Raises:
        OutputError: on entering, if the folder overlaps an input, another command writes to it, it holds an index and
            `resume` is not set, or one of other data or settings, or files that are not ours.
    """

    def __init__(
        self,
        directory: Path,
        names: Sequence[str],
        *,
        source: str,
        config: Config,
        resume: bool = False,
        apart_from: Iterable[Path] = (),
    ) -> None:
        super().__init__(directory, _PURPOSE, apart_from=apart_from)
        self._settings = config.to_yaml()
        place = Path(source)
        self._run = {
            "data": str(place.resolve()) if place.exists() else source,
            "settings": hashlib.sha256(self._settings.encode()).hexdigest(),
        }
        self._resume = resume
        new = (Product(name=name, folder=name, preset=config.preset, seed=config.seed) for name in names)
        self.index = ProductIndex(version=__version__, source=source, products=tuple(new))

    @property
    def settings(self) -> Path:
        """The resolved config of all products."""
        return self.directory / SETTINGS_NAME

    def log(self, name: str) -> Path:
        """Of the training of a product."""
        return self.directory / name / LOG_NAME

    def waiting(self) -> list[str]:
        """The products that are not trained, in order."""
        return [product.name for product in self.index.products if product.status != "trained"]

    def begin(self, name: str) -> None:
        """Says that the training of a product begins."""
        self._replace(self._fresh(name, "training"))

    def fail(self, name: str, error: str) -> None:
        """Says why a product is not trained."""
        self._replace(self._fresh(name, "failed").model_copy(update={"error": error}))

    def finish(self, name: str, *, threshold: float, seconds: float, data: ProductData) -> None:
        """Says that a product is trained, by the fields of `Product`."""
        values = {"threshold": threshold, "seconds": seconds, "data": data}
        self._replace(self._fresh(name, "trained").model_copy(update=values))

    def write_page(self, page: str) -> None:
        """Writes the page of the index.

        Raises:
            OutputError: if that is not possible.
        """
        self._folder.write_text(REPORT_NAME, page)

    def _fresh(self, name: str, status: Status) -> Product:
        before = next(product for product in self.index.products if product.name == name)
        return Product(name=before.name, folder=before.folder, status=status, preset=before.preset, seed=before.seed)

    def _replace(self, after: Product) -> None:
        products = tuple(after if product.name == after.name else product for product in self.index.products)
        self.index = self.index.model_copy(update={"products": products})
        self._write()

    def _opened(self, folder: OutputFolder) -> None:
        reserved = _NAMES.intersection(product.name for product in self.index.products)
        if reserved:
            raise OutputError(f"a product is called {', '.join(reserved)}, as a file here is: rename its folder")
        stands = (self.directory / INDEX_NAME).exists()
        if stands and not self._resume:
            raise OutputError(
                f"{self.directory} already holds an index of detectors: choose another folder, delete it, or go on "
                "with it (--resume)"
            )
        advice = "Resume with the same data and settings, or choose another folder"
        begun = folder.notes_of(self._run, _WORDS, else_do=advice) is not None
        folder.refuse_others(_NAMES)
        if begun and stands:
            self._take_up(read_index(self.directory / INDEX_NAME))
        elif not begun:
            folder.note(self._run)
        folder.own(f"{product.folder}/{LOG_NAME}" for product in self.index.products)
        folder.write_text(SETTINGS_NAME, self._settings)
        self._write()

    def _take_up(self, earlier: ProductIndex) -> None:
        """Products that are trained stay so; those that the data has no more stay too."""
        kept = {
            product.name: product
            for product in earlier.with_status("trained")
            if (self.directory / product.folder / MODEL_NAME).is_file()
        }
        now = [kept.pop(product.name, product) for product in self.index.products]
        self.index = self.index.model_copy(update={"products": (*now, *kept.values())})

    def _write(self) -> None:
        self._folder.write_text(INDEX_NAME, self.index.model_dump_json(indent=1) + "\n")

    def _closing(self, error: BaseException | None) -> None:
        if error is None:
            return
        complete(self._interrupt, after=error)
        n_trained, count = len(self.index.with_status("trained")), len(self.index.products)
        error.add_note(
            f"{n_trained} of {count} detectors are trained, in {self.directory}; the same command with --resume goes on"
        )

    def _interrupt(self) -> None:
        for product in self.index.with_status("training"):
            self._replace(self._fresh(product.name, "interrupted"))


def data_of(report: Mapping[str, Any]) -> ProductData:
    """What a detector was trained on, from the JSON of `utad train`."""
    return ProductData(
        layout=report["layout"],
        n_images=report["n_images"],
        n_skipped=report["n_skipped"],
        n_outliers=sum(image["outlier"] for image in report["unusual"]),
        left_out=tuple(report["left_out"]),
    )
