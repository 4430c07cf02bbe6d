"""What an exported graph takes and gives, by name."""

from __future__ import annotations

INPUT = "image"

PLACE = "place"
"""The place of each tile in its grid, `(N,)` int64, as `Tiling.places` gives it: what a graph takes besides the images
where places have statistics of their own."""

SCORES = ("pred_score", "raw_score", "anomaly_map", "pred_mask")
PICTURES = ("impression", "naive_impression", "reconstruction")
OUTPUTS = (*SCORES, *PICTURES)
"""What every graph gives, in this order; after them the maps of the score components, `PREPARED`, `SHARES`, `CODE`."""

PREPARED = "prepared"
"""The images as the networks see them, `(N, C, S, S)` in [0, 1]. Where they have more than 8 bits, whoever runs the
graph makes them, and the graph is computed from there on."""

CODE = "code"
"""What the images look like, `(N, D)`, as `EngineResult.code` has it; not there where the detector gives none."""

SHARES = "shares"
"""What each component has of the normalised score, `(N, K)`, in the order of the manifest's `scored`."""

CUTS: tuple[tuple[str, str], ...] = ((PREPARED, "f32"), ("restored", "bf16"), ("seen", "f32"), ("stage", "bf16"))
"""A graph for bf16 is cut where networks and arithmetic meet: the tensors there, which it gives too, and the precision
of the part that computes them. What comes last is f32."""


def component_outputs(count: int) -> tuple[str, ...]:
    """Names of the maps of `count` score components, in the order of the manifest's `components`."""
    return tuple(f"component_map_{index}" for index in range(count))


def graph_outputs(components: int, *, code: bool) -> tuple[str, ...]:
    """Names of all that a graph gives.

    Args:
        components: number of score components.
        code: whether it gives `CODE`.
    """
    return (*OUTPUTS, *component_outputs(components), PREPARED, SHARES, *((CODE,) if code else ()))


def scored_outputs(*, code: bool, shares: bool) -> tuple[str, ...]:
    """Names of what is computed of every image that is scored, in a graph that gives `CODE` and `SHARES` or not."""
    return (*SCORES, *((SHARES,) if shares else ()), *((CODE,) if code else ()))


def boundary_outputs(count: int) -> tuple[str, ...]:
    """Names of the `count` outputs that a graph for bf16 has beyond `graph_outputs`.

    They are the restored images and, where there is a backbone, what it sees and its stages.
    """
    names = (*(f"restored_{index}" for index in range(3)), "seen")
    return (*names, *(f"stage_{index}" for index in range(count - len(names))))[:count]
