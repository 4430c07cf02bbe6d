"""The reconstruction terms: of IE-Net (Eq. 5, 6) and of Expert-Net (Eq. 7)."""

from __future__ import annotations

from torch import Tensor


def impression_loss(impression: Tensor, image: Tensor) -> Tensor:
    """Mean squared error of the impression, Eq. 5.

    Args:
        impression: m, `(N, C, S, S)` in [0, 1].
        image: x, the same shape.

    Returns:
        A scalar.
    """
    return (impression - image).square().mean()


def restoration_loss(impression: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of the impression where the image that it was made of had a synthetic anomaly.

    The paper has no such term; docs/adr/0015 says what it is for.

    Args:
        impression: m of the changed images, `(N, C, S, S)` in [0, 1].
        image: x before they were changed, the same shape.
        mask: bool `(N, S, S)`, true where they were; somewhere it must be.

    Returns:
        A scalar.
    """
    squares = (impression - image).square().mean(dim=1)  # (N, S, S)
    return squares[mask].mean()


def expert_losses(
    *,
    reconstruction: Tensor,
    image: Tensor,
    naive_impression: Tensor,
    impression: Tensor,
    restored_detail: Tensor,
    detail: Tensor,
) -> dict[str, Tensor]:
    """The three terms of Eq. 7, each a mean absolute difference.

    The gradient stops at `detail`: with gradient to both sides the code collapses to zero within a hundred
    steps, since a constant code makes the term vanish (docs/adr/0003).

    Args:
        reconstruction: x_hat, `(N, C, S, S)`.
        image: x, the same.
        naive_impression: m_hat, the same or of fewer images.
        impression: m, the same shape as m_hat.
        restored_detail: s_hat = E_S(x_hat), `(N, detail_dim)`.
        detail: s = E_S(x), `(N, detail_dim)`.

    Returns:
        Scalars `image`, `impression` and `detail`.
    """
    return {
        "image": (reconstruction - image).abs().mean(),
        "impression": (naive_impression - impression).abs().mean(),
        "detail": (restored_detail - detail.detach()).abs().mean(),
    }
