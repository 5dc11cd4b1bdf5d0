"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const make = (tag, properties = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in element && !name.includes("-")) element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const DIRECTIONS = { ascending: "descending", descending: "" };

  // --- small tables, which are part of the page: up, down, as they were; what has no value stays last
  const sortTable = (table, index, direction, original) => {
    let rows = original;
    if (direction) {
      const numeric = table.tHead.rows[0].cells[index].classList.contains("number");
      const sign = direction === "ascending" ? 1 : -1;
      const keyed = original.map((row) => {
        const text = (row.cells[index].dataset.v ?? row.cells[index].textContent).trim();
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
      const button = make("button", { type: "button", textContent: head.textContent });
      button.addEventListener("click", () => {
        const next = DIRECTIONS[head.getAttribute("aria-sort")] ?? "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        if (next) head.setAttribute("aria-sort", next);
        sortTable(table, index, next, original);
      });
      head.replaceChildren(button);
    });
  }

  // --- the rows: data; what is seen of them is drawn
  if (!byId("data")) return;
  const data = JSON.parse(byId("data").textContent);
  const LEVEL3 = 1, FIELDS = 5, CHUNK = 60;
  const everyRow = data.names.map((_, row) => row);

  const filesOf = (row) => {
    const flat = data.files[row];
    const found = [];
    for (let at = 0; at < flat.length; at += FIELDS) {
      const [ending, folder, size, state, note] = flat.slice(at, at + FIELDS);
      let name = data.names[row] + data.endings[ending];
      let link = encodeURIComponent(name);
      let uri = `mast:JWST/product/${name}`;
      if (ending < 0) [name, link, uri] = data.whole[-1 - ending];
      found.push({
        name, uri, size: data.sizes[size], state: data.states[state], note: data.notes[note],
        href: folder < 0 ? "" : `${data.folders[folder]}/${link}`,
      });
    }
    return found;
  };
  // The picture in a cell: a file of MAST's, or a preview of ours.
  const fileIn = (column, row) => {
    const [number] = column.cells[row];
    if (number >= 0) return filesOf(row)[number];
    const [name, href] = data.previews[row];
    return { name, href };
  };
  const statesOf = (row) => {
    const counts = new Map();
    for (let at = 3; at < data.files[row].length; at += FIELDS) {
      const state = data.files[row][at];
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => a[0] - b[0]);
  };

  // --- columns
  const figures = data.columns.filter((column) => column.kind === "figure").sort((a, b) => a.rank - b.rank);
  const readable = (column, row) => column.cells[row] && column.cells[row][1] >= 0;
  const bestFigure = (row) => figures.find((column) => readable(column, row)) ?? figures.find((column) => column.cells[row]);
  const columns = new Map();
  if (figures.length) columns.set("picture", { name: "picture", kind: "picture", has: (row) => Boolean(bestFigure(row)) });
  columns.set("name", { name: "name", kind: "named", has: () => true });
  for (const column of data.columns) {
    const has = column.kind === "figure" ? (row) => Boolean(column.cells[row])
      : column.kind === "path" ? () => true : (row) => column.words[column.cells[row]] !== "";
    columns.set(column.name, { ...column, has });
  }
  columns.set("state", { name: "state", kind: "state", has: () => true });
  const rest = [...columns.keys()].filter((name) => !data.first.includes(name));
  const allNames = [...data.first.filter((name) => columns.has(name)), ...rest];

  const rankOf = (words) => {
    const order = words.map((_, index) => index).sort((a, b) => collator.compare(words[a], words[b]));
    const ranks = [];
    order.forEach((index, place) => { ranks[index] = words[index] === "" ? null : place; });
    return ranks;
  };
  // What a column is sorted by, for each row; null where it has no value.
  const keysOf = (column) => {
    if (column.kind === "state") return everyRow.map((row) => statesOf(row)[0]?.[0] ?? null);
    if (column.kind === "named") return rankOf(data.names);
    if (column.kind === "path") return rankOf(everyRow.map((row) => filesOf(row)[column.cells[row]].name));
    const ranks = column.sort ?? (column.kind === "number"
      ? column.words.map((word) => (word === "" ? null : Number.parseFloat(word))) : rankOf(column.words));
    return column.cells.map((cell) => ranks[cell]);
  };

  const pictureWidth = Math.max(60, ...figures.flatMap((column) => column.words.map(([width]) => Math.min(width, 240))));
  const widthOf = (column) => {
    if (column.kind === "picture" || column.kind === "figure") return pictureWidth + 10;
    if (column.kind === "named") return 300;
    if (column.kind === "state") return 120;
    if (column.kind === "path") return 340;
    const longest = Math.max(column.name.length + 2, ...column.words.map((word) => word.length));
    return Math.min(340, 7.5 * longest + 22);
  };
  const fitting = () => {
    const chosen = allNames.filter((name) => data.first.includes(name));
    let room = document.documentElement.clientWidth - 70 - chosen.reduce((sum, name) => sum + widthOf(columns.get(name)), 0);
    if (document.documentElement.clientWidth < 760) return chosen;
    // A column that says the same of every row can wait.
    for (const name of rest.filter((other) => (columns.get(other).words?.length ?? 2) > 1 || columns.get(other).kind === "figure")) {
      room -= widthOf(columns.get(name));
      if (room < 0) break;
      chosen.push(name);
    }
    return chosen;
  };

  // --- the choice, which stands in the address
  const choice = { q: "", facets: {}, sort: "", direction: "", cols: null, picture: "" };
  const writeAddress = () => {
    const words = new URLSearchParams();
    if (choice.q) words.set("q", choice.q);
    for (const [key, value] of Object.entries(choice.facets)) words.set(key, value);
    if (choice.sort) words.set("sort", (choice.direction === "descending" ? "-" : "") + choice.sort);
    if (choice.cols) words.set("cols", choice.cols.join(","));
    if (choice.picture) words.set("picture", choice.picture);
    const text = words.toString();
    if (location.hash.slice(1) !== text) history.replaceState(null, "", text ? `#${text}` : location.href.split("#")[0]);
  };
  const readAddress = () => {
    const words = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    choice.q = words.get("q") ?? "";
    choice.facets = {};
    for (const { key, words: known } of data.facets) {
      if (known.includes(words.get(key))) choice.facets[key] = words.get(key);
    }
    const sort = words.get("sort") ?? "";
    choice.sort = columns.has(sort.replace(/^-/, "")) ? sort.replace(/^-/, "") : "";
    choice.direction = choice.sort && (sort.startsWith("-") ? "descending" : "ascending");
    const cols = words.get("cols")?.split(",").filter((name) => columns.has(name));
    choice.cols = cols?.length ? cols : null;
    choice.picture = words.get("picture") ?? "";
  };

  // --- filtering
  let texts = null;
  const makeTexts = () => {
    if (texts) return;
    const worded = data.columns.filter((column) => column.words && column.kind !== "figure")
      .map((column) => [column.cells, column.words.map((word) => word.toLowerCase())]);
    const facets = data.facets.map(({ cells, words }) => [cells, words.map((word) => word.toLowerCase())]);
    texts = everyRow.map((row) => {
      const parts = [data.names[row], ...filesOf(row).flatMap((file) => [file.name, file.note])].join(" ").toLowerCase();
      const caption = Object.values(data.captions[row] ?? {}).join(" ").toLowerCase();
      const cells = worded.map(([numbers, words]) => words[numbers[row]]).join(" ");
      const values = facets.map(([numbers, words]) => [numbers[row]].flat().map((number) => words[number]).join(" ")).join(" ");
      return `${parts} ${caption} ${cells} ${values}`;
    });
  };
  const matching = () => {
    const words = choice.q.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length) makeTexts();
    const wanted = data.facets.filter(({ key }) => choice.facets[key])
      .map(({ key, words: known, cells }) => [cells, known.indexOf(choice.facets[key])]);
    const rows = everyRow.filter((row) =>
      wanted.every(([cells, number]) => (Array.isArray(cells[row]) ? cells[row].includes(number) : cells[row] === number)) &&
      words.every((word) => texts[row].includes(word)));
    if (!choice.sort) return rows;
    const keys = keysOf(columns.get(choice.sort));
    const sign = choice.direction === "descending" ? -1 : 1;
    return rows.sort((a, b) => {
      if (keys[a] === null || keys[b] === null) return (keys[a] === null) - (keys[b] === null) || a - b;
      return sign * (keys[a] - keys[b]) || a - b;
    });
  };

  // --- drawing
  const chosenRows = new Set();
  const fileList = (row) => {
    const items = filesOf(row).map((file) => {
      const short = file.name.startsWith(data.names[row]) ? file.name.slice(data.names[row].length) || file.name : file.name;
      const item = make("li", {}, file.href ? make("a", { href: file.href, title: file.name, textContent: short })
        : make("span", { title: file.name, textContent: short }));
      item.append(" ", make("span", { className: "quiet", textContent: file.size }));
      if (file.state !== "present") {
        const note = file.note && (file.state === "waiting" ? ` ${file.note}` : `: ${file.note}`);
        item.append(" ", make("span", { className: file.state, title: data.meanings[file.state], textContent: file.state + note }));
      }
      return item;
    });
    return make("ul", {}, ...items);
  };
  const details = (row) => {
    const number = data.files[row].length / FIELDS;
    const element = make("details", {}, make("summary", { textContent: number === 1 ? "1 file" : `${number} files` }));
    element.addEventListener("toggle", () => { if (!element.querySelector("ul")) element.append(fileList(row)); });
    return element;
  };
  const badges = (row) => statesOf(row).map(([state, count]) =>
    make("span", { className: `badge ${data.states[state]}`, title: data.meanings[data.states[state]], textContent: `${count} ${data.states[state]}` }));
  const figureOf = (column, row, large = false) => {
    const size = column.cells[row][1];
    const file = fileIn(column, row);
    if (!file.href) return make("span", { className: `absent ${file.state}`, title: file.note, textContent: file.state });
    if (size < 0 && column.name === "preview") return make("span", { className: "unreadable", textContent: "unreadable image" });
    if (size < 0) return make("a", { href: file.href, className: "unreadable", textContent: "unreadable image" });
    const [width, height, thumbnail] = column.words[size];
    const image = make("img", { loading: "lazy", decoding: "async", alt: file.name });
    if (!large) Object.assign(image, { width, height });
    image.src = thumbnail && !large ? file.href.replace(/(jpe?g|png)$/, "TN.$1") : file.href;
    return make("a", { href: file.href, className: file.name.endsWith("png") ? "figure plot" : "figure" }, image);
  };
  const cellOf = (column, row) => {
    const cell = make("td", { role: "cell", "data-label": column.name, className: column.kind });
    const show = column.kind === "picture" ? bestFigure(row) : column.kind === "figure" && column.cells[row] ? column : null;
    if (show) cell.append(figureOf(show, row));
    else if (column.kind === "state") cell.append(...badges(row));
    else if (column.kind === "path") {
      const file = filesOf(row)[column.cells[row]];
      cell.append(file.href ? make("a", { href: file.href, textContent: file.name }) : make("span", { className: file.state, textContent: file.name }));
    } else if (column.words && column.kind !== "figure") cell.textContent = column.words[column.cells[row]];
    if (!cell.hasChildNodes()) cell.classList.add("empty");
    return cell;
  };
  const rowOf = (row, names) => {
    const box = make("input", { type: "checkbox", checked: chosenRows.has(row), "aria-label": `Choose ${data.names[row]}` });
    box.dataset.row = row;
    const cells = names.map((name) => {
      if (name !== "name") return cellOf(columns.get(name), row);
      const head = make("th", { role: "rowheader", scope: "row", className: "named" });
      head.append(make("span", { className: "name", textContent: data.names[row] }), details(row));
      return head;
    });
    const line = make("tr", { role: "row" }, make("td", { role: "cell", className: "choose" }, box), ...cells);
    line.dataset.row = row;
    line.dataset.shape = data.shapes[row];
    return line;
  };
  const cardOf = (row) => {
    const caption = data.captions[row];
    const facts = [caption.instrument, caption.filters, caption.exposure].filter(Boolean).join(", ");
    const text = make("div", { className: "caption" }, make("h3", { textContent: caption.target || data.names[row] }),
      make("p", { textContent: facts }), make("p", { className: "name quiet", textContent: data.names[row] }));
    const mast = caption.target
      ? `${data.mast}&custom_col_sel_0=targprop&custom_col_val_0=${encodeURIComponent(caption.target)}` : data.mast;
    text.append(make("div", { className: "more" }, details(row), make("a", { href: mast, textContent: "MAST", "aria-label": `${data.names[row]} at MAST` })));
    const faults = statesOf(row).filter(([state]) => data.states[state] !== "present");
    if (faults.length) text.append(make("p", {}, ...badges(row)));
    const card = make("li", {}, figureOf(bestFigure(row), row, true), text);
    card.dataset.row = row;
    card.dataset.shape = data.shapes[row];
    return card;
  };

  // A list of rows that grows when its end comes into view.
  const lists = [];
  const growing = (holder, section, takes, draw, head) => {
    const list = { section, takes, rows: [], drawn: 0, total: everyRow.filter(takes).length, head };
    list.grow = (number = CHUNK) => {
      const more = list.rows.slice(list.drawn, list.drawn + number);
      holder.append(...more.map((row) => draw(row, list)));
      list.drawn += more.length;
      list.end.hidden = list.drawn >= list.rows.length;
    };
    list.set = (rows) => {
      list.rows = rows.filter(takes);
      list.drawn = 0;
      holder.replaceChildren();
      section.hidden = !list.rows.length;
      head?.(list);
      list.grow();
      const count = list.rows.length === list.total ? `${list.total}` : `${list.rows.length} of ${list.total}`;
      section.querySelector("[data-count]").textContent = count;
    };
    list.end = make("p", { className: "end", "aria-hidden": "true" });
    holder.closest("section").append(list.end);
    new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) list.grow(); },
      { rootMargin: "1200px" }).observe(list.end);
    lists.push(list);
    return list;
  };
  const gallery = byId("gallery") && growing(byId("gallery"), byId("images"), (row) => data.kinds[row] === LEVEL3 && bestFigure(row), cardOf);
  gallery?.section.classList.toggle("few", gallery.total < 4);

  const headOf = (list) => {
    list.names = (choice.cols ?? fitting()).filter((name) => list.filled.has(name));
    const all = make("input", { type: "checkbox", "aria-label": "Choose all rows shown" });
    all.checked = list.rows.length > 0 && list.rows.every((row) => chosenRows.has(row));
    all.addEventListener("change", () => {
      for (const row of list.rows) chosenRows[all.checked ? "add" : "delete"](row);
      for (const box of list.section.querySelectorAll("tbody input")) box.checked = all.checked;
      showCount();
    });
    const heads = list.names.map((name) => {
      const { kind } = columns.get(name);
      const head = make("th", { role: "columnheader", scope: "col", className: kind });
      if (kind === "picture" || kind === "figure") head.textContent = name;
      else {
        const button = make("button", { type: "button", textContent: name });
        button.addEventListener("click", () => {
          const next = choice.sort === name ? DIRECTIONS[choice.direction] : "ascending";
          Object.assign(choice, { sort: next ? name : "", direction: next });
          apply();
          [...list.section.querySelectorAll("thead button")].find((other) => other.textContent === name)?.focus();
        });
        if (choice.sort === name) head.setAttribute("aria-sort", choice.direction);
        head.append(button);
      }
      return head;
    });
    const table = list.section.querySelector("table");
    table.setAttribute("aria-rowcount", list.rows.length + 1);
    table.tHead.replaceChildren(make("tr", { role: "row" }, make("td", { role: "cell", className: "choose" }, all), ...heads));
  };
  const tables = [...document.querySelectorAll("section.rows")].map((section) => {
    const kind = Number(section.dataset.kind);
    const list = growing(section.querySelector("tbody"), section, (row) => data.kinds[row] === kind,
      (row, own) => rowOf(row, own.names), headOf);
    const mine = everyRow.filter(list.takes);
    list.filled = new Set(allNames.filter((name) => mine.some((row) => columns.get(name).has(row))));
    return list;
  });

  // --- controls
  const search = byId("filter");
  const selects = data.facets.map(({ key, label, words }) => {
    const select = make("select", {}, make("option", { value: "", textContent: "all" }),
      ...words.map((word) => make("option", { value: word, textContent: word })));
    select.id = `by-${key}`;
    select.addEventListener("change", () => {
      if (select.value) choice.facets[key] = select.value;
      else delete choice.facets[key];
      apply();
    });
    byId("selects").append(make("label", {}, make("span", { textContent: label }), select));
    return [key, select];
  });
  byId("facets").hidden = !selects.length;
  byId("facets").open = document.documentElement.clientWidth >= 760;
  const showColumns = () => {
    const chosen = choice.cols ?? fitting();
    const boxes = allNames.filter((name) => tables.some((list) => list.filled.has(name))).map((name) => {
      const box = make("input", { type: "checkbox", checked: chosen.includes(name) });
      box.addEventListener("change", () => {
        const now = new Set(choice.cols ?? fitting());
        now[box.checked ? "add" : "delete"](name);
        choice.cols = allNames.filter((other) => now.has(other));
        apply();
      });
      return make("label", {}, box, ` ${name}`);
    });
    const fit = make("button", { type: "button", textContent: "What fits the window" });
    fit.addEventListener("click", () => { choice.cols = null; apply(); showColumns(); });
    byId("columns").replaceChildren(byId("columns").querySelector("legend"), ...boxes, fit);
    if (data.empty.length) byId("columns").append(make("p", { className: "quiet", textContent: `Empty in all rows: ${data.empty.join(", ")}.` }));
  };
  const showCount = () => {
    const shown = tables.reduce((sum, list) => sum + list.rows.length, 0);
    const total = everyRow.length;
    const chosen = chosenRows.size ? `, ${chosenRows.size} chosen` : "";
    byId("count").textContent = (shown === total ? `${total} rows` : `${shown} of ${total} rows`) + chosen;
    byId("none").hidden = shown > 0;
    byId("clear").hidden = !(choice.q || Object.keys(choice.facets).length || chosenRows.size);
  };
  const apply = () => {
    const rows = matching();
    for (const list of lists) list.set(rows);
    for (const line of document.querySelectorAll("tr[data-observation]")) {
      line.classList.toggle("chosen", line.dataset.observation === choice.facets.obsnum);
    }
    for (const group of document.querySelectorAll("g.shape")) {
      group.classList.toggle("faint", Boolean(choice.facets.obsnum) && group.dataset.obsnum !== choice.facets.obsnum);
    }
    showCount();
    writeAddress();
  };
  const restore = () => {
    readAddress();
    search.value = choice.q;
    for (const [key, select] of selects) select.value = choice.facets[key] ?? "";
    apply();
    showColumns();
    if (choice.picture) showNamed(choice.picture);
  };
  const clear = () => {
    Object.assign(choice, { q: "", facets: {} });
    chosenRows.clear();
    writeAddress();
    restore();
    search.focus();
  };
  byId("clear").addEventListener("click", clear);
  byId("clear-all").addEventListener("click", clear);
  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { choice.q = search.value.trim(); apply(); }, 60);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) {
      event.preventDefault();
      search.focus();
    }
    if (event.key === "Escape") for (const menu of document.querySelectorAll(".menu[open]")) menu.open = false;
  });
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("change", (event) => {
    if (event.target.dataset.row === undefined) return;
    chosenRows[event.target.checked ? "add" : "delete"](Number(event.target.dataset.row));
    showCount();
  });

  // --- the sky: footprints and rows point to each other
  const mark = (shape, on) => byId(`shape${shape}`)?.classList.toggle("marked", on);
  for (const type of ["mouseover", "mouseout", "focusin", "focusout"]) {
    document.addEventListener(type, (event) => {
      const on = type === "mouseover" || type === "focusin";
      const line = event.target.closest("[data-shape]");
      if (line) mark(line.dataset.shape, on);
      const path = event.target.closest("g.shape path");
      const group = event.target.closest("g.shape");
      const numbers = path ? [path.id] : group ? [...group.querySelectorAll("path")].map(({ id }) => id) : [];
      for (const id of numbers.slice(0, 200)) {
        for (const other of document.querySelectorAll(`[data-shape="${id.slice(5)}"]`)) other.classList.toggle("marked", on);
      }
      const observation = event.target.closest("tr[data-observation]")?.dataset.observation;
      if (observation) {
        for (const other of document.querySelectorAll("g.shape")) other.classList.toggle("marked", on && other.dataset.obsnum === observation);
      }
    });
  }
  const choose = (group) => {
    const wanted = { obsnum: group.dataset.obsnum, filter: group.dataset.filter };
    const known = ([key, value]) => data.facets.some((facet) => facet.key === key && facet.words.includes(value));
    choice.q = "";
    choice.facets = Object.fromEntries(Object.entries(wanted).filter(known));
    if (!matching().length) delete choice.facets.filter;
    writeAddress();
    restore();
    const section = tables.find((list) => !list.section.hidden)?.section;
    section?.scrollIntoView();
  };
  for (const group of document.querySelectorAll("g.shape")) {
    group.addEventListener("click", () => choose(group));
    group.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(group);
    });
  }

  // --- a picture, large
  const viewer = byId("viewer");
  let series = [], place = 0;
  const seriesOf = (list, column) => list.rows.map((row) => [row, column ?? bestFigure(row)])
    .filter(([row, figure]) => figure && readable(figure, row));
  const show = (to) => {
    place = Math.max(0, Math.min(series.length - 1, to));
    const [row, column] = series[place];
    const files = filesOf(row);
    const file = fileIn(column, row);
    const image = byId("viewer-image");
    image.src = file.href;
    image.alt = file.name;
    byId("viewer-name").textContent = file.name;
    byId("viewer-place").textContent = `${place + 1} of ${series.length}`;
    const caption = Object.values(data.captions[row] ?? {}).filter(Boolean);
    const words = data.first.map((name) => columns.get(name)).filter((known) => known?.words && known.kind !== "figure")
      .map((known) => known.words[known.cells[row]]).filter(Boolean);
    byId("viewer-facts").textContent = (caption.length ? caption : words).join(", ");
    byId("viewer-files").replaceChildren(...files.filter((other) => other.href).flatMap((other) =>
      [make("a", { href: other.href, textContent: other.name.startsWith(data.names[row]) ? other.name.slice(data.names[row].length) : other.name }), " "]));
    byId("previous").disabled = place === 0;
    byId("next").disabled = place === series.length - 1;
    // A button that was just disabled has lost the focus.
    if (!viewer.contains(document.activeElement) || document.activeElement.disabled) byId("close").focus();
    choice.picture = file.name;
    writeAddress();
  };
  const open = (list, row, column) => {
    series = seriesOf(list, column);
    const at = series.findIndex(([other]) => other === row);
    if (at < 0) return false;
    if (!viewer.open) viewer.showModal();
    show(at);
    return true;
  };
  const showNamed = (name) => {
    const is = (row) => data.names[row] === name || data.previews[row]?.[0] === name || filesOf(row).some((file) => file.name === name);
    const row = everyRow.find(is);
    const column = figures.find((figure) => row !== undefined && readable(figure, row) && fileIn(figure, row).name === name);
    lists.some((list) => row !== undefined && open(list, row, list === gallery ? undefined : column));
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.figure");
    const holder = link?.closest("[data-row]");
    if (!holder || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const list = lists.find((other) => other.section.contains(holder));
    const name = link.closest("td.figure")?.dataset.label;
    if (open(list, Number(holder.dataset.row), name && columns.get(name))) event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (!viewer.open) return;
    const to = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: series.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(to);
  });
  byId("previous").addEventListener("click", () => show(place - 1));
  byId("next").addEventListener("click", () => show(place + 1));
  viewer.addEventListener("close", () => {
    choice.picture = "";
    byId("viewer-image").removeAttribute("src");
    writeAddress();
  });
  for (const dialog of [viewer, byId("copy")]) {
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.querySelector("[aria-label=Close]").addEventListener("click", () => dialog.close());
  }

  // --- commands for the chosen rows
  const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  byId("open-copy").addEventListener("click", () => {
    const shown = tables.flatMap((list) => list.rows);
    const rows = chosenRows.size ? everyRow.filter((row) => chosenRows.has(row)) : shown;
    const files = rows.flatMap(filesOf).filter((file) => file.uri);
    const types = [...new Set(rows.flatMap((row) => filesOf(row).map((file) => /_[A-Za-z0-9-]+\.[A-Za-z0-9]+$/.exec(file.name)?.[0])))].filter(Boolean).sort();
    const ids = [...new Set(rows.map((row) => data.obsids[row]).filter((id) => id !== null))];
    const some = rows.length < everyRow.length && ids.length ? ` --obsid_list ${ids.join(" ")}` : "";
    byId("copy-what").textContent = `${chosenRows.size ? "The rows chosen" : "All rows shown"}: ${rows.length} rows, ${files.length} files.`;
    byId("command").value = `jwst_download.py --propID ${Number(data.proposal)} --all_dates${some}${types.length ? ` --filetypes ${types.map(quoted).join(" ")}` : ""}`;
    byId("curl").value = files.map((file) => {
      const token = file.state === "waiting" ? ' -H "Authorization: token $MAST_API_TOKEN"' : "";
      return `curl -fL${token} -o ${quoted(file.name)} ${quoted(`https://mast.stsci.edu/api/v0.1/Download/file?uri=${encodeURI(file.uri)}`)}`;
    }).join("\n");
    byId("copied").textContent = "";
    byId("copy").showModal();
  });
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const field = byId(button.dataset.copy);
      field.select();
      try {
        await navigator.clipboard.writeText(field.value);
      } catch {
        document.execCommand("copy");
      }
      byId("copied").textContent = "Copied.";
    });
  }

  addEventListener("beforeprint", () => { for (const list of lists) list.grow(Infinity); });
  addEventListener("hashchange", () => {
    if (!location.hash.includes("=")) return;
    restore();
    if (choice.facets.obsnum && !viewer.open) tables.find((list) => !list.section.hidden)?.section.scrollIntoView();
  });
  let width = document.documentElement.clientWidth;
  addEventListener("resize", () => {
    if (document.documentElement.clientWidth === width) return;
    width = document.documentElement.clientWidth;
    if (!choice.cols) { apply(); showColumns(); }
  });
  byId("controls").hidden = false;
  restore();
  (window.requestIdleCallback ?? setTimeout)(makeTexts);
})();
