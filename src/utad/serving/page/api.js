// What is asked of the server, and its refusals in words. Addresses are relative: the page may lie below a prefix.

const KEY = "utad-token";
const LONGEST = 1024;
const SIMILAR = 5;
const PICTURES = ["heat", "impression", "naive_impression", "reconstruction"];

let token = sessionStorage.getItem(KEY) || "";

export const hasToken = () => token !== "";

export const setToken = (text) => {
  token = text;
  if (text) {
    sessionStorage.setItem(KEY, text);
  } else {
    sessionStorage.removeItem(KEY);
  }
};

// A request that came to nothing. `status` is 0 where there was no answer, `wait` are the seconds of Retry-After.
export class Refused extends Error {
  constructor(message, status, wait = 0) {
    super(message);
    this.status = status;
    this.wait = wait;
  }

  // Whether the same may succeed later.
  get passing() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500 && this.status !== 507;
  }
}

const asked = async (address, options = {}) => {
  const headers = { ...options.headers };
  if (token) {
    headers.Authorization = `Bearer ${token}`;
  }
  let answer;
  try {
    answer = await fetch(address, { ...options, headers, redirect: "error" });
  } catch {
    throw new Refused("The server does not answer. It may have ended, or the connection is lost.", 0);
  }
  let body = null;
  try {
    body = await answer.json();
  } catch {
    body = null;
  }
  if (body === null || !answer.ok && !body.predictions) {
    const words = body && body.error || `The server answers with status ${answer.status}.`;
    throw new Refused(words, answer.status, Number(answer.headers.get("retry-after")) || 0);
  }
  return body;
};

const formOf = (file, name) => {
  const form = new FormData();
  form.append("images", file, name);
  return form;
};

export const models = async () => (await asked("v1/models")).models;

export const calibrationOf = (model) => asked(`v1/models/${encodeURIComponent(model)}/calibration`);

// The prediction of one image, with model and version; with pictures where they are to be seen.
export const predict = async (file, name, model, { pictures, shown }) => {
  const query = new URLSearchParams({ model });
  if (pictures) {
    query.set("save", (shown ? PICTURES : ["image", ...PICTURES]).join(","));
    query.set("longest", LONGEST);
    query.set("outlines", "true");
    query.set("similar", SIMILAR);
  }
  const answer = await asked(`v1/predict?${query}`, { method: "POST", body: formOf(file, name) });
  const [prediction] = answer.predictions;
  if (prediction.error) {
    throw new Refused(prediction.error, 422);
  }
  return { ...prediction, model: answer.model, version: answer.version };
};

export const mark = (file, name, model, label) =>
  asked(`v1/feedback?${new URLSearchParams({ model, label })}`, { method: "POST", body: formOf(file, name) });
