"""Writes what an installation consists of (an SBOM), and checks that all of it may be used commercially.

    python benchmarks/bill_of_materials.py --output build/sbom.json [--extras train,serve]

The packages are those that `utad` and its extras lead to in this environment, with the versions that are installed. The
file is CycloneDX 1.6, JSON, checked against its schema. Exits with 1, and names the package, where a licence is not in
the list of `benchmarks/licences.py`, where none is stated, or where a package is not installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from licences import is_allowed, stated

ROOT = "utad"


@dataclass
class Package:
    """An installed package.

    Attributes:
        name: in canonical form.
        version: that is installed.
        licence: an SPDX expression; None where none is known.
        requires: names of the packages that it brings along here.
    """

    name: str
    version: str
    licence: str | None
    requires: set[str]


def packages(extras: Sequence[str]) -> dict[str, Package]:
    """All that `utad` with its extras leads to, itself included, by name.

    Raises:
        PackageNotFoundError: if one of them is not installed.
    """
    found: dict[str, Package] = {}
    waiting = [(ROOT, frozenset(extras))]
    done: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in done:
            continue
        done.add((name, wanted))
        installed = distribution(name)
        package = found.setdefault(name, Package(name, installed.version, _licence(name, installed), set()))
        for requirement in _active(installed, wanted):
            needed = canonicalize_name(requirement.name)
            if needed != name:  # an extra of a package may be made of its other extras
                package.requires.add(needed)
            waiting.append((needed, frozenset(requirement.extras)))
    return found


def _active(installed: Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    """What a package with these extras needs on this machine."""
    for requirement in map(Requirement, installed.requires or ()):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            yield requirement


def _licence(name: str, installed: Distribution) -> str | None:
    def field(key: str) -> list[str]:
        return installed.metadata.get_all(key) or []

    return stated(
        name,
        expression=next(iter(field("License-Expression")), None),
        text=next(iter(field("License")), None),
        classifiers=field("Classifier"),
    )


def document(found: dict[str, Package]) -> str:
    """The bill of materials, CycloneDX 1.6 as JSON.

    Raises:
        ValueError: if it does not follow the schema.
    """
    factory = LicenseFactory()
    components = {
        package.name: Component(
            type=ComponentType.LIBRARY,
            name=package.name,
            version=package.version,
            bom_ref=f"{package.name}=={package.version}",
            purl=PackageURL("pypi", name=package.name, version=package.version),
            licenses=[factory.make_from_string(package.licence)] if package.licence else [],
        )
        for package in found.values()
    }
    bom = Bom(components=[component for name, component in components.items() if name != ROOT])
    bom.metadata.component = components[ROOT]
    for package in found.values():
        bom.register_dependency(components[package.name], [components[name] for name in sorted(package.requires)])
    text: str = JsonV1Dot6(bom).output_as_string(indent=2)
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        raise ValueError(f"the bill of materials does not follow the schema of CycloneDX 1.6: {problem}")
    return text


def complaints(found: dict[str, Package]) -> list[str]:
    """One line for each package that may not be used commercially, or of which that is not known."""
    return [
        f"{package.name} {package.version}: "
        + (f"{package.licence} is not in the list" if package.licence else "states no licence that is known")
        for package in sorted(found.values(), key=lambda one: one.name)
        if package.licence is None or not is_allowed(package.licence)
    ]


def main() -> int:
    """Writes the file, prints the licences, and says which are not allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--extras", default="train,serve", help="comma-separated; train,serve if not given")
    arguments = parser.parse_args()
    extras = [extra for extra in arguments.extras.split(",") if extra]
    try:
        found = packages(extras)
    except PackageNotFoundError as error:
        wanted = f"{ROOT}[{','.join(extras)}]" if extras else ROOT
        sys.stderr.write(f"{error.name} is not installed: pip install '{wanted}'\n")
        return 1
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(document(found), encoding="utf-8")
    for package in sorted(found.values(), key=lambda one: one.name):
        print(f"{package.name} {package.version}: {package.licence or 'none stated'}")
    wrong = complaints(found)
    sys.stderr.writelines(f"not allowed: {line}\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
