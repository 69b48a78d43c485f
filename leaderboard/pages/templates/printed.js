"use strict";
// Printed tables beside ours: a picture for each, drawn when its table is opened; the table says the same in words.
const Printed = (() => {
  const { data, isNumber, plotted, element } = Parts;

  function draw(figure, table) {
    const room = { width: Math.min(640, figure.clientWidth), height: 44 * table.rows.length + 48 };
    const rows = table.rows.map((row, place) => ({ ...row, place }));
    const reach = rows.filter((row) => row.around).map((row) => ({ place: row.place, low: row.around[0], high: row.around[1] }));
    const ours = rows.filter((row) => isNumber(row.score));
    figure.append(plotted({
      ...room, marginLeft: 8, marginRight: 12, marginTop: 20, marginBottom: 44, inset: 6,
      ariaLabel: table.title + ": printed and measured " + table.metric,
      style: { background: "transparent", fontSize: "12px", maxWidth: "100%" },
      x: { labelOffset: 36, label: table.metric + (table.higher ? " (right is better) →" : " (left is better) →"), grid: true, nice: true, ticks: Math.min(8, room.width / 60) },
      y: { axis: null, domain: [rows.length - 0.5, -0.6] },
      marks: [
        Plot.text(rows, { y: "place", text: "method", frameAnchor: "left", textAnchor: "start", dy: -14, fill: "currentColor", stroke: "var(--paper)", strokeWidth: 4 }),
        Plot.ruleY(reach, { y: "place", x1: "low", x2: "high", stroke: "currentColor", strokeOpacity: 0.6, dy: -3 }),
        Plot.dot(rows, { y: "place", x: "printed", symbol: "diamond", r: 5, stroke: "currentColor", fill: "var(--paper)", dy: -3 }),
        Plot.ruleY(ours.filter((row) => isNumber(row.low)), { y: "place", x1: "low", x2: "high", stroke: "var(--accent)", strokeWidth: 2, strokeOpacity: 0.6, dy: 5 }),
        Plot.dot(ours, { y: "place", x: "score", r: 4.5, fill: "var(--accent)", dy: 5 }),
      ],
    }));
    const spread = reach.length ? "Diamonds: printed, the line one standard deviation over seeds." : "Diamonds: printed.";
    const interval = ours.some((row) => isNumber(row.low)) ? " Dots: ours, the line the 95 % interval." : " Dots: ours.";
    figure.append(element("figcaption", spread + interval));
  }

  for (const details of document.querySelectorAll(".measured"))
    details.addEventListener("toggle", () => {
      for (const figure of details.querySelectorAll("figure:empty")) draw(figure, data.printed.find((table) => table.id === details.id && table.board === figure.dataset.board));
    });

  // Opens the printed table of an address; false where it names none.
  function open(id) {
    const details = document.getElementById(id);
    if (!details?.matches(".measured")) return false;
    details.open = true;
    details.scrollIntoView();
    details.querySelector("summary").focus({ preventScroll: true });
    return true;
  }

  return { open };
})();
