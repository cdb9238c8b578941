// The service worker shows /offline.html if there is no network. It caches only that page, its style
// sheet and its icon, and never an answer of the API or a page with content.
const cacheName = "songspy-{{.Version}}";
const shell = "/offline.html";

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(cacheName).then((cache) => cache.addAll([shell, "{{.Base}}css/base.css", "{{.Base}}img/icon.svg"])).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = (names) => Promise.all(names.filter((name) => name !== cacheName).map((name) => caches.delete(name)));
  event.waitUntil(caches.keys().then(old).then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const path = new URL(request.url).pathname;
  if (request.mode === "navigate" && !path.startsWith("/v1/") && path !== "/docs") {
    event.respondWith(fetch(request).catch(() => caches.match(shell)));
  } else if (path.startsWith("{{.Base}}")) {
    event.respondWith(caches.match(request).then((kept) => kept || fetch(request)));
  }
});
