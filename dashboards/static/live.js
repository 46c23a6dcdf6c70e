// Keeps a page live: listens to the server's events, renews what is marked data-live, draws the charts.
import { Chart } from "./chart.js";
import { listenToKeys } from "./keys.js";

const root = document.documentElement;
const base = root.dataset.base;
const live = document.getElementById("live");
const liveText = document.getElementById("live-text");
let last = null; // when the last event came
let renewing = false;

// The range

// As the server has understood it; what is being typed into the fields counts only once it is sent.
// A page without a choice says itself what it is about.
const form = document.querySelector("form.range");
const about = document.getElementById("main").dataset;
const range = form
  ? { start: form.elements.start.defaultValue, stop: form.elements.stop.defaultValue }
  : { start: about.start ?? "-1h", stop: about.stop ?? "now" };
range.live = range.stop === "now";

// The other charts follow the cursor, and with it the selection: only the first of them may lead away.
let leaving = false;
addEventListener("pageshow", () => { leaving = false; });

function zoom(from, to) {
  if (leaving || !form) return;
  leaving = true;
  const url = new URL(location.href);
  // On whole seconds, outwards: so there is always something between them.
  const written = (seconds) => new Date(seconds * 1000).toISOString().replace(/\.\d+/, "");
  url.searchParams.set("start", written(Math.floor(from)));
  url.searchParams.set("stop", written(Math.floor(to) + 1));
  location.assign(url);
}

// Charts

let charts = [];

// Charts for the plots that have none yet; those whose plot has gone are let go.
function findCharts() {
  const known = new Map(charts.map((chart) => [chart.element, chart]));
  charts = [...document.querySelectorAll(".plot")].map((element) => known.get(element) ?? new Chart(element, zoom));
  for (const [element, chart] of known) if (!element.isConnected) chart.destroy();
}

async function drawCharts() {
  await Promise.all(charts.map((chart) => chart.refresh(range).catch(() => chart.failed())));
}

// What the server renders

function adopt(fresh) {
  for (const place of document.querySelectorAll("[data-live]")) {
    const renewed = fresh.querySelector(`[data-live="${CSS.escape(place.dataset.live)}"]`);
    if (!renewed || place.isEqualNode(renewed)) continue;
    const { scrollTop, scrollLeft } = place;
    const focused = place.contains(document.activeElement) && document.activeElement !== place ? document.activeElement : null;
    place.replaceChildren(...renewed.childNodes);
    place.className = renewed.className;
    Object.assign(place, { scrollTop, scrollLeft });
    if (focused) focusAgain(focused, place);
  }
  // A card's own frame has its state's colour.
  document.title = fresh.title;
  for (const panel of document.querySelectorAll("[data-panel]")) {
    const other = fresh.querySelector(`[data-panel="${CSS.escape(panel.dataset.panel)}"]`);
    if (other) panel.className = other.className;
  }
}

// Panels come and go: one without samples yet, one whose query failed. Then the section is taken as it is now.
function adoptPanels(fresh) {
  const panels = (section) => [...section.querySelectorAll("[data-panel]")].map((panel) => panel.dataset.panel).join("\n");
  const renewed = fresh.querySelectorAll("main > section");
  for (const [index, section] of document.querySelectorAll("main > section").entries()) {
    if (renewed[index] && panels(section) !== panels(renewed[index])) {
      section.querySelector(".panels").replaceChildren(...renewed[index].querySelector(".panels").childNodes);
    }
  }
  findCharts();
}

// Whoever goes through the page by keyboard stays where they are, also when it has moved.
function focusAgain(before, place) {
  const same = [...place.querySelectorAll("a, button, summary, [tabindex]")].find((element) => element.isEqualNode(before));
  (same ?? document.getElementById("main")).focus({ preventScroll: true });
}

async function renew() {
  if (renewing || document.hidden) return;
  renewing = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.status === 401) { location.reload(); return; }
    if (answer.ok) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      adopt(fresh);
      adoptPanels(fresh);
    }
    if (range.live) await drawCharts();
  } catch { /* the event stream tells that the server is away */ } finally { renewing = false; }
}

// Events

function clock(moment) {
  return moment.toLocaleTimeString([], { timeZone: root.dataset.zone, hour12: false });
}

function show(state) {
  live.dataset.state = state;
  if (state === "live") liveText.textContent = `live · ${clock(last)}`;
  else if (state === "stale") liveText.textContent = last ? `not live since ${clock(last)}` : "not live";
  else liveText.textContent = "connecting …";
}

function listen() {
  show("connecting");
  const events = new EventSource(`${base}/api/v1/stream`);
  const heard = () => { last = new Date(); show("live"); };
  events.addEventListener("snapshot", () => { heard(); renew(); });
  events.addEventListener("update", () => { heard(); renew(); });
  events.addEventListener("heartbeat", heard);
  events.onerror = () => {
    show("stale");
    // A browser gives up on an answer that is no stream (a proxy's error page): begin anew.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  };
  addEventListener("pagehide", () => events.close(), { once: true });
}
// Back from the browser's memory of pages: the stream was closed when it was left.
addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
setInterval(() => { if (last && Date.now() - last > 25000 && live.dataset.state === "live") show("stale"); }, 5000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) renew(); });

// Theme, help, keys

listenToKeys(drawCharts);

findCharts();
await drawCharts();
root.dataset.ready = "";
listen();
