"""Layout and script of the page."""

from __future__ import annotations

__all__ = ["LAYOUT", "SCRIPT"]

LAYOUT = """
* { box-sizing: border-box; }
body { margin: 0; }
main, nav, footer { max-width: 1240px; margin: 0 auto; padding: 0 1.25rem; }
nav { position: sticky; top: 0; z-index: 2; background: var(--paper); border-bottom: 1px solid var(--line);
  padding-top: 0.5rem; padding-bottom: 0.5rem; display: flex; flex-wrap: wrap; gap: 0.15rem 1rem; font-size: 0.9rem;
  max-height: 5rem; overflow-y: auto; }
a { color: var(--mark); }
a.skip { position: absolute; left: -100rem; }
a.skip:focus { left: 1rem; top: 0.3rem; background: var(--paper); z-index: 3; padding: 0.3rem 0.6rem; }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }
h1 { font-size: 1.6rem; margin: 1.2rem 0 0.4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2rem 0 0.5rem; border-bottom: 1px solid var(--line); scroll-margin-top: 5.5rem; }
section, article { scroll-margin-top: 5.5rem; }
p { max-width: 75ch; overflow-wrap: anywhere; }
.status { font-size: 1.15rem; font-weight: 600; border-left: 6px solid var(--soft); padding: 0.5rem 0.8rem;
  background: var(--panel); max-width: none; margin: 0.5rem 0; }
.status.good { border-left-color: #009e73; }
.status.good::before { content: "\\2713\\00a0"; }
.status.bad { border-left-color: #d55e00; }
.status.bad::before { content: "\\26a0\\00a0"; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 0.6rem 1.2rem;
  margin: 0.8rem 0; }
dt { font-size: 0.8rem; color: var(--soft); }
dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
figure { margin: 0.8rem 0; }
figcaption { font-weight: 600; margin-bottom: 0.2rem; overflow-wrap: anywhere; }
.chart { min-height: 40px; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 0.6rem 1.2rem; }
.grid > p, .grid > .table, .grid > details, .grid > .chooser { grid-column: 1 / -1; }
.grid figcaption { font-size: 0.85rem; min-height: 2.6em; }
.rows { overflow: auto; max-width: 100%; }
.rows.many { max-height: 28rem; border: 1px solid var(--line); }
table { border-collapse: collapse; font-size: 0.86rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0.3rem 0; caption-side: top; }
.many thead th { position: sticky; top: 0; }
th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  max-width: 34rem; overflow-wrap: anywhere; }
th { background: var(--panel); white-space: nowrap; }
td:first-child { min-width: 7rem; }
.n { text-align: right; white-space: nowrap; }
summary { cursor: pointer; color: var(--mark); margin: 0.5rem 0; }
select, input { font: inherit; color: var(--ink); background: var(--panel); border: 1px solid var(--soft);
  border-radius: 4px; padding: 0.2rem 0.4rem; max-width: 100%; }
.filter { display: inline-block; font-size: 0.86rem; margin: 0.4rem 0; }
footer { color: var(--soft); font-size: 0.8rem; padding-bottom: 2rem; margin-top: 2rem; }
@media print { nav, .skip, .filter, .chooser label { display: none; } .rows.many { max-height: none; border: none; }
  figure, tr { break-inside: avoid; } h2 { break-after: avoid; } body { font-size: 11px; } main { max-width: none; } }
"""

SCRIPT = """
const places = Array.from(document.querySelectorAll("[data-spec]"));
let drawing = Promise.resolve();
for (const place of places) {
  drawing = drawing.then(function () { return draw(place, specs[Number(place.dataset.spec)]); })
    .then(function () { return new Promise(function (next) { setTimeout(next, 0); }); });
}
function exchanged(part, data) {
  if (Array.isArray(part)) { return part.map(function (one) { return exchanged(one, data); }); }
  if (part === null || typeof part !== "object") { return part; }
  if (part.name !== undefined && part.values !== undefined && Object.hasOwn(data, part.name)) {
    return {"name": part.name, "values": data[part.name]};
  }
  const found = {};
  for (const key of Object.keys(part)) { if (key !== "usermeta") { found[key] = exchanged(part[key], data); } }
  return found;
}
for (const select of document.querySelectorAll("select[data-of]")) {
  select.addEventListener("change", function () {
    const spec = specs[Number(select.dataset.of)];
    const choice = spec.usermeta.choices[Number(select.value)];
    const figure = select.closest(".chooser").querySelector("figure");
    figure.querySelector("figcaption").textContent = choice.title;
    draw(figure.querySelector(".chart"), exchanged(spec, choice.data));
  });
}
for (const field of document.querySelectorAll(".filter input")) {
  field.addEventListener("input", function () {
    const wanted = field.value.toLowerCase();
    const rows = field.parentElement.nextElementSibling.querySelectorAll("tbody tr");
    for (const row of rows) { row.hidden = !row.textContent.toLowerCase().includes(wanted); }
  });
}
addEventListener("beforeprint", function () {
  for (const part of document.querySelectorAll("main details")) {
    if (!part.closest(".vega-embed")) { part.open = true; }
  }
});
"""
