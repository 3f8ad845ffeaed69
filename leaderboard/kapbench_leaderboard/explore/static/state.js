// What the page holds and what is chosen.

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("page-data").textContent);

function bytesOf(id) {
  const block = byId(id);
  const bytes = decodeBytes(block.textContent.trim());
  block.remove(); // the text is no longer needed
  return bytes;
}
const floatsOf = (id) => new Float32Array(bytesOf(id).buffer);

const models = data.models.map((model, m) => ({
  ...model,
  channelScales: floatsOf(`channels-${m}`),
  maps: model.maps.map((map, i) => ({
    ...map,
    values: new Int8Array(bytesOf(`features-${m}-${i}`).buffer),
    cellScales: floatsOf(`cells-${m}-${i}`),
  })),
}));
const isAnnotated = data.pairs.length > 0;

// shown: "all", "category:NAME" or "pair:NUMBER". keypoint: null where the point is none.
// views: of each model, by number of the image, the map and its best cell.
const state = {
  shown: "all", source: 0, x: 0, y: 0, keypoint: null, views: [],
  rule: data.rules[0], alpha: 0.1, threshold: 0.8, opacity: 0.6, names: false, follows: true,
};

function shownImages() {
  const [kind, which] = state.shown.split(/:(.*)/s);
  if (kind === "pair") return [data.pairs[which].source, data.pairs[which].target];
  const every = data.images.map((_, i) => i);
  return kind === "category" ? every.filter((i) => data.images[i].category === which) : every;
}

const categoryOf = (i) => data.categories[data.images[i].category];
const nameOf = (i, k) => categoryOf(i).names[k];
const keypointAt = (i, k) => data.images[i].keypoints[k];

// The number of the page's pair of two images; -1 where they are none.
const pairOf = (s, t) => data.pairs.findIndex((p) => p.source === s && p.target === t);

// Whether two images number their keypoints alike: a pair may join two categories.
const sharesKeypoints = (i, j) =>
  data.images[i].category === data.images[j].category || pairOf(i, j) >= 0 || pairOf(j, i) >= 0;

// T in pixels of the target: of the pair, else of the image.
function sizeOf(s, t) {
  const pair = pairOf(s, t);
  return pair < 0 ? data.images[t].size : data.pairs[pair].size;
}

// The keypoint's mirror counterpart; null where it has none.
function twinOf(i, k) {
  const twin = categoryOf(i).twins[k];
  return twin === k ? null : twin;
}

function sourceCell(m, i) {
  const map = models[m].maps[i];
  return state.keypoint === null ? cellAt(map, state.x, state.y) : map.sourceCells[state.keypoint];
}

// Computes what the chosen point is similar to in every other image that is shown.
function compare() {
  const targets = shownImages().filter((t) => t !== state.source);
  state.views = models.map((model, m) => {
    const cell = sourceCell(m, state.source);
    return new Map(targets.map((t) => {
      const scores = similarityMap(model, state.source, cell, t);
      return [t, { scores, best: bestCell(scores) }];
    }));
  });
}

function sidesAt(m, s, t, k, scores) {
  const frame = models[m].maps[t].frames[state.rule.name];
  const radius = state.alpha * sizeOf(s, t) * frame.scale;
  return sidesOf(scores, frame, frame.points[k], radius, state.rule);
}

// Maps of all keypoints of a source over a target: one for each distinct cell.
const keptMaps = new Map();
function mapsOf(m, s, t) {
  const byCell = new Map();
  return models[m].maps[s].sourceCells.map((cell) => {
    if (cell < 0) return null;
    if (!byCell.has(cell)) byCell.set(cell, similarityMap(models[m], s, cell, t));
    return byCell.get(cell);
  });
}

function keepMaps(m, s, t) {
  const key = `${m} ${s} ${t}`;
  if (!keptMaps.has(key)) keptMaps.set(key, mapsOf(m, s, t));
  return keptMaps.get(key);
}

// Lowest and highest score of a pair's maps; null until they are computed, after the click.
const ranges = new Map(), waiting = new Map();
function rangeOf(m, s, t) {
  const key = `${m} ${s} ${t}`;
  if (ranges.has(key)) return ranges.get(key);
  waiting.set(key, [m, s, t]);
  return null;
}

// One step of what waits; false where nothing does. Only the newest source is worth the work.
function computeWaiting() {
  for (const [key, [m, s, t]] of waiting) {
    waiting.delete(key);
    if (s !== state.source && pairOf(s, t) < 0) continue;
    const maps = pairOf(s, t) < 0 ? mapsOf(m, s, t) : keepMaps(m, s, t);
    ranges.set(key, extremes(maps.filter((map) => map)));
    return true;
  }
  return false;
}

// All samples of the page's pairs for a model; null until their maps are computed. They do not depend
// on the chosen point, so that they are kept.
const keptSamples = new Map();
function samplesOfPairs(m) {
  const key = `${m} ${state.rule.name} ${state.alpha}`;
  if (keptSamples.has(key)) return keptSamples.get(key);
  const samples = [];
  let isKnown = true;
  for (const { source, target } of data.pairs) {
    const range = rangeOf(m, source, target);
    if (range === null) {
      isKnown = false;
      continue;
    }
    keepMaps(m, source, target).forEach((scores, k) => {
      if (scores) samples.push(...samplesOf(sidesAt(m, source, target, k, scores), range, state.rule));
    });
  }
  if (!isKnown) return null;
  keptSamples.set(key, samples);
  return samples;
}
