// Keeps a page live: listens to the server's events, renews what is marked data-live, draws the charts.
import { Chart } from "./chart.js";

const root = document.documentElement;
const base = root.dataset.base;
const live = document.getElementById("live");
const liveText = document.getElementById("live-text");
let last = null; // when the last event came
let renewing = false;

// The range

function range() {
  const given = new URLSearchParams(location.search);
  const form = document.querySelector("form.range");
  const start = given.get("start") || form.elements.start.value;
  const stop = given.get("stop") || form.elements.stop.value;
  return { start, stop, live: stop === "now", seconds: secondsOf(start, stop) };
}

const UNITS = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
function instant(text) {
  const relative = /^(?:now)?-([0-9.]+)(s|m|h|d|w)$/.exec(text);
  if (relative) return Date.now() / 1000 - Number(relative[1]) * UNITS[relative[2]];
  if (text === "now") return Date.now() / 1000;
  return /^[0-9.]+$/.test(text) ? Number(text) : Date.parse(text) / 1000;
}
function secondsOf(start, stop) {
  const seconds = instant(stop) - instant(start);
  return seconds > 0 ? seconds : 3600;
}

// The other charts follow the cursor, and with it the selection: only the first of them may lead away.
let leaving = false;
addEventListener("pageshow", () => { leaving = false; });

function zoom(from, to) {
  if (leaving) return;
  leaving = true;
  const url = new URL(location.href);
  url.searchParams.set("start", new Date(from * 1000).toISOString().replace(/\.\d+/, ""));
  url.searchParams.set("stop", new Date(to * 1000).toISOString().replace(/\.\d+/, ""));
  location.assign(url);
}

// Charts

const charts = [...document.querySelectorAll(".plot")].map((element) => new Chart(element, zoom));

async function drawCharts() {
  const shown = range();
  await Promise.all(charts.map((chart) => chart.refresh(shown).catch(() => {})));
}

// What the server renders

function adopt(fresh) {
  for (const place of document.querySelectorAll("[data-live]")) {
    const name = place.dataset.live;
    const renewed = fresh.querySelector(`[data-live="${CSS.escape(name)}"]`);
    if (!renewed || place.contains(document.activeElement) && document.activeElement !== place) continue;
    if (place.isEqualNode(renewed)) continue;
    const { scrollTop, scrollLeft } = place;
    place.replaceChildren(...renewed.childNodes);
    place.className = renewed.className;
    Object.assign(place, { scrollTop, scrollLeft });
  }
  // A card's own frame has its state's colour.
  document.title = fresh.title;
  for (const [index, card] of [...document.querySelectorAll("article.probe, article.stat")].entries()) {
    const other = fresh.querySelectorAll("article.probe, article.stat")[index];
    if (other) card.className = other.className;
  }
}

async function renew() {
  if (renewing || document.hidden) return;
  renewing = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.status === 401) { location.reload(); return; }
    if (answer.ok) adopt(new DOMParser().parseFromString(await answer.text(), "text/html"));
    if (range().live) await drawCharts();
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
setInterval(() => { if (last && Date.now() - last > 25000 && live.dataset.state === "live") show("stale"); }, 5000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) renew(); });

// Theme, help, keys

const themeButton = document.getElementById("theme");
const help = document.getElementById("help");
const helpButton = document.getElementById("help-button");
themeButton.hidden = helpButton.hidden = false;

function switchTheme() {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("opswatch-theme", root.dataset.theme); } catch { /* then only for this page */ }
  drawCharts();
}
themeButton.addEventListener("click", switchTheme);
helpButton.addEventListener("click", () => help.showModal());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);

const KEYS = { o: () => location.assign(`${base}/`), h: () => location.assign(`${base}/host`), s: () => location.assign(`${base}/status`), t: switchTheme, "?": () => help.showModal() };
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select") || help.open) return;
  KEYS[event.key]?.();
});

await drawCharts();
root.dataset.ready = "";
listen();
