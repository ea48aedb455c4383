"use strict";
// The page asks for news once a second while somebody looks at it; pictures come as one stream that ends when nobody does.
const $ = (id) => document.getElementById(id);
const KEY = document.querySelector("meta[name=key]").content;
const EVERY_MS = 1000, KEPT = 600;
const DROPS = { late: "newer came first", missed: "the camera skipped", damaged: "damaged", lost: "camera went away", hung: "camera hung" };
const SKIPS = { every: "left out (every n-th)", still: "nothing moved", late: "too old", damaged: "not to be decoded" };
let next = 0, samples = [], labels = [], labelsOf = "", status = null, paused = false, run = "", dirty = 0;

// ---- what is asked for

async function ask(path, body) {
  const how = body === undefined ? {} : { method: "POST", body: JSON.stringify(body), headers: { "X-Bramble-Key": KEY } };
  const answer = await fetch(path, { ...how, signal: AbortSignal.timeout(8000) });
  if (answer.status === 401) location.reload();
  return answer.json();
}

async function look() {
  if (!document.hidden) {
    try {
      show(await ask("/live?after=" + next));
    } catch (error) {
      state("ill", "no answer");
      still(true);
    }
  }
  setTimeout(look, EVERY_MS);
}

function watch() {
  const wanted = !paused && !document.hidden;
  const image = $("preview");
  if (wanted && !image.src) image.src = "/preview.mjpeg?" + Date.now();
  if (!wanted) image.removeAttribute("src");
}

// ---- what is shown

function show(told) {
  if (told.answer.run !== run) { // another loop answers now: its numbers begin anew
    if (run) location.reload();
    run = told.answer.run;
  }
  status = told.answer;
  samples = samples.concat(told.samples).slice(-KEPT);
  next = told.next;
  const slow = status.sustained.rate < 1;
  state(told.unwell ? "ill" : slow ? "slow" : "well", told.unwell ? "trouble" : slow ? "slowed down" : "healthy");
  $("unwell").hidden = !told.unwell && !slow;
  $("unwell").textContent = told.unwell || `It goes at ${percent(status.sustained.rate)} of its rate: ${
    status.sustained.why === "heat" ? "the board is near the temperature at which it would throttle." : "it may use no more of the processor."}`;
  still(Boolean(told.unwell));
  $("name").textContent = status.name;
  document.title = `${status.name} · Bramble camera`;
  $("release").textContent = `${status.model} · release ${status.release.slice(0, 12)}${swapping(status.swap)}`;
  $("source").textContent = status.source;
  tiles();
  sights(told.latest);
  counts();
  actions();
  charts();
  if (labelsOf !== status.release) names(status.release);
  if (!dirty) knobs();
}

function swapping(swap) {
  const goes = { loading: "loading", comparing: "comparing", probation: "on probation:" };
  if (goes[swap.state]) return ` · ${goes[swap.state]} ${swap.release.slice(0, 12)}`;
  return swap.state === "rolled-back" || swap.state === "refused" ? ` · last swap ${swap.state}: ${swap.why}` : "";
}

function state(kind, words) {
  $("state").className = "badge " + kind;
  $("state").textContent = words;
}

function still(yes) {
  $("preview").parentElement.classList.toggle("still", yes);
}

function tiles() {
  const age = status.ages.inference, sustained = status.sustained;
  $("fps").textContent = status.fps === null ? "–" : short(status.fps);
  $("age").textContent = milliseconds(age.p50_ms ?? (age.count ? age.mean_ms : null));
  $("infer").textContent = milliseconds(status.infer.p50_ms ?? (status.infer.count ? status.infer.mean_ms : null));
  $("temp").textContent = sustained.temp_c === null ? "–" : `${sustained.temp_c.toFixed(1)} °C`;
  $("heat").textContent = sustained.throttled ? "throttled" : sustained.limit_c === null ? "no thermometer" : `limit ${sustained.limit_c} °C`;
}

function sights(latest) {
  const list = $("sights"), seen = latest ? latest.sights : [];
  $("frame").textContent = latest ? `frame ${latest.frame.toLocaleString("en")}` : "";
  while (list.children.length > Math.max(1, seen.length)) list.lastChild.remove();
  if (!seen.length) {
    list.replaceChildren(element("li", { className: "none soft", textContent: latest ? "nothing" : "no frame yet" }));
    return;
  }
  if (list.querySelector(".none")) list.replaceChildren();
  seen.forEach((one, at) => {
    const row = list.children[at] || list.appendChild(bar());
    const limit = threshold(one.label);
    row.classList.toggle("seen", one.score >= limit);
    row.children[0].textContent = row.children[0].title = one.label;
    row.querySelector("rect").setAttribute("width", percent(one.score, 1));
    for (const end of ["x1", "x2"]) row.querySelector("line").setAttribute(end, percent(limit, 1));
    row.children[2].textContent = percent(one.score);
  });
}

function bar() {
  const row = element("li", {}), track = svg("svg", {});
  track.append(svg("rect", { height: "100%", width: 0 }), svg("line", { y1: "0", y2: "100%" }));
  row.append(element("span", { className: "label" }), track, element("span", { className: "num" }));
  return row;
}

function counts() {
  const s = status.sustained, rows = [["running", duration(status.seconds)], ["predicted", whole(status.frames)], ["events", whole(status.events)]];
  for (const [cause, words] of Object.entries(DROPS)) if (status.captured[cause]) rows.push(["dropped: " + words, whole(status.captured[cause])]);
  for (const [cause, words] of Object.entries(SKIPS)) if (status.skipped[cause]) rows.push(["skipped: " + words, whole(status.skipped[cause])]);
  const age = status.ages.inference;
  if (age.p95_ms !== null) rows.push(["age, p95", milliseconds(age.p95_ms)]);
  if (s.cpu !== null) rows.push(["processor, share of one core", percent(s.cpu)]);
  if (s.day_bytes !== null) rows.push(["written in 24 h", `${bytes(s.day_bytes)} of ${bytes(s.day_budget_bytes)}`]);
  $("counts").replaceChildren(...rows.flatMap(([name, value]) => [element("dt", { textContent: name }), element("dd", { textContent: value })]));
}

function actions() {
  $("actions").hidden = !status.actions.length;
  $("actions").tBodies[0].replaceChildren(...status.actions.map((one) => {
    const row = element("tr", { title: one.last_failure });
    row.append(element("td", { textContent: one.action }));
    for (const n of [one.done, one.waiting, one.dropped]) row.append(element("td", { className: "num", textContent: whole(n) }));
    return row;
  }));
}

// ---- what is changed

function threshold(label) {
  return status.decide.thresholds[label] ?? status.decide.threshold;
}

async function names(release) {
  labelsOf = release;
  labels = (await ask("/labels")).answer;
  more();
}

function more() {
  const free = labels.filter((label) => !(label in status.decide.thresholds));
  $("more").replaceChildren(new Option("a label …", ""), ...free.slice(0, 2000).map((label) => new Option(label, label)));
}

function knobs() {
  const form = $("decide"), how = status.decide;
  for (const name of ["threshold", "release", "smooth"]) slide(form.elements[name], how[name]);
  if (document.activeElement !== form.elements.hold) form.elements.hold.value = how.hold;
  const own = $("own"), wanted = Object.keys(how.thresholds);
  if (wanted.join("\n") !== [...own.children].map((row) => row.dataset.label).join("\n")) {
    own.replaceChildren(...wanted.map(knob));
    more();
  }
  for (const row of own.children) slide(row.querySelector("input"), how.thresholds[row.dataset.label]);
}

function knob(label) {
  const row = element("label", { className: "knob" });
  row.dataset.label = label;
  const remove = element("button", { type: "button", textContent: "×", title: `${label} as all others` });
  remove.addEventListener("click", () => change({ thresholds: without(label) }));
  row.append(element("span", { textContent: label, title: label }), element("input", { type: "range", min: 0, max: 1, step: 0.01 }), element("output", {}), remove);
  return row;
}

function without(label) {
  const { [label]: _, ...others } = status.decide.thresholds;
  return others;
}

function slide(input, value) {
  input.value = value;
  input.nextElementSibling.textContent = percent(value);
}

function turned(event) {
  const input = event.target;
  if (input.type === "range") input.nextElementSibling.textContent = percent(input.value);
  if (!input.checkValidity()) return;
  const row = input.closest("[data-label]");
  clearTimeout(dirty);
  const value = Number(input.value);
  const tuning = row ? { thresholds: { ...status.decide.thresholds, [row.dataset.label]: value } } : { [input.name]: value };
  if (row || input.name) dirty = setTimeout(() => change(tuning), 200);
}

async function change(tuning) {
  try {
    const told = await ask("/thresholds", tuning);
    if (told.error) throw new Error(told.error.message);
    status.decide = told.answer.decide;
    said("saved");
  } catch (error) {
    said(`not changed: ${error.message}`);
  }
  dirty = 0;
  knobs();
}

function said(words) {
  $("saved").textContent = words;
  setTimeout(() => { if ($("saved").textContent === words) $("saved").textContent = ""; }, 4000);
}

// ---- charts

function charts() {
  chart("fps", [1], short);
  chart("age", [2, 3], milliseconds);
  const warm = samples.some((one) => one[4] !== null);
  $("temp-card").hidden = !warm;
  if (warm) chart("temp", [4], (value) => `${value.toFixed(1)} °C`, status.sustained.limit_c);
}

// One line over time, of ``columns[0]``; below ``columns[1]`` (the most) the ground is tinted.
function chart(name, columns, words, limit) {
  const at = $(name + "-chart"), width = at.clientWidth, height = at.clientHeight - 16, right = width - 44;
  if (!samples.length || right < 20) return;
  const last = samples[samples.length - 1][0], first = Math.min(samples[0][0], last - 30);
  const all = columns.flatMap((column) => samples.map((one) => one[column])).filter((value) => value !== null);
  const low = name === "temp" ? Math.floor((Math.min(...all) - 2) / 5) * 5 : 0;
  const most = Math.max(...all, low + 1e-3), near = limit && most > limit - 15 ? limit : 0;
  const high = name === "temp" ? Math.ceil((Math.max(most, near) + 2) / 5) * 5 : nice(most);
  const x = (time) => (time - first) / (last - first) * right, y = (value) => height - (value - low) / (high - low) * (height - 6);
  const drawn = [];
  for (const value of [low, (low + high) / 2, high]) {
    drawn.push(svg("line", { class: "grid", x1: 0, x2: right, y1: y(value), y2: y(value) }), text(right + 6, y(value) + 4, short(value)));
  }
  drawn.push(text(0, height + 14, `${duration(last - first)} ago`), text(right, height + 14, "now", "end"));
  if (limit && limit <= high) drawn.push(svg("line", { class: "limit", x1: 0, x2: right, y1: y(limit), y2: y(limit) }));
  const top = path(samples, columns[columns.length - 1], x, y);
  for (const part of top) drawn.push(svg("path", { class: "band", d: `${part.line}V${y(low)}H${part.from}Z` }));
  for (const part of path(samples, columns[0], x, y)) drawn.push(svg("path", { class: "line", d: part.line }));
  at.replaceChildren(...drawn);
  at.onpointermove = (event) => point(at, name, columns, words, first + (event.clientX - at.getBoundingClientRect().left) / right * (last - first), x, height);
  at.onpointerleave = () => { $(name + "-at").textContent = ""; at.querySelector(".mark")?.remove(); };
}

// The parts of a line, which breaks where nothing was measured.
function path(held, column, x, y) {
  const parts = [];
  let line = "", from = 0;
  for (const one of held) {
    if (one[column] === null) {
      if (line) parts.push({ line, from });
      line = "";
      continue;
    }
    if (!line) from = x(one[0]);
    line += `${line ? "L" : "M"}${x(one[0]).toFixed(1)} ${y(one[column]).toFixed(1)}`;
  }
  if (line) parts.push({ line, from });
  return parts;
}

function point(at, name, columns, words, time, x, height) {
  const near = samples.reduce((best, one) => (Math.abs(one[0] - time) < Math.abs(best[0] - time) ? one : best));
  const values = columns.map((column) => near[column]).filter((value) => value !== null).map(words);
  $(name + "-at").textContent = `${values.join(", at most ")}, ${duration(samples[samples.length - 1][0] - near[0])} ago`;
  at.querySelector(".mark")?.remove();
  at.append(svg("line", { class: "mark", x1: x(near[0]), x2: x(near[0]), y1: 0, y2: height }));
}

function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12].find((step) => step * power >= value * 1.05) * power || value * 1.2;
}

// ---- words

function svg(kind, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function text(x, y, words, anchor = "start") {
  const made = svg("text", { x, y, "text-anchor": anchor });
  made.textContent = words;
  return made;
}

function element(kind, properties) {
  return Object.assign(document.createElement(kind), properties);
}

function short(value) {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1).replace(/\.0$/, "") : value.toFixed(2).replace(/\.?0+$/, "");
}

function milliseconds(value) {
  return value === null ? "–" : value >= 1000 ? `${short(value / 1000)} s` : `${short(value)} ms`;
}

function percent(value, digits = 0) {
  return `${(100 * value).toFixed(digits)}${digits ? "%" : " %"}`;
}

function whole(value) {
  return value.toLocaleString("en");
}

function bytes(value) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (value < 1000 || unit === "GB") return `${unit === "B" ? value : short(value)} ${unit}`;
    value /= 1000;
  }
}

function duration(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min${s % 60 && s < 600 ? ` ${s % 60} s` : ""}`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}

// ---- begin

$("decide").addEventListener("input", turned);
$("decide").addEventListener("submit", (event) => event.preventDefault());
$("more").addEventListener("change", (event) => {
  const label = event.target.value;
  if (label) change({ thresholds: { ...status.decide.thresholds, [label]: threshold(label) } });
});
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").textContent = paused ? "Watch" : "Pause";
  $("pause").setAttribute("aria-pressed", paused);
  watch();
});
$("preview").addEventListener("error", () => {
  $("preview").removeAttribute("src");
  setTimeout(watch, 2000);
});
$("preview").addEventListener("load", () => {
  const image = $("preview"), frame = image.parentElement;
  if (image.naturalWidth) frame.style.aspectRatio = `${image.naturalWidth} / ${image.naturalHeight}`;
});
document.addEventListener("visibilitychange", watch);
addEventListener("resize", () => status && charts());
watch();
look();
