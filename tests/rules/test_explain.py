"""Which blank heat maps are judged."""

from __future__ import annotations

import pytest

from netdoctor.rules.core import Hit, Skip
from netdoctor.rules.explain import blank_heatmap
from tests.rules.gradcam_cases import heat_maps


@pytest.mark.parametrize(
    ("synthetic", "fresh", "kind"),
    [(False, False, Hit), (False, None, Hit), (True, False, Skip), (False, True, Skip)],
)
def test_a_map_without_evidence_is_judged_of_trained_weights_and_real_images(
    synthetic: bool, fresh: bool | None, kind: type[Hit | Skip]
) -> None:
    (said,) = blank_heatmap(heat_maps(0.0, synthetic=synthetic, fresh=fresh))
    assert isinstance(said, kind)
