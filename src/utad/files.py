"""Writing files so that a reader sees the old one or the whole new one, never a part."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from utad.errors import OutputError


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turns an `OSError` while writing `path` into an `OutputError` that names it."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; choose another place or free some space"
        ) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; on success it is flushed to disk and takes the place of `path`.

    Raises:
        OutputError: if the file cannot be written; what stood at `path` is untouched.
    """
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Short and ASCII, so that a name near the file system's limit still has room.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".utad-", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            _sync(temporary)
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()


@contextmanager
def atomic_directory(path: Path, *, replaces: Collection[str] = ()) -> Iterator[Path]:
    """Gives a temporary folder beside `path`; on success it is flushed to disk and becomes `path`.

    Args:
        path: of the folder.
        replaces: names of files that may stand there; they are removed when the new folder is complete.

    Raises:
        OutputError: if there is something at `path` other than a folder of nothing but such files, or it cannot be
            written; what stood there is untouched.
    """
    with output_errors(path):
        if os.path.lexists(path) and not _holds_only(path, replaces):
            raise OutputError(f"{path} exists and is not an empty folder: choose another one, or delete it first")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=".utad-", suffix=".part"))
    try:
        yield temporary
        with output_errors(path):
            for file in temporary.iterdir():
                _sync(file)
            os.chmod(temporary, 0o777 & ~_umask())
            if path.exists():
                # Moved aside first: a folder half removed must never be found under its name.
                path.rename(temporary.with_suffix(".old"))
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(temporary.with_suffix(".old"), ignore_errors=True)


def _holds_only(path: Path, names: Collection[str]) -> bool:
    return path.is_dir() and all(file.name in names and file.is_file() for file in path.iterdir())


def append_whole(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Appends all of `data` to a file, or nothing where that fails or a signal interrupts it.

    Args:
        path: made if need be; nobody else may write to it meanwhile.
        data: to append.
        durable: return when it is on disk, where a power failure leaves it.

    Raises:
        OSError: if it cannot be written.
    """
    # Without a buffer, which would keep what could not be written and try again when the file is closed.
    with path.open("ab", buffering=0) as file, ExitStack() as undoing:
        undoing.callback(_cut_back, file, os.fstat(file.fileno()).st_size)
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
        if durable:
            os.fsync(file.fileno())
        undoing.pop_all()


def _cut_back(file: IO[bytes], size: int) -> None:
    with suppress(OSError):
        file.truncate(size)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Calls `write` with a temporary path, then moves the result to `path`."""
    with atomic_path(path) as temporary:
        write(temporary)


def make_directory(path: Path) -> Path:
    """Creates a folder with its parents.

    Raises:
        OutputError: if that is not possible, or a file stands there.
    """
    with output_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    # The mask can only be read by setting it; mkstemp's own mode 0600 would lock other users out.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def file_digest(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
