// A page with a long text in HTML. It shows everything without a script, except links to
// other sites, which are written as data-out="host/path".
import { outLink } from "./dom.js";

export function render(root) {
  document.title = root.querySelector("h1").textContent + " – Songspy";
  for (const element of root.querySelectorAll("[data-out]")) element.replaceWith(outLink("https://" + element.dataset.out, element.textContent));
}
