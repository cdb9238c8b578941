// The texts of the page, in the language of the document. A file of texts is a flat object:
// {"page.title": "…"}. Placeholders are {name}.
let texts = {};

export function lang() {
  return document.documentElement.lang;
}

// loadTexts reads a file of texts in the document's language. Without a name, it reads
// text/en.json, which all pages need. With the name "account." (with the dot), it reads
// text/account.en.json, which only some pages need.
export async function loadTexts(name = "") {
  const answer = await fetch(new URL("../text/" + name + lang() + ".json", import.meta.url));
  if (!answer.ok) throw new Error("the texts " + name + lang() + " are missing");
  const more = await answer.json();
  texts = Object.assign({}, texts, more); // two calls may overlap, so add to what texts holds now, after the wait
}

// has reports whether there is a text with the key.
export function has(key) {
  return texts[key] !== undefined;
}

// t returns the text with the key. It fills in the placeholders with the values of params.
// Numbers have the format of the language.
export function t(key, params) {
  const text = texts[key];
  if (text === undefined) {
    console.error("the text " + key + " is missing");
    return "";
  }
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = params && params[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? value.toLocaleString(lang()) : value;
  });
}

// setLang chooses a language for this browser, and loads the page again.
export function setLang(language) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = "songspy-language=" + language + "; Path=/; Max-Age=31536000; SameSite=Lax" + secure;
  void document.cookie; // reading waits until the cookie is stored; the reload could be sent without it otherwise
  location.reload();
}

// clock writes milliseconds as 1:02 or 1:02:03.
export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes + ":" + two(seconds % 60);
  return Math.floor(minutes / 60) + ":" + two(minutes % 60) + ":" + two(seconds % 60);
}

// ago returns how long before the time now another time was, such as "2 min ago".
export function ago(time, now) {
  const format = new Intl.RelativeTimeFormat(lang(), { numeric: "auto", style: "short" });
  const seconds = Math.min(0, Math.round((time - now) / 1000));
  if (seconds > -60) return format.format(seconds, "second");
  if (seconds > -3600) return format.format(Math.trunc(seconds / 60), "minute");
  if (seconds > -86400) return format.format(Math.trunc(seconds / 3600), "hour");
  return format.format(Math.trunc(seconds / 86400), "day");
}

// clockTime writes a time of the contract as hours and minutes, with the date if it is not today.
export function clockTime(text) {
  const time = new Date(text);
  const isToday = time.toDateString() === new Date().toDateString();
  return isToday ? new Intl.DateTimeFormat(lang(), { timeStyle: "short" }).format(time) : dateTime(text);
}

// dateTime writes a time of the contract as a date with hours and minutes.
export function dateTime(text) {
  return new Intl.DateTimeFormat(lang(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(text));
}
