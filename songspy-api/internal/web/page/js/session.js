// Who is signed in. The HTML from the server says whether there is a session; the account is
// read from the API.
import { request } from "./api.js";

const changes = new EventTarget();
let signedIn = false;
let account = /** @type {import("../../types").Account | null} */ (null);

// me returns the account of the viewer (the answer of GET /me). It is null if nobody is signed
// in, or if the account is not read yet.
/** @returns {any} */
export function me() {
  return account;
}

// isSignedIn reports whether the viewer has a session, as far as is known.
export function isSignedIn() {
  return signedIn;
}

// onSession calls listener each time the account has been read, until the signal aborts.
export function onSession(listener, signal) {
  changes.addEventListener("change", listener, { signal });
}

// loadSession reads the account again. It throws ApiError, except if there is no session.
export async function loadSession() {
  try {
    account = await request("GET", "/me");
  } catch (error) {
    if (error.status !== 401) throw error;
    account = null;
  }
  signedIn = account !== null;
  const show = (selector, shown) => document.querySelectorAll(selector).forEach((element) => (element.hidden = !shown));
  show("[data-me]", signedIn);
  show("[data-sign-in]", !signedIn);
  show("[data-operator]", account !== null && account.operator);
  changes.dispatchEvent(new Event("change"));
}

// onSessionFault calls listener each time the account cannot be read, until the signal aborts.
export function onSessionFault(listener, signal) {
  changes.addEventListener("fault", listener, { signal });
}

const leastWait = 2000; // milliseconds until the account is read again after the first fault; twice as long after each further fault, up to mostWait
const mostWait = 60000;

// startSession reads the account if hasSession is true, which means that the HTML says that
// there is a session. If that fails, the page works without the account, and startSession tries
// again until it succeeds or the signal aborts.
export async function startSession(hasSession, signal) {
  signedIn = hasSession;
  for (let wait = leastWait; hasSession && !signal.aborted; wait = Math.min(2 * wait, mostWait)) {
    try {
      return await loadSession();
    } catch (error) {
      console.error(error);
      changes.dispatchEvent(new Event("fault"));
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}
