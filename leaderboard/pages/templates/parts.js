"use strict";
// What boards and views are made of: the page's data, elements, plots. Text from records is set as text.
const Parts = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  // All rows of a board are of the same networks, whose true values stand there once.
  for (const board of data.boards) for (const row of board.rows) row.points = row.predicted.map((value, place) => [board.true[place], value]);
  const isNumber = (value) => typeof value === "number";
  const fixed = (digits) => (value) => (isNumber(value) ? value.toLocaleString("en", { maximumFractionDigits: digits }) : "–");

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function list(entries) {
    const made = element("dl");
    for (const [name, value] of entries) {
      const pair = element("div");
      pair.append(element("dt", name), element("dd", value));
      made.append(pair);
    }
    return made;
  }

  // A plot that screen readers take for one picture; its groups have names, which need a role.
  function plotted(options) {
    const made = Plot.plot(options);
    const svg = made.matches("svg") ? made : made.querySelector("svg[aria-label]") || made.querySelector("svg");
    svg.setAttribute("role", "img");
    for (const group of svg.querySelectorAll("g[aria-label]")) group.setAttribute("role", "group");
    return made;
  }

  function curves(drawn) {
    const made = element("div", undefined, "curves");
    const points = drawn.flatMap(({ name, seed, every, values }) => values.map((value, place) => ({ name, seed, epoch: (place + 1) * every, value })));
    for (const [name, part] of d3.group(points, (point) => point.name)) {
      const seeds = [...new Set(part.map((point) => point.seed))];
      made.append(plotted({
        width: 380, height: 210, marginLeft: 48, marginBottom: 40, ariaLabel: name,
        style: { background: "transparent", fontSize: "12px", maxWidth: "100%" },
        x: { label: "epoch →", ticks: 5, tickFormat: "d" },
        y: { label: name, grid: true, ticks: 5, tickFormat: "~g", type: name === "train loss" && part.every((point) => point.value > 0) ? "log" : "linear" },
        color: { legend: seeds.length > 1, label: "seed", domain: seeds, scheme: "tableau10" },
        marks: [Plot.lineY(part, { x: "epoch", y: "value", z: "seed", stroke: "seed", strokeWidth: 1.5, marker: part.length === seeds.length ? "dot" : "none" })],
      }));
    }
    return made;
  }

  function link(text, address, className) {
    const made = element("a", text, className);
    made.href = "#" + address;
    return made;
  }
  const methodAddress = (name) => "method-" + encodeURIComponent(name);
  const zooAddress = (name) => "zoo-" + encodeURIComponent(name);

  // The name of a row's method and its settings, which are in brackets after it.
  const nameAndSettings = (row) => [row.name, row.method.startsWith(row.name) ? row.method.slice(row.name.length) : " " + row.method];

  const kinds = new Map(data.methods.map((method) => [method.name, method.kind]));
  const kindOf = (row) => kinds.get(row.name);
  const competes = (row) => ["method", "baseline"].includes(kindOf(row));

  return { data, isNumber, fixed, element, list, plotted, curves, link, methodAddress, zooAddress, nameAndSettings, kindOf, competes };
})();
