// Elements of the page. Whatever comes from outside goes in as text, never as HTML.

export const find = (selector) => document.querySelector(selector);

export const all = (selector) => [...document.querySelectorAll(selector)];

const SVG = "http://www.w3.org/2000/svg";

// An element with properties and children; children that are strings become text.
export const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

export const drawn = (tag, attributes = {}, text = "") => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.textContent = text;
  return made;
};

// An SVG element has no property of that name.
export const hide = (node, hidden) => node.toggleAttribute("hidden", hidden);

export const counted = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
