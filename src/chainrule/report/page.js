// Niceties only: the page says everything without them.
"use strict";

function sortValue(cell) {
  let words = cell.textContent.trim().replace(/[,%+<>]/g, "").replaceAll("−", "-");
  if (words === "none") return 0;
  words = words.replace(/ × 10(⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)/, (_, power) =>
    "e" + [...power].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(digit)).join("").replace("-1", "-"));
  const value = parseFloat(words);
  return Number.isNaN(value) ? null : value;
}

function sortBy(table, column, header) {
  const falling = header.getAttribute("aria-sort") === "ascending";
  const rows = [...table.tBodies[0].rows];
  const compare = (a, b) => {
    const [one, other] = [a.cells[column], b.cells[column]];
    const [x, y] = [sortValue(one), sortValue(other)];
    if (x !== null && y !== null) return x - y;
    if (x !== null || y !== null) return x === null ? 1 : -1;
    return one.textContent.localeCompare(other.textContent);
  };
  rows.sort((a, b) => (falling ? -compare(a, b) : compare(a, b)));
  table.tBodies[0].append(...rows);
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", falling ? "descending" : "ascending");
}

for (const table of document.querySelectorAll("table.sortable")) {
  if (table.tBodies[0].rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sortBy(table, column, header));
    header.append(button);
  });
}

for (const box of document.querySelectorAll(".command")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(box.querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  box.append(button);
}
