// The table of the chosen point, the list of keypoints, and precision and recall.

function drawKeypointList() {
  const { source } = state, list = byId("keypoints");
  if (!isAnnotated) return;
  list.replaceChildren();
  const pair = state.shown.startsWith("pair:") ? data.pairs[state.shown.slice(5)] : null;
  const other = pair && (pair.source === source ? pair.target : pair.source);
  data.images[source].keypoints.forEach((xy, k) => {
    if (!xy) return;
    const button = make("button", "", nameOf(source, k));
    button.type = "button";
    button.setAttribute("aria-pressed", String(k === state.keypoint));
    if (pair && !keypointAt(other, k)) button.append(make("small", "", " absent"));
    button.addEventListener("click", () => {
      chooseKeypoint(source, k, true);
      const buttons = [...list.querySelectorAll("button")];
      buttons.find((b) => b.getAttribute("aria-pressed") === "true")?.focus();
    });
    list.append(button);
  });
}

const PRESENCE = { visible: "visible", twin: "absent, mirror counterpart visible", absent: "absent" };
function presence(t, k) {
  if (keypointAt(t, k)) return "visible";
  const twin = twinOf(t, k);
  return twin !== null && keypointAt(t, twin) ? "twin" : "absent";
}

// What the run's records hold of a side; null where they do not.
function recorded(m, s, t, k, side) {
  const rows = models[m].records[state.rule.name]?.[pairOf(s, t)];
  const sides = rows?.sides[state.alpha];
  const row = rows ? rows.keypoints.indexOf(k) : -1;
  return sides && row >= 0 ? sides[side][row] : null;
}

const VERDICTS = [["rejected", "false positive"], ["missed", "true positive"]];
function sampleCell(m, t, sides, label) {
  const side = label ? sides.inside : sides.outside, cell = make("td", "number");
  if (!side) {
    cell.textContent = label ? "none" : "no cell";
    return cell;
  }
  const range = state.rule.rescale ? rangeOf(m, state.source, t) : { low: 0, high: 1 };
  if (range === null) {
    cell.textContent = "…";
    return cell;
  }
  const score = pooledScore(side.score, range, state.rule), isAccepted = score >= state.threshold;
  cell.append(written(score), make("small", isAccepted ? "accepted" : "", VERDICTS[label][Number(isAccepted)]));
  if (state.rule.rescale) cell.append(make("small", "", `raw ${written(side.score)}`));
  const exact = recorded(m, state.source, t, state.keypoint, label ? 0 : 1);
  if (exact !== null) cell.append(make("small", "", `run ${written(exact)}`));
  return cell;
}

function keypointRow(t, m) {
  const row = make("tr"), name = make("th", "", `${t + 1} `);
  name.scope = "row";
  if (models.length > 1) name.append(models[m].name);
  name.append(make("small", "", PRESENCE[presence(t, state.keypoint)]));
  const sides = sidesAt(m, state.source, t, state.keypoint, state.views[m].get(t).scores);
  row.append(name, sampleCell(m, t, sides, 1), sampleCell(m, t, sides, 0));
  return row;
}

function pointRow(t, m) {
  const { scores, best } = state.views[m].get(t), row = make("tr"), name = make("th", "", `${t + 1} `);
  name.scope = "row";
  if (models.length > 1) name.append(models[m].name);
  const [x, y] = centreOf(models[m].maps[t], best);
  row.append(name, make("td", "number", written(scores[best])));
  row.append(make("td", "number", `${Math.round(x)}, ${Math.round(y)}`));
  return row;
}

function drawTable() {
  const isKeypoint = state.keypoint !== null;
  const titles = isKeypoint
    ? ["Image", "Positive: best inside", "Negative: best outside"]
    : ["Image", "Best score", "At x, y (px)"];
  const table = make("table"), head = table.createTHead().insertRow(), body = table.createTBody();
  for (const title of titles) {
    const cell = make("th", title === "Image" ? "" : "number", title);
    cell.scope = "col";
    head.append(cell);
  }
  for (const t of shownImages()) {
    if (t === state.source || (isKeypoint && !sharesKeypoints(t, state.source))) continue;
    models.forEach((_, m) => body.append(isKeypoint ? keypointRow(t, m) : pointRow(t, m)));
  }
  if (!body.rows.length) body.insertRow().append(make("td", "", "No other image with these keypoints is shown."));
  byId("results").replaceChildren(table);
}

function drawPrecision() {
  const section = byId("precision");
  if (!section) return;
  const { rule, alpha, threshold } = state;
  const heading = make("h3", "", data.pairs.length > 1
    ? `Precision and recall of the page's ${data.pairs.length} pairs` : "Precision and recall of the page's pair");
  const list = make("dl");
  const percent = (value) => (value === null ? "undefined" : `${(100 * value).toFixed(1)} %`);
  for (const [m, model] of models.entries()) {
    const samples = samplesOfPairs(m), text = make("dd");
    if (samples === null) text.textContent = "…";
    else {
      const at = precisionAndRecall(samples, threshold), kap = averagePrecision(samples);
      text.textContent = `precision ${percent(at.precision)} (${at.right} of ${at.accepted} accepted), `
        + `recall ${percent(at.recall)} (${at.right} of ${at.positives}), `
        + `average precision ${kap === null ? "undefined" : (100 * kap).toFixed(1)} over all samples`;
    }
    list.append(make("dt", "", model.name), text);
  }
  const note = data.hasAbsent ? `Rule ${rule.name}, α ${alpha.toFixed(2)}, threshold ${written(threshold)}.`
    : "No keypoint of this data set is ever absent, so that KAP is not defined on it.";
  section.replaceChildren(heading, list, make("p", "soft", note));
}

function drawHeading() {
  const { source, keypoint, x, y } = state, image = data.images[source];
  const what = keypoint === null ? `Point ${Math.round(x)}, ${Math.round(y)}` : nameOf(source, keypoint);
  byId("point").textContent = `${what} of image ${source + 1}`;
  byId("point-note").textContent = image.label;
}

function announce() {
  const parts = models.map((model, m) => {
    const texts = [...state.views[m]].map(([t, view]) => `image ${t + 1}: ${describeMatch(m, t, view)}`);
    return `${model.name}: ${texts.slice(0, 4).join("; ")}${texts.length > 4 ? `; and ${texts.length - 4} more` : ""}`;
  });
  byId("live").textContent = `${byId("point").textContent}. ${parts.join(". ")}`;
}
