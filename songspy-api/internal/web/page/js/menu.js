// The account menu in the header of all pages.
import { request } from "./api.js";
import { get } from "./dom.js";

export function startMenu(signal) {
  const menu = get("header .menu");
  const close = (event) => {
    const outside = !menu.contains(event.target);
    const leaves = { keydown: event.key === "Escape", focusin: outside, click: outside || event.target.closest("a") }[event.type];
    if (!menu.open || !leaves) return;
    menu.open = false;
    if (event.type === "keydown") menu.querySelector("summary").focus();
  };
  for (const type of ["click", "keydown", "focusin"]) document.addEventListener(type, close, { signal });
  menu.querySelector("[data-sign-out]").addEventListener("click", signOut, { signal });
}

// signOut ends the session of this browser, and opens the front page. If the session cannot be
// ended, it opens the page /welcome, which says why.
export async function signOut() {
  try {
    await request("POST", "/logout");
  } catch (error) {
    if (error.status !== 401) return location.assign("/welcome?error=" + (["NETWORK", "PROXY"].includes(error.code) ? "UNAVAILABLE" : error.code));
  }
  location.assign("/");
}
