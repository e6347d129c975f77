// Without it all is readable: the list is open, and a picture is a link to its file.
const list = document.querySelector("nav details"), wide = matchMedia("(min-width: 861px)");
const settle = () => { list.open = wide.matches; };
settle(); wide.addEventListener("change", settle);
list.addEventListener("click", event => { if (event.target.closest("a") && !wide.matches) list.open = false; });
const dialog = document.querySelector("dialog"), [caption, size, close] = dialog.querySelectorAll("p, button");
const fit = on => { dialog.classList.toggle("fit", on); size.textContent = on ? "Actual size" : "Fit"; };
for (const link of document.querySelectorAll("a.picture")) {
  link.addEventListener("click", event => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const picture = link.querySelector("img").cloneNode();
    dialog.querySelector(".inside").replaceChildren(picture);
    dialog.querySelector("header a").href = link.href;
    dialog.classList.toggle("plot", link.parentElement.classList.contains("plot"));
    caption.textContent = picture.alt;
    fit(wide.matches);
    dialog.showModal();
  });
}
size.addEventListener("click", () => fit(!dialog.classList.contains("fit")));
close.addEventListener("click", () => dialog.close());
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
