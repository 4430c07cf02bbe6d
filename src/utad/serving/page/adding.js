// The ways in which images come to the page: dropped, pasted, or chosen.

import { find } from "./dom.js";
import { ofChosenFolder, ofDrop, ofFiles } from "./files.js";

// `add` is called with what was found, `said` with an error.
export const startAdding = ({ add, said }) => {
  const drop = find("#drop");
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => drop.classList.toggle("over", event.relatedTarget !== null));
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    try {
      add(await ofDrop(event.dataTransfer));
    } catch (error) {
      said(new Error(`the folder cannot be read: ${error.message}`));
    }
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) {
      add(ofFiles(event.clipboardData.files));
    }
  });
  [["files", ofFiles], ["folder", ofChosenFolder], ["snapshot", ofFiles]].forEach(([id, of]) => {
    const input = find(`#${id}`);
    input.addEventListener("change", () => {
      add(of(input.files));
      input.value = "";  // the same file may be chosen again
    });
  });
  find("#choose-files").addEventListener("click", () => find("#files").click());
  find("#choose-folder").addEventListener("click", () => find("#folder").click());
};
