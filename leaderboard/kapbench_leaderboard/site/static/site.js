// Sorting, filtering, choosing two models, light and dark colours. Pages are complete without it.
"use strict";

for (const part of document.querySelectorAll(".script")) part.hidden = false;

// ---- light and dark

const root = document.documentElement;
const theme = document.getElementById("theme");

function stored() {
  try { return localStorage.getItem("theme"); } catch { return null; }
}

function show(name) {
  root.dataset.theme = name;
  theme.textContent = name === "dark" ? "Light" : "Dark";
  theme.setAttribute("aria-label", `Switch to ${name === "dark" ? "light" : "dark"} colours`);
}

const prefers = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
show(stored() || prefers);
theme.addEventListener("click", () => {
  const next = root.dataset.theme === "dark" ? "light" : "dark";
  show(next);
  try { localStorage.setItem("theme", next); } catch { /* a page on disk may have no storage */ }
});

// ---- sorting

function key(row, column, text) {
  const cell = row.children[column];
  if (text) return cell.textContent.trim().toLowerCase();
  const value = cell.dataset.value;
  return value === "" || value === undefined ? null : Number(value);
}

function compare(a, b, text) {
  return text ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
}

function sort(table, column, header) {
  const text = header.dataset.text === "yes";
  const first = text || header.textContent.trim() === "rank" ? "ascending" : "descending";
  const other = first === "ascending" ? "descending" : "ascending";
  const order = header.getAttribute("aria-sort") === first ? other : first;
  for (const each of table.tHead.rows[0].children) each.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", order);
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row, place) => ({ row, place, key: key(row, column, text) }));
  const sign = order === "ascending" ? 1 : -1;
  rows.sort((a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.place - b.place;
    return sign * compare(a.key, b.key, text) || a.place - b.place;
  });
  body.append(...rows.map((each) => each.row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].children].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(table, column, header));
  });
}

// ---- filtering

const filters = document.querySelector(".filters");
if (filters) {
  const rows = [...document.querySelectorAll("table[data-filters] tbody tr")];
  const selects = [...filters.querySelectorAll("select")];
  for (const select of selects) {
    const values = new Set(rows.map((row) => row.dataset[select.dataset.filter]));
    for (const value of [...values].sort()) select.append(new Option(value, value));
  }
  const apply = () => {
    let left = 0;
    for (const row of rows) {
      row.hidden = selects.some((s) => s.value && row.dataset[s.dataset.filter] !== s.value);
      left += !row.hidden;
    }
    filters.querySelector("output").textContent = left < rows.length ? `${left} of ${rows.length} rows` : "";
  };
  filters.addEventListener("change", apply);
  filters.addEventListener("submit", (event) => event.preventDefault());
  apply(); // a browser may have kept its choices
}

// ---- choosing two models

const chooser = document.querySelector(".chooser");
if (chooser) {
  const links = [...document.querySelectorAll(".pairs a")];
  const [board, first, second] = ["board", "first", "second"].map((id) => document.getElementById(id));
  const open = document.getElementById("open");
  const fill = (select, values) => {
    const before = select.value;
    select.replaceChildren(...values.map((value) => new Option(value, value)));
    if (values.includes(before)) select.value = before;
  };
  const both = (link) => [link.dataset.first, link.dataset.second];
  const update = () => {
    const here = links.filter((link) => link.dataset.board === board.value);
    const names = [...new Set(here.flatMap(both))];
    fill(first, names);
    fill(second, names.filter((name) => name !== first.value));
    const chosen = here.find((link) => both(link).includes(first.value) && both(link).includes(second.value));
    open.hidden = !chosen;
    if (chosen) open.href = chosen.getAttribute("href");
  };
  fill(board, [...new Set(links.map((link) => link.dataset.board))]);
  chooser.hidden = links.length === 0;
  chooser.addEventListener("change", update);
  chooser.addEventListener("submit", (event) => event.preventDefault());
  update();
}
