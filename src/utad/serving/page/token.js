// Asks for the token of the server, once, until it is right.

import { models, Refused, setToken } from "./api.js";
import { find } from "./dom.js";

const dialog = find("#token-dialog");
let asking = null;

// Ends when the server takes the token; whoever calls meanwhile waits for the same.
export const unlocked = () => {
  asking ??= new Promise((done) => {
    setToken("");
    find("#token").value = "";
    find("#token-fault").textContent = "";
    const submitted = async (event) => {
      event.preventDefault();
      setToken(find("#token").value.trim());
      try {
        await models();
      } catch (error) {
        if (error instanceof Refused && error.status === 401) {
          setToken("");
          find("#token-fault").textContent = "The server does not take this token.";
        } else {
          find("#token-fault").textContent = error.message;
        }
        find("#token").focus();
        return;
      }
      find("#token-form").removeEventListener("submit", submitted);
      asking = null;
      dialog.close();
      find("#forget").hidden = false;
      done();
    };
    find("#token-form").addEventListener("submit", submitted);
    dialog.showModal();
  });
  return asking;
};

// Escape would leave a page that can do nothing.
dialog.addEventListener("close", () => {
  if (asking) {
    dialog.showModal();
  }
});
