// ---------------------------------------------------------------- images struck out and pinned

const WORDS = { strike: "struck out", pin: "pinned" };
const choices = new Map(data.choices); // from an image to what is decided of it, in the order of the decisions
let elsewhere = []; // what was read of images that are not on this page: kept as it was
let saved = true;
const cell = (i) => data.cells[i] ?? images.path[i]; // as the file names it

function decide(i, choice) {
  const taken = choices.get(i) === choice;
  const refusal = taken ? "" : whyNot(i, choice);
  if (!refusal) {
    choices.delete(i); // what is decided anew comes last
    if (!taken) choices.set(i, choice);
    saved = false;
    showChoice(i);
  }
  say(refusal || `${images.path[i]} is ${taken ? "as the sampler decides" : WORDS[choice]}.`);
}

function whyNot(i, choice) { // what `semdd select` would refuse
  const ofClass = (of) => [...choices].filter(([j, c]) => c === of && j !== i && images.label[j] === images.label[i]
    && images.stage[j] !== "excluded").length;
  const name = classes[images.label[i]];
  if (images.stage[i] === "excluded") return choice === "pin" ? `It cannot be chosen: ${images.reason[i]}.` : "";
  if (choice === "pin" && ofClass("pin") >= data.ipc) return `${data.ipc} of ${name} are pinned already; take one back.`;
  if (choice === "strike" && data.sizes[images.label[i]] - ofClass("strike") <= data.ipc)
    return `No more of ${name} can be struck out: ${data.ipc} have to be left.`;
  return "";
}

function say(message) {
  const count = (choice) => [...choices.values()].filter((value) => value === choice).length;
  const more = elsewhere.length ? `, and ${elsewhere.length} choices of images that are not on this page` : "";
  byId("decided").textContent = `${count("strike")} struck out, ${count("pin")} pinned${more}. ${message}`;
  byId("download").disabled = choices.size + elsewhere.length === 0;
}

function showChoice(i) { // on its card and in the panel, where it is there
  const card = document.querySelector(`[data-image="${i}"]`);
  if (card) mark(card, i);
  if (current === i) look(i);
}

function mark(card, i) {
  const choice = choices.get(i);
  for (const kind of ["strike", "pin"]) card.classList.toggle(kind, choice === kind);
  const words = [images.path[i], classes[images.label[i]], images.stage[i], images.reason[i], WORDS[choice]];
  card.setAttribute("aria-label", words.filter(Boolean).join(", "));
}

function choiceButtons(i) {
  const button = (choice, label) => {
    const made = element("button", { type: "button", onclick: () => decide(i, choice) }, label);
    made.setAttribute("aria-pressed", choices.get(i) === choice);
    return made;
  };
  const show = element("button", { type: "button", onclick: () => goToThumbnail(i) }, "Show among the images");
  return element("p", { className: "buttons" }, button("strike", "Strike out (S)"), button("pin", "Pin (P)"), show);
}

document.addEventListener("keydown", (event) => {
  const choice = { s: "strike", p: "pin" }[event.key.toLowerCase()];
  const writing = event.target.closest?.("input, select, textarea");
  if (!choice || writing || event.ctrlKey || event.metaKey || event.altKey || current === null) return;
  event.preventDefault();
  decide(current, choice);
});

// ---------------------------------------------------------------- the file of choices

function csv() {
  const rows = [["path", "choice"], ...[...choices].map(([i, choice]) => [cell(i), choice]), ...elsewhere];
  return rows.map((row) => row.map((text) => `"${text.replaceAll('"', '""')}"`).join(",") + "\r\n").join("");
}

function parsed(text) { // rows of CSV; null where it is none
  const rows = [[]], part = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n|\n|\r|$)/y;
  text = text.replace(/^\ufeff/, "");
  for (;;) {
    const found = part.exec(text);
    if (!found) return null;
    rows.at(-1).push(found[1].startsWith('"') ? found[1].slice(1, -1).replaceAll('""', '"') : found[1]);
    if (found[2] === "") break;
    if (found[2] !== ",") rows.push([]);
  }
  return rows.filter((row) => row.length > 1 || row[0] !== "");
}

function take(text) {
  const [head, ...rows] = parsed(text) ?? [[]];
  const [path, choice] = ["path", "choice"].map((name) => (head ?? []).indexOf(name));
  if (path < 0 || choice < 0 || rows.some((row) => !Object.hasOwn(WORDS, row[choice])))
    return say("This file holds no choices: nothing was changed.");
  const known = new Map(all.map((i) => [cell(i), i])), before = [...choices.keys()];
  choices.clear();
  elsewhere = [];
  for (const row of rows) {
    const i = known.get(row[path]);
    i === undefined ? elsewhere.push([row[path], row[choice]]) : choices.set(i, row[choice]);
  }
  new Set([...before, ...choices.keys()]).forEach(showChoice);
  saved = true;
  return say(`${rows.length} choices were read.`);
}

byId("download").addEventListener("click", () => {
  const address = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  element("a", { href: address, download: "choices.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
  saved = true;
  say("They are in choices.csv.");
});

byId("upload").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file) take(await file.text());
  event.target.value = ""; // so that the same file can be read again
});

addEventListener("beforeunload", (event) => { if (!saved) event.preventDefault(); });

say("");
