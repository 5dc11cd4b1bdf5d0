"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  // --- sorting: up, down, as it was; rows without a value stay last
  const valueOf = (row, index) => {
    const cell = row.cells[index];
    return (cell.dataset.v ?? cell.textContent).trim();
  };

  const sortTable = (table, index, direction, original) => {
    let rows = original;
    if (direction) {
      const numeric = table.tHead.rows[0].cells[index].classList.contains("number");
      const sign = direction === "ascending" ? 1 : -1;
      const keyed = original.map((row) => {
        const text = valueOf(row, index);
        const number = Number.parseFloat(text);
        return { row, text, number, missing: numeric ? Number.isNaN(number) : text === "" };
      });
      keyed.sort((a, b) => {
        if (a.missing || b.missing) return a.missing - b.missing;
        return sign * (numeric ? a.number - b.number : collator.compare(a.text, b.text));
      });
      rows = keyed.map((item) => item.row);
    }
    table.tBodies[0].append(...rows);
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    const original = [...table.tBodies[0].rows];
    heads.forEach((head, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "" }[head.getAttribute("aria-sort")] ?? "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        if (next) head.setAttribute("aria-sort", next);
        sortTable(table, index, next, original);
      });
      head.replaceChildren(button);
    });
  }

  // --- filtering
  const controls = document.querySelector(".controls");
  if (!controls) return;
  // The list of a row's files shows only the ends of their names; the whole names are found too.
  const textOf = (row) => [row.textContent, ...[...row.querySelectorAll("li [title]")].map((file) => file.title)].join(" ").toLowerCase();
  const tables = [...document.querySelectorAll("table.filterable")].map((table) => ({
    section: table.closest("section"),
    count: table.closest("section").querySelector("[data-count]"),
    rows: [...table.tBodies[0].rows].map((row) => ({ row, text: textOf(row) })),
  }));
  const total = tables.reduce((sum, table) => sum + table.rows.length, 0);
  const search = byId("filter");
  const selects = ["obsnum", "sca", "state"].map((key) => [key, byId(`by-${key}`)]).filter(([, select]) => select);

  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { section, count, rows } of tables) {
      let here = 0;
      for (const { row, text } of rows) {
        const keep =
          // A level-3 product of several observations has several numbers.
          selects.every(([key, select]) => !select.value || row.dataset[key].split(" ").includes(select.value)) &&
          words.every((word) => text.includes(word));
        if (row.hidden === keep) row.hidden = !keep;
        here += keep;
      }
      count.textContent = here === rows.length ? here : `${here} of ${rows.length}`;
      section.hidden = here === 0;
      shown += here;
    }
    byId("count").textContent = shown === total ? `${total} rows` : `${shown} of ${total} rows`;
  };

  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 80);
  });
  for (const [, select] of selects) select.addEventListener("change", apply);
  byId("pictures").addEventListener("change", (event) => {
    document.body.classList.toggle("plain", !event.target.checked);
  });
  for (const link of document.querySelectorAll("a[data-obsnum]")) {
    link.addEventListener("click", () => {
      const select = byId("by-obsnum");
      if (!select) return;
      select.value = link.dataset.obsnum;
      apply();
    });
  }

  // --- the table heads stick below the controls, whose height depends on the window
  const place = () => {
    const sticky = getComputedStyle(controls).top !== "auto";
    document.documentElement.style.setProperty("--bar", `${sticky ? controls.offsetHeight : 0}px`);
  };
  controls.hidden = false;
  // A reloaded page may come with the browser's memory of the controls.
  document.body.classList.toggle("plain", !byId("pictures").checked);
  apply();
  place();
  addEventListener("resize", place);
})();
