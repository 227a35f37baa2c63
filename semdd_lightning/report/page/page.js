"use strict";
// Texts from outside reach the page through textContent and attributes alone, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const { images, classes, numbers } = data;
const MARKS = { selected: "●", candidate: "○", filtered: "×", excluded: "–" };
const BLOCK = 100; // images of a group that is no class
const all = images.path.map((_, i) => i);
const byId = (id) => document.getElementById(id);
const form = byId("choice");
let visible = all; // those that the filters leave, in the order shown
let current = null; // the one looked at

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// ---------------------------------------------------------------- pictures

const addresses = [];

function sheetAddress(number) {
  if (!addresses[number]) {
    const bytes = Uint8Array.from(atob(byId(`sheet-${number}`).textContent), (letter) => letter.charCodeAt(0));
    addresses[number] = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  }
  return addresses[number];
}

function picture(i) { // its size is a matter of the style sheet
  const { edge, columns, capacity } = data.sheets;
  const made = element("span", { className: "picture" });
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", images.picture[i] < 0 ? "no picture" : images.path[i]);
  if (images.picture[i] >= 0) {
    const place = images.picture[i] % capacity;
    made.style.backgroundImage = `url(${sheetAddress(Math.floor(images.picture[i] / capacity))})`;
    made.style.setProperty("--columns", columns);
    made.style.setProperty("--column", place % columns);
    made.style.setProperty("--line", Math.floor(place / columns));
    made.classList.toggle("pixels", edge < 64); // small images keep their pixels
  }
  return made;
}

// ---------------------------------------------------------------- the image looked at

function look(i) {
  current = i;
  const list = element("dl");
  const say = (name, ...content) => list.append(element("dt", {}, name), element("dd", {}, ...content));
  const stage = images.stage[i];
  say("path", images.path[i]);
  say("class", classes[images.label[i]]);
  say("stage", element("span", { className: `mark ${stage}` }, `${MARKS[stage]} ${stage}`));
  say("reason", images.reason[i]);
  if (images.predicted[i] >= 0) say("nearest class prompt", classes[images.predicted[i]] ?? "-");
  for (const [key, name] of Object.entries(numbers))
    if (images[key][i] !== null) say(name, String(images[key][i]));
  const nearest = images.nearest[i];
  if (nearest >= 0) say("nearest chosen image", images.path[nearest], picture(nearest));
  byId("details").replaceChildren(picture(i), list);
  showMap();
}

// ---------------------------------------------------------------- filters and order

function setUpForm() {
  classes.forEach((name, value) => form.elements.label.append(element("option", { value }, name)));
  for (const [value, name] of Object.entries(numbers)) form.elements.sort.append(element("option", { value }, name));
  for (const stage of Object.keys(MARKS).filter((name) => images.stage.includes(name))) {
    const box = element("input", { type: "checkbox", name: "stage", value: stage, checked: true });
    byId("stages").append(element("label", {}, box, stage));
    byId("legend").append(element("span", { className: `mark ${stage}` }, `${MARKS[stage]} ${stage}`));
  }
  let waiting;
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(refresh, 80); });
  form.addEventListener("submit", (event) => event.preventDefault());
}

function chosenByForm() {
  const { label, reason, path, sort, order, least, most } = Object.fromEntries(new FormData(form));
  const stages = new Set(new FormData(form).getAll("stage"));
  const has = (text, part) => text.toLowerCase().includes(part.toLowerCase());
  const inside = (value) => value !== null && (least === "" || value >= +least) && (most === "" || value <= +most);
  const found = all.filter((i) =>
    (label === "" || images.label[i] === +label) && stages.has(images.stage[i])
    && has(images.reason[i], reason) && has(images.path[i], path)
    && (sort === "" || (least === "" && most === "") || inside(images[sort][i])));
  if (sort === "") return found;
  const values = images[sort], sign = order === "up" ? 1 : -1;
  const last = (i) => values[i] === null;
  return found.sort((a, b) => last(a) - last(b) || sign * (values[a] - values[b]) || a - b);
}

function refresh() {
  visible = chosenByForm();
  const pools = form.elements.grouped.checked ? byClass() : inBlocks();
  byId("count").textContent = `${visible.length.toLocaleString("en")} of ${all.length.toLocaleString("en")} images`;
  watcher.disconnect();
  byId("groups").replaceChildren(...pools.map(([title, rows]) => group(title, rows)));
  drawMap();
}

function byClass() {
  const rows = new Map();
  for (const i of visible) rows.has(images.label[i]) ? rows.get(images.label[i]).push(i) : rows.set(images.label[i], [i]);
  return [...rows].sort(([a], [b]) => a - b).map(([label, found]) => [classes[label], found]);
}

function inBlocks() {
  const starts = visible.map((_, k) => k).filter((k) => k % BLOCK === 0);
  return starts.map((k) => [`${k + 1} to ${Math.min(k + BLOCK, visible.length)}`, visible.slice(k, k + BLOCK)]);
}

// ---------------------------------------------------------------- rows, drawn when they are scrolled to

const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    target.style.minHeight = "";
    target.append(...target.rows.map(card));
  }
}, { rootMargin: "800px" });

function group(title, rows) {
  const heading = element("h3", {}, `${title} (${rows.length})`);
  const list = Object.assign(element("ul"), { rows });
  const across = Math.max(1, Math.floor((byId("groups").clientWidth + 6) / 108));
  list.style.minHeight = `${Math.ceil(rows.length / across) * 131}px`;
  watcher.observe(list);
  return element("section", { className: "group" }, heading, list);
}

function card(i) {
  const stage = images.stage[i];
  const sorted = form.elements.sort.value;
  const value = sorted ? images[sorted][i] : images.step?.[i];
  const words = value === null || value === undefined ? stage : `${MARKS[stage]} ${value}`;
  const button = element("button", { type: "button", className: `card ${stage}` }, picture(i), words);
  button.setAttribute("aria-label", `${images.path[i]}, ${classes[images.label[i]]}, ${stage}, ${images.reason[i]}`);
  button.dataset.image = i;
  return element("li", {}, button);
}

function cardOf(event) {
  return event.target.closest?.("[data-image]");
}

for (const kind of ["pointerover", "focusin", "click"])
  byId("groups").addEventListener(kind, (event) => {
    const button = cardOf(event);
    if (button && current !== +button.dataset.image) look(+button.dataset.image);
  });

byId("groups").addEventListener("keydown", (event) => {
  const button = cardOf(event);
  const next = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[event.key];
  if (button && next) button.parentElement[next]?.firstElementChild.focus();
});

// ---------------------------------------------------------------- the map

const canvas = byId("map");
const points = new OffscreenCanvas(1, 1); // drawn once for each choice of images, as they may be many
const spread = (values) => {
  const known = values.filter((value) => value !== null);
  return known.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
};
const [left, right] = spread(images.x), [bottom, top_] = spread(images.y);

const onMap = () => visible.filter((i) => images.x[i] !== null);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

function projection() { // from an image to its place on the canvas
  const { clientWidth: width, clientHeight: height } = canvas; // once: a page of many images is slow to ask
  const scale = Math.min((width - 24) / (right - left || 1), (height - 24) / (top_ - bottom || 1));
  return (i) => [
    width / 2 + scale * (images.x[i] - (left + right) / 2),
    height / 2 - scale * (images.y[i] - (bottom + top_) / 2),
  ];
}

let drawing;
function drawMap() { // at most once before the next picture of the screen
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(drawPoints);
}

function drawPoints() {
  points.width = canvas.width = canvas.clientWidth * devicePixelRatio;
  points.height = canvas.height = canvas.clientHeight * devicePixelRatio;
  const pen = points.getContext("2d"), place = projection(), shown = onMap();
  pen.scale(devicePixelRatio, devicePixelRatio);
  for (const stage of ["filtered", "candidate", "selected"]) { // the chosen in front
    const stamp = stampOf(stage);
    for (const i of shown) {
      if (images.stage[i] !== stage) continue;
      const [x, y] = place(i);
      pen.drawImage(stamp, x - STAMP / 2, y - STAMP / 2, STAMP, STAMP);
    }
  }
  showMap();
}

const STAMP = 12;

function stampOf(stage) { // the mark of a stage, drawn once
  const stamp = new OffscreenCanvas(STAMP * devicePixelRatio, STAMP * devicePixelRatio), pen = stamp.getContext("2d");
  pen.scale(devicePixelRatio, devicePixelRatio);
  pen.translate(STAMP / 2, STAMP / 2);
  pen.strokeStyle = pen.fillStyle = colour(stage);
  if (stage === "filtered") {
    pen.moveTo(-3, -3); pen.lineTo(3, 3);
    pen.moveTo(3, -3); pen.lineTo(-3, 3);
  } else pen.arc(0, 0, stage === "selected" ? 4 : 3, 0, 2 * Math.PI);
  stage === "selected" ? pen.fill() : pen.stroke();
  return stamp;
}

function showMap() {
  if (!points.width || !points.height) return;
  const pen = canvas.getContext("2d");
  pen.resetTransform();
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(points, 0, 0);
  if (current === null || images.x[current] === null) return;
  pen.scale(devicePixelRatio, devicePixelRatio);
  pen.strokeStyle = colour("ink");
  pen.lineWidth = 2;
  pen.beginPath();
  pen.arc(...projection()(current), 9, 0, 2 * Math.PI); // around the image looked at
  pen.stroke();
}

canvas.addEventListener("click", (event) => {
  const place = projection();
  let nearest = null, least = 20; // pixels
  for (const i of onMap()) {
    const [x, y] = place(i), distance = Math.hypot(x - event.offsetX, y - event.offsetY);
    if (distance < least) [nearest, least] = [i, distance];
  }
  if (nearest !== null) look(nearest);
});

canvas.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const shown = onMap();
  if (!step || !shown.length) return;
  event.preventDefault();
  const at = shown.indexOf(current);
  look(shown[at < 0 ? 0 : (at + step + shown.length) % shown.length]);
});

new ResizeObserver(drawMap).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawMap);

setUpForm();
refresh();
