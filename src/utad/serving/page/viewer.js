// One result: verdict, image with map and outline, restored images, regions.

import { all, element, find } from "./dom.js";
import { MOST_PICTURES } from "./history.js";
import { WORDS } from "./verdict.js";

const MOST_REGIONS = 50;
const SMALL = 256 * 256;

const addressFrom = (base64, type) =>
  URL.createObjectURL(new Blob([Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0))], { type }));

// The pictures of an answer as addresses that images can have; whoever keeps them has to revoke them.
export const addressesOf = (pictures, similar) => Object.fromEntries([
  ...Object.entries(pictures).map(([kind, png]) => [kind, addressFrom(png, "image/png")]),
  ...similar.map(({ thumbnail }, index) => [`similar-${index}`, addressFrom(thumbnail, "image/jpeg")]),
]);

const base = find("#base");
const stage = find("#stage");
const opacity = find("#opacity");
const contour = find("#contour");
let row = null;
let own = "";

const addressOf = (kind) => kind === "image" ? row.pictures.image || own : row.pictures[kind];

const showBase = () => {
  const choice = find("input[name=picture]:checked");
  base.src = addressOf(choice.value);
  base.alt = choice.parentElement.textContent.trim();
};

const showLayers = () => {
  find("#layer").style.opacity = opacity.value / 100;
  find("#opacity-shown").textContent = `${opacity.value} %`;
  find("#outline").style.display = contour.checked ? "" : "none";
};

// A file that the browser cannot show, and that the server was not asked for.
base.addEventListener("error", () => {
  if (row?.pictures && find("input[name=picture]:checked").value === "image" && !row.pictures.image) {
    find("#base-note").textContent = "This browser cannot show the file: below the map is the reconstruction.";
    find("#base-note").hidden = false;
    row.pictures.image = row.pictures.reconstruction;
    showPictures();
  }
});

const showPictures = () => {
  ["image", "impression", "naive_impression", "reconstruction"].forEach((kind) => {
    find(`#picture-${kind}`).src = addressOf(kind);
  });
  showBase();
};

const showStage = () => {
  const { width, height, outlines = {} } = row.result;
  URL.revokeObjectURL(own);
  own = row.pictures.image ? "" : URL.createObjectURL(row.file);
  stage.style.aspectRatio = `${width} / ${height}`;
  stage.style.maxWidth = `calc(64vh * ${width / height})`;
  stage.classList.toggle("small-pixels", width * height <= SMALL);
  find("#restored").classList.toggle("small-pixels", width * height <= SMALL);
  find("#lines").setAttribute("viewBox", `0 0 ${width} ${height}`);
  find("#lines").setAttribute("aria-label", `Outline of the mask: ${row.result.regions.length} regions`);
  all("#outline .halo, #outline .mask-line").forEach((path) => path.setAttribute("d", outlines.mask || ""));
  find("#outline .region").setAttribute("d", outlines.region || "");
  find("#layer").src = row.pictures.heat;
  find("#base-note").hidden = row.shown;
  find("#base-note").textContent = row.shown ? "" : "This browser cannot show such files: the server has turned it into a PNG.";
  showPictures();
  showLayers();
};

const showSimilar = () => {
  const { similar } = row;
  find("#similar").hidden = similar.length === 0;
  find("#no-similar").hidden = similar.length > 0;
  find("#similar").replaceChildren(...similar.map(({ name, distance }, index) => element("figure", {},
    element("img", { src: row.pictures[`similar-${index}`], alt: `Normal image ${index + 1}: ${name}` }),
    element("figcaption", {}, element("b", {}, distance.toFixed(2)), element("br", {}), name))));
};

const cell = (text, isNumber = true) => element("td", { className: isNumber ? "number" : "" }, String(text));

const showRegions = () => {
  const { regions } = row.result;
  find("#regions").hidden = regions.length === 0;
  find("#no-regions").hidden = regions.length > 0;
  find("#regions tbody").replaceChildren(...regions.slice(0, MOST_REGIONS).map(({ box, area, peak }, index) =>
    element("tr", {}, cell(index + 1), cell(peak.toFixed(3)), cell(area), cell(box.join(", "), false))));
  const more = regions.length - MOST_REGIONS;
  find("#regions-note").textContent =
    "The peak is of the anomaly map, the area in pixels of the image, the box left, top, right and bottom." +
    (more > 0 ? ` ${more} more regions have lower peaks.` : "");
};

// What is said of the result at the threshold of this page, where that is not the model's.
export const showVerdict = ({ band, threshold }) => {
  if (!row) {
    return;
  }
  const { result } = row;
  const here = find("#verdict-here");
  here.hidden = threshold === result.threshold;
  here.textContent = `At the threshold of this page, ${threshold.toFixed(3)}: ${band}. ${WORDS[band]}`;
};

export const show = (chosen, verdict) => {
  row = chosen;
  const { result } = row;
  find("#result").hidden = false;
  find("#result-title").textContent = row.name;
  find("#band").textContent = result.band;
  find("#band").className = `band ${result.band}`;
  find("#score").textContent = result.pred_score.toFixed(3);
  find("#thresholds").textContent =
    `; an image is anomalous above ${result.threshold.toFixed(3)}` +
    (result.fail_threshold > result.threshold ? ` and fails above ${result.fail_threshold.toFixed(3)}` : "");
  find("#verdict-words").textContent = WORDS[result.band] + (result.aligned === false ? " The image could not be aligned to the model's reference." : "");
  showVerdict(verdict);
  showRegions();
  find("#without-pictures").hidden = row.pictures !== null;
  find("#kept-pictures").textContent = `This page keeps the pictures of ${MOST_PICTURES} images, and not of this one.`;
  find("#with-pictures").hidden = row.pictures === null;
  if (row.pictures) {
    showStage();
    showSimilar();
  }
};

export const hideResult = () => {
  row = null;
  find("#result").hidden = true;
};

let before = 70;
const toggleMap = () => {
  before = Number(opacity.value) || before;
  opacity.value = Number(opacity.value) > 0 ? 0 : before;
  showLayers();
};

const choose = (number) => {
  all("input[name=picture]")[number - 1].checked = true;
  showBase();
};

const KEYS = {
  h: toggleMap,
  c: () => {
    contour.checked = !contour.checked;
    showLayers();
  },
  ...Object.fromEntries([1, 2, 3, 4].map((number) => [String(number), () => choose(number)])),
};

opacity.addEventListener("input", showLayers);
contour.addEventListener("change", showLayers);
find("#pictures").addEventListener("change", showBase);
document.addEventListener("keydown", (event) => {
  const action = KEYS[event.key.toLowerCase()];
  const typing = event.target.matches("input:not([type=range], [type=checkbox], [type=radio]), select");
  if (action && row?.pictures && !typing && !find("dialog[open]") && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    action();
  }
});
