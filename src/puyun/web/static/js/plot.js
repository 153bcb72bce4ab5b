// Draws each chart of a page from the table beneath it, which says the same without scripts: columns are series, rows
// are the marks of the axis. Series stand on one another, durations are lines; the legend has the figures of the mark
// under the pointer.
const HEIGHT = 200;
const UNITS = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "K"],
];

const short = (value) => {
  const [size, letter] = UNITS.find(([each]) => Math.abs(value) >= each) ?? [1, ""];
  return `${+(value / size).toPrecision(3)}${letter}`;
};

const NANO = 1e9;
const YEAR = /^\d{4}-(?=\d\d-\d\d$)/;
const PLACES = 9;
// Never as 5e-7: a cost has at most nine places, and zeros at its end say nothing.
const plain = (value) => (value / NANO).toFixed(PLACES).replace(/\.?0+$/, "");
const SECOND = 1e6;
const span = (value) => (value >= SECOND ? `${+(value / SECOND).toPrecision(3)} s` : `${+(value / 1000).toPrecision(3)} ms`);
const axisText = { money: plain, count: short, duration: span };

// As wide as its longest text, at 11 pixels a letter of figures is less than 7 wide.
const room = (_, texts) => 16 + 7 * Math.max(4, ...(texts ?? []).map((each) => each.length));

function read(table) {
  const rows = [...table.tBodies[0].rows];
  const names = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent);
  return {
    marks: rows.map((row) => row.cells[0].textContent),
    mark: table.tHead.rows[0].cells[0].textContent,
    series: names.map((name, at) => ({
      name,
      values: rows.map(({ cells }) => (cells[at + 1].dataset.value === "" ? null : Number(cells[at + 1].dataset.value))),
      texts: rows.map((row) => row.cells[at + 1].textContent),
    })),
  };
}

// The last series is drawn first and is as tall as all together, so that each one shows above those before it.
function stacked(series) {
  const heights = [];
  series.forEach(({ values }, at) => heights.push(values.map((value, mark) => value + (heights[at - 1]?.[mark] ?? 0))));
  return series.map((each, at) => ({ ...each, heights: heights[at], colour: `--series-${at + 1}` })).reverse();
}

// Each by itself; what was not observed is a gap.
const apart = (series) => series.map((each, at) => ({ ...each, heights: each.values, colour: `--series-${at + 1}` })).reverse();

function draw(box) {
  const table = document.getElementById(box.dataset.plot);
  const { marks, mark, series } = read(table);
  const lines = table.dataset.unit === "duration";
  const layers = lines ? apart(series) : stacked(series);
  const style = getComputedStyle(box);
  // A property may be light-dark(…), which a canvas does not know: let the browser work it out.
  const colour = (name) => {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    box.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const axis = { stroke: colour("--muted"), font: `11px ${style.fontFamily}`, ticks: { show: false } };
  const text = axisText[table.dataset.unit];
  const bars = uPlot.paths.bars({ size: [0.76, 48] });
  const look = (of) => (lines ? { width: 2, points: { show: true, size: 5, fill: of } } : { fill: of, width: 0, paths: bars, points: { show: false } });
  const plot = new uPlot(
    {
      width: box.clientWidth,
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: { x: { time: false, range: [-0.5, marks.length - 0.5] }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.05 : 1] } },
      axes: [
        { ...axis, size: 28, grid: { show: false }, space: 56, incrs: [1, 2, 3, 5, 7, 14, 30, 61, 122], values: (_, splits) => splits.map((at) => (marks[at] ?? "").replace(YEAR, "")) },
        { ...axis, size: room, grid: { stroke: colour("--line"), width: 1 }, values: (_, splits) => splits.map(text) },
      ],
      series: [
        { label: mark, value: (_, at) => marks[at] ?? "–" },
        ...layers.map(({ name, texts, colour: of }) => ({
          label: name,
          stroke: colour(of),
          ...look(colour(of)),
          value: (_, __, ___, at) => (at === null || at === undefined ? "–" : texts[at]),
        })),
      ],
    },
    [marks.map((_, at) => at), ...layers.map(({ heights }) => heights)],
    box,
  );
  // Named in the order of the table again, the largest first.
  const named = [...box.querySelectorAll(".u-legend .u-series")].slice(1).reverse();
  named.forEach((row) => row.parentElement.append(row));
  return plot;
}

for (const box of document.querySelectorAll("[data-plot]")) {
  box.hidden = false;
  let plot = draw(box);
  const again = () => {
    plot.destroy();
    plot = draw(box);
  };
  new ResizeObserver(() => plot.width === box.clientWidth || plot.setSize({ width: box.clientWidth, height: HEIGHT })).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}
