// The name and the set that were used last in this browser.

import { keys } from "/static/keys.js";

keys({});
const who = document.getElementById("who");
if (!who.value) who.value = localStorage.getItem("who") ?? "";
document.querySelector("form.start").addEventListener("submit", () => {
  localStorage.setItem("who", who.value);
});
who.focus();
