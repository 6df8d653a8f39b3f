"use strict";
// Only adds to a page that is complete without it: sorting, and details open on paper.
(() => {
  const missing = new Set(["–", ""]);

  const keyOf = (row, column, numeric) => {
    const cell = row.cells[column];
    const order = cell.dataset.order;
    const text = order === undefined ? cell.textContent.trim() : order;
    if (missing.has(text) || text === "nan") return null;
    if (order === undefined && !numeric) return text;
    const number = text.endsWith("inf") ? (text[0] === "-" ? -Infinity : Infinity) : Number(text);
    return Number.isNaN(number) ? text : number;
  };

  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b || 0;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  };

  const makeSortable = (block) => {
    const tables = [...block.querySelectorAll("table")];
    const bodies = tables.map((table) => table.tBodies[0]);
    const sizes = bodies.map((body) => body.rows.length);
    const original = bodies.flatMap((body) => [...body.rows]);
    if (original.length < 2) return;
    let sorted = -1;
    let direction = "none";

    const show = (rows) => {
      let at = 0;
      bodies.forEach((body, index) => {
        body.append(...rows.slice(at, at + sizes[index]));
        at += sizes[index];
      });
      for (const table of tables) {
        [...table.tHead.rows[0].cells].forEach((cell, column) => {
          if (column === sorted && direction !== "none") cell.setAttribute("aria-sort", direction);
          else cell.removeAttribute("aria-sort");
        });
      }
    };

    const sortBy = (column, numeric) => {
      const steps = numeric ? ["descending", "ascending", "none"] : ["ascending", "descending", "none"];
      direction = sorted === column ? steps[(steps.indexOf(direction) + 1) % 3] : steps[0];
      sorted = column;
      if (direction === "none") return show(original);
      const sign = direction === "ascending" ? 1 : -1;
      const keyed = original.map((row) => [keyOf(row, column, numeric), row]);
      keyed.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        return sign * compare(a, b);
      });
      return show(keyed.map(([, row]) => row));
    };

    for (const table of tables) {
      [...table.tHead.rows[0].cells].forEach((cell, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = cell.textContent;
        button.title = "Sort by this column";
        button.addEventListener("click", () => sortBy(column, cell.classList.contains("number")));
        cell.replaceChildren(button);
      });
    }
  };

  document.querySelectorAll(".table").forEach(makeSortable);

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open], .long)")];
    opened.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => {
    opened.forEach((each) => { each.open = false; });
    opened = [];
  });
})();
