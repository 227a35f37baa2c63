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
  const width = points.width = canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
  const height = points.height = canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
  if (!width || !height) return;
  const pen = points.getContext("2d"), place = projection(), shown = onMap();
  const picture = pen.createImageData(width, height), pixels = new Uint32Array(picture.data.buffer);
  for (const stage of ["filtered", "candidate", "selected"]) { // the chosen in front
    const stamp = stampOf(stage, width);
    for (const i of shown) {
      if (images.stage[i] !== stage) continue;
      const [x, y] = place(i);
      const start = Math.round(y * devicePixelRatio) * width + Math.round(x * devicePixelRatio);
      for (const [offset, value] of stamp) pixels[start + offset] = value;
    }
  }
  pen.putImageData(picture, 0, 0);
  showMap();
}

const STAMP = 12;

// The mark of a stage as pixels, by their offsets: drawing tens of thousands of marks one by one takes a second.
function stampOf(stage, width) {
  const side = Math.ceil(STAMP * devicePixelRatio), half = Math.floor(side / 2);
  const pen = new OffscreenCanvas(side, side).getContext("2d");
  pen.scale(devicePixelRatio, devicePixelRatio);
  pen.translate(STAMP / 2, STAMP / 2);
  pen.strokeStyle = pen.fillStyle = colour(stage);
  if (stage === "filtered") {
    pen.moveTo(-3, -3); pen.lineTo(3, 3);
    pen.moveTo(3, -3); pen.lineTo(-3, 3);
  } else pen.arc(0, 0, stage === "selected" ? 4 : 3, 0, 2 * Math.PI);
  stage === "selected" ? pen.fill() : pen.stroke();
  const drawn = new Uint32Array(pen.getImageData(0, 0, side, side).data.buffer), seen = [];
  drawn.forEach((value, k) => {
    if (value >>> 24 > 100) seen.push([(Math.floor(k / side) - half) * width + (k % side) - half, value]);
  });
  return seen;
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
canvas.addEventListener("dblclick", () => { if (current !== null) goToThumbnail(current); });

canvas.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && current !== null) goToThumbnail(current);
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const shown = onMap();
  if (!step || !shown.length) return;
  event.preventDefault();
  const at = shown.indexOf(current);
  look(shown[at < 0 ? 0 : (at + step + shown.length) % shown.length]);
});

new ResizeObserver(() => { // it is told of the first size, too, which is drawn already
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.round(side * devicePixelRatio));
  if (width !== points.width || height !== points.height) drawMap();
}).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawMap);
