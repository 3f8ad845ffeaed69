// Similarity, circles, samples and scores: functions of their arguments alone, without a document.

// A map of an image has: height, width, box, values (Int8Array by cell), cellScales (Float32Array).
// A model has: similarity, channels, channelScales (Float32Array), maps.

function decodeBytes(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

// Both scales of a cell's channels in one factor: the target's bytes are multiplied by it.
function queryOf(model, source, cell) {
  const { channels, channelScales } = model;
  const { values, cellScales } = model.maps[source];
  const factors = new Float64Array(channels);
  let square = 0;
  for (let c = 0; c < channels; c++) {
    const feature = values[cell * channels + c] * channelScales[c] * cellScales[cell];
    factors[c] = feature * channelScales[c];
    square += feature * feature;
  }
  return { factors, square };
}

// Squared length of every cell's feature, which a distance needs; computed once.
function squaresOf(model, image) {
  const map = model.maps[image];
  if (map.squares) return map.squares;
  const { channels, channelScales } = model;
  map.squares = new Float64Array(map.cellScales.length);
  for (let n = 0; n < map.squares.length; n++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) {
      const value = map.values[n * channels + c] * channelScales[c];
      sum += value * value;
    }
    map.squares[n] = sum * map.cellScales[n] * map.cellScales[n];
  }
  return map.squares;
}

// Similarity of one cell of the source to every cell of the target, row by row.
function similarityMap(model, source, cell, target) {
  const { channels } = model;
  const { values, cellScales } = model.maps[target];
  const { factors, square } = queryOf(model, source, cell);
  const isDistance = model.similarity === "neg_l2";
  const squares = isDistance ? squaresOf(model, target) : null;
  const out = new Float32Array(cellScales.length);
  const even = channels - (channels % 4);
  for (let n = 0, i = 0; n < out.length; n++) {
    // Four sums do not wait for each other.
    let a = 0, b = 0, c = 0, d = 0;
    let k = 0;
    for (; k < even; k += 4, i += 4) {
      a += values[i] * factors[k];
      b += values[i + 1] * factors[k + 1];
      c += values[i + 2] * factors[k + 2];
      d += values[i + 3] * factors[k + 3];
    }
    for (; k < channels; k++, i++) a += values[i] * factors[k];
    const product = (a + b + (c + d)) * cellScales[n];
    out[n] = isDistance ? -Math.sqrt(Math.max(0, squares[n] + square - 2 * product)) : product;
  }
  return out;
}

// The first of the best cells.
function bestCell(scores) {
  let best = 0;
  for (let n = 1; n < scores.length; n++) if (scores[n] > scores[best]) best = n;
  return best;
}

function extremes(maps) {
  let low = Infinity, high = -Infinity;
  for (const scores of maps) {
    for (let n = 0; n < scores.length; n++) {
      if (scores[n] < low) low = scores[n];
      if (scores[n] > high) high = scores[n];
    }
  }
  return { low, high };
}

// Number of the cell at a point; a point beyond the box belongs to the cell at its border.
function cellAt(map, x, y) {
  const [x0, y0, x1, y1] = map.box;
  const column = Math.floor(((x - x0) / (x1 - x0)) * map.width);
  const row = Math.floor(((y - y0) / (y1 - y0)) * map.height);
  const within = (value, n) => Math.min(Math.max(value, 0), n - 1);
  return within(row, map.height) * map.width + within(column, map.width);
}

function centreOf(map, cell) {
  const [x0, y0, x1, y1] = map.box;
  const column = cell % map.width, row = Math.floor(cell / map.width);
  return [x0 + ((column + 0.5) / map.width) * (x1 - x0), y0 + ((row + 0.5) / map.height) * (y1 - y0)];
}

// Of points that are equally near, within 1e-9 of a step, the first.
function firstNearest(points, value) {
  const step = points.length > 1 ? points[1] - points[0] : 0;
  let least = Infinity;
  for (const point of points) least = Math.min(least, Math.abs(point - value));
  return points.findIndex((point) => Math.abs(point - value) <= least + 1e-9 * step);
}

// Best scores inside and outside a circle, in the frame of a rule, with their cells; null: no cell.
// point: null where the keypoint is absent; all cells are then outside.
function sidesOf(scores, frame, point, radius, rule) {
  let inside = -1, outside = -1;
  const { x, y } = frame;
  const nearest = point && rule.nearestInside
    ? firstNearest(y, point[1]) * x.length + firstNearest(x, point[0]) : -1;
  const limit = radius * radius;
  for (let row = 0, n = 0; row < y.length; row++) {
    for (let column = 0; column < x.length; column++, n++) {
      let within = false;
      if (point) {
        const dx = x[column] - point[0], dy = y[row] - point[1];
        const distance = dx * dx + dy * dy;
        within = n === nearest || (rule.closed ? distance <= limit : distance < limit);
      }
      if (within) {
        if (inside < 0 || scores[n] > scores[inside]) inside = n;
      } else if (outside < 0 || scores[n] > scores[outside]) outside = n;
    }
  }
  const side = (cell) => (cell < 0 ? null : { cell, score: scores[cell] });
  return { inside: side(inside), outside: side(outside) };
}

// A score as the rule pools it: from 0 to 1 over all maps of the pair, or as the model gives it.
function pooledScore(score, range, rule) {
  if (!rule.rescale) return score;
  const span = Math.fround(range.high - range.low);
  return span > 0 ? Math.fround(Math.fround(score - range.low) / span) : 0;
}

// The samples that a keypoint makes: a positive and a negative, or one negative where it is absent.
function samplesOf(sides, range, rule) {
  const samples = [];
  const add = (side, label) => {
    if (side) samples.push({ label, score: pooledScore(side.score, range, rule), cell: side.cell });
  };
  add(sides.inside, 1);
  add(sides.outside, 0);
  return samples;
}

function precisionAndRecall(samples, threshold) {
  let accepted = 0, right = 0, positives = 0;
  for (const { label, score } of samples) {
    positives += label;
    if (score >= threshold) {
      accepted += 1;
      right += label;
    }
  }
  return {
    accepted, right, positives,
    precision: accepted ? right / accepted : null,
    recall: positives ? right / positives : null,
  };
}

// Sum of (R_n - R_{n-1}) * P_n over distinct thresholds; null without a positive.
function averagePrecision(samples) {
  const ordered = [...samples].sort((s, t) => t.score - s.score);
  const positives = ordered.reduce((sum, s) => sum + s.label, 0);
  if (!positives) return null;
  let total = 0, right = 0;
  for (let i = 0; i < ordered.length;) {
    const { score } = ordered[i];
    let gained = 0;
    for (; i < ordered.length && ordered[i].score === score; i++) gained += ordered[i].label;
    right += gained;
    total += (gained / positives) * (right / i);
  }
  return total;
}
