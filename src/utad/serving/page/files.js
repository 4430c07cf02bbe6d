// From what a person drops, chooses or pastes to a list of image files with names.

const ENDINGS = document.body.dataset.endings.split(",");
export const MOST_FILES = 2000;

// Of files that no browser shows: TIFF, and the family of PPM.
const UNSHOWN = [[0x49, 0x49, 0x2a, 0x00], [0x4d, 0x4d, 0x00, 0x2a], ..."123456".split("").map((digit) => [0x50, digit.charCodeAt(0)])];

export const isShown = async (file) => {
  const head = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  return !UNSHOWN.some((magic) => magic.every((byte, index) => head[index] === byte));
};

const isImage = (name) => ENDINGS.some((ending) => name.toLowerCase().endsWith(ending));

// As when a folder is scored: images by their endings, and nothing that is hidden.
const ofFolder = ({ name }) => isImage(name) && !name.split("/").some((part) => part.startsWith("."));

const sorted = (entries) => entries.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));

const chosenFrom = (entries) => {
  const images = sorted(entries.filter(ofFolder));
  return { images: images.slice(0, MOST_FILES), others: entries.length - images.length, beyond: images.length > MOST_FILES };
};

// Files that were chosen one by one: what they are is for the server to say.
export const ofFiles = (list) => {
  const images = [...list].map((file) => ({ file, name: file.name }));
  return { images: images.slice(0, MOST_FILES), others: 0, beyond: images.length > MOST_FILES };
};

export const ofChosenFolder = (list) =>
  chosenFrom([...list].map((file) => ({ file, name: file.webkitRelativePath || file.name })));

const fileOf = (entry) => new Promise((done, failed) => entry.file(done, failed));

// A reader gives the entries of a folder in parts, the last of which is empty.
const partOf = (reader) => new Promise((done, failed) => reader.readEntries(done, failed));

const gathered = async (entry, found) => {
  if (found.length > 2 * MOST_FILES) {
    return;
  }
  const name = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    try {
      found.push({ file: await fileOf(entry), name });
    } catch {
      found.push({ file: null, name: `${name}/` });  // it went away meanwhile: counted with what is no image
    }
    return;
  }
  const reader = entry.createReader();
  for (let part = await partOf(reader); part.length; part = await partOf(reader)) {
    for (const inner of part) {
      await gathered(inner, found);
    }
  }
};

// What was dropped. The entries have to be taken before anything is waited for: they end with the event.
export const ofDrop = async (transfer) => {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) {
    return ofFiles(transfer.files);
  }
  const found = [];
  for (const entry of entries) {
    await gathered(entry, found);
  }
  return chosenFrom(found);
};
