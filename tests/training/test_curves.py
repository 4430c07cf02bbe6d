from __future__ import annotations

import numpy as np
import pytest

from utad.training.curves import MOST, read_curves, thinned_curve


def test_terms_are_read_by_stage_in_their_order_and_damaged_rows_passed_over(tmp_path):
    path = tmp_path / "metrics.csv"
    rows = ["stage,step,term,value", "ie_net,0,loss,3", "ie_net,0,prior,nan", "expert_net,0,loss,9"]
    rows += ["ie_net,1,loss,2.5", "ie_net,1,prior,0.5", "ie_net,2,loss,x", "ie_net,2,lo"]
    path.write_text("\n".join(rows), encoding="utf-8")
    found = read_curves(path, "ie_net")
    assert list(found) == ["loss", "prior"]
    assert found["loss"].means.tolist() == [3.0, 2.5]
    assert found["prior"].steps.tolist() == [1.0]
    assert read_curves(path, "feature_net") == {}
    assert read_curves(tmp_path / "none.csv", "ie_net") == {}


@pytest.mark.parametrize("count", [1, MOST - 1, MOST, MOST + 1, 10 * MOST + 7])
def test_neighbouring_steps_share_a_point_and_none_is_lost(count):
    values = np.random.default_rng(0).normal(size=count)
    curve = thinned_curve(list(enumerate(values.tolist())))
    assert len(curve.steps) == min(count, MOST)
    assert (curve.lows <= curve.means).all()
    assert (curve.means <= curve.highs).all()
    assert (curve.lows.min(), curve.highs.max()) == (values.min(), values.max())
    assert (np.diff(curve.steps) > 0).all()
    if count == 10 * MOST + 7:
        assert curve.means[0] == pytest.approx(values[:10].mean())
        assert curve.steps[0] == pytest.approx(4.5)
