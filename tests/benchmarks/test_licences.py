from __future__ import annotations

import pytest

from licences import ALLOWED, REVIEWED, is_allowed, stated


@pytest.mark.parametrize(
    "expression",
    [
        "MIT",
        "Apache-2.0 AND MIT",
        "GPL-3.0-only OR BSD-3-Clause",  # one may choose
        "(GPL-3.0-only OR MIT) AND ISC",
        "Apache-2.0 WITH LLVM-exception",
        "LicenseRef-NVIDIA-Proprietary",
    ],
)
def test_these_allow_commercial_use(expression):
    assert is_allowed(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "GPL-3.0-only",
        "MIT AND AGPL-3.0-only",
        "CC-BY-NC-SA-4.0",
        "MIT AND (GPL-3.0-only OR AGPL-3.0-only)",
        "GPL-3.0-only WITH Classpath-exception-2.0",
        "LicenseRef-Somebody",
        "MIT AND",
        "do what you like",
        "",
    ],
)
def test_these_do_not_or_are_not_known_to(expression):
    assert not is_allowed(expression)


def licence(name: str = "part", expression: str | None = None, text: str | None = None, *classifiers: str):
    return stated(name, expression=expression, text=text, classifiers=[f"License :: {one}" for one in classifiers])


def test_the_expression_of_a_package_comes_before_everything_else():
    assert licence("part", "GPL-3.0-only", "MIT", "OSI Approved :: MIT License") == "GPL-3.0-only"


def test_older_metadata_are_read_from_text_and_classifiers():
    assert licence(text="Apache 2.0") == "Apache-2.0"
    assert licence("part", None, "MPL-2.0 AND MIT") == "MPL-2.0 AND MIT"
    assert licence("part", None, "Copyright 1999 ...\n" * 9, "OSI Approved :: BSD License") == "LicenseRef-BSD"
    assert licence("part", None, None, "OSI Approved", "OSI Approved :: MIT License") == "MIT"
    assert licence("part", None, "GPL", "OSI Approved :: GNU General Public License (GPL)") is None


def test_several_classifiers_are_all_of_them():
    found = licence("part", None, None, "OSI Approved :: MIT License", "OSI Approved :: BSD License")
    assert found == "MIT AND LicenseRef-BSD"


def test_a_package_that_states_none_is_looked_up_and_no_other():
    assert licence("cuda-toolkit") == "LicenseRef-NVIDIA-Proprietary"
    assert licence("part") is None
    assert set(REVIEWED.values()) <= ALLOWED
