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

new ResizeObserver(drawMap).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawMap);
