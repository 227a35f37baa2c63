const { numbers } = data;
const MARKS = { selected: "●", candidate: "○", filtered: "×", excluded: "–" };
const BLOCK = 100; // images of a group that is no class
const all = images.path.map((_, i) => i);
const form = byId("choice");
let visible = all; // those that the filters leave, in the order shown
let current = null; // the one looked at
let waiting = null; // for the filters to be applied

// ---------------------------------------------------------------- the image looked at

function look(i) {
  current = i;
  const list = element("dl");
  const tell = (name, ...content) => list.append(element("dt", {}, name), element("dd", {}, ...content));
  const stage = images.stage[i];
  tell("path", images.path[i]);
  tell("class", classes[images.label[i]]);
  if (choices.has(i)) tell("your choice", WORDS[choices.get(i)]);
  tell("stage", element("span", { className: `mark ${stage}` }, `${MARKS[stage]} ${stage}`));
  tell("reason", images.reason[i]);
  if (images.resembles[i] >= 0) tell("to the audit it looks like", classes[images.resembles[i]]);
  if (images.predicted[i] >= 0) tell("nearest class prompt", classes[images.predicted[i]] ?? "-");
  for (const [key, name] of Object.entries(numbers))
    if (images[key][i] !== null) tell(name, String(images[key][i]));
  const nearest = images.nearest[i];
  if (nearest >= 0) tell("nearest chosen image", images.path[nearest], picture(nearest));
  const focused = byId("details").contains(document.activeElement)
    && [...byId("details").querySelectorAll("button")].indexOf(document.activeElement);
  byId("details").replaceChildren(picture(i), choiceButtons(i), list);
  if (focused !== false) byId("details").querySelectorAll("button")[focused]?.focus(); // where the keyboard was
  document.querySelector("[aria-current]")?.removeAttribute("aria-current");
  document.querySelector(`[data-image="${i}"]`)?.setAttribute("aria-current", "true");
  showMap();
}

function goToThumbnail(i) {
  const list = [...document.querySelectorAll(".group ul")].find((ul) => ul.images.includes(i));
  if (!list) return say("The filters hide it.");
  if (list.rows.length) draw(list);
  const card = list.querySelector(`[data-image="${i}"]`);
  card.scrollIntoView({ block: "center" });
  return card.focus({ preventScroll: true });
}

// ---------------------------------------------------------------- filters and order

function setUpForm() {
  classes.forEach((name, value) => form.elements.label.append(element("option", { value }, name)));
  for (const [value, name] of Object.entries(numbers)) {
    form.elements.sort.append(element("option", { value }, name));
    form.elements.score.append(element("option", { value }, name));
  }
  for (const stage of Object.keys(MARKS).filter((name) => images.stage.includes(name))) {
    const box = element("input", { type: "checkbox", name: "stage", value: stage, defaultChecked: true });
    byId("stages").append(element("label", {}, box, stage));
    byId("legend").append(element("span", { className: `mark ${stage}` }, `${MARKS[stage]} ${stage}`));
  }
  const later = (delay) => { clearTimeout(waiting); waiting = setTimeout(refresh, delay); };
  form.addEventListener("input", () => later(80)); // until somebody has typed
  form.addEventListener("reset", () => later(0)); // when the fields are reset
  form.addEventListener("submit", (event) => event.preventDefault());
}

const SPECIAL = {
  decided: (i) => choices.has(i),
  strike: (i) => choices.get(i) === "strike",
  pin: (i) => choices.get(i) === "pin",
  resembles: (i) => images.resembles[i] >= 0,
};

function chosenByForm() {
  const { label, reason, path, only, score, sort, order, least, most } = Object.fromEntries(new FormData(form));
  const stages = new Set(new FormData(form).getAll("stage"));
  const has = (text, part) => text.toLowerCase().includes(part.toLowerCase());
  const inside = (value) => value !== null && (least === "" || value >= +least) && (most === "" || value <= +most);
  const found = all.filter((i) =>
    (label === "" || images.label[i] === +label) && stages.has(images.stage[i])
    && (only === "" || SPECIAL[only](i))
    && (reason === "" || has(images.reason[i], reason)) && (path === "" || has(images.path[i], path))
    && ((least === "" && most === "") || inside(images[score][i])));
  if (sort === "") return found;
  const values = images[sort], sign = order === "up" ? 1 : -1;
  const last = (i) => values[i] === null;
  return found.sort((a, b) => last(a) - last(b) || sign * (values[a] - values[b]) || a - b);
}

function refresh() {
  waiting = null;
  visible = chosenByForm();
  const across = Math.max(1, Math.floor((byId("groups").clientWidth + 6) / 108));
  const height = (rows) => Math.ceil(rows.length / across) * 131;
  const groups = form.elements.grouped.checked ? byClass() : inBlocks();
  byId("count").textContent = `${visible.length.toLocaleString("en")} of ${all.length.toLocaleString("en")} images`;
  watcher.disconnect();
  byId("groups").replaceChildren(...groups.map(([title, rows]) => {
    const made = group(`${title} (${rows.length})`, rows, card, height(rows));
    made.lastChild.images = rows;
    return made;
  }));
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

// ---------------------------------------------------------------- thumbnails

function card(i) {
  const stage = images.stage[i];
  const sorted = form.elements.sort.value;
  const value = sorted ? images[sorted][i] : images.step?.[i];
  const words = value === null || value === undefined ? stage : `${MARKS[stage]} ${value}`;
  const button = element("button", { type: "button", className: `card ${stage}` }, picture(i), words);
  button.dataset.image = i;
  mark(button, i);
  if (i === current) button.setAttribute("aria-current", "true");
  return element("li", {}, button);
}

function cardOf(event) {
  return event.target.closest?.("[data-image]");
}

// Not pointerover, which also comes when images scroll below a pointer that rests.
for (const kind of ["pointermove", "focusin", "click"])
  byId("groups").addEventListener(kind, (event) => {
    const button = cardOf(event);
    if (button && current !== +button.dataset.image) look(+button.dataset.image);
  });

byId("groups").addEventListener("keydown", (event) => {
  const button = cardOf(event);
  const next = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[event.key];
  if (button && next) button.parentElement[next]?.firstElementChild.focus();
});
