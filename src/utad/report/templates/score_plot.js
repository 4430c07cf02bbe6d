"use strict";
// The plot of scores of every page that has one: its axis, as score_axis.py has it, and a threshold dragged along it.

class ScoreAxis {
  // `low` and `high` are values of asinh(score / unit).
  constructor(unit, low, high) {
    Object.assign(this, { unit, low, high });
  }

  // From 0, left, to 1; beyond that for scores beyond the ends.
  placeOf(score) {
    return (Math.asinh(score / this.unit) - this.low) / (this.high - this.low);
  }

  toShare(score) {
    return Math.min(1, Math.max(0, this.placeOf(score)));
  }

  toScore(share) {
    return this.unit * Math.sinh(this.low + share * (this.high - this.low));
  }
}

// Calls `moved` with the share of the width, in units of the SVG, at which the pointer is held down.
const followPointer = (plot, width, moved) => {
  const tell = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(plot.getScreenCTM().inverse());
    moved(Math.min(1, Math.max(0, point.x / width)));
  };
  plot.addEventListener("pointerdown", (event) => {
    if (event.button === 0) {
      plot.setPointerCapture(event.pointerId);
      event.preventDefault();
      tell(event);
    }
  });
  plot.addEventListener("pointermove", (event) => {
    if (plot.hasPointerCapture(event.pointerId)) {
      tell(event);
    }
  });
};
