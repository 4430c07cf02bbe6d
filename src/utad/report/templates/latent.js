"use strict";
(() => {
  const find = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  const maps = all(".map").map((box) => ({
    box,
    ring: box.querySelector(".ring"),
    points: [...box.querySelectorAll(".point")].map((mark) => ({
      mark, image: Number(mark.dataset.image), x: Number(mark.dataset.x), y: Number(mark.dataset.y),
    })),
  }));
  const images = all(".all li").map((item) => ({
    source: item.querySelector("img").src,
    kind: item.querySelector(".kind").textContent,
    score: item.querySelector(".score").textContent,
    name: item.querySelector(".name").textContent,
  }));
  let marked = null;

  const visible = (point) => !point.mark.hasAttribute("hidden");

  const show = (image) => {
    marked = image;
    maps.forEach(({ box, ring, points }) => {
      points.forEach((point) => point.mark.setAttribute("aria-selected", String(point.image === image)));
      const point = points.find((other) => other.image === image);
      box.classList.toggle("marked", point !== undefined);
      if (point) {
        ring.setAttribute("cx", point.x);
        ring.setAttribute("cy", point.y);
        box.setAttribute("aria-activedescendant", point.mark.id);
      } else {
        box.removeAttribute("aria-activedescendant");
      }
    });
    find("#nothing").hidden = image !== null;
    find("#marked").hidden = image === null;
    if (image !== null) {
      find("#picture").src = images[image].source;
      for (const part of ["kind", "score", "name"]) {
        find(`#${part}`).textContent = images[image][part];
      }
    }
  };

  // The nearest mark in a direction; what lies far to its sides counts as farther.
  const next = (points, from, [right, down]) => {
    let best = null;
    let shortest = Infinity;
    for (const point of points) {
      const ahead = (point.x - from.x) * right + (point.y - from.y) * down;
      const aside = Math.abs((point.x - from.x) * down) + Math.abs((point.y - from.y) * right);
      const way = ahead + 2 * aside;
      if (ahead > 0 && way < shortest) {
        best = point;
        shortest = way;
      }
    }
    return best;
  };

  // The images stand in the order of their scores.
  const first = (points) => points.reduce((one, other) => (other.image < one.image ? other : one));
  const last = (points) => points.reduce((one, other) => (other.image > one.image ? other : one));

  maps.forEach(({ box, points }) => {
    points.forEach((point) => {
      point.mark.addEventListener("pointerenter", () => show(point.image));
      point.mark.addEventListener("click", () => show(point.image));
    });
    box.addEventListener("focus", () => {
      const seen = points.filter(visible);
      if (marked === null && seen.length) {
        show(first(seen).image);
      }
    });
    box.addEventListener("keydown", (event) => {
      const seen = points.filter(visible);
      if (event.ctrlKey || event.metaKey || event.altKey || !seen.length) {
        return;
      }
      const from = points.find((point) => point.image === marked) ?? first(seen);
      const target = {
        Home: () => first(seen), End: () => last(seen),
        ...Object.fromEntries(Object.entries(WAYS).map(([key, way]) => [key, () => next(seen, from, way)])),
      }[event.key];
      if (target) {
        event.preventDefault();
        const found = target();
        if (found) {
          show(found.image);
        }
      } else if (event.key === "Escape") {
        show(null);
      }
    });
  });

  const filter = () => {
    const shown = new Set(all("input[name=kind]:checked").map((box) => box.value));
    all(".point, .all li").forEach((element) => element.toggleAttribute("hidden", !shown.has(element.dataset.kind)));
    if (marked !== null && !maps.some(({ points }) => points.some((point) => point.image === marked && visible(point)))) {
      show(null);
    }
  };
  find(".kinds").addEventListener("change", filter);
  filter();
})();
