"use strict";
// The larger view, the choice of a split, and the arrow keys. The rest of the page works without this script.
const rows = JSON.parse(document.getElementById("rows").textContent);
const viewer = document.getElementById("viewer");
const picture = viewer.querySelector("img");
let open = null; // the thumbnail that is shown large

const group = (thumb) => [...thumb.closest(".thumbs").querySelectorAll(".thumb")];

function show(thumb) {
  const [title, facts] = rows[thumb.dataset.row];
  open = thumb;
  document.getElementById("viewer-title").textContent = title;
  picture.src = thumb.firstElementChild.src;
  picture.alt = thumb.firstElementChild.alt;
  const list = viewer.querySelector("dl");
  list.replaceChildren();
  for (const [name, value] of facts) {
    list.append(Object.assign(document.createElement("dt"), { textContent: name }));
    list.append(Object.assign(document.createElement("dd"), { textContent: value }));
  }
  if (!viewer.open) viewer.showModal();
}

function go(steps) {
  const thumbs = group(open);
  const next = thumbs[thumbs.indexOf(open) + steps];
  if (next) show(next);
}

document.addEventListener("click", (event) => {
  const thumb = event.target.closest(".thumb");
  if (thumb) return show(thumb);
  const button = event.target.closest("[data-go]");
  if (!button) return;
  if (button.dataset.go === "0") viewer.close(); else go(Number(button.dataset.go));
});

viewer.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight") go(1);
  if (event.key === "ArrowLeft") go(-1);
});
viewer.addEventListener("close", () => focus(open));

// The Tab key reaches one thumbnail of each group; otherwise keyboard users would have to pass thousands of them.
function focus(thumb) {
  for (const other of group(thumb)) other.tabIndex = other === thumb ? 0 : -1;
  thumb.focus();
}

for (const thumbs of document.querySelectorAll(".thumbs")) {
  thumbs.querySelectorAll(".thumb").forEach((thumb, number) => { thumb.tabIndex = number ? -1 : 0; });
  thumbs.addEventListener("keydown", (event) => {
    const all = [...thumbs.querySelectorAll(".thumb")];
    const at = all.indexOf(document.activeElement);
    const across = all.filter((other) => other.offsetTop === all[0].offsetTop).length;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across, Home: -at, End: all.length - 1 - at };
    const next = all[at + steps[event.key]];
    if (at < 0 || !next) return;
    event.preventDefault();
    focus(next);
  });
}

for (const choice of document.querySelectorAll("[name=split]")) {
  choice.addEventListener("change", () => {
    for (const part of document.querySelectorAll(".split")) {
      part.hidden = choice.value !== "both" && part.dataset.split !== choice.value;
    }
  });
}
