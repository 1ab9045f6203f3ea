// A run by keys.

import { keys, search } from "/static/keys.js";
import { current, fold, move, next, start, steps } from "/static/steps.js";

const page = document.querySelector(".run").dataset;

function leave(address) {
  if (address) location.assign(address);
}

function copyLink() {
  navigator.clipboard.writeText(location.href).catch(() => {});
}

keys({
  j: () => move(1),
  k: () => move(-1),
  d: () => next((step) => step.classList.contains("differ")),
  o: () => current() && fold([current()]),
  O: () => fold(steps),
  n: () => leave(page.after),
  p: () => leave(page.before),
  l: copyLink,
  "/": search,
});
start();
