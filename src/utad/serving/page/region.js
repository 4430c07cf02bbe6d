// A region of interest: drawn on the image or typed, and shown as the setting that a training takes.

import { all, find, hide } from "./dom.js";

const stage = find("#stage");
const drawing = find("#drawing");
const parts = find("#roi-parts");
const setting = find("#roi-setting");
const fields = ["left", "top", "right", "bottom"].map((side) => find(`#roi-${side}`));
let size = [1, 1];
let box = null;
let corner = null;

const asParts = ([left, top, right, bottom]) => {
  const [width, height] = size;
  return [left / width, top / height, right / width, bottom / height].map((part) => Number(part.toFixed(4)));
};

const settingOf = (pixels) => {
  // A box within 0 and 1 counts as parts of the image, whatever was meant.
  const values = parts.checked || Math.max(...pixels) <= 1 ? asParts(pixels) : pixels;
  return `image.roi=[${values.join(",")}]`;
};

const showBox = () => {
  setting.textContent = box ? settingOf(box) : "";
  find("#roi-copy").disabled = box === null;
  all("#lines rect").forEach((rectangle) => {
    hide(rectangle, box === null);
    if (box) {
      const [left, top, right, bottom] = box;
      Object.entries({ x: left, y: top, width: right - left, height: bottom - top }).forEach(([name, value]) => {
        rectangle.setAttribute(name, value);
      });
    }
  });
};

const say = (text) => {
  find("#roi-note").textContent = text;
};

const setBox = (pixels) => {
  box = pixels;
  fields.forEach((field, index) => {
    field.value = box ? box[index] : "";
    field.removeAttribute("aria-invalid");
  });
  say("");
  showBox();
};

const typed = () => {
  const values = fields.map((field) => field.value === "" ? NaN : Number(field.value));
  const [left, top, right, bottom] = values;
  const whole = values.every((value) => Number.isInteger(value) && value >= 0);
  const fits = whole && left < right && right <= size[0] && top < bottom && bottom <= size[1];
  box = fits ? values : null;
  const complete = fields.every((field) => field.value !== "");
  fields.forEach((field) => field.removeAttribute("aria-invalid"));
  if (complete && !fits) {
    fields.forEach((field) => field.setAttribute("aria-invalid", "true"));
    say(`A box lies within 0 and ${size[0]} across, 0 and ${size[1]} down; right is above left, and bottom above top.`);
  } else {
    say("");
  }
  showBox();
};

const pointOf = (event) => {
  const frame = stage.getBoundingClientRect();
  const across = (event.clientX - frame.left) / frame.width;
  const down = (event.clientY - frame.top) / frame.height;
  return [across, down].map((share, axis) => Math.round(Math.min(1, Math.max(0, share)) * size[axis]));
};

const dragTo = (event) => {
  const [x, y] = pointOf(event);
  const [left, right] = [Math.min(x, corner[0]), Math.max(x, corner[0])];
  const [top, bottom] = [Math.min(y, corner[1]), Math.max(y, corner[1])];
  if (left < right && top < bottom) {
    setBox([left, top, right, bottom]);
  }
};

stage.addEventListener("pointerdown", (event) => {
  if (drawing.checked && event.button === 0) {
    stage.setPointerCapture(event.pointerId);
    event.preventDefault();
    corner = pointOf(event);
  }
});
stage.addEventListener("pointermove", (event) => {
  if (corner && stage.hasPointerCapture(event.pointerId)) {
    dragTo(event);
  }
});
["pointerup", "pointercancel"].forEach((kind) => stage.addEventListener(kind, () => {
  corner = null;
}));

const showDrawing = () => stage.classList.toggle("drawing", drawing.checked);
drawing.addEventListener("change", showDrawing);
parts.addEventListener("change", showBox);
fields.forEach((field) => field.addEventListener("input", typed));
find("#roi-clear").addEventListener("click", () => setBox(null));
find("#roi-copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(setting.textContent);
    say("Copied.");
  } catch {
    // Without https a page may not write to the clipboard.
    getSelection().selectAllChildren(setting);
    say("It is marked: copy it with the keys or the menu of the browser.");
  }
});

// The image that a region is drawn on; a box of an image of another size says nothing of this one.
export const regionOn = ({ width, height }) => {
  if (width !== size[0] || height !== size[1]) {
    size = [width, height];
    setBox(null);
  }
  fields.forEach((field, index) => {
    field.max = size[index % 2];
  });
  showDrawing();
  showBox();
};
