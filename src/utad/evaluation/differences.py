"""How far one method is ahead of others, category by category: with its spread over seeds, and a sign test."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from utad.evaluation.tables import Row, markdown_line


@dataclass(frozen=True)
class Difference:
    """One value of a method less that of the best of others, on one category.

    Attributes:
        category: of the data.
        rival: the one of the others that has the highest mean over seeds, named as tables show it.
        values: one per seed that both have, in the order of the seeds.
    """

    category: str
    rival: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over seeds."""
        return statistics.fmean(self.values)

    def __str__(self) -> str:
        """The mean, and the standard deviation over seeds if there are several."""
        spread = f" ± {statistics.stdev(self.values):.3f}" if len(self.values) > 1 else ""
        return f"{self.mean:+.3f}{spread}"


def differences(rows: Sequence[Row], key: str, method: str, rivals: Sequence[str]) -> list[Difference]:
    """How far `method` is ahead of the best of `rivals` on every category where it and one of them have the value.

    Args:
        rows: of `rows_of`; the same seeds of two methods mean the same split of the data.
        key: one of `tables.COLUMNS`.
        method: the one that is compared.
        rivals: those that it is compared with.
    """
    found = []
    shown = {row.method: row.shown for row in rows}
    values = {(row.category, row.method): row.values[key] for row in rows if row.values.get(key)}
    for category in dict.fromkeys(row.category for row in rows if row.category != "mean"):
        own = values.get((category, method))
        others = {rival: values[category, rival] for rival in rivals if (category, rival) in values}
        if own and others:
            rival = max(others, key=lambda name: statistics.fmean(others[name]))
            paired = tuple(one - other for one, other in zip(own, others[rival], strict=False))
            found.append(Difference(category, shown[rival], paired))
    return found


def sign_test(found: Sequence[Difference]) -> float:
    """The two-sided p-value of a binomial test: as many categories ahead or behind if both were equally likely.

    A category without a difference counts for neither.
    """
    ahead = sum(difference.mean > 0 for difference in found)
    behind = sum(difference.mean < 0 for difference in found)
    return float(binomtest(ahead, ahead + behind).pvalue) if ahead + behind else 1.0


def summary_of(found: Sequence[Difference]) -> str:
    """On how many categories the method is ahead, and how likely that would be without a difference; at least one."""
    ahead = sum(item.mean > 0 for item in found)
    return f"ahead on {ahead} of {len(found)}, sign test p = {sign_test(found):.2g}"


def difference_table(groups: Mapping[str, Sequence[Difference]]) -> str:
    """A Markdown table of the categories of each group, and under them what the group comes to.

    Args:
        groups: differences by what the categories of a group have in common, such as real defects.
    """
    lines = [
        markdown_line(["category", "best of the others", "difference"]),
        markdown_line(["---", "---", "---:"]),
    ]
    for title, found in groups.items():
        lines += [markdown_line([item.category, item.rival, str(item)]) for item in found]
        if found:
            mean = statistics.fmean(item.mean for item in found)
            lines.append(markdown_line([f"**{title}, mean**", summary_of(found), f"**{mean:+.3f}**"]))
    return "\n".join(lines)
