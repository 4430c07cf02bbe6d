"use strict";
(() => {
  const find = (selector) => document.querySelector(selector);
  const base = find("#base");
  const input = base.src;
  const layer = find("#layer");
  const slider = find("#opacity");
  const shown = find("#opacity-shown");
  const contour = find("#contour");
  const outline = find("#outline");
  const pictures = [...document.querySelectorAll("input[name=picture]")];

  const update = () => {
    layer.style.opacity = slider.value / 100;
    shown.textContent = `${slider.value} %`;
    outline.style.display = contour.checked ? "" : "none";
    const chosen = find("input[name=picture]:checked").value;
    const picture = find(`#picture-${chosen}`);
    base.src = chosen === "input" ? input : picture.src;
    base.alt = picture.alt;
  };

  let before = Number(slider.value) || 70;
  const toggleMap = () => {
    if (Number(slider.value) > 0) {
      before = Number(slider.value);
      slider.value = 0;
    } else {
      slider.value = before;
    }
  };

  const follow = (relation) => {
    const link = find(`nav a[rel=${relation}]`);
    if (link) {
      link.click();
    }
  };

  const keys = {
    h: toggleMap,
    c: () => { contour.checked = !contour.checked; },
    p: () => follow("prev"),
    n: () => follow("next"),
  };
  pictures.forEach((picture, index) => {
    keys[String(index + 1)] = () => { picture.checked = true; };
  });

  document.addEventListener("keydown", (event) => {
    const action = keys[event.key.toLowerCase()];
    if (action && !event.ctrlKey && !event.metaKey && !event.altKey) {
      action();
      update();
    }
  });
  document.addEventListener("input", update);
  update();
})();
