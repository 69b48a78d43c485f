"use strict";
// The boards: Tabulator (tables) and Observable Plot (pictures), the search over them, and where addresses lead.
(() => {
  const { data, isNumber, fixed, element, list, plotted, curves, link, methodAddress, nameAndSettings, kindOf, competes } = Parts;
  const { columns } = data;  // method first; what they show stands in a row's `shown`
  const visible = Object.fromEntries(columns.map((column) => [column.field, column.opened]));
  for (const board of data.boards)
    for (const row of board.rows) board.more.forEach((name, number) => (row["more" + number] = row.more?.[name] ?? null));
  const boards = new Map(data.boards.map((board) => [board.id, { ...board, open: new Set(), table: null, built: false }]));

  function predicted(row) {
    const reach = d3.extent(row.points.map((point) => point[0]));
    return plotted({
      width: 380, height: 300, marginLeft: 56, marginBottom: 40, inset: 8, ariaLabel: "predicted against true",
      style: { background: "transparent", fontSize: "12px", maxWidth: "100%" },
      x: { label: "true →", ticks: 5, tickFormat: "~g" },
      y: { label: "predicted", grid: true, ticks: 6, tickFormat: "~g" },
      marks: [
        Plot.line(reach.map((value) => [value, value]), { stroke: "currentColor", strokeOpacity: 0.4 }),
        Plot.dot(row.points, { r: 2, fill: "var(--accent)", fillOpacity: 0.6 }),
      ],
    });
  }

  function detail(row) {
    const made = element("div", undefined, "detail");
    made.setAttribute("role", "gridcell");
    made.append(element("h3", "Run it again"), element("pre", row.command));
    const links = element("p");
    const anchor = element("a", "link to this row");
    anchor.href = "#" + row.id;
    links.append(anchor);
    if (/^arXiv:\d{4}\.\d{4,5}$/.test(row.paper)) {
      const paper = element("a", row.paper);
      paper.href = "https://arxiv.org/abs/" + row.paper.slice(6);
      paper.rel = "noreferrer";
      links.append(" · ", paper);
    } else if (row.paper) links.append(" · " + row.paper);
    links.append(" · zoo: " + (row.own_build ? "own build" : "published files"));
    if (row.selection) links.append(" · chosen by " + row.selection.replace(/^rule: /, ""));
    if (row.budget) links.append(" · budget " + row.budget);
    made.append(links, element("h3", "Seeds"), tableOf(row.runs));
    if (row.trials.length) made.append(element("h3", "Trials of the random search, at the first seed"), tableOf(row.trials));
    if (row.points.length) made.append(element("h3", "Predicted against true"), predicted(row));
    if (row.curves.length) made.append(element("h3", "Learning curves"), curves(row.curves));
    made.append(element("h3", "Configuration"), list(Object.entries(row.params)));
    made.append(element("h3", "Environment"), list([...Object.entries(row.environment), ["method source sha256", row.source_sha256.slice(0, 16)], ["spec", row.spec]]));
    return made;
  }

  // Objects of equal keys as a table; keys that none has a value for are left out.
  function tableOf(entries) {
    const table = element("table", undefined, "small seeds");
    const used = Object.keys(entries[0]).filter((field) => entries.some((entry) => entry[field] !== null));
    const head = table.createTHead().insertRow();
    for (const field of used) head.append(element("th", field.replaceAll("_", " ")));
    const body = table.createTBody();
    for (const entry of entries) {
      const line = body.insertRow();
      for (const field of used) line.insertCell().textContent = isNumber(entry[field]) ? fixed(4)(entry[field]) : entry[field] ?? "–";
    }
    return table;
  }

  function nameCell(board) {
    return (cell) => {
      const row = cell.getRow().getData();
      const wrapped = element("span");
      const button = element("button", board.open.has(row.id) ? "▾" : "▸", "toggle");
      button.type = "button";
      button.setAttribute("aria-expanded", String(board.open.has(row.id)));
      button.setAttribute("aria-label", "Details of " + row.method);
      button.addEventListener("click", (event) => {
        event.stopPropagation();
        toggle(board, row.id);
      });
      const [name, settings] = nameAndSettings(row);
      wrapped.append(button, link(name, methodAddress(name)), element("span", settings, "settings"));
      if (!competes(row)) wrapped.append(" ", element("span", kindOf(row), "tag"));
      return wrapped;
    };
  }

  function toggle(board, id, keep) {
    if (board.open.has(id) && !keep) board.open.delete(id);
    else board.open.add(id);
    const row = board.table.getRow(id);
    if (row) row.reformat();
    const button = row && row.getElement().querySelector("button.toggle");
    if (button) button.focus({ preventScroll: true });
  }

  function definitions(board) {
    const some = (field) => board.rows.some((row) => row[field] !== null);
    const others = (column) => board.more.map((name, number) => ({ ...column, field: "more" + number, title: name }));
    const [first, ...rest] = columns;
    const shown = rest.filter((column) => !column.sparse || some(column.field)).flatMap((column) => (column.field === "more" ? others(column) : [column]));
    const made = shown.map((column) => ({
      field: column.field,
      title: column.title,
      visible: visible[column.field.replace(/\d+$/, "")],
      headerTooltip: column.about,
      hozAlign: column.words ? "left" : "right",
      headerHozAlign: column.words ? "left" : "right",
      cssClass: column.field,
      sorter: column.words ? "string" : "number",
      sorterParams: { alignEmptyValues: "bottom" },
      headerSortStartingDir: column.field === "score" && board.higher ? "desc" : "asc",
      formatter: (cell) => document.createTextNode(cell.getRow().getData().shown[column.field].replace(/^-$/, "–")),
    }));
    const method = { field: first.field, title: first.title, formatter: nameCell(board), headerFilter: "input", sorter: "string",
      headerFilterPlaceholder: "filter", headerTooltip: first.about, frozen: window.innerWidth > 640, minWidth: 150,
      maxWidth: Math.min(430, 0.62 * window.innerWidth), variableHeight: true, cssClass: "method", widthGrow: 3 };
    return [method, ...made];
  }

  // Every word of the search must stand in a row or its board's title; `method:`, `zoo:` and `task:` name one exactly.
  const wanted = () => document.getElementById("search").value.trim().toLowerCase();
  function matcher(board) {
    const words = wanted().split(/\s+/).map((word) => word.match(/^(?:(method|zoo|task):)?(.*)$/s));
    return (row) => {
      const text = [board.title, row.method, row.hardware, row.spec, ...Object.entries(row.params).flat()].join(" ").toLowerCase();
      const exact = { method: row.name, zoo: board.zoo, task: board.task };
      return words.every(([, field, word]) => (field ? exact[field].toLowerCase() === word : text.includes(word)));
    };
  }

  function refresh(board) {
    board.table.setFilter(matcher(board));
    draw(board);
  }

  // Boards with rows that match are opened, others hidden, until the search is empty again.
  function filter() {
    const searching = wanted() !== "";
    const methods = new Set();
    let [rows, several] = [0, 0];
    for (const board of boards.values()) {
      const found = board.rows.filter(matcher(board));
      const section = document.getElementById(board.id);
      const details = section.querySelector("details");
      if (searching && board.before === undefined) board.before = details.open;
      section.hidden = searching && !found.length;
      details.open = searching ? found.length > 0 : (board.before ?? details.open);
      if (!searching) board.before = undefined;
      for (const row of found) methods.add(row.name);
      rows += found.length;
      several += found.length > 0;
      if (board.built && details.open) refresh(board);
    }
    for (const task of document.querySelectorAll(".task")) task.hidden = [...task.querySelectorAll(".board")].every((board) => board.hidden);
    for (const line of document.querySelectorAll("[data-method]")) line.hidden = !methods.has(line.dataset.method);
    for (const group of document.querySelectorAll("table.overview tbody")) group.hidden = [...group.querySelectorAll("[data-method]")].every((line) => line.hidden);
    const said = rows ? rows + (rows === 1 ? " row on " : " rows on ") + several + (several === 1 ? " board" : " boards") : "No row matches.";
    document.getElementById("found").textContent = searching ? said : "";
  }

  // A row's method, with the settings that not all rows of that method have.
  function shortNames(rows) {
    const parts = rows.map((row) => row.method.replace(/[()]/g, "").split(/,? /));
    const common = (part, name) => parts.every((other) => other[0] !== name || other.includes(part));
    const names = parts.map(([name, ...settings]) => [name, ...settings.filter((part) => !common(part, name))].join(" "));
    return new Map(rows.map((row, at) => [row, names[at].length > 28 ? names[at].slice(0, 27) + "…" : names[at]]));
  }

  // Where names fit beside their dots, without hiding others, earlier rows first: [across, down, anchor, rows] of each place.
  function placed(rows, names, x, y, width, height) {
    const taken = rows.map((row) => [x(row) - 2, y(row) - 5, x(row) + 2, y(row) + 5]);  // 3 less beside: a name's box has them
    const places = [[9, -8, "start", []], [-9, -8, "end", []], [9, 8, "start", []], [-9, 8, "end", []], [0, -14, "middle", []], [0, 14, "middle", []]];
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = "12px system-ui, sans-serif";  // of the plot's names
    for (const row of rows) {
      const length = pen.measureText(names.get(row)).width;
      for (const [across, down, anchor, part] of places) {
        const left = x(row) + across - { start: 0, middle: length / 2, end: length }[anchor];
        const box = [left - 3, y(row) + down - 7, left + length + 3, y(row) + down + 7];  // 2 for the halo, 1 between names
        if (left < 50 || left + length > width || box[3] > height - 36 || taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) continue;
        taken.push(box);
        part.push(row);
        break;
      }
    }
    return places;
  }

  function draw(board) {
    const figure = document.getElementById(board.id).querySelector("figure");
    const costs = { fit_s: "training, seconds", parameters: "parameters", networks_per_s: "networks per second (right is faster)", peak_mb: "peak memory, MB" };
    const usable = (cost) => board.rows.filter((row) => isNumber(row.score) && isNumber(row[cost]) && row[cost] > 0 && matcher(board)(row));
    const wanted = figure.querySelector("select")?.value || "fit_s";
    const rows = usable(wanted).sort((a, b) => a[wanted] - b[wanted]);
    const select = element("select");
    for (const [cost, text] of Object.entries(costs)) {
      const option = element("option", text);
      option.value = cost;
      option.selected = cost === wanted;
      select.append(option);
    }
    select.addEventListener("change", () => draw(board));
    const label = element("label", "Score against ");
    label.append(select);
    figure.replaceChildren(label);
    figure.hidden = board.rows.filter(matcher(board)).filter((row) => isNumber(row.score)).length < 2;  // nothing to compare
    if (figure.hidden || !rows.length) return;
    const better = (a, b) => (board.higher ? a > b : a < b);
    const fronts = new Map();
    const ranked = (row) => row.kind !== "control";
    for (const row of (wanted === "networks_per_s" ? [...rows].reverse() : rows).filter(ranked)) {
      const front = fronts.get(row.device) || fronts.set(row.device, []).get(row.device);
      if (!front.length || better(row.score, front.at(-1).score)) front.push(row);
    }
    const best = new Set([...fronts.values()].flat());
    const devices = [...new Set(rows.map((row) => row.device))];
    const options = {
      width: Math.min(820, figure.clientWidth), height: Math.max(340, 10 * rows.length), marginLeft: 50, marginRight: 20, marginTop: 28, marginBottom: 44, inset: 10, ariaLabel: "Score against " + costs[wanted],
      style: { background: "transparent", fontSize: "12px", maxWidth: "100%" },
      x: { type: "log", label: costs[wanted] + " →", labelOffset: 36, ticks: 5, tickFormat: (value) => d3.format(value < 1 ? "~g" : "~s")(value) },
      y: { label: board.metric + (board.unit ? ", " + board.unit : "") + (board.higher ? " (up is better)" : " (down is better)"), grid: true, nice: true, ticks: 6 },
      color: { domain: devices, range: ["var(--accent)", "#d97b29", "#7a9e3b", "#a05bb5", "#c9475d"], legend: devices.length > 1 },
      marks: [
        Plot.line([...fronts.values()].flat(), { x: wanted, y: "score", z: "device", stroke: "device", strokeOpacity: 0.5, curve: wanted === "networks_per_s" ? "step-before" : "step-after" }),
        Plot.ruleX(rows.filter((row) => isNumber(row.low)), { x: wanted, y1: "low", y2: "high", stroke: "device", strokeOpacity: 0.5 }),
        Plot.dot(rows.filter(ranked), { x: wanted, y: "score", fill: "device", r: (row) => (best.has(row) ? 5 : 3.5) }),
        Plot.dot(rows.filter((row) => !ranked(row)), { x: wanted, y: "score", stroke: "device", fill: "var(--paper)", r: 3.5 }),
      ],
    };
    const drawn = Plot.plot(options);
    const [x, y] = [drawn.scale("x"), drawn.scale("y")];
    const short = shortNames(rows);
    const texts = placed([...best, ...rows.filter((row) => !best.has(row))], short, (row) => x.apply(row[wanted]), (row) => y.apply(row.score), options.width, options.height);
    const tip = Plot.tip(rows, Plot.pointer({ x: wanted, y: "score", title: (row) => row.method + "\n" + row.shown.score + "\n" + fixed(1)(row[wanted]) + " " + costs[wanted], fill: "var(--paper)" }));
    const names = texts.map(([dx, dy, textAnchor, part]) => Plot.text(part, { x: wanted, y: "score", text: (row) => short.get(row), dx, dy, textAnchor,
      fill: "currentColor", stroke: "var(--paper)", strokeWidth: 4 }));
    figure.append(plotted({ ...options, marks: [...options.marks.slice(0, 2), ...names, ...options.marks.slice(2), tip] }));  // a halo would hide dots under it
    const bars = rows.some((row) => isNumber(row.low)) ? "Bars are 95 % intervals; the" : "The";
    const hollow = rows.every(ranked) ? "" : " Hollow dots are controls, which are not ranked.";
    figure.append(element("figcaption", bars + " line joins the rows that no row on the same class of hardware beats at less cost." + hollow));
  }

  function ensure(id) {
    const board = boards.get(id);
    if (!board || board.table) return board && board.ready;
    const section = document.getElementById(id);
    const first = board.rows.find((row) => isNumber(row.score) && competes(row));
    board.table = new Tabulator(section.querySelector(".grid"), {
      data: board.rows,
      index: "id",
      columns: definitions(board),
      layout: "fitDataFill",
      renderVertical: "basic",
      columnDefaults: { headerSortTristate: false, tooltip: false, resizable: false },
      placeholder: "No row matches.",
      rowFormatter: (row) => {
        const node = row.getElement();
        const about = row.getData();
        node.querySelector(":scope > .detail")?.remove();
        node.classList.toggle("first", about.group === 1 || (about.group === null && about === first));
        node.classList.toggle("target", decodeURIComponent(location.hash.slice(1)) === about.id);
        if (board.open.has(about.id)) node.append(detail(about));
      },
    });
    board.ready = new Promise((resolve) => {
      board.table.on("tableBuilt", () => {
        section.querySelector(".tabulator-tableholder").removeAttribute("tabindex");  // a grid holds rows alone; headers and buttons take the focus
        for (const column of board.table.getColumns()) {
          const node = column.getElement();
          node.tabIndex = 0;
          node.addEventListener("keydown", (event) => {
            if (event.target !== node || (event.key !== "Enter" && event.key !== " ")) return;
            event.preventDefault();
            const sorted = board.table.getSorters()[0];
            const down = sorted && sorted.field === column.getField() ? sorted.dir === "asc" : column.getDefinition().headerSortStartingDir === "desc";
            board.table.setSort(column.getField(), down ? "desc" : "asc");
          });
        }
        board.built = true;
        refresh(board);
        resolve();
      });
    });
    return board.ready;
  }

  async function follow() {
    const id = decodeURIComponent(location.hash.slice(1));
    const board = boards.get(id.split("/")[0]);
    if (!board && Views.show(id)) return;
    const wasView = Views.hide();
    if (id.startsWith("search=")) {
      document.getElementById("search").value = id.slice("search=".length);
      filter();
      return document.getElementById("boards").scrollIntoView();
    }
    if (!board) return Printed.open(id) || (wasView && document.getElementById(id)?.scrollIntoView());
    const section = document.getElementById(board.id);
    if (section.hidden) {
      document.getElementById("search").value = "";
      filter();
    }
    section.querySelector("details").open = true;
    await ensure(board.id);
    if (id === board.id) {
      section.scrollIntoView();
      return section.querySelector("summary").focus({ preventScroll: true });
    }
    const row = board.table.getRow(id);
    if (!row) return;
    for (const other of board.table.getRows()) other.getElement().classList.remove("target");
    toggle(board, id, true);
    row.getElement().scrollIntoView();
  }

  if (!data.boards.length) return;
  document.body.classList.add("live");
  const menu = document.getElementById("columns");
  for (const column of columns.slice(1)) {
    const box = element("input");
    box.type = "checkbox";
    box.checked = visible[column.field];
    box.value = column.field;
    box.addEventListener("change", () => {
      visible[column.field] = box.checked;
      for (const board of boards.values()) {
        for (const found of board.table ? board.table.getColumns() : [])
          if (found.getField().replace(/\d+$/, "") === column.field) (box.checked ? found.show() : found.hide());
      }
    });
    const label = element("label");
    label.append(box, " " + column.title);
    menu.append(label);
  }
  document.addEventListener("click", (event) => {
    const open = document.querySelector(".menu[open]");
    if (open && !open.contains(event.target)) open.open = false;
  });
  document.addEventListener("click", (event) => {
    const anchor = event.target.closest?.("a[href^='#']");
    if (anchor && anchor.hash === location.hash) follow();  // which changes no hash
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.querySelector(".menu[open]")?.removeAttribute("open");
  });
  let typed;
  document.getElementById("search").addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(filter, 150);
  });
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) ensure(entry.target.closest(".board").id);
  }, { rootMargin: "400px" });
  for (const board of boards.values()) {
    const details = document.getElementById(board.id).querySelector("details");
    watcher.observe(details.querySelector(".grid"));  // in a closed board nothing intersects
    details.addEventListener("toggle", () => details.open && board.built && refresh(board));  // a closed table draws no rows
  }
  window.addEventListener("hashchange", follow);
  follow();
})();
