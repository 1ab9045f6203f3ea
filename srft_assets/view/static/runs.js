// The table of runs by keys.

import { keys, search } from "/static/keys.js";

const links = [...document.querySelectorAll("table.runs tbody th a")];

function move(by) {
  const at = links.indexOf(document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : links.length - 1) : at + by;
  if (links[next]) links[next].focus();
}

function turn(way) {
  const link = document.querySelector(`.pages a[rel=${way}]`);
  if (link) link.click();
}

keys({
  j: () => move(1),
  k: () => move(-1),
  n: () => turn("next"),
  p: () => turn("prev"),
  "/": search,
});
