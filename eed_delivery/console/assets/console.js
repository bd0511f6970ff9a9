// Renews the figures of a page, and says so when they are old. Without it every page works, by "Renew".
"use strict";
(function () {
  const OLD_AFTER_SECONDS = 10;
  const STOPPED = "eed_stopped_renewing";
  const figures = document.querySelector("[data-figures]");
  let lastAnswer = Date.now();
  let sessionEnded = false;
  let failing = false;

  const errors = document.querySelector("[data-focus]");
  if (errors) { errors.focus(); }

  // The browser's own time stands behind each UTC time.
  function localTimes(root) {
    for (const element of root.querySelectorAll("time[datetime]:not([data-local])")) {
      element.dataset.local = "";
      const moment = new Date(element.dateTime);
      if (moment.getTimezoneOffset() === 0 || isNaN(moment)) { continue; }
      const offset = -moment.getTimezoneOffset();
      const hours = String(Math.floor(Math.abs(offset) / 60)).padStart(2, "0");
      const minutes = String(Math.abs(offset) % 60).padStart(2, "0");
      const clock = moment.toLocaleTimeString("en-GB");
      const day = moment.getDate() === moment.getUTCDate() ? "" : moment.toLocaleDateString("sv-SE") + " ";
      element.append(` (${day}${clock} ${offset < 0 ? "-" : "+"}${hours}:${minutes})`);
    }
  }
  localTimes(document);
  if (!figures) { return; }

  const stale = document.getElementById("stale");
  const status = document.getElementById("status");
  const button = document.getElementById("stop-renewing");
  let stopped = localStorage.getItem(STOPPED) === "yes";

  function showButton() {
    button.hidden = false;
    button.textContent = stopped ? "Renew again" : "Stop renewing";
  }
  showButton();
  button.addEventListener("click", function () {
    stopped = !stopped;
    localStorage.setItem(STOPPED, stopped ? "yes" : "no");
    showButton();
    if (!stopped) { window.htmx.trigger(figures, "renew"); }
  });

  figures.addEventListener("htmx:beforeRequest", function (event) {
    if (stopped || document.hidden || sessionEnded) { event.preventDefault(); }
  });
  document.addEventListener("visibilitychange", function () {
    if (!document.hidden) { window.htmx.trigger(figures, "renew"); }
  });

  function said() { return Array.from(figures.querySelectorAll("[data-said]"), (one) => one.dataset.said); }
  let before = said();
  figures.addEventListener("htmx:afterSwap", function () {
    lastAnswer = Date.now();
    failing = false;
    stale.textContent = "";
    figures.classList.remove("old");
    const at = figures.querySelector("[data-at]");
    if (at) { document.getElementById("renewed-at").replaceChildren(at.content.cloneNode(true)); }
    localTimes(document);
    // Only changes of meaning are said, and never numbers.
    const now = said();
    const news = now.filter((one) => !before.includes(one));
    if (news.length) { status.textContent = news.join(" "); }
    before = now;
  });
  function failed() {
    if (!failing) { status.textContent = "The server does not answer. The figures on this page are old."; }
    failing = true;
    tell();
  }
  figures.addEventListener("htmx:sendError", failed);
  figures.addEventListener("htmx:timeout", failed);
  figures.addEventListener("htmx:responseError", function (event) {
    if (event.detail.xhr.status === 401) {
      sessionEnded = true;
      const link = document.createElement("a");
      link.href = "/login";
      link.id = "log-in-again";
      link.textContent = "Log in again";
      stale.replaceChildren("Your session has ended, and these figures are old. ", link);
      figures.classList.add("old");
    } else { failed(); }
  });
  function tell() {
    if (sessionEnded || stopped || document.hidden) { return; }
    const seconds = Math.round((Date.now() - lastAnswer) / 1000);
    if (failing || seconds >= OLD_AFTER_SECONDS) {
      stale.textContent = `These figures are ${seconds} s old: the server does not answer.`;
      figures.classList.add("old");
    }
  }
  setInterval(tell, 1000);
})();
