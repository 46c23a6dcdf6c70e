// One chart: fetches its series, draws them with uPlot, hatches what is not known.

const PALETTE = ["#2f6fed", "#e07b00", "#12946a", "#c43d7a", "#7a5af0", "#b8860b", "#0e8fa8", "#d64545", "#6b7a90", "#8f5a2b"];
const SYNC = uPlot.sync("opswatch");
const GATHERED = new Set(["increase", "rate", "sum", "count"]);
const root = document.documentElement;
const zone = root.dataset.zone;

const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();

function scaled(value, units, step) {
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= step && unit < units.length - 1) { size /= step; unit += 1; }
  return `${Number(size.toPrecision(3))} ${units[unit]}`;
}

export function format(value, unit) {
  if (value == null) return "–";
  switch (unit) {
    case "percent": return `${Number(value.toPrecision(3))} %`;
    case "bytes": return scaled(value, ["B", "kB", "MB", "GB", "TB", "PB"], 1000);
    case "bytes_per_second": return `${scaled(value, ["B", "kB", "MB", "GB", "TB"], 1000)}/s`;
    case "ms": return value >= 1000 ? `${Number((value / 1000).toPrecision(3))} s` : `${Number(value.toPrecision(3))} ms`;
    case "s": return value >= 86400 ? `${Number((value / 86400).toPrecision(3))} d` : `${Number(value.toPrecision(3))} s`;
    case "share": return `${Number((100 * value).toPrecision(4))} %`;
    case "per_second": return `${Number(value.toPrecision(3))}/s`;
    default: return String(Number(value.toPrecision(4)));
  }
}

function labelOf(one, labels) {
  const words = labels.map((name) => (name === "field" ? one.field.replace(/^usage_/, "").replace(/_ms$/, "") : one.tags[name] ?? ""));
  return words.join(" ").trim() || one.field;
}

function hatch(context) {
  const tile = document.createElement("canvas");
  const ratio = devicePixelRatio || 1;
  tile.width = tile.height = 8 * ratio;
  const pen = tile.getContext("2d");
  pen.strokeStyle = color("--hatch");
  pen.lineWidth = 1.2 * ratio;
  pen.beginPath();
  for (const shift of [-8, 0, 8]) { pen.moveTo(shift * ratio, 8 * ratio); pen.lineTo((shift + 8) * ratio, 0); }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

// Incidents as bands behind the lines, thresholds as lines across; both have their words beside the chart.
function drawMarks(plot, marks) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const mark of marks) {
    const left = plot.valToPos(mark.start / 1000, "x", true);
    const width = Math.max(2, plot.valToPos(mark.stop / 1000, "x", true) - left);
    ctx.fillStyle = color(mark.severity === "critical" ? "--down-fill" : "--degraded-fill");
    ctx.globalAlpha = 0.13;
    ctx.fillRect(left, bbox.top, width, bbox.height);
    ctx.globalAlpha = 1;
    ctx.fillRect(left, bbox.top, width, 3 * devicePixelRatio);
  }
  ctx.restore();
}

function drawLimits(plot, limits) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.lineWidth = 1.5 * devicePixelRatio;
  for (const limit of limits) {
    const top = plot.valToPos(limit.value, "y", true);
    if (top < bbox.top || top > bbox.top + bbox.height) continue;
    ctx.strokeStyle = color(limit.severity === "critical" ? "--down-fill" : "--degraded-fill");
    ctx.setLineDash(limit.severity === "critical" ? [] : [6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, top);
    ctx.lineTo(bbox.left + bbox.width, top);
    ctx.stroke();
  }
  ctx.restore();
}

// Stretches between two windows in which no series has a value: drawn as not known, never as a line.
function drawUnknown(plot, gaps) {
  if (!gaps.length) return;
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillStyle = hatch(ctx);
  for (const [from, to] of gaps) {
    const left = plot.valToPos(from, "x", true);
    ctx.fillRect(left, bbox.top, plot.valToPos(to, "x", true) - left, bbox.height);
  }
  ctx.restore();
}

function unknownStretches(times, columns, step, unknown) {
  const gaps = [];
  const now = Date.now() / 1000;
  let from = null;
  times.forEach((time, index) => {
    const nothing = columns.every((column) => column[index] == null) || unknown.has(time);
    // The newest windows may simply not be over yet.
    const known = !nothing || time + 2 * step > now;
    if (!known && from === null) from = time;
    if (known && from !== null) { gaps.push([from - step / 2, time - step / 2]); from = null; }
  });
  if (from !== null) gaps.push([from - step / 2, times[times.length - 1] + step / 2]);
  return gaps;
}

// A sample between two gaps has no line through it; it is drawn as a point.
function isolated(values) {
  const alone = [];
  values.forEach((value, index) => {
    if (value != null && values[index - 1] == null && values[index + 1] == null) alone.push(index);
  });
  return alone.length ? alone : null;
}

// As the server's tables have it: an older value says nothing about now.
function newest(values) {
  return values?.slice(-3).findLast((value) => value != null);
}

function stack(columns) {
  const sums = columns[0] ? columns[0].map(() => 0) : [];
  return columns.map((column) => column.map((value, index) => (value == null ? null : (sums[index] += value))));
}

export class Chart {
  constructor(element, onZoom) {
    this.element = element;
    this.onZoom = onZoom;
    this.labels = element.dataset.labels.split(",");
    this.unit = element.dataset.unit;
    this.stacked = "stacked" in element.dataset;
    this.maximum = element.dataset.maximum ? Number(element.dataset.maximum) : null;
    this.limits = JSON.parse(element.dataset.limits ?? "[]");
    this.plot = null;
    this.shape = "";
    this.resizing = new ResizeObserver(() => this.plot?.setSize(this.size()));
    this.resizing.observe(element);
  }

  size() { return { width: Math.max(240, this.element.clientWidth), height: 190 }; }

  destroy() {
    this.resizing.disconnect();
    this.plot?.destroy();
  }

  async refresh(range) {
    const url = new URL(root.dataset.base + this.element.dataset.source, location.href);
    const ofProbe = url.searchParams.get("measurement") === "probe";
    url.searchParams.set("start", range.start);
    url.searchParams.set("stop", range.stop);
    url.searchParams.set("every", `${this.element.dataset.step}ms`);
    if (ofProbe) {
      url.searchParams.append("field", "unknown_s");
      url.searchParams.append("fn", "max");
    }
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`${answer.status}`);
    this.draw(await answer.json(), ofProbe, range.live);
  }

  draw(answer, ofProbe, live) {
    const step = answer.step_ms / 1000;
    const times = answer.time.map((time) => time / 1000);
    // What was asked for, whatever was found: a single value would else have an axis around 1970.
    this.span = [Math.min(times[0] ?? Infinity, Date.parse(answer.start) / 1000), Date.parse(answer.stop) / 1000];
    const wanted = new URL(this.element.dataset.source, location.href).searchParams;
    const order = wanted.getAll("field");
    const shown = answer.series
      .filter((one) => order.includes(one.field) && one.fn === wanted.get("fn") && one.values.some((value) => value != null))
      .sort((a, b) => order.indexOf(a.field) - order.indexOf(b.field));
    const unknown = new Set();
    if (ofProbe) {
      for (const one of answer.series.filter((other) => other.field === "unknown_s" && other.fn === "max")) {
        one.values.forEach((value, index) => { if (value > 0) unknown.add(times[index]); });
      }
    }
    if (!shown.length) return this.say("No values in this range.");
    // What a window gathers says too little before the window is over: a steady rate would seem to drop.
    const over = GATHERED.has(wanted.get("fn")) ? (live ? Date.parse(answer.stop) : Date.now()) : Infinity;
    // And the first window after a gap holds all that a counter grew by in the gap too.
    const rate = wanted.get("fn") === "rate";
    const counts = (values, index) => answer.time[index] + answer.step_ms <= over && !(rate && index > 0 && values[index - 1] == null);
    const columns = shown.map((one) => one.values.map((value, index) => (counts(one.values, index) ? value : null)));
    this.marks = JSON.parse(this.element.dataset.marks ?? "[]");
    this.gaps = unknownStretches(times, columns, step, unknown);
    this.raw = columns;
    const drawn = this.stacked ? stack(columns) : columns;
    const names = shown.map((one) => labelOf(one, this.labels));
    // Only a new set of series needs a new plot; else the data alone is exchanged, and the cursor stays.
    const shape = names.join("\n") + root.dataset.theme + step;
    const data = [times, ...drawn];
    if (this.plot && this.shape === shape) { this.plot.setData(data); return undefined; }
    this.plot?.destroy();
    this.element.replaceChildren();
    this.shape = shape;
    this.plot = new uPlot(this.options(names), data, this.element);
    return undefined;
  }

  // An old drawing stays where the new one fails: the page's notices and the indicator tell.
  failed() {
    if (!this.plot) this.say("This chart cannot be drawn at the moment.");
  }

  say(words) {
    this.plot?.destroy();
    this.plot = null;
    this.shape = "";
    const note = document.createElement("p");
    note.className = "quiet none";
    note.textContent = words;
    this.element.replaceChildren(note);
  }

  options(names) {
    const text = color("--quiet");
    const grid = { stroke: color("--line"), width: 1 };
    const axis = { stroke: text, font: "11px system-ui, sans-serif", grid, ticks: { ...grid, size: 4 } };
    const series = names.map((label, index) => ({
      label,
      stroke: PALETTE[index % PALETTE.length],
      fill: this.stacked ? `${PALETTE[index % PALETTE.length]}55` : undefined,
      width: 1.5,
      spanGaps: false,
      points: { size: 4, show: () => false, filter: (plot, number) => isolated(plot.data[number]) },
      value: (plot, value, number, at) => format(at == null ? newest(this.raw[number - 1]) : this.raw[number - 1]?.[at], this.unit),
    }));
    return {
      ...this.size(),
      tzDate: (time) => uPlot.tzDate(new Date(time * 1000), zone),
      cursor: { sync: { key: SYNC.key, setSeries: false }, drag: { x: true, y: false, setScale: false } },
      legend: { live: true },
      scales: { x: { range: () => this.span }, y: { range: (plot, low, high) => this.heights(low, high) } },
      axes: [
        { ...axis, values: [[86400, "{D} {MMM}", null, null, null, null, null, null, 1], [3600, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1], [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1], [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1]] },
        { ...axis, size: 64, values: (plot, ticks) => ticks.map((tick) => format(tick, this.unit)) },
      ],
      series: [{ label: "Time", value: (plot, time) => (time == null ? "newest" : new Date(time * 1000).toLocaleTimeString([], { timeZone: zone, hour12: false })) }, ...series],
      bands: this.stacked ? names.slice(1).map((_, index) => ({ series: [index + 2, index + 1] })) : undefined,
      hooks: {
        drawClear: [(plot) => drawUnknown(plot, this.gaps), (plot) => drawMarks(plot, this.marks)],
        draw: [(plot) => drawLimits(plot, this.limits)],
        setSelect: [(plot) => this.zoom(plot)],
      },
    };
  }

  // From zero up; thresholds are always to be seen.
  heights(low, high) {
    const limits = this.limits.map((limit) => limit.value);
    const top = Math.max(high ?? 0, ...limits);
    return [Math.min(0, low ?? 0, ...limits), this.maximum ?? (top > 0 ? top * 1.08 : 1)];
  }

  zoom(plot) {
    const { left, width } = plot.select;
    if (width < 6) return;
    this.onZoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  }
}
