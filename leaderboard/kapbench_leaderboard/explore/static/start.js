// Events: they choose a point or change a setting, and the page is drawn again.

let later = 0;
function scheduleWaiting() {
  clearTimeout(later);
  later = setTimeout(() => {
    const end = performance.now() + 12; // a pointer's next move must not wait
    let isWorking = computeWaiting();
    while (isWorking && performance.now() < end) isWorking = computeWaiting();
    if (waiting.size) scheduleWaiting();
    else drawScores();
  }, 0);
}

function drawScores() {
  drawTable();
  drawPrecision();
  if (waiting.size) scheduleWaiting();
}

function drawAll() {
  const start = performance.now();
  compare();
  drawScene();
  drawHeading();
  drawKeypointList();
  drawScores();
  // Read by the benchmark: computing and drawing of one choice.
  document.documentElement.dataset.milliseconds = String(performance.now() - start);
}

function pin(isPinned) {
  state.follows = !isPinned;
  byId("unpin").setAttribute("aria-pressed", String(state.follows));
}

function choose(source, x, y, keypoint, isPinned) {
  const { width, height } = data.images[source];
  Object.assign(state, {
    source, keypoint, x: Math.min(Math.max(x, 0), width), y: Math.min(Math.max(y, 0), height),
  });
  if (isPinned) pin(true);
  drawAll();
  if (isPinned) announce();
}

function chooseKeypoint(source, k, isPinned) {
  choose(source, ...keypointAt(source, k), k, isPinned);
}

// A keypoint that is near enough is meant.
function chooseNear(source, x, y, isPinned) {
  let nearest = null, least = 3 * unitOf(source);
  data.images[source].keypoints.forEach((xy, k) => {
    const distance = xy ? Math.hypot(xy[0] - x, xy[1] - y) : Infinity;
    if (distance < least) [nearest, least] = [k, distance];
  });
  if (nearest === null) choose(source, x, y, null, isPinned);
  else chooseKeypoint(source, nearest, isPinned);
}

function pointOf(event, stage, i) {
  const box = stage.getBoundingClientRect(), { width, height } = data.images[i];
  return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
function moveByKey(event, i) {
  if (event.key === "Escape") return pin(false);
  const step = STEPS[event.key];
  if (!step) return undefined;
  event.preventDefault();
  const map = models[0].maps[i], { width, height } = data.images[i];
  const [x, y] = i === state.source ? [state.x, state.y] : [width / 2, height / 2];
  const [cx, cy] = centreOf(map, cellAt(map, x, y)), n = event.shiftKey ? 5 : 1;
  const dx = (map.box[2] - map.box[0]) / map.width, dy = (map.box[3] - map.box[1]) / map.height;
  // A step that would leave the image ends at its last cell.
  const along = (centre, direction, cell, end) => {
    let at = centre;
    for (let left = n; left && at + direction * cell > 0 && at + direction * cell < end; left--) at += direction * cell;
    return at;
  };
  return choose(i, along(cx, step[0], dx, width), along(cy, step[1], dy, height), null, true);
}

let nextMove = 0;
function listen(stage, i) {
  stage.addEventListener("click", (event) => {
    cancelAnimationFrame(nextMove);
    chooseNear(i, ...pointOf(event, stage, i), true);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!state.follows || event.pointerType === "touch") return;
    cancelAnimationFrame(nextMove);
    nextMove = requestAnimationFrame(() => chooseNear(i, ...pointOf(event, stage, i), false));
  });
  stage.addEventListener("keydown", (event) => moveByKey(event, i));
}

function addOption(select, value, text) {
  const option = make("option", "", text);
  option.value = value;
  select.append(option);
}

function fillShown() {
  const select = byId("shown"), categories = [...new Set(data.images.map((image) => image.category))];
  addOption(select, "all", `all ${data.images.length} images`);
  if (categories.length > 1) {
    for (const name of categories) addOption(select, `category:${name}`, `images of ${name}`);
  }
  data.pairs.forEach((pair, p) => addOption(select, `pair:${p}`, `pair ${pair.source + 1} › ${pair.target + 1}: ${pair.id}`));
  select.addEventListener("change", () => {
    state.shown = select.value;
    if (!shownImages().includes(state.source)) chooseFirst(shownImages()[0]);
    else drawAll();
  });
}

// Scores that the slider reaches: from 0 to 1, or from the lowest to the highest of the pairs' maps.
function thresholdRange() {
  if (state.rule.rescale) return [0, 1];
  const known = models.flatMap((_, m) => data.pairs.map((p) => rangeOf(m, p.source, p.target)));
  const { low, high } = extremes(known.filter((range) => range).map((range) => [range.low, range.high]));
  return low < high ? [low, high] : [0, 1];
}

function readSettings() {
  if (isAnnotated) {
    state.rule = data.rules.find((rule) => rule.name === byId("rule").value);
    state.alpha = Number(byId("alpha").value);
    const [low, high] = thresholdRange();
    state.threshold = low + (Number(byId("threshold").value) / 1000) * (high - low);
    byId("alpha-value").textContent = state.alpha.toFixed(2);
    byId("threshold-value").textContent = written(state.threshold);
  }
  state.opacity = Number(byId("opacity").value) / 100;
  state.names = byId("names").checked;
  byId("opacity-value").textContent = `${byId("opacity").value} %`;
  for (const { views } of cards) for (const { canvas } of views) canvas.style.opacity = state.opacity;
}

function chooseFirst(source) {
  const k = data.images[source].keypoints.findIndex((xy) => xy);
  if (k >= 0) chooseKeypoint(source, k, false);
  else choose(source, data.images[source].width / 2, data.images[source].height / 2, null, false);
}

function start() {
  buildScene();
  buildLegend();
  cards.forEach(({ views }, i) => views.forEach(({ stage }) => listen(stage, i)));
  fillShown();
  if (isAnnotated) for (const rule of data.rules) addOption(byId("rule"), rule.name, rule.name);
  else byId("names").closest("label").hidden = true;
  byId("controls").hidden = false;
  document.querySelector(".panel").hidden = false;
  byId("controls").addEventListener("input", () => {
    readSettings();
    drawScene();
    drawScores();
  });
  byId("unpin").addEventListener("click", () => pin(state.follows));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") pin(false); });
  readSettings();
  pin(false);
  chooseFirst(isAnnotated ? data.pairs[0].source : 0);
}

start();
