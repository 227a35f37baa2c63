"use strict";
// Texts from outside reach the page through textContent and attributes alone, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const { images, classes } = data;
const byId = (id) => document.getElementById(id);

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
    const show = () => {
      made.style.backgroundImage = `url(${sheetAddress(Math.floor(images.picture[i] / capacity))})`;
    };
    // The sheets stand last in the file, so that a large page can be read while they arrive.
    document.readyState === "loading" ? addEventListener("DOMContentLoaded", show, { once: true }) : show();
    made.style.setProperty("--columns", columns);
    made.style.setProperty("--column", place % columns);
    made.style.setProperty("--line", Math.floor(place / columns));
    made.classList.toggle("pixels", edge < 64); // small images keep their pixels
  }
  return made;
}

// ---------------------------------------------------------------- rows, drawn when they are scrolled to

const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (isIntersecting) draw(target);
}, { rootMargin: "800px" });

function draw(list) {
  watcher.unobserve(list);
  list.style.minHeight = "";
  list.append(...list.rows.splice(0).map(list.card));
}

function group(title, rows, card, height) { // its cards are made by a function, once they are near
  const list = Object.assign(element("ul"), { rows: [...rows], card });
  list.style.minHeight = `${height}px`;
  watcher.observe(list);
  return element("section", { className: "group" }, element("h3", {}, title), list);
}
