"use strict";
// A method's and a zoo's own view: in place of the overview and the boards, at the addresses #method-NAME and #zoo-NAME.
const Views = (() => {
  const { data, isNumber, element, list, plotted, curves, link, methodAddress, zooAddress, nameAndSettings, competes } = Parts;
  const methods = new Map(data.methods.map((method) => [method.name, method]));
  const zoos = new Map(data.zoos.map((zoo) => [zoo.name, zoo]));
  const title = document.title;
  const kinds = {
    method: "",
    baseline: "A baseline: it ignores the symmetries of weights. ",
    ceiling: "A ceiling: it shows what is left to gain, and is never marked as best. ",
    control: "A control: it shows what a score is worth, and is never ranked. ",
  };
  const COSTS = ["parameters", "fit_s", "networks_per_s", "training_gflop", "machine_gflop", "peak_mb", "epochs", "hardware"];
  const AUDIT = ["permutation", "sign", "scale", "sensitivity", "audit"];
  const APART = ["method", "more", "device", "spec", ...COSTS, ...AUDIT];
  const SCORES = data.columns.map((column) => column.field).filter((field) => !APART.includes(field));
  const better = (board) => (a, b) => (board.higher ? a > b : a < b);
  const told = (text) => (text ?? "–").replace(/^-$/, "–");

  // A table that scrolls by itself; a cell is text or a node, its first column heads the rows, and its first `words` are no numbers.
  function tableOf(label, head, lines, words = 1) {
    const scroll = element("div", undefined, "scroll");
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", label);
    const table = element("table", undefined, "small");
    const first = table.createTHead().insertRow();
    for (const [place, [text, about]] of head.entries()) {
      const cell = element("th", text, place < words ? "words" : "");
      cell.scope = "col";
      if (about) cell.title = about;
      first.append(cell);
    }
    const body = table.createTBody();
    for (const line of lines) {
      const row = body.insertRow();
      line.forEach((content, place) => {
        const cell = element(place ? "td" : "th", undefined, place < words ? "words" : "");
        if (!place) cell.scope = "row";
        cell.append(content);
        row.append(cell);
      });
    }
    scroll.append(table);
    return scroll;
  }

  // One line for each row, which the name of its task leads to, with those of the columns that any row has.
  function columnsOf(label, rows, fields, extra = []) {
    const used = data.columns.filter((column) => fields.includes(column.field) && rows.some(({ row }) => !["-", "", undefined].includes(row.shown[column.field])));
    if (!used.length) return [];
    const chosen = settingsOf(rows);
    const words = chosen.some((text) => text) ? 2 : 1;
    const head = [...[["board"], ["settings", "those that tell the rows apart"]].slice(0, words), ...used.map((column) => [column.title, column.about]), ...extra.map(([name, about]) => [name, about])];
    const lines = rows.map(({ board, row }, at) => [...[placeOf(board, row), chosen[at] || "–"].slice(0, words), ...used.map((column) => told(row.shown[column.field])), ...extra.map(([, , cell]) => cell(board, row))]);
    return [tableOf(label, head, lines, words)];
  }

  const taskOf = (board) => [board.task, board.chosen].filter(Boolean).join(" ");
  function placeOf(board, row) {
    const made = element("span");
    made.append(link(taskOf(board), row.id), " on ", link(board.zoo, zooAddress(board.zoo)));
    return made;
  }

  // Of each row the settings that not all rows have; of a single row all.
  function settingsOf(rows) {
    const parts = rows.map(({ row }) => nameAndSettings(row)[1].replace(/^[\s(]+|\)(?= #|$)/g, "").split(", ").filter(Boolean));
    return parts.map((mine) => mine.filter((part) => parts.length === 1 || !parts.every((other) => other.includes(part))).join(", "));
  }

  const bestOf = (board, device) => board.rows.find((row) => isNumber(row.score) && competes(row) && (!device || row.device === device));
  function best(board, row) {
    const found = bestOf(board, row.device);
    if (!found) return "–";
    return found.id === row.id ? "this" : link(found.name + " " + found.shown.score, found.id);
  }

  // Parameters that all rows share as a list, the others as a table.
  function settings(rows) {
    const names = [...new Set(rows.flatMap(({ row }) => Object.keys(row.params)))];
    const differ = names.filter((name) => new Set(rows.map(({ row }) => row.params[name])).size > 1);
    const alike = names.filter((name) => !differ.includes(name)).map((name) => [name, rows[0].row.params[name]]);
    const made = [];
    if (alike.length) made.push(element("p", differ.length ? "The same in every row:" : "The same wherever it ran:"), list(alike));
    if (differ.length) {
      const lines = rows.map(({ board, row }) => [placeOf(board, row), ...differ.map((name) => row.params[name] ?? "–")]);
      made.push(element("p", "Where rows differ:"), tableOf("Settings that differ", [["board"], ...differ.map((name) => [name])], lines));
    }
    return made;
  }

  function section(heading, content) {
    return content.length ? [element("h2", heading), ...content] : [];
  }

  function paper(text) {
    if (!/^arXiv:\d{4}\.\d{4,5}$/.test(text)) return text;
    const made = element("a", text);
    made.href = "https://arxiv.org/abs/" + text.slice(6);
    made.rel = "noreferrer";
    return made;
  }

  function methodView(method) {
    const rows = data.boards.flatMap((board) => board.rows.filter((row) => row.name === method.name).map((row) => ({ board, row })));
    const about = element("p", method.about);
    const facts = element("p", kinds[method.kind]);
    facts.append(method.declared.length ? "Declares that answers stay under changes by " + method.declared.join(", ") + "." : "Declares no symmetry.");
    if (method.paper) facts.append(" ", paper(method.paper), ".");
    const chosen = settingsOf(rows);
    const drawn = rows.flatMap(({ board, row }, at) => {
      if (!row.curves.length) return [];
      const heading = element("h3");
      heading.append(placeOf(board, row), chosen[at] && ", " + chosen[at]);
      return [heading, curves(row.curves)];
    });
    const scores = new Set(rows.map(({ row }) => row.device)).size > 1 ? [...SCORES, "device"] : SCORES;
    const ranked = [["best there", "the best row of the board on the same class of hardware, ceiling and controls apart", best]];
    return [
      about, facts,
      ...section("Scores", columnsOf("Scores of " + method.name, rows, scores, ranked)),
      ...section("Costs", columnsOf("Costs of " + method.name, rows, COSTS)),
      ...section("Symmetry audit", columnsOf("Symmetry audit of " + method.name, rows, AUDIT)),
      ...section("Settings", settings(rows)),
      ...section("Learning curves", drawn.length ? [element("p", "One colour for each seed."), ...drawn] : []),
      searchFor("method:" + method.name),
    ];
  }

  function searchFor(words) {
    const made = element("p");
    made.append(link("All its rows on the boards", "search=" + encodeURIComponent(words)));
    return made;
  }

  function zooView(zoo) {
    const made = zoo.about ? [element("p", zoo.about + ".")] : [];
    for (const build of zoo.builds) {
      if (zoo.builds.length > 1) made.push(element("h2", build.version + ", recipe " + build.recipe.slice(0, 8)));
      if (build.note) {
        const note = element("p");
        note.append(element("strong", build.note));
        made.push(note);
      }
      const facts = list([["version", build.version], ...build.facts]);
      facts.className = "facts";
      made.push(facts, ...picture(build.picture));
      const numbers = build.columns.filter((line) => line.length > 2);
      const head = [["column"], ["smallest"], ["median"], ["largest"]];
      if (numbers.length) made.push(...section("What its test networks are like", [tableOf("Columns of " + zoo.name, head, numbers)]));
      const words = build.columns.filter((line) => line.length === 2);
      if (words.length) made.push(element("p", "Columns of classes:"), list(words));
    }
    const boards = data.boards.filter((board) => board.zoo === zoo.name);
    const lines = boards.map((board) => {
      const first = bestOf(board);
      const name = first ? link(first.name, methodAddress(first.name)) : "–";
      return [link(taskOf(board), board.id), board.metric + (board.unit ? ", " + board.unit : "") + (board.higher ? " ↑" : " ↓"), name, first ? first.shown.score : "–", String(board.rows.length)];
    });
    made.push(...section("Boards", [tableOf("Boards on " + zoo.name, [["task"], ["metric"], ["best", "ceiling and controls apart"], ["score"], ["rows"]], lines, 3)]));
    if (zoo.known) {
      const [build, load] = ["weightbench zoo build " + zoo.name, "wb.load_zoo(\"" + zoo.name + "\")"];
      const loaded = element("p", "In Python ");
      loaded.append(element("code", load), ".");
      made.push(...section("Get it", [element("pre", build), loaded]));
    }
    return [...made, searchFor("zoo:" + zoo.name)];
  }

  function figure(drawn, caption) {
    const made = element("figure");
    made.append(drawn, element("figcaption", caption));
    return made;
  }

  function picture(found) {
    if (!found) return [];
    if (found.kind === "images") return [images(found)];
    const label = found.score.replaceAll("_", " ");
    const options = {
      width: Math.min(640, document.querySelector("main").clientWidth), height: 240, marginLeft: 48, marginBottom: 40,
      style: { background: "transparent", fontSize: "12px", maxWidth: "100%" },
    };
    if (found.kind === "curves") {
      const runs = new Set(found.points.map((point) => point[0])).size;
      const said = label + " over epochs of " + runs + " test runs";
      return [figure(plotted({
        ...options, ariaLabel: said,
        x: { label: "epoch →", ticks: 6, tickFormat: "d" },
        y: { label, grid: true, ticks: 5, tickFormat: "~g" },
        marks: [Plot.lineY(found.points, { z: "0", x: "1", y: "2", stroke: "var(--accent)", strokeOpacity: 0.7 })],
      }), said + (found.score === "test_r2" ? ", values below -0.2 drawn at it." : "."))];
    }
    const said = "How " + label + " is spread over the test networks, of each run the last";
    const bars = found.counts.map((count, at) => ({ low: found.edges[at], high: found.edges[at + 1], count }));
    return [figure(plotted({
      ...options, ariaLabel: said,
      x: { label: label + " →", ticks: 6, tickFormat: "~g" },
      y: { label: "networks", grid: true, ticks: 5 },
      marks: [Plot.rectY(bars, { x1: "low", x2: "high", y: "count", fill: "var(--accent)" }), Plot.ruleY([0])],
    }), said + ".")];
  }

  // Images side by side, enlarged without smoothing.
  function images(found) {
    const pixels = Uint8Array.from(atob(found.pixels), (sign) => sign.charCodeAt(0));
    const [height, width, channels = 1] = found.shape;
    const count = pixels.length / (height * width * channels);
    const canvas = element("canvas");
    canvas.width = count * (width + 1) - 1;
    canvas.height = height;
    const context = canvas.getContext("2d");
    for (let at = 0; at < count; at++) {
      const image = context.createImageData(width, height);
      for (let place = 0; place < width * height; place++) {
        const start = (at * width * height + place) * channels;
        for (let channel = 0; channel < 3; channel++) image.data[4 * place + channel] = pixels[start + (channels > 1 ? channel : 0)];
        image.data[4 * place + 3] = 255;
      }
      context.putImageData(image, at * (width + 1), 0);
    }
    const said = found.labels.length ? "A source image of each class: " + found.labels.join(", ") : "Source images";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", said);
    canvas.style.width = Math.min(640, count * 64) + "px";
    return figure(canvas, said + ". Every network encodes one such image.");
  }

  let [shown, back, origin] = [null, 0, null];

  // Shows the view of an address; false where it names none.
  function show(id) {
    const [, kind, name] = id.match(/^(method|zoo)-(.+)$/s) ?? [];
    const found = kind && (kind === "method" ? methods : zoos).get(name);
    if (!found) return false;
    if (shown) shown.remove();
    else [back, origin] = [window.scrollY, document.activeElement];
    shown = element("section");
    shown.id = "view";
    shown.setAttribute("aria-labelledby", "view-title");
    const heading = element("h1", name + " ");
    heading.id = "view-title";
    heading.tabIndex = -1;
    heading.append(element("span", kind === "zoo" ? "zoo" : found.kind, "tag"));
    const away = element("p");
    away.append(link("← Overview", "overview"), " · ", link("Boards", "boards"));
    shown.append(away, heading, ...(kind === "zoo" ? zooView(found) : methodView(found)));
    document.body.classList.add("viewing");
    document.querySelector("main").append(shown);
    document.title = name + ", " + title;
    window.scrollTo(0, 0);
    heading.focus({ preventScroll: true });
    return true;
  }

  // Takes a view away; where the reader came from is shown again. Whether there was one.
  function hide() {
    if (!shown) return false;
    shown.remove();
    shown = null;
    document.body.classList.remove("viewing");
    document.title = title;
    window.scrollTo(0, back);
    origin?.focus({ preventScroll: true });
    return true;
  }

  return { show, hide };
})();
