// Builds elements. Texts become text nodes, never HTML.

// h returns a new element. The object props has its attributes and, under names that begin with
// "on", its event listeners. h leaves out an attribute whose value is false, null or undefined,
// and an href or src that isSafe rejects.
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if ((name === "href" || name === "src") && !isSafe(value)) continue;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// isWeb reports whether a text is an address with http or https.
export function isWeb(address) {
  try {
    return ["https:", "http:"].includes(new URL(address).protocol);
  } catch {
    return false;
  }
}

// isSafe reports whether an address is one with http or https, or one of this origin: a path, a
// query or a fragment.
function isSafe(address) {
  return /^[/?#](?!\/)/.test(address) || isWeb(address);
}

// get returns the first element that matches the selector. The caller knows that there is one.
/** @returns {any} */
export function get(selector, root = document) {
  return root.querySelector(selector);
}

// setText changes a text only if it differs, so that a screen reader reads it once.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// keepFocus calls change(). If the focus was in root, and change() has removed or hidden the
// focused element or has taken away its href, keepFocus moves the focus to the heading and
// returns true. Without that, the browser would move the focus to the top of the page.
export function keepFocus(root, heading, change) {
  const held = root.contains(document.activeElement);
  change();
  const now = document.activeElement;
  if (!held || (now && root.contains(now) && now.getClientRects().length > 0 && !now.matches("a:not([href])"))) return false;
  heading.focus({ preventScroll: true });
  return true;
}

// announce makes a screen reader read a text, such as what an action of the viewer has done.
export function announce(text) {
  setText(document.getElementById("announce"), "");
  setTimeout(() => setText(document.getElementById("announce"), text), 50);
}

// artists returns links to all artists or, if the track has no list of them, their joined names.
export function artists(track) {
  if (track.artists.length === 0) return [track.artistName];
  return track.artists.flatMap((a, i) => (i ? [", ", outLink(a.url, a.name)] : [outLink(a.url, a.name)]));
}

// outLink returns a link to another site. If the address has neither http nor https, it returns
// only the text.
export function outLink(address, text, props) {
  if (!isWeb(address)) return h("span", { dir: "auto" }, text);
  return h("a", Object.assign({ href: address, target: "_blank", rel: "noopener noreferrer", dir: "auto" }, props), text);
}
