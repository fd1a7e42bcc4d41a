"use strict";
// The page is whole without this: it sorts tables and opens what a link points at.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, at) => {
    const cell = row.cells[at];
    const text = cell.dataset.sort ?? cell.textContent.trim();
    return cell.dataset.sort === undefined ? text : text === "" ? null : Number(text);
  };
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => {
        const [left, right] = [value(a, at), value(b, at)];
        if (left === null || right === null) return (left === null) - (right === null);
        const found = typeof left === "number" ? left - right : left.localeCompare(right);
        return down ? -found : found;
      };
      body.append(...[...body.rows].sort(order));
    });
  });
}
const open = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
};
addEventListener("hashchange", open);
open();
