// The page: brings together what is added, the queue, the history and the result that is looked at.

import { startAdding } from "./adding.js";
import { hasToken, mark, models, predict, Refused, setToken } from "./api.js";
import { startCamera } from "./camera.js";
import { csvOf, download } from "./csv.js";
import { all, counted, element, find } from "./dom.js";
import { isShown, MOST_FILES, ofFiles } from "./files.js";
import { History, MOST_PICTURES } from "./history.js";
import { Queue } from "./queue.js";
import { regionOn } from "./region.js";
import { ThresholdPanel } from "./threshold.js";
import { unlocked } from "./token.js";
import { bandAt } from "./verdict.js";
import { addressesOf, hideResult, show, showVerdict } from "./viewer.js";

const MAX_BYTES = Number(document.body.dataset.maxBytes);
const FORM_BYTES = 4096;  // what a form adds to a file
const model = find("#model");

// ---- results
const panel = new ThresholdPanel(() => {
  history.tell();
  showJudged();
});

const judge = ({ result }) => {
  const threshold = panel.thresholdOf(result);
  return { threshold, band: bandAt(result.pred_score, threshold, result.fail_threshold) };
};

const showJudged = () => {
  if (history.current) {
    showVerdict(judge(history.current));
  }
};

const open = (row, { focus = true } = {}) => {
  history.choose(row);
  show(row, judge(row));
  regionOn(row.result);
  panel.show(row.result.model, row.result).then(() => {
    panel.markScore(row.result.pred_score);
    showJudged();
  }, said);
  if (find("#marked")) {
    find("#marked").textContent = row.marked ? `Marked: it should be ${row.marked}.` : "";
  }
  if (focus) {
    find("#result-title").focus();
  }
};

const again = (rows) => {
  rows.forEach((row) => history.remove(row));
  queue.add(rows.map(itemOf));
};

const itemOf = ({ file, name, model: wanted }) => ({ file, name, model: wanted });

const history = new History({ open, again, judge });

// ---- sending
let note = "";
let openNext = false;  // where the one that was to be opened has failed

const queue = new Queue({
  send: async (item, behind) => {
    item.shown = await isShown(item.file);
    // Of many images the last ones keep their pictures, so that those of the others are not made.
    const pictures = Boolean(item.row) || item.opens || openNext || behind < MOST_PICTURES;
    return predict(item.file, item.name, item.model, { pictures, shown: item.shown });
  },
  done: (item, { pictures, similar = [], ...result }) => {
    const row = item.row && history.rows.includes(item.row) ? item.row : history.add(item, { result });
    Object.assign(row, { result, shown: item.shown });
    if (pictures) {
      row.similar = similar.map(({ name, distance }) => ({ name, distance }));
      history.keepPictures(row, addressesOf(pictures, similar));
    }
    panel.cover(row.result);
    history.tell(row);
    if (item.opens || openNext || row === history.current) {
      open(row, { focus: row === item.row });
      openNext = false;
    }
  },
  failed: (item, fault) => {
    if (item.row) {
      note = fault.message;
    } else {
      history.add(item, { fault });
    }
    const [scored] = history.scored;
    if (item.opens && scored && !history.current) {
      open(scored, { focus: false });
    } else if (item.opens) {
      openNext = true;
    }
  },
  locked: unlocked,
  told: () => tell(),
});

const said = (error) => {
  note = error.message;
  tell();
};

// Once a second while much happens: a screen reader reads each of these out.
let told = 0;
let timer = 0;
const tell = () => {
  const wait = queue.idle ? 0 : Math.max(0, told + 1000 - Date.now());
  clearTimeout(timer);
  timer = setTimeout(() => {
    told = Date.now();
    const left = queue.waiting.length + queue.running;
    const parts = [
      ...(left ? [`${counted(left, "image is", "images are")} being sent or wait`] : []),
      ...(queue.pausing ? [`the server is busy or away: going on in ${queue.pausing} s`] : []),
      ...(!left && history.rows.length ? [find("#history-note").textContent.slice(0, -1)] : []),
      ...(note ? [note] : []),
    ];
    find("#status").textContent = parts.length ? `${parts.join("; ")}${/[.!?]$/.test(parts.at(-1)) ? "" : "."}` : "";
    find("#cancel").hidden = queue.waiting.length === 0;
  }, wait);
};

const add = ({ images, others, beyond }) => {
  note = [
    ...(others ? [`${counted(others, "file is no image and was", "files are no images and were")} left out`] : []),
    ...(beyond ? [`the first ${MOST_FILES.toLocaleString("en")} images are taken, of more: utad predict takes any number`] : []),
    ...(!images.length && !others ? ["there was no image in it"] : []),
    ...(!model.value && images.length ? ["no model is known yet: add them again in a moment"] : []),
  ].join("; ");
  if (!model.value) {
    tell();
    return;
  }
  const items = images.map(({ file, name }) => ({ file, name, model: model.value }));
  const tooLarge = items.filter(({ file }) => file.size + FORM_BYTES > MAX_BYTES);
  tooLarge.forEach((item) => {
    const size = `${(item.file.size / 2 ** 20).toFixed(1)} MB`;
    history.add(item, { fault: new Refused(`It has ${size}, and the server takes ${(MAX_BYTES / 2 ** 20).toFixed(0)} MB at most.`, 413) });
  });
  const sent = items.filter((item) => !tooLarge.includes(item));
  if (queue.idle && sent.length) {
    sent[0].opens = true;
  }
  queue.add(sent);
};

startAdding({ add, said });
startCamera((file) => add(ofFiles([file])));

// ---- buttons
find("#cancel").addEventListener("click", () => {
  note = `${counted(queue.cancel().length, "image", "images")} left out`;
  find("#add").focus();
});
find("#again").addEventListener("click", () => again(history.failed));
find("#look-again").addEventListener("click", () => {
  const row = history.current;
  queue.add([{ ...itemOf(row), model: row.result.model, row }]);
});
find("#download").addEventListener("click", () => {
  const rows = [...history.scored].reverse().map((row) => {
    const { threshold, band } = judge(row);
    const { pred_score: score, model: name, version } = row.result;
    return { path: row.name, pred_score: score, pred_label: score > threshold, threshold, band, model: name, version };
  });
  download(csvOf(rows), "predictions.csv");
});
find("#clear").addEventListener("click", () => {
  history.choose(null);
  history.clear();
  hideResult();
  panel.markScore(null);
  note = "";
  tell();
  find("#add").focus();
});
all("#marking button").forEach((button) => button.addEventListener("click", async () => {
  const row = history.current;
  const { label } = button.dataset;
  const answer = (text) => {
    if (row === history.current) {  // and not another one by now
      find("#marked").textContent = text;
    }
  };
  answer("Sending ...");
  try {
    const { file, new: isNew } = await mark(row.file, row.name, row.result.model, label);
    row.marked = label;
    answer(`${isNew ? "Kept as" : "It was marked so before, and is kept as"} ${file}`);
    history.tell(row);
  } catch (error) {
    answer(error.message);
  }
}));

// ---- models
let served = [];

const tellModel = () => {
  const one = served.find(({ name }) => name === model.value);
  find("#about-model").textContent = `version ${one.version}, ${one.format} ${one.precision}, threshold ${one.threshold.toFixed(3)}`;
};

model.addEventListener("change", () => {
  tellModel();
  panel.show(model.value).then(() => panel.markScore(null), said);
});

const load = async () => {
  if (document.body.dataset.needsToken === "true" && !hasToken()) {
    await unlocked();
  }
  try {
    served = await models();
    model.replaceChildren(...served.map(({ name }) => element("option", { value: name }, name)));
    model.disabled = false;
    find("#history").classList.toggle("one-model", served.length === 1);
    tellModel();
    await panel.show(model.value);
    note = "";
    tell();
  } catch (error) {
    if (error instanceof Refused && error.status === 401) {
      await unlocked();
      load();
    } else {
      said(error);
      setTimeout(load, 3000);
    }
  }
};

find("#forget").hidden = !hasToken();
find("#forget").addEventListener("click", () => {
  setToken("");
  location.reload();
});
load();
