// A page with a long text in HTML. Without this script, it lacks only the links to other sites:
// the HTML has the attribute data-out="host/path" in their place.
import { outLink } from "./dom.js";

export function render(root) {
  document.title = root.querySelector("h1").textContent + " – Songspy";
  for (const element of root.querySelectorAll("[data-out]")) element.replaceWith(outLink("https://" + element.dataset.out, element.textContent));
}
