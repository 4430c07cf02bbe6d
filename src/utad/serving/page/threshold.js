// A threshold for this page alone, over the scores of the normal images that set the model's.

import { calibrationOf } from "./api.js";
import { drawn, find, hide } from "./dom.js";

const UNIT = 0.5;
const WIDTH = 640;
const HEIGHT = 150;
const STEPS = 1000;
const BINS = 48;
const APART = 50;

const slider = find("#threshold");
const histogram = find("#histogram");

/* global ScoreAxis, followPointer -- of score_plot.js, which the page loads before its modules */

class Axis extends ScoreAxis {
  constructor(values) {
    const ends = values.map((value) => Math.asinh(value / UNIT));
    const [low, high] = [Math.min(...ends), Math.max(...ends)];
    const margin = 0.03 * (high - low);
    super(UNIT, low - margin, high + margin);
  }

  holds(score) {
    const place = this.placeOf(score);
    return place > 0 && place < 1;
  }

  ticks() {
    const decades = [-1, 0, 1, 2, 3].flatMap((power) => [1, 2, 5].flatMap((digit) => [digit * 10 ** power, -digit * 10 ** power]));
    const kept = [];
    for (const value of [0, UNIT, ...decades.sort((a, b) => Math.abs(a) - Math.abs(b))]) {
      const place = this.placeOf(value);
      if (place >= 0 && place <= 1 && kept.every(([other]) => Math.abs(other - WIDTH * place) >= APART)) {
        kept.push([WIDTH * place, String(Number(value.toPrecision(2)))]);
      }
    }
    return kept;
  }
}

// A server that was started anew begins with version 1 again.
const isNewer = (result, known) =>
  result.version > known.version || (result.version === known.version && result.threshold !== known.threshold);

export class ThresholdPanel {
  // `changed` is called when the threshold of this page has moved.
  constructor(changed) {
    this.changed = changed;
    this.known = new Map();
    this.model = null;
    slider.addEventListener("input", () => this.move(this.state.axis.toScore(slider.value / STEPS)));
    find("#reset").addEventListener("click", () => {
      this.move(this.state.calibration.threshold);
      slider.focus();
    });
    followPointer(histogram, WIDTH, (share) => this.move(this.state.axis.toScore(share)));
  }

  get state() {
    return this.known.get(this.model);
  }

  // The threshold that a result is judged by here: that of this page, or of the model that has given it.
  thresholdOf(result) {
    const state = this.known.get(result.model);
    return state && state.calibration.version === result.version && state.moved ? state.threshold : result.threshold;
  }

  // Shows the calibration of a model, fetched anew where a result tells of another one.
  async show(model, result = null) {
    this.wanted = model;
    const state = this.known.get(model);
    if (!state || (result && isNewer(result, state.calibration))) {
      const calibration = await calibrationOf(model);
      const { threshold, fail_threshold: fail, normal_scores: scores } = calibration;
      const axis = new Axis([...scores, threshold, fail, 0, 1]);
      this.known.set(model, { calibration, threshold, moved: false, axis });
    }
    if (this.wanted !== model) {
      return;  // another one was asked for meanwhile
    }
    this.model = model;
    find("#thresholding").hidden = false;
    this.draw();
    this.tell();
  }

  // Makes the axis long enough for a result, so that a threshold can be on either side of it.
  cover({ model, version, pred_score: score }) {
    const state = this.known.get(model);
    if (!state || state.calibration.version !== version || state.axis.holds(score)) {
      return;
    }
    const { low, high } = state.axis;
    state.axis = new Axis([...[low, high].map((end) => UNIT * Math.sinh(end)), score]);
    if (model === this.model) {
      this.draw();
      this.tell();
    }
  }

  move(threshold) {
    this.state.threshold = threshold;
    this.state.moved = threshold !== this.state.calibration.threshold;
    this.tell();
    this.changed();
  }

  draw() {
    const { axis, calibration } = this.state;
    const scores = calibration.normal_scores;
    hide(find("#with-normals"), scores.length === 0);
    hide(find("#no-normals"), scores.length > 0);
    find("#normals-note").textContent =
      `The scores of the ${calibration.count.toLocaleString("en")} normal images that set the threshold of ${calibration.model}.`;
    const counts = new Array(BINS).fill(0);
    scores.forEach((score) => {
      counts[Math.min(BINS - 1, Math.floor(BINS * axis.toShare(score)))] += 1;
    });
    const most = Math.max(1, ...counts);
    find("#bars").replaceChildren(...counts.map((count, index) => drawn("rect", {
      x: index * WIDTH / BINS, width: WIDTH / BINS - 1, y: HEIGHT * (1 - count / most), height: HEIGHT * count / most,
    })));
    find("#ticks").replaceChildren(...axis.ticks().map(([x, text]) =>
      drawn("text", { class: "quiet-text", x, y: HEIGHT + 22, "text-anchor": "middle" }, text)));
  }

  tell() {
    const { axis, calibration, threshold, moved } = this.state;
    const place = axis.toShare(threshold);
    slider.value = Math.round(STEPS * place);
    slider.setAttribute("aria-valuetext", threshold.toFixed(3));
    find("#threshold-shown").textContent = threshold.toFixed(3);
    find("#reset").disabled = !moved;
    find("#line").setAttribute("transform", `translate(${WIDTH * place} 0)`);
    find("#flagged").setAttribute("x", WIDTH * place);
    find("#flagged").setAttribute("width", WIDTH * (1 - place));
    this.tellShare(calibration, threshold);
  }

  // What share of the normal images would be flagged, and the commands that have the same in mind.
  tellShare({ alone, normal_scores: scores, threshold: own }, threshold) {
    const share = scores.filter((score) => score > threshold).length / scores.length;
    const before = scores.filter((score) => score > own).length / scores.length;
    const percent = (part) => `${(100 * part).toFixed(1)} %`;
    find("#share").textContent = scores.length === 0 ? "" : threshold === own ?
      `The threshold of the model, ${own.toFixed(3)}, flags ${percent(before)} of the normal images.` :
      `Above ${threshold.toFixed(3)}: ${percent(share)} of the normal images would be flagged; above that of the model, ${own.toFixed(3)}, it is ${percent(before)}.`;
    find("#commands").hidden = threshold === own;
    find("#predict-command").textContent = `utad predict MODEL IMAGES --output DIR --threshold ${threshold.toFixed(3)}`;
    const readable = !alone && share > 0 && share < 0.5;
    find("#calibrate-words").textContent = readable ?
      "To set the model's own threshold to this share of normal images, from a folder of them:" :
      "To set the model's own threshold, from normal and anomalous images:";
    find("#calibrate-command").textContent = readable ?
      `utad calibrate MODEL --normal DIR --fpr ${Number(share.toPrecision(3))}` : "utad calibrate MODEL --labelled DIR";
  }

  // Where the score of the result that is being looked at lies.
  markScore(score) {
    const mark = find("#score-mark");
    hide(mark, score === null || !this.state);
    if (score === null || !this.state) {
      return;
    }
    const place = this.state.axis.toShare(score);
    const text = mark.querySelector("text");
    mark.setAttribute("transform", `translate(${WIDTH * place} 0)`);
    text.textContent = `score ${score.toFixed(3)}`;
    text.setAttribute("text-anchor", place < 0.5 ? "start" : "end");
    text.setAttribute("x", place < 0.5 ? 6 : -6);
  }
}
