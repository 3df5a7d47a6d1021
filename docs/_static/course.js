// Answers that open together, the switch that unfolds a page, and the other language at the same section.
"use strict";

/** The folded parts that answer each prediction: those of neighbouring cells. */
function predictions() {
  const groups = [];
  for (const cell of document.querySelectorAll(".cell.tag_prediction")) {
    let before = cell.previousElementSibling;
    while (before?.matches(".cell") && !before.matches(".tag_prediction")) before = before.previousElementSibling;
    const group = before?.matches(".tag_prediction") ? groups.at(-1) : groups[groups.push([]) - 1];
    group.push(...cell.querySelectorAll("details.hide"));
  }
  return groups;
}

/** The anchor of the part that is on top of the window; those of a notebook are the same in both languages. */
function here() {
  const page = location.pathname.split("/").pop();
  const prefix = /^\d\d_/.test(page) ? page.slice(3).replace(".html", "-").replaceAll("_", "-") : "";
  const limit = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop || 0) + 12;
  let found = "";
  for (const element of document.querySelectorAll("article [id]")) {
    if (element.getBoundingClientRect().top > Math.max(limit, 72)) break;
    if (element.id.startsWith(prefix) && !/^(id)?\d/.test(element.id)) found = element.id;
  }
  return found;
}

/** What scrolls sideways must be reached by keyboard; what is folded has no width until it is opened. */
function reachable(part) {
  for (const box of part.querySelectorAll("div.highlight pre, .pst-scrollable-table-container, .formula")) {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

document.addEventListener("DOMContentLoaded", () => {
  for (const fold of document.querySelectorAll("details.hide")) {
    fold.querySelector("summary").removeAttribute("aria-label"); // its words say what it does
  }
  for (const [first, ...others] of predictions()) {
    for (const other of others) other.classList.add("follows"); // one switch for one prediction
    first.addEventListener("toggle", () => {
      for (const other of others) other.open = first.open;
    });
  }

  for (const summary of document.querySelectorAll("nav .has-children > details > summary")) {
    summary.setAttribute("aria-label", summary.closest("li").querySelector("a").textContent.trim());
  }

  const unfold = document.getElementById("unfold");
  if (unfold) unfold.hidden = !document.querySelector("details.hide");
  unfold?.addEventListener("click", () => {
    const open = unfold.getAttribute("aria-pressed") !== "true";
    unfold.setAttribute("aria-pressed", String(open));
    for (const fold of document.querySelectorAll("details.hide")) fold.open = open;
  });
  window.addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details.hide")) fold.open = true;
  });

  const other = document.getElementById("other-language");
  other?.addEventListener("click", () => {
    const part = window.scrollY > 40 ? here() : "";
    other.href = other.href.split("#")[0] + (part ? "#" + part : "");
  });

  reachable(document);
  document.addEventListener("toggle", (event) => reachable(event.target), true);
  window.addEventListener("resize", () => reachable(document));
});
