// From a score to a band, as `Prediction.band` has it, and to words.

export const bandAt = (score, threshold, failThreshold) => {
  if (!(score > threshold)) {
    return "pass";
  }
  return score > Math.max(threshold, failThreshold) ? "fail" : "review";
};

export const WORDS = {
  pass: "Normal: the score is at or below the threshold.",
  review: "Anomalous, to be reviewed: the score is above the threshold, and not above that of failing.",
  fail: "Anomalous: the score is above the threshold, and above that of failing.",
};

export const LABELS = { pass: "normal", review: "anomalous, to be reviewed", fail: "anomalous" };
