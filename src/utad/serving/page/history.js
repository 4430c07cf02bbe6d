// The images of this session: a table, the newest first, with a bound on rows and a lower one on pictures.

import { counted, element, find } from "./dom.js";
import { LABELS } from "./verdict.js";

const MOST_ROWS = 2000;

export const MOST_PICTURES = 16;

// `open` and `again` are called with a row; `judge` gives the band and the threshold of one as this page has them.
export class History {
  constructor({ open, again, judge }) {
    Object.assign(this, { open, again, judge });
    this.rows = [];
    this.dropped = 0;
    this.current = null;
  }

  // A row for an item of the queue, with its `result` or its `fault`.
  add(item, { result = null, fault = null }) {
    const row = { ...item, result, fault, marked: "", pictures: null };
    const button = element("button", { type: "button" }, item.name);
    row.cells = { score: element("td", { className: "number" }), verdict: element("td"), model: element("td") };
    row.line = element("tr", {}, element("th", { scope: "row" }, button), ...Object.values(row.cells));
    button.disabled = result === null;
    button.addEventListener("click", () => this.open(row));
    this.rows.unshift(row);
    find("#rows").prepend(row.line);
    while (this.rows.length > MOST_ROWS) {
      this.dropped += 1;
      this.remove(this.rows.at(-1));
    }
    this.tell(row);
    return row;
  }

  remove(row) {
    this.rows.splice(this.rows.indexOf(row), 1);
    row.line.remove();
    if (row !== this.current) {
      this.letGo(row);
    }
    this.note();
  }

  clear() {
    [...this.rows].forEach((row) => this.remove(row));
    this.dropped = 0;
    this.note();
  }

  // Keeps the pictures of a row, and lets go of the oldest ones, never of those that are being looked at.
  keepPictures(row, pictures) {
    this.letGo(row);
    row.pictures = pictures;
    const others = this.rows.filter((other) => other.pictures && other !== row && other !== this.current);
    others.slice(Math.max(0, MOST_PICTURES - 2)).forEach((other) => this.letGo(other));
  }

  letGo(row) {
    Object.values(row.pictures || {}).forEach((address) => URL.revokeObjectURL(address));
    row.pictures = null;
  }

  choose(row) {
    this.current?.line.removeAttribute("aria-current");
    this.current = row;
    row?.line.setAttribute("aria-current", "true");
  }

  get failed() {
    return this.rows.filter((row) => row.fault);
  }

  get scored() {
    return this.rows.filter((row) => row.result);
  }

  // Writes the cells of a row anew, or of all.
  tell(row = null) {
    (row ? [row] : this.rows).forEach((one) => {
      one.cells.model.textContent = one.result ? `${one.result.model}, version ${one.result.version}` : one.model;
      if (one.fault) {
        const again = element("button", { type: "button", className: "again" }, "Send again");
        again.setAttribute("aria-label", `Send again: ${one.name}`);
        again.addEventListener("click", () => this.again([one]));
        one.cells.verdict.replaceChildren(element("span", { className: "fault" }, one.fault.message), again);
        return;
      }
      const { band } = this.judge(one);
      one.cells.score.textContent = one.result.pred_score.toFixed(3);
      one.cells.verdict.replaceChildren(
        element("span", { className: `band ${band}` }, band),
        ` ${LABELS[band]}`,
        ...(band === one.result.band ? [] : [element("span", { className: "changed" }, ` (the model: ${one.result.band})`)]),
        ...(one.marked ? [`, marked: ${one.marked}`] : []),
      );
    });
    this.note();
  }

  note() {
    const bands = this.scored.map((row) => this.judge(row).band);
    const count = (band) => bands.filter((one) => one === band).length;
    const parts = [
      `${counted(this.scored.length, "image", "images")} scored: ${count("pass")} pass, ${count("review")} review, ${count("fail")} fail`,
      ...(this.failed.length ? [`${this.failed.length} could not be scored`] : []),
      ...(this.dropped ? [`${counted(this.dropped, "older one was", "older ones were")} dropped, this page keeps ${MOST_ROWS.toLocaleString("en")}`] : []),
    ];
    find("#history-note").textContent = `${parts.join("; ")}.`;
    find("#history").hidden = this.rows.length === 0;
    find("#download").disabled = this.scored.length === 0;
    find("#again").hidden = this.failed.length === 0;
    find("#again").textContent = `Send again what failed (${this.failed.length})`;
  }
}
