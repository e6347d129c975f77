"use strict";
const inside = document.getElementById("inside"), part = document.getElementById("part");
const open = (template) => {
  document.getElementById("what").textContent = template.dataset.title;
  part.replaceChildren(template.content.cloneNode(true));
  part.scrollTo(0, 0);
  location.replace("#" + template.dataset.box);
  inside.showModal();
};
for (const template of document.querySelectorAll("template")) {
  const box = document.getElementById("stage").querySelector("#" + CSS.escape(template.dataset.box));
  box.classList.add("opens");
  box.setAttribute("tabindex", "0");
  box.setAttribute("role", "button");
  box.setAttribute("aria-label", template.dataset.title + ": open");
  box.addEventListener("click", () => open(template));
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(template); }
  });
}
document.getElementById("close").addEventListener("click", () => inside.close());
inside.addEventListener("click", (event) => { if (event.target === inside) inside.close(); });
inside.addEventListener("close", () => location.replace("#"));
const linked = [...document.querySelectorAll("template")].find((t) => "#" + t.dataset.box === location.hash);
if (linked) open(linked);
