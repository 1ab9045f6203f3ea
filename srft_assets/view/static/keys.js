// Keys, as every page has them. A page gives what each key does; typing in a field is left alone.

const help = document.getElementById("help");

function showHelp() {
  if (help.open) help.close();
  else help.showModal();
}

document.getElementById("help-button").addEventListener("click", showHelp);

/** Whether somebody is typing there. */
export function isField(element) {
  return element.matches("input:not([type=checkbox]), textarea, select");
}

/** `does`: key as the browser names it → what it does. */
export function keys(does) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (isField(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "?") {
      event.preventDefault();
      showHelp();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    // What the cursor stands on is pressed by these, as everywhere.
    if ([" ", "Enter"].includes(event.key) && event.target.closest("a, button, summary, input")) return;
    const act = does[event.key];
    if (act && act(event) !== false) event.preventDefault();
  });
}

/** Put the cursor into the page's search field. */
export function search() {
  const field = document.getElementById("search");
  field.focus();
  field.select();
}
