"use strict";
/* Tables that sort, filter and leave the page; arms to switch off; points that tell what they are. Nothing is fetched. */
const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
const make = (tag, facts) => Object.assign(document.createElement(tag), facts);
const tip = document.body.appendChild(make("div", { className: "tip" }));
tip.setAttribute("role", "status");
const SIGNS = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "−": "$-$", "×": "$\\times$", "±": "$\\pm$", "<": "\\textless{}", ">": "\\textgreater{}" };
const escaped = (text) => text.replace(/[\\~^−×±<>]|[&%$#_{}]/g, (sign) => SIGNS[sign] || "\\" + sign);
function latex({ header, body }) {
  const line = (cells) => `  ${cells.map(escaped).join(" & ")} \\\\`;
  return [`\\begin{tabular}{l${"r".repeat(header.length - 1)}}`, "  \\toprule", line(header), "  \\midrule", ...body.map(line), "  \\bottomrule", "\\end{tabular}", ""].join("\n");
}
function markdown({ header, body }) {
  const line = (cells) => `| ${cells.map((cell) => cell.replace(/[\\|*_`<>]/g, "\\$&")).join(" | ")} |`;
  return [header, header.map(() => "---"), ...body].map(line).join("\n") + "\n";
}
function download(name, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/plain" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
/* Rows that open a group become a last column: headings until the rows are sorted otherwise. */
function grouped(table) {
  const opening = all("tr.group", table);
  if (!opening.length) return -1;
  let name = "";
  table.tHead.rows[0].append(make("th", { textContent: "Group", scope: "col" }));
  for (const row of [...table.tBodies[0].rows]) {
    if (opening.includes(row)) [name] = [row.textContent.trim(), row.remove()];
    else row.insertCell().textContent = name;
  }
  return table.tHead.rows[0].cells.length - 1;
}
function enhance(table) {
  const scroll = table.closest(".scroll"), title = table.closest("figure").id, group = grouped(table);
  const saved = { exportOptions: { columns: ":visible" }, title: null, filename: title };
  const own = (text, ending, words) => ({ text, action: (_, api) => download(`${title}.${ending}`, words(api.buttons.exportData(saved.exportOptions))) });
  const settings = {
    paging: false, info: false, autoWidth: false, order: [], columnDefs: group < 0 ? [] : [{ targets: group, visible: false }],
    rowGroup: group < 0 ? false : { dataSrc: group }, language: { search: "Search rows" },
    layout: { topStart: { buttons: [{ extend: "colvis", text: "Columns" }, { extend: "csv", text: "CSV", ...saved }, own("Markdown", "md", markdown), own("LaTeX", "tex", latex), { extend: "copy", text: "Copy", ...saved }] }, topEnd: "search", bottomStart: null, bottomEnd: null },
  };
  const api = jQuery(table).DataTable(settings);
  api.on("order", () => { if (group >= 0 && api.order().length) { api.rowGroup().disable(); api.column(group).visible(true); } });
  const inner = table.closest(".dt-layout-table");
  for (const name of ["tabindex", "role", "aria-label"]) { inner.setAttribute(name, scroll.getAttribute(name)); scroll.removeAttribute(name); }
  table.closest("figure").dataset.live = "";
}
for (const box of all(".switches")) {
  const article = box.closest("article"), boxes = all("input", box), summary = box.querySelector("summary"), words = summary.textContent;
  box.hidden = false;
  box.addEventListener("change", () => {
    const off = new Set(boxes.filter((one) => !one.checked).map((one) => one.value));
    for (const part of all("svg [data-arm]", article)) part.classList.toggle("off", off.has(part.dataset.arm) || off.has(part.dataset.other));
    summary.textContent = off.size ? `${words}: ${boxes.length - off.size} of ${boxes.length}` : words;
  });
}
function pointsOf(group) {
  const uses = all("use", group), paths = all("path", group).filter((path) => !path.closest("defs"));
  return uses.length ? uses : paths;
}
function show(point) {
  all("svg .at").forEach((other) => other.classList.remove("at"));
  const group = point && point.closest("[data-tooltips]");
  const tooltip = group && JSON.parse(group.dataset.tooltips)[pointsOf(group).indexOf(point)];
  if (!tooltip) return (tip.textContent = "");
  const box = point.getBoundingClientRect();
  point.classList.add("at");
  tip.textContent = `${group.dataset.arm}, ${tooltip.split("\t")[0]}`;
  tip.style.left = `${Math.max(4, Math.min(box.right + 10, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.max(4, Math.min(box.bottom + 8, innerHeight - tip.offsetHeight - 8))}px`;
}
function follow(point) {
  const group = point.closest("[data-tooltips]"), seed = JSON.parse(group.dataset.tooltips)[pointsOf(group).indexOf(point)].split("\t")[1];
  const rows = all("tr[data-seed]", group.closest("article")).filter((row) => row.dataset.arm === group.dataset.arm);
  if (rows.length) location.hash = (rows.find((one) => one.dataset.seed === seed) || rows[0]).id;
}
document.addEventListener("pointerover", (event) => show(event.target.closest("[data-tooltips] use, [data-tooltips] path")));
document.addEventListener("click", (event) => { const point = event.target.closest("[data-tooltips] use, [data-tooltips] path"); if (point) follow(point); });
document.addEventListener("keydown", (event) => {
  const figure = event.target.closest(".figure"), step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") show(null);
  if (!figure || !(step || event.key === "Enter")) return;
  const points = all("[data-tooltips]:not(.off)", figure).flatMap(pointsOf), at = points.findIndex((one) => one.classList.contains("at"));
  if (!points.length) return;
  event.preventDefault();
  if (step) show(points[(Math.max(at, step < 0 ? 0 : -1) + step + points.length) % points.length]);
  else if (at >= 0) follow(points[at]);
});
/* The page is painted first; then its tables come to life one by one. */
const waiting = all("figure.table table");
const next = () => { const table = waiting.shift(); if (!table) return (document.body.dataset.ready = ""); enhance(table); setTimeout(next); };
requestAnimationFrame(() => setTimeout(next));
