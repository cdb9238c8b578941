// The page is HTML: see html/terms.ko.html and html/terms.en.html.
export { render } from "./prose.js";
