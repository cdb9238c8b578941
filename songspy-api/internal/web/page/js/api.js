// Calls the public API of this origin. The browser sends the session cookie by itself.
import { lang } from "./text.js";

// ApiError is an error of the API, of the network (code NETWORK), or of a proxy (code PROXY).
export class ApiError extends Error {
  constructor(status, code, message, retryAfter) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter; // seconds after which the request may be repeated; 0 if the server gives none
  }
}

let clockOffset = 0;

// serverNow returns the present time of the server's clock, in milliseconds.
export function serverNow() {
  return Date.now() + clockOffset;
}

// setServerTime sets the clock of serverNow to a time that the server has just sent.
export function setServerTime(text) {
  const time = Date.parse(text);
  if (time) clockOffset = time - Date.now();
}

// request calls a route of the contract, /v1/songspy{route}, and returns the field data of the
// answer. It throws an ApiError. The option path has the values of the parameters in the route,
// such as {handle}. The option body is sent as JSON. The request is aborted by the signal, or
// after the timeout (in milliseconds).
/** @type {import("../../types").Request} */
export const request = async (method, route, ...options) => {
  const { path = {}, query, body, signal, timeout = 15000 } = /** @type {import("../../types").Call} */ (options[0] || {});
  const address = new URL("/v1/songspy" + route.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(path[name])), location.origin);
  for (const [key, value] of Object.entries(query || {})) {
    if (value !== undefined && value !== null) address.searchParams.set(key, value);
  }
  const aborter = new AbortController();
  const timer = setTimeout(() => aborter.abort(), timeout);
  const abort = () => aborter.abort();
  if (signal) signal.addEventListener("abort", abort);
  try {
    const headers = { Accept: "application/json", "Accept-Language": lang() };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let answer;
    try {
      answer = await fetch(address, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: aborter.signal });
    } catch (cause) {
      throw new ApiError(0, "NETWORK", String(cause), 0);
    }
    setServerTime(answer.headers.get("Date"));
    const envelope = await answer.json().catch(() => null);
    if (envelope && envelope.result === "SUCCESS") return envelope.data;
    const retryAfter = Number(answer.headers.get("Retry-After")) || 0;
    const fault = envelope && envelope.error;
    throw new ApiError(answer.status, (fault && fault.code) || "PROXY", (fault && fault.message) || "", retryAfter);
  } finally {
    clearTimeout(timer);
    if (signal) signal.removeEventListener("abort", abort);
  }
};
