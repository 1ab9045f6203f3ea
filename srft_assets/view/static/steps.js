// The steps of a run: the cursor, folding, search. Pages that show a run share it.

export const steps = [...document.querySelectorAll("article.step")];
const rows = new Map(
  [...document.querySelectorAll(".map tr[data-step]")].map((row) => [row.dataset.step, row]),
);
let at = -1;

/** The text with what hides or reorders it made visible, as the server shows what runs hold. */
export function visible(text) {
  return text.replace(/(?![\n\t])[\p{Cc}\p{Cf}]/gu, (sign) => {
    const code = sign.codePointAt(0);
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    return `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Scroll a list so far that one of its rows is seen, and the page not at all. */
export function within(list, row) {
  const outer = list.getBoundingClientRect();
  const inner = row.getBoundingClientRect();
  if (inner.top < outer.top + 24) list.scrollTop -= outer.top + 24 - inner.top;
  if (inner.bottom > outer.bottom) list.scrollTop += inner.bottom - outer.bottom;
}

/** The step under the cursor, or nothing. */
export function current() {
  return steps[at];
}

/** Put the cursor on a step. */
export function go(place, scroll = true) {
  if (place < 0 || place >= steps.length) return;
  for (const one of document.querySelectorAll(".here")) one.classList.remove("here");
  at = place;
  const step = steps[at];
  step.classList.add("here");
  if (scroll) step.scrollIntoView({ block: "start" });
  step.focus({ preventScroll: true });
  const row = rows.get(step.dataset.step);
  if (row) {
    row.classList.add("here");
    within(row.closest(".map"), row);
  }
  history.replaceState(null, "", `#${step.id}`);
}

/** The next step, or the one before. */
export function move(by) {
  go(at < 0 ? 0 : Math.min(Math.max(at + by, 0), steps.length - 1));
}

/** The next step that `fits`, round the end. */
export function next(fits) {
  for (let n = 1; n <= steps.length; n += 1) {
    const place = (at + n + steps.length) % steps.length;
    if (fits(steps[place])) {
      go(place);
      return true;
    }
  }
  return false;
}

/** Open or fold the observations of some steps: all are opened where one is folded. */
export function fold(some) {
  const parts = some.flatMap((step) => [...step.querySelectorAll("details.observation")]);
  const open = parts.some((part) => !part.open);
  for (const part of parts) part.open = open;
}

/** Searching in the page: Enter goes to the next step that holds the text, and opens it. */
export function searching() {
  const field = document.getElementById("search");
  const found = document.getElementById("found");
  if (!field) return;
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const text = field.value.toLowerCase();
    if (!text) return;
    const fits = (step) => step.textContent.toLowerCase().includes(text);
    const count = steps.filter(fits).length;
    found.textContent = count ? `in ${count} steps` : "not found";
    if (!next(fits)) return;
    for (const part of current().querySelectorAll("details")) {
      if (part.textContent.toLowerCase().includes(text)) part.open = true;
    }
    if (event.shiftKey === false) field.focus({ preventScroll: true });
  });
}

/** The cursor where the address says, and where somebody clicks. */
export function start() {
  const fromAddress = () => {
    const place = steps.findIndex((step) => `#${step.id}` === location.hash);
    if (place >= 0) go(place);
    return place >= 0;
  };
  window.addEventListener("hashchange", fromAddress);
  for (const [place, step] of steps.entries()) {
    step.addEventListener("click", () => {
      if (place !== at && !window.getSelection().toString()) go(place, false);
    });
  }
  searching();
  return fromAddress();
}
