// A picture of the camera. Browsers give it only to pages over https and of this machine itself; elsewhere a phone's own
// camera is asked for a file.

import { find } from "./dom.js";

const dialog = find("#camera-dialog");
const video = find("#camera");
let stream = null;

const stop = () => {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  video.srcObject = null;
};

const nameNow = () => `camera ${new Date().toISOString().slice(0, 19).replace("T", " ").replaceAll(":", ".")}.png`;

const taken = () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
};

// `take` is called with each picture, as a file.
export const startCamera = (take) => {
  find("#take-picture").addEventListener("click", async () => {
    if (!navigator.mediaDevices) {
      find("#snapshot").click();
      return;
    }
    find("#camera-fault").textContent = "";
    find("#shoot").disabled = true;
    dialog.showModal();
    try {
      const opened = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } } });
      if (!dialog.open) {
        opened.getTracks().forEach((track) => track.stop());
        return;
      }
      stream = opened;
      video.srcObject = stream;
      await video.play();
      find("#shoot").disabled = false;
      find("#shoot").focus();
    } catch (error) {
      find("#camera-fault").textContent = `There is no picture of the camera: ${error.message}.`;
    }
  });
  find("#shoot").addEventListener("click", async () => {
    const blob = await taken();
    dialog.close();
    take(new File([blob], nameNow(), { type: blob.type }));
  });
  find("#camera-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", stop);
};
