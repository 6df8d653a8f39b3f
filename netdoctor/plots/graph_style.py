"""The colours of the map, light and dark; plain rules, which every viewer of SVG reads."""

from __future__ import annotations

_FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif"

_SHAPES = f"""
.nd-graph text {{ font: 12px {_FONT}; fill: #1f2933; }}
.nd-graph .nd-model {{ font-size: 17px; font-weight: 600; }}
.nd-graph .nd-remark {{ font-size: 11px; fill: #55616e; }}
.nd-graph .nd-title {{ font-weight: 600; }}
.nd-graph .nd-function {{ font-style: italic; }}
.nd-graph .nd-kind {{ font-size: 10.5px; font-weight: 400; font-style: normal; fill: #66727f; }}
.nd-graph .nd-times {{ font-size: 10.5px; font-weight: 600; fill: #3b5b92; }}
.nd-graph .nd-amount {{ font-size: 10px; fill: #7a8693; text-anchor: end; }}
.nd-graph .nd-mark {{ font-weight: 700; font-size: 11px; text-anchor: middle; }}
.nd-graph .nd-note {{ font-size: 10.5px; font-weight: 600; }}
.nd-graph .nd-on-even, .nd-graph .nd-on-odd {{ stroke: #ffffff; stroke-width: 4px;
  paint-order: stroke; }}
.nd-graph .nd-on-even {{ stroke: #f5f7f9; }}
.nd-graph .nd-end {{ text-anchor: end; }}
.nd-graph .nd-middle {{ text-anchor: middle; }}
.nd-graph .nd-shape {{ font-size: 10px; fill: #55616e; stroke: #ffffff; stroke-width: 3px;
  stroke-opacity: 0.85; paint-order: stroke; }}
.nd-page {{ fill: #ffffff; }}
.nd-box {{ stroke: #b8c2cc; stroke-width: 1; }}
.nd-odd {{ fill: #ffffff; }}
.nd-even {{ fill: #f5f7f9; }}
.nd-card {{ fill: #ffffff; stroke: #9aa6b2; stroke-width: 1; }}
.nd-pill {{ fill: #e7ecf2; stroke: #9aa6b2; }}
.nd-wire {{ fill: none; stroke: #8793a0; stroke-width: 1.3; }}
.nd-long {{ stroke-width: 1.6; }}
.nd-tip {{ fill: #8793a0; }}
.nd-row {{ stroke-width: 1; }}
.nd-plain {{ fill: #f1f3f5; stroke: none; }}
.nd-healthy {{ fill: #ddf0e1; stroke: none; }}
.nd-info {{ fill: #dbe9fb; stroke: #6d9bd8; }}
.nd-warning {{ fill: #fdebc3; stroke: #cf8f12; }}
.nd-error {{ fill: #fbd5d3; stroke: #c3322c; }}
.nd-unknown {{ fill: #f1f2f4; stroke: #8d97a2; stroke-dasharray: 3 2; }}
.nd-edge-info {{ stroke: #6d9bd8; stroke-width: 1.6; }}
.nd-edge-warning {{ stroke: #cf8f12; stroke-width: 1.8; }}
.nd-edge-error {{ stroke: #c3322c; stroke-width: 2; }}
.nd-edge-unknown {{ stroke: #8d97a2; stroke-dasharray: 4 3; }}
.nd-graph .nd-ink-info {{ fill: #2a5fa8; }}
.nd-graph .nd-ink-warning {{ fill: #8a5a00; }}
.nd-graph .nd-ink-error {{ fill: #a4191a; }}
.nd-graph .nd-ink-unknown {{ fill: #66727f; }}
"""

_DARK = """
.nd-graph text { fill: #e4e8ec; }
.nd-graph .nd-remark, .nd-graph .nd-kind { fill: #a3aeb9; }
.nd-graph .nd-times { fill: #9dbdf0; }
.nd-graph .nd-amount { fill: #93a0ac; }
.nd-graph .nd-shape { fill: #b4bec8; stroke: #15191e; }
.nd-page { fill: #15191e; }
.nd-graph .nd-on-odd { stroke: #15191e; }
.nd-graph .nd-on-even { stroke: #1c2127; }
.nd-box { stroke: #46515c; }
.nd-odd { fill: #15191e; }
.nd-even { fill: #1c2127; }
.nd-card { fill: #20262d; stroke: #596571; }
.nd-pill { fill: #2b333c; stroke: #596571; }
.nd-wire { stroke: #7d8996; }
.nd-tip { fill: #7d8996; }
.nd-plain { fill: #2a3138; }
.nd-healthy { fill: #1d3d29; }
.nd-info { fill: #1c3350; stroke: #4b7fc2; }
.nd-warning { fill: #4a3807; stroke: #c58d1a; }
.nd-error { fill: #551d1d; stroke: #e0605a; }
.nd-unknown { fill: #262c33; stroke: #79858f; }
.nd-graph .nd-ink-info { fill: #9dc3f5; }
.nd-graph .nd-ink-warning { fill: #f2c766; }
.nd-graph .nd-ink-error { fill: #ff9d97; }
.nd-graph .nd-ink-unknown { fill: #a3aeb9; }
"""

STYLE = f"{_SHAPES}@media (prefers-color-scheme: dark) {{{_DARK}}}\n"
