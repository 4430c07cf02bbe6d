"use strict";
(() => {
  const find = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const data = JSON.parse(find("#data").textContent);
  const SIDE = 240;
  const WIDTH = 640;
  const STEPS = 1000;
  const WORDS = { "found": "found", "miss": "miss", "false-alarm": "false alarm", "normal": "normal" };

  const cards = data.cards.map((card, index) => {
    const button = find(`.card[data-card="${index}"]`);
    const name = button.querySelector(".name").textContent;
    return {
      ...card, button, name, item: button.parentElement, label: button.querySelector(".label"),
      anomalous: data.groups[card.group].anomalous, lower: name.toLowerCase(),
    };
  });
  const normalScores = data.groups.filter((group) => !group.anomalous).flatMap((group) => group.scores);
  const percent = (part, whole) => `${(100 * part / whole).toFixed(1)} %`;

  const axis = new ScoreAxis(data.unit, data.low, data.high);

  // ---- the threshold
  const slider = find("#threshold");
  let threshold = data.threshold;

  const outcomeOf = (card) => {
    const flagged = card.score > threshold;
    return card.anomalous ? (flagged ? "found" : "miss") : (flagged ? "false-alarm" : "normal");
  };

  const placePoint = (key, x, y) => {
    const point = find(`#point-${key}`);
    if (point) {
      point.style.display = Number.isFinite(x) && Number.isFinite(y) ? "" : "none";
      point.setAttribute("cx", SIDE * (x || 0));
      point.setAttribute("cy", SIDE * (1 - (y || 0)));
    }
  };

  const countFlags = () => {
    const total = { normal: 0, anomalous: 0, alarms: 0, found: 0 };
    const rows = all("#flags tbody tr");
    data.groups.forEach((group, index) => {
      const flagged = group.scores.reduce((count, score) => count + (score > threshold), 0);
      rows[index].querySelector(".flagged-count").textContent = flagged;
      rows[index].querySelector(".flagged-share").textContent = percent(flagged, group.scores.length);
      total[group.anomalous ? "anomalous" : "normal"] += group.scores.length;
      total[group.anomalous ? "found" : "alarms"] += flagged;
    });
    return total;
  };

  const describe = (total) => {
    const parts = [];
    if (total.normal) {
      parts.push(`${total.alarms} false alarms in ${total.normal} normal images (${percent(total.alarms, total.normal)})`);
    }
    if (total.anomalous) {
      parts.push(`${total.found} of ${total.anomalous} anomalous images found (${percent(total.found, total.anomalous)}), ${total.anomalous - total.found} missed`);
    }
    return `Above ${threshold.toFixed(3)}: ${parts.join("; ")}.`;
  };

  const showThreshold = () => {
    const share = axis.toShare(threshold);
    const text = threshold.toFixed(3);
    slider.value = Math.round(STEPS * share);
    slider.setAttribute("aria-valuetext", text);
    find("#threshold-shown").textContent = text;
    find("#command").textContent = `utad predict MODEL IMAGES --output DIR --threshold ${text}`;
    find("#reset").disabled = threshold === data.threshold;
    find("#line").setAttribute("transform", `translate(${WIDTH * share} 0)`);
    find("#flagged").setAttribute("x", WIDTH * share);
    find("#flagged").setAttribute("width", WIDTH * (1 - share));
    const total = countFlags();
    find("#summary").textContent = describe(total);
    placePoint("roc", total.alarms / total.normal, total.found / total.anomalous);
    placePoint("pr", total.found / total.anomalous, total.found / (total.found + total.alarms));
  };

  const setThreshold = (value) => {
    threshold = value;
    showThreshold();
    showCards();
    showDetails();
  };

  slider.addEventListener("input", () => setThreshold(axis.toScore(slider.value / STEPS)));
  const reset = () => setThreshold(data.threshold);
  find("#reset").addEventListener("click", () => {
    reset();
    slider.focus();
  });

  followPointer(find("#histogram"), WIDTH, (share) => setThreshold(axis.toScore(share)));

  // ---- the gallery
  const gallery = find("#gallery");
  const choices = all("input[name=outcome]");
  let order = cards;
  let visible = cards;

  const showCards = () => {
    const outcome = find("input[name=outcome]:checked").value;
    const kind = find("#kind").value;
    const search = find("#search").value.trim().toLowerCase();
    const counts = { "": 0 };
    visible = order.filter((card) => {
      const own = outcomeOf(card);
      if (card.outcome !== own) {
        card.outcome = own;
        card.label.textContent = WORDS[own];
        card.label.className = `label ${own}`;
      }
      const among = (kind === "" || card.group === Number(kind)) && card.lower.includes(search);
      if (among) {
        counts[own] = (counts[own] || 0) + 1;
        counts[""] += 1;
      }
      const shown = among && (outcome === "" || outcome === own);
      card.item.hidden = !shown;
      return shown;
    });
    choices.forEach((choice) => {
      choice.parentElement.querySelector(".count").textContent = counts[choice.value] || 0;
    });
    find("#shown").textContent = `${visible.length} of ${cards.length} images are shown.`;
  };

  const sortCards = () => {
    const compare = {
      down: (a, b) => b.score - a.score,
      up: (a, b) => a.score - b.score,
      name: (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }),
    }[find("#order").value];
    order = [...cards].sort(compare);
    gallery.append(...order.map((card) => card.item));
    showCards();
  };

  const showMaps = () => gallery.classList.toggle("without-maps", !find("#maps").checked);
  const toggleMaps = () => {
    find("#maps").checked = !find("#maps").checked;
    showMaps();
  };
  find("#outcomes").addEventListener("change", showCards);
  find("#kind").addEventListener("change", showCards);
  find("#search").addEventListener("input", showCards);
  find("#order").addEventListener("change", sortCards);
  find("#maps").addEventListener("change", showMaps);

  // ---- one image
  const dialog = find("#details");
  const stage = find("#stage");
  const opacity = find("#opacity");
  const truth = find("#show-truth");
  let current = null;

  const showLayers = () => {
    find("#layer").style.opacity = opacity.value / 100;
    find("#opacity-shown").textContent = `${opacity.value} %`;
    stage.classList.toggle("without-mask", !find("#show-mask").checked);
    stage.classList.toggle("without-truth", !(truth && truth.checked));
  };

  const cellOf = (text, isNumber) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    cell.className = isNumber ? "number" : "";
    return cell;
  };

  const showRegions = (card) => {
    find("#details-regions").hidden = card.regions.length === 0;
    find("#details-regions tbody").replaceChildren(...card.regions.map(([left, top, right, bottom, area, peak]) => {
      const row = document.createElement("tr");
      row.append(cellOf(peak.toFixed(3), true), cellOf(area, true), cellOf([left, top, right, bottom].join(", "), false));
      return row;
    }));
  };

  const showDetails = () => {
    if (!current) {
      return;
    }
    const among = normalScores.filter((score) => score >= current.score).length;
    find("#details-name").textContent = current.name;
    find("#details-score").textContent = current.score.toFixed(3);
    find("#details-label").textContent = WORDS[current.outcome];
    find("#details-label").className = `label ${current.outcome}`;
    find("#details-among").textContent =
      `Kind: ${current.button.querySelector(".kind").textContent}. Threshold: ${threshold.toFixed(3)}.` +
      (normalScores.length ? ` Of ${normalScores.length} normal images of this evaluation, ${among} score as high.` : "");
    const position = visible.indexOf(current);
    find("#previous").disabled = position <= 0;
    find("#next").disabled = position < 0 || position === visible.length - 1;
  };

  const open = (card) => {
    current = card;
    const [width, height] = card.size;
    const [picture, heat] = card.button.querySelectorAll("img");
    find("#base").src = picture.src;
    find("#layer").src = heat.src;
    stage.style.aspectRatio = `${width} / ${height}`;
    stage.style.maxWidth = `min(44rem, calc(70vh * ${width / height}))`;
    find("#drawn").setAttribute("viewBox", `0 0 ${width} ${height}`);
    all("#drawn .mask-line").forEach((path) => path.setAttribute("d", card.mask));
    all("#drawn .truth-line").forEach((path) => path.setAttribute("d", card.truth));
    const link = find("#details-page");
    link.hidden = !card.page;
    link.firstElementChild.setAttribute("href", card.page);
    showRegions(card);
    showDetails();
    if (!dialog.open) {
      dialog.showModal();
    }
  };

  const step = (by) => {
    const position = visible.indexOf(current) + by;
    if (visible.includes(current) && position >= 0 && position < visible.length) {
      open(visible[position]);
    }
  };

  cards.forEach((card) => card.button.addEventListener("click", () => open(card)));
  find("#previous").addEventListener("click", () => step(-1));
  find("#next").addEventListener("click", () => step(1));
  find("#close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    current.button.focus();
    current = null;
  });
  dialog.addEventListener("input", showLayers);

  // ---- keys
  const flip = (box) => {
    if (box) {
      box.checked = !box.checked;
      showLayers();
    }
  };
  let before = 70;
  const toggleLayer = () => {
    before = Number(opacity.value) || before;
    opacity.value = Number(opacity.value) > 0 ? 0 : before;
    showLayers();
  };
  const inDialog = {
    arrowleft: () => step(-1), arrowright: () => step(1), h: toggleLayer,
    c: () => flip(find("#show-mask")), g: () => flip(truth),
  };
  const onPage = { "/": () => find("#search").focus(), t: () => slider.focus(), r: reset, h: toggleMaps };

  document.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    const typing = event.target.matches("input[type=search], select");
    const sliding = key.startsWith("arrow") && event.target.matches("input");
    const action = (dialog.open ? inDialog : onPage)[key];
    if (action && !typing && !sliding && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      action();
    }
  });

  // After a reload some browsers restore the controls: what is shown follows them.
  showThreshold();
  showMaps();
  showLayers();
  sortCards();
})();
