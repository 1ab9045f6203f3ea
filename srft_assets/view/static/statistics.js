// The SQL of a chart to the clipboard.

import { keys } from "/static/keys.js";

keys({});
const told = document.getElementById("copied");
document.getElementById("copy").addEventListener("click", async () => {
  const text = document.getElementById("sql").textContent;
  try {
    await navigator.clipboard.writeText(text);
    told.textContent = "copied: srft sql \"…\" asks it";
  } catch {
    getSelection().selectAllChildren(document.getElementById("sql"));
    told.textContent = "the browser lets no page copy: it is selected";
  }
});
