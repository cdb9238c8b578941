// The page is HTML: see html/privacy.ko.html and html/privacy.en.html.
export { render } from "./prose.js";
