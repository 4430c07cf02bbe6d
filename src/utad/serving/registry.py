"""The models that are served: their names, and a copy of each that nobody changes under the workers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from utad.errors import ConfigError
from utad.export.kept_images import KEPT_IMAGES_NAME, read_kept_images
from utad.export.manifest import MANIFEST_NAME, Manifest, read_graph, read_manifest, read_verified
from utad.files import output_errors
from utad.interpret.normal_images import NormalImages
from utad.loading import exported_folder
from utad.run_folder import GRAPH_FORMAT, MODEL_NAME
from utad.serving.messages import ModelKey

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class ServedModel:
    """A model as it is served.

    Attributes:
        name: that requests call it by.
        version: 1 for the first, one more after each reload.
        source: MODEL, as it was given.
        folder: the copy that workers load.
        manifest: of the copy.
        normal_images: that the model keeps; None where it keeps none.
    """

    name: str
    version: int
    source: Path
    folder: Path = field(repr=False)
    manifest: Manifest = field(repr=False)
    normal_images: NormalImages | None = field(repr=False, default=None)

    @property
    def key(self) -> ModelKey:
        """What workers know it by."""
        return self.name, self.version


def named_models(given: Sequence[str]) -> dict[str, Path]:
    """Names and paths of models, given as NAME=PATH, or as a path whose folder has the name.

    Raises:
        ConfigError: if two have one name, or a name does not go into an address.
    """
    models: dict[str, Path] = {}
    for text in given:
        name, separator, rest = text.partition("=")
        if separator and rest and _NAME.fullmatch(name) and not Path(text).exists():
            path = Path(rest)
        else:
            path = Path(text)
            name = _name_of(path)
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{path} would be served as {name!r}: give it a name of letters, digits, '.', '_' and '-', as in "
                f"part={path}"
            )
        if name in models:
            raise ConfigError(f"{models[name]} and {path} would both be served as {name!r}: give one as NAME=PATH")
        models[name] = path
    return models


def taken_over(name: str, source: Path, version: int, store: Path) -> ServedModel:
    """Copies the graph of a model to the store, verified.

    A worker that is started later loads the same bytes, whatever became of the folder meanwhile.

    Args:
        name: that it is served as.
        source: MODEL.
        version: of it.
        store: folder for the copies of this server.

    Raises:
        ModelFileError: if it is missing or damaged, or has no graph of its own.
        OutputError: if it cannot be copied.
    """
    graph = exported_folder(source)
    manifest = read_manifest(graph)
    contents = read_graph(graph, manifest)
    if KEPT_IMAGES_NAME in manifest.files:
        contents[KEPT_IMAGES_NAME] = read_verified(graph, KEPT_IMAGES_NAME, manifest)
    folder = store / f"{name}-{version}"
    with output_errors(folder):
        folder.mkdir()
        for file, content in contents.items():
            (folder / file).write_bytes(content)
        shutil.copyfile(graph / MANIFEST_NAME, folder / MANIFEST_NAME)
    # Read again: the file may have been replaced since.
    manifest = read_manifest(folder)
    return ServedModel(name, version, source, folder, manifest, read_kept_images(folder, manifest))


def _name_of(path: Path) -> str:
    """That of the folder; of the run, where the path names a file or a graph in it."""
    folder = path.absolute()
    if folder.is_file() or (folder.name == GRAPH_FORMAT and (folder.parent / MODEL_NAME).exists()):
        folder = folder.parent
    return folder.resolve().name
