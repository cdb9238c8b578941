// Shows that the page itself has a fault: a script has failed, not the network or the server.
import { t } from "./text.js";

let notice = null;

// showFault logs a fault and shows a notice. It shows only one notice, however often scripts
// fail.
export function showFault(fault) {
  console.error(fault);
  if (notice) return;
  notice = document.createElement("p");
  notice.className = "notice";
  notice.setAttribute("role", "alert");
  notice.textContent = t("page.fault") || "Please reload this page. 이 페이지를 새로고침해 주세요.";
  document.getElementById("main")?.prepend(notice);
}

// guard calls run. If run throws, guard shows the fault and does not throw.
export function guard(run) {
  try {
    run();
  } catch (fault) {
    showFault(fault);
  }
}
