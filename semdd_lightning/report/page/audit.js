// Every part is groups, each with a title and rows: an image with words under it, or two side by side.

function figure({ image, words }) {
  const lines = [images.path[image], ...words];
  return element("figure", {}, picture(image), element("figcaption", {}, lines.join("; ")));
}

function row(shown) {
  const alone = shown.length === 1;
  return element("li", { className: alone ? "single" : "pair" }, ...shown.map(figure));
}

for (const [part, groups] of Object.entries(data.parts))
  for (const [title, rows] of groups) byId(part).append(group(title, rows, row, 150));
