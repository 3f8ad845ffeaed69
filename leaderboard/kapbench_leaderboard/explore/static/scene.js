// Images with their heat maps and marks.

const SVG = "http://www.w3.org/2000/svg";
const palette = Uint8Array.from(data.colours.match(/../g), (digits) => parseInt(digits, 16));
const cards = []; // by image: { figure, views: by model { stage, canvas, marks, result } }

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function makeSvg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const written = (value, digits = 3) => value.toFixed(digits).replace("-", "\u2212");

function makeView(i, m) {
  const image = data.images[i], map = models[m].maps[i];
  const view = make("div", "view"), stage = make("div", "stage"), picture = new Image();
  picture.src = image.url;
  picture.alt = "";
  picture.width = image.width;
  picture.height = image.height;
  const canvas = make("canvas");
  canvas.width = map.width;
  canvas.height = map.height;
  const [x0, y0, x1, y1] = map.box;
  const share = (value, whole) => `${(100 * value) / whole}%`;
  canvas.style.left = share(x0, image.width);
  canvas.style.top = share(y0, image.height);
  canvas.style.width = share(x1 - x0, image.width);
  canvas.style.height = share(y1 - y0, image.height);
  const marks = makeSvg("svg", { viewBox: `0 0 ${image.width} ${image.height}`, "aria-hidden": "true" });
  stage.append(picture, canvas, marks);
  stage.tabIndex = m === 0 ? 0 : -1; // the point is one for all models
  stage.setAttribute("role", "application");
  const of = models.length > 1 ? `, ${models[m].name}` : "";
  stage.setAttribute("aria-label", `Image ${i + 1}: ${image.label}${of}. Arrow keys move the point.`);
  const result = make("p", "result");
  view.append(stage, result);
  return { view, stage, canvas, marks, result };
}

function buildScene() {
  byId("images").style.setProperty("--models", models.length);
  data.images.forEach((image, i) => {
    const figure = make("figure", "card"), row = make("div", "views");
    const views = models.map((_, m) => makeView(i, m));
    row.append(...views.map((v) => v.view));
    const caption = make("figcaption");
    caption.append(make("b", "", `${i + 1} `), image.label);
    figure.append(row, caption);
    byId("images").append(figure);
    cards.push({ figure, views });
  });
}

// Heat of one image on the scale that all images of a model share. Low scores hide less of it.
function drawHeat(canvas, scores, { low, high }, isOpaque = false) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!scores) return;
  const picture = context.createImageData(canvas.width, canvas.height);
  const span = high - low || 1;
  for (let n = 0; n < scores.length; n++) {
    const share = (scores[n] - low) / span, colour = 3 * Math.round(255 * share);
    picture.data[4 * n] = palette[colour];
    picture.data[4 * n + 1] = palette[colour + 1];
    picture.data[4 * n + 2] = palette[colour + 2];
    picture.data[4 * n + 3] = isOpaque ? 255 : 255 * (0.3 + 0.7 * share);
  }
  context.putImageData(picture, 0, 0);
}

const unitOf = (i) => Math.max(data.images[i].width, data.images[i].height) / 190;

function mark(svg, i, name, [x, y], title) {
  const use = makeSvg("use", { href: `#mark-${name}`, transform: `translate(${x} ${y}) scale(${unitOf(i)})` });
  if (title) {
    const label = makeSvg("title", {});
    label.textContent = title;
    use.append(label);
  }
  svg.append(use);
}

function writeName(svg, i, [x, y], text) {
  const size = 5 * unitOf(i);
  const isRight = x > 0.6 * data.images[i].width;
  const label = makeSvg("text", {
    x: x + (isRight ? -size : size), y: y + size / 3, "font-size": 1.5 * size,
    "text-anchor": isRight ? "end" : "start",
  });
  label.textContent = text;
  svg.append(label);
}

function drawKeypoints(svg, i) {
  data.images[i].keypoints.forEach((xy, k) => {
    if (!xy) return;
    mark(svg, i, "keypoint", xy, nameOf(i, k));
    if (state.names) writeName(svg, i, xy, nameOf(i, k));
  });
}

function drawRing(svg, i, [x, y], radius) {
  for (const kind of ["halo", "line circle"]) svg.append(makeSvg("circle", { cx: x, cy: y, r: radius, class: kind }));
}

function drawChosenKeypoint(svg, i, m, view) {
  const { source, keypoint } = state;
  const twin = twinOf(i, keypoint), xy = keypointAt(i, keypoint);
  if (twin !== null && keypointAt(i, twin)) mark(svg, i, "twin", keypointAt(i, twin), nameOf(i, twin));
  if (i === source) return;
  if (xy) drawRing(svg, i, xy, state.alpha * sizeOf(source, i));
  const { inside, outside } = sidesAt(m, source, i, keypoint, view.scores);
  const map = models[m].maps[i];
  if (inside) mark(svg, i, "inside", centreOf(map, inside.cell));
  if (outside) mark(svg, i, "outside", centreOf(map, outside.cell));
}

// Whether the best match lies within the circle's radius of the visible mirror counterpart.
function isAtTwin(m, i, view) {
  const twin = twinOf(i, state.keypoint), xy = twin === null ? null : keypointAt(i, twin);
  if (!xy) return false;
  const [x, y] = centreOf(models[m].maps[i], view.best);
  return Math.hypot(x - xy[0], y - xy[1]) < state.alpha * sizeOf(state.source, i);
}

function describeMatch(m, i, view) {
  const score = written(view.scores[view.best]), k = state.keypoint;
  if (k === null || !sharesKeypoints(i, state.source)) return score;
  const place = isAtTwin(m, i, view) ? ", at the mirror counterpart" : "";
  if (!keypointAt(i, k)) return `${score}, absent here${place}`;
  const { outside } = sidesAt(m, state.source, i, k, view.scores);
  const isOutside = outside && outside.cell === view.best;
  return isOutside ? `${score}, outside the circle${place}` : `${score}, inside the circle`;
}

function drawImage(i, range) {
  cards[i].views.forEach(({ canvas, marks, result }, m) => {
    const view = state.views[m].get(i);
    drawHeat(canvas, view ? view.scores : null, range[m]);
    marks.replaceChildren();
    drawKeypoints(marks, i);
    if (state.keypoint !== null && sharesKeypoints(i, state.source)) drawChosenKeypoint(marks, i, m, view);
    if (i === state.source) mark(marks, i, "chosen", [state.x, state.y]);
    else mark(marks, i, "best", centreOf(models[m].maps[i], view.best));
    const text = i === state.source ? "the chosen point" : describeMatch(m, i, view);
    result.textContent = models.length > 1 ? `${models[m].name}: ${text}` : text;
  });
  cards[i].figure.classList.toggle("source", i === state.source);
}

function drawLegend(range) {
  models.forEach((model, m) => {
    const legend = byId("legend").children[m];
    const [low, high] = legend.querySelectorAll("span");
    low.textContent = written(range[m].low, 2);
    high.textContent = written(range[m].high, 2);
  });
}

function buildLegend() {
  for (const model of models) {
    const legend = make("p"), bar = make("canvas");
    bar.width = 256;
    bar.height = 1;
    const kind = model.similarity === "dot" ? "cosine" : "negative distance";
    legend.append(make("b", "", model.name), ` ${kind} `, make("span"), bar, make("span"));
    drawHeat(bar, Float32Array.from({ length: 256 }, (_, n) => n), { low: 0, high: 255 }, true);
    byId("legend").append(legend);
  }
}

function drawScene() {
  const shown = shownImages();
  const range = state.views.map((views) => extremes([...views.values()].map((v) => v.scores)));
  byId("images").classList.toggle("large", shown.length <= 2);
  cards.forEach(({ figure }, i) => { figure.hidden = !shown.includes(i); });
  for (const i of shown) drawImage(i, range);
  drawLegend(range);
}
