// Judging by keys. A label is sent at once, with what stood there before; what is on the page is
// what the server has said it keeps.

import { keys, search } from "/static/keys.js";
import { current, fold, go, move, next, start, steps, visible, within } from "/static/steps.js";

const page = document.querySelector(".run").dataset;
const session = Object.fromEntries(new URLSearchParams(page.query));
const items = [...document.querySelectorAll(".queue li")];
const note = document.getElementById("note");
const status = document.getElementById("status");
const LETTERS = { good: "g", unnecessary: "u", mistake: "m", recover: "r", unlabeled: "-" };
const undone = "undo " + page.query.replace(/&?(at|blind)=[^&]*/g, "");
let at = Number(page.at);

const mine = (step) => step.querySelector("p.mine");

/** What the annotator said of a step: nothing, or a label and a note. */
function said(step) {
  const { label, note: told } = mine(step).dataset;
  return label ? { label: label === "unlabeled" ? null : label, note: told } : null;
}

/** Draw what was said. */
function draw(step) {
  const place = mine(step);
  place.replaceChildren();
  const word = place.dataset.label;
  const cell = document.querySelector(`.map tr[data-step="${step.dataset.step}"] td`);
  cell.className = `cell ${word}`;
  cell.textContent = LETTERS[word] ?? "";
  if (!word) return;
  const label = document.createElement("span");
  label.className = `label ${word}`;
  const letter = document.createElement("b");
  letter.textContent = LETTERS[word];
  label.append(letter, ` ${word === "unlabeled" ? "cannot tell" : word}`);
  const who = document.createElement("span");
  who.className = "judge";
  who.textContent = "you";
  place.append(label, who);
  if (place.dataset.note) {
    const told = document.createElement("span");
    told.className = "note";
    told.textContent = visible(place.dataset.note);
    place.append(told);
  }
}

function keep(step, now) {
  mine(step).dataset.label = now ? (now.label ?? "unlabeled") : "";
  mine(step).dataset.note = now ? now.note : "";
  draw(step);
  for (const item of items) {
    if (item.dataset.run === page.run && item.dataset.step === step.dataset.step) {
      item.dataset.done = now ? "1" : "";
    }
  }
}

function tell(text, bad = false) {
  status.textContent = text;
  status.className = bad ? "bad" : "fine";
}

function figures(progress) {
  document.getElementById("done").textContent = progress.done;
  document.getElementById("bar").value = progress.done;
  document.getElementById("labels").textContent = progress.labels;
  document.getElementById("people").textContent = progress.annotators;
  const rows = progress.scores.map((one) => {
    const row = document.createElement("tr");
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = one.critic;
    const value = document.createElement("td");
    value.textContent = score(one);
    row.append(name, value);
    return row;
  });
  document.getElementById("scores").replaceChildren(...rows);
}

function score(one) {
  const part = (value) => (value === null ? "–" : value.toFixed(2));
  const ends = one.f1_low === null ? "" : ` (${part(one.f1_low)} to ${part(one.f1_high)})`;
  return `${part(one.f1)}${ends}, of ${one.steps}`;
}

/** Send one label. True where it is kept. */
async function send(run, step, now, before) {
  const body = JSON.stringify({ ...session, at_run: run, at_step: Number(step), now, before });
  const headers = { "content-type": "application/json" };
  let answer;
  try {
    const got = await fetch("/label", { method: "POST", headers, body });
    answer = { status: got.status, ...(await got.json()) };
  } catch {
    tell("not saved: the server does not answer", true);
    return false;
  }
  const there = page.run === run && steps.find((one) => one.dataset.step === String(step));
  if (answer.status === 409 && there) keep(there, answer.now);
  if (answer.status !== 200) {
    tell(`not saved: ${answer.error}`, true);
    return false;
  }
  if (there) keep(there, now);
  figures(answer.progress);
  return true;
}

const history_ = () => JSON.parse(sessionStorage.getItem(undone) ?? "[]");
const remember = (list) => sessionStorage.setItem(undone, JSON.stringify(list.slice(-200)));
let sending = Promise.resolve();

/** Label the step under the cursor, one after the other also where keys come fast. */
function label(word) {
  const step = current();
  if (!step) return;
  const asked = step.dataset.step === items[at].dataset.step;
  const told = note.value.trim();
  note.value = "";
  sending = sending.then(async () => {
    const before = said(step);
    const now = { label: word, note: told || (before ? before.note : "") };
    if (!(await send(page.run, step.dataset.step, now, before))) return;
    remember([...history_(), { run: page.run, step: step.dataset.step, now, before, at }]);
    const left = items.filter((item) => !item.dataset.done).length;
    const then = left ? "" : "; all are judged: srft apply gold_labels, then critic_scores/NAME";
    tell(`step ${step.dataset.step}: ${word ?? "cannot tell"}, saved${then}`);
    if (asked) turn(nextLeft());
  });
}

/** Place of the next step that is not judged yet; the next one where all are. */
function nextLeft() {
  for (let n = 1; n < items.length; n += 1) {
    const place = (at + n) % items.length;
    if (!items[place].dataset.done) return place;
  }
  return Math.min(at + 1, items.length - 1);
}

function turn(place) {
  const item = items[place];
  if (!item || place === at) return;
  if (item.dataset.run !== page.run) {
    location.assign(item.querySelector("a").href);
    return;
  }
  items[at].classList.remove("now");
  items[at].removeAttribute("aria-current");
  at = place;
  atItem();
}

function atItem() {
  const item = items[at];
  item.classList.add("now");
  item.setAttribute("aria-current", "step");
  within(item.parentElement, item);
  for (const step of steps) step.classList.toggle("asked", step.dataset.step === item.dataset.step);
  go(steps.findIndex((step) => step.dataset.step === item.dataset.step));
  history.replaceState(null, "", `/judge?${page.query}&at=${at}`);
}

function asCritic() {
  const first = current()?.querySelector(".verdict .label");
  const word = first && Object.keys(LETTERS).find((one) => first.classList.contains(one));
  if (!word || word === "unlabeled") tell("no critic is shown here: b shows them", true);
  else label(word);
}

function undo() {
  sending = sending.then(async () => {
    const list = history_();
    const last = list.pop();
    if (!last) {
      tell("nothing to take back", true);
      return;
    }
    if (!(await send(last.run, last.step, last.before, last.now))) return;
    remember(list);
    tell(`step ${last.step}: taken back`);
    turn(last.at);
  });
}

function keepNote() {
  const step = current();
  const before = step && said(step);
  note.blur();
  if (!before) {
    tell("kept for the label that you give next");
    return;
  }
  const now = { label: before.label, note: note.value.trim() };
  sending = sending.then(async () => {
    if (!(await send(page.run, step.dataset.step, now, before))) return;
    remember([...history_(), { run: page.run, step: step.dataset.step, now, before, at }]);
    note.value = "";
    tell("comment saved");
  });
}

function comment() {
  const before = current() && said(current());
  if (before && !note.value) note.value = before.note;
  note.focus();
}

note.addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    event.preventDefault();
    keepNote();
  }
});
for (const button of document.querySelectorAll(".choices button")) {
  button.addEventListener("click", () => label(button.dataset.label || null));
}
document.getElementById("undo").addEventListener("click", undo);

keys({
  g: () => label("good"),
  u: () => label("unnecessary"),
  m: () => label("mistake"),
  r: () => label("recover"),
  x: () => label(null),
  " ": asCritic,
  c: comment,
  z: undo,
  b: () => location.assign(`/judge?${page.other}`),
  n: () => turn(at + 1),
  p: () => turn(at - 1),
  j: () => move(1),
  k: () => move(-1),
  d: () => next((step) => step.classList.contains("differ")),
  o: () => current() && fold([current()]),
  O: () => fold(steps),
  "/": search,
});
for (const step of steps) draw(step);
for (const item of items) {
  const row = document.querySelector(`.map tr[data-step="${item.dataset.step}"]`);
  if (item.dataset.run === page.run && row) row.classList.add("queued");
}
start();
atItem();
document.body.dataset.ready = "1";
