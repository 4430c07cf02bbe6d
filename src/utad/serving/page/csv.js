// The table of this page as CSV, with the columns of predictions.csv that apply here.

const FIELDS = ["path", "pred_score", "pred_label", "threshold", "band", "model", "version"];

// A name that a spreadsheet would take for a formula becomes text by an apostrophe before it.
const cell = (value) => {
  let text = String(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) {
    text = `'${text}`;
  }
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export const csvOf = (rows) =>
  [FIELDS, ...rows.map((row) => FIELDS.map((field) => row[field]))].map((row) => `${row.map(cell).join(",")}\r\n`).join("");

export const download = (text, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};
