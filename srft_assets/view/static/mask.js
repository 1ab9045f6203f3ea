// The tokens of a run: the id of the one under the pointer, or under a cursor moved by keys.

import { keys, search } from "/static/keys.js";
import { current, go, move, start } from "/static/steps.js";

const told = document.getElementById("token");
let marked = null;

function tell(token) {
  if (marked) marked.classList.remove("cursor");
  marked = token;
  token.classList.add("cursor");
  const ids = token.dataset.t.split(",");
  const trained = [...token.classList].some((one) => /^w\d$/.test(one));
  const kind = token.classList.contains("special") ? "special token" : "token";
  told.textContent = `${kind} ${ids.join(" + ")}, ${trained ? "carries loss" : "no loss"}`;
}

function walk(by) {
  const step = current();
  if (!step) {
    move(1);
    return;
  }
  const tokens = [...step.querySelectorAll("i.t")];
  const at = tokens.indexOf(marked);
  const next = tokens[at < 0 ? 0 : at + by];
  if (next) {
    tell(next);
    next.scrollIntoView({ block: "nearest" });
  }
}

function turn(way) {
  const link = document.querySelector(`.pages a[rel=${way}]`);
  if (link) link.click();
}

document.querySelector(".column").addEventListener("pointerover", (event) => {
  const token = event.target.closest("i.t");
  if (token) tell(token);
});
keys({
  j: () => move(1),
  k: () => move(-1),
  ArrowRight: () => walk(1),
  ArrowLeft: () => walk(-1),
  n: () => turn("next"),
  p: () => turn("prev"),
  "/": search,
});
if (!start() && location.hash === "") go(-1);
