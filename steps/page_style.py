"""The style sheet of report.html: quiet type, one column of figures, light and dark."""

STYLE = """
:root { --bg:#fcfcfb; --fg:#1f2328; --dim:#656d76; --rule:#d8dee4; --grid:#e9ecef; --bar:#cfe3f5;
  --c0:#0b66c3; --c1:#c8500a; --c2:#2f8132; --c3:#8a3ffc; --c4:#b0276b; --c5:#0d8a8a; --c6:#8a6d00;
  --c7:#5c6470; }
@media (prefers-color-scheme: dark) { :root { --bg:#14171b; --fg:#e3e7eb; --dim:#97a1ab; --rule:#343b43;
  --grid:#252b32; --bar:#23415c; --c0:#62aef5; --c1:#ff9a52; --c2:#6ccb70; --c3:#bb94ff; --c4:#ff7fb8;
  --c5:#4fd1d1; --c6:#e0bf4c; --c7:#a7b0ba; } }
* { box-sizing:border-box; }
body { margin:0; background:var(--bg); color:var(--fg); font:15px/1.5 system-ui,-apple-system,"Segoe
  UI",sans-serif; }
main { max-width:1240px; margin:0 auto; padding:28px 22px 60px; }
h1 { font-size:22px; font-weight:650; margin:0 0 14px; overflow-wrap:anywhere; }
h2 { font-size:15px; font-weight:650; margin:38px 0 10px; padding-bottom:5px; border-bottom:1px solid
  var(--rule); }
.cards { display:flex; flex-wrap:wrap; gap:10px 34px; }
.cards b { display:block; font-size:20px; font-weight:600; font-variant-numeric:tabular-nums; }
.cards span { color:var(--dim); font-size:12.5px; }
.grid2 { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr)); gap:22px 30px; }
figure { margin:0; min-width:0; }
figcaption { font-size:13px; font-weight:600; margin-bottom:4px; }
svg { width:100%; height:auto; display:block; }
.grid { stroke:var(--grid); stroke-width:1; }
.tick { fill:var(--dim); font-size:11px; font-variant-numeric:tabular-nums; }
.axis { fill:var(--dim); font-size:12px; }
.dots circle { fill:transparent; stroke:none; }
.dots circle:hover { fill:currentColor; }
.legend { display:flex; flex-wrap:wrap; gap:2px 16px; font-size:12.5px; color:var(--dim); padding-left:10%;
  }
.legend i { display:inline-block; width:20px; vertical-align:middle; margin-right:6px; }
.wide { overflow-x:auto; }
table { border-collapse:collapse; font-size:13px; font-variant-numeric:tabular-nums; }
th { text-align:right; font-weight:600; color:var(--dim); padding:4px 10px; vertical-align:bottom;
  cursor:help; }
td { text-align:right; padding:3px 10px; border-top:1px solid var(--rule); white-space:nowrap; }
th:first-child, td:first-child { text-align:left; padding-left:0; }
.bar { background:linear-gradient(to right,var(--bar) var(--w),transparent var(--w)); }
.options td { text-align:left; white-space:normal; }
.none, p { color:var(--dim); font-size:13px; margin:4px 0 10px; }
summary { cursor:pointer; color:var(--dim); font-size:13px; padding:3px 0; }
a { color:var(--c0); text-decoration:none; } a:hover { text-decoration:underline; }
"""
