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

  // Two minutes ahead it is said that the session ends (WCAG 2.2.1), and how to go on. Another tab may have prolonged it
  // meanwhile, so the server is asked first. To ask so keeps no session alive.
  const SAID_AHEAD_SECONDS = 120;
  const ASKED_EVERY_SECONDS = 15;
  const session = document.getElementById("session");
  let endsAt = session ? Date.now() + 1000 * Number(session.dataset.seconds) : 0;
  let askedAt = 0;
  let prolonged = false;

  function left() { return (endsAt - Date.now()) / 1000; }
  async function askSession(method) {
    askedAt = Date.now();
    let answer;
    try { answer = await fetch("/session", { method: method, headers: { "HX-Request": "true" } }); } catch { return; }
    if (answer.status === 401) { sayEnded(); return; }
    const seconds = answer.headers.get("X-Session-Seconds");
    if (!answer.ok || seconds === null) { return; }
    endsAt = Date.now() + 1000 * Number(seconds);
    if (left() > SAID_AHEAD_SECONDS) { session.replaceChildren(); } else { sayItEnds(); }
  }
  function loginLink() {
    const link = document.createElement("a");
    link.href = "/login";
    link.target = "_blank";
    link.rel = "noopener";
    link.id = "session-login";
    link.textContent = "Log in (in a new tab)";
    return link;
  }
  function sayItEnds() {
    // The server is asked each 15 seconds, and the words are renewed then. The button stays, and with it the focus.
    const minutes = Math.round(left() / 60);
    const when = minutes > 1 ? `in ${minutes} minutes` : minutes === 1 ? "in 1 minute" : "in less than a minute";
    const words = `Your session ends ${when}. What you typed stays on this page. `;
    if (session.childElementCount && !prolonged) {
      if (session.firstChild.data !== words) { session.firstChild.data = words; }
      return;
    }
    if (prolonged) {  // it has lasted as long as a session may
      session.replaceChildren(words, "It cannot last longer. ", loginLink());
      return;
    }
    const button = document.createElement("button");
    button.id = "stay";
    button.type = "button";
    button.className = "plain";
    button.textContent = "Stay logged in";
    button.addEventListener("click", async function () {
      prolonged = true;
      await askSession("POST");
      prolonged = false;
    });
    session.replaceChildren(words, button);
  }
  function sayEnded() {
    endsAt = Infinity;
    session.replaceChildren("Your session has ended. What you typed stays on this page. ", loginLink());
  }
  if (session) {
    setInterval(function () {
      if (left() <= SAID_AHEAD_SECONDS && Date.now() - askedAt >= 1000 * ASKED_EVERY_SECONDS) { askSession("GET"); }
    }, 1000);
  }

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
  const SILENT = "the server does not answer";
  let why = SILENT;
  function failed(reason) {
    if (!failing || why !== reason) {
      status.textContent = `${reason[0].toUpperCase()}${reason.slice(1)}. The figures on this page are old.`;
    }
    why = reason;
    failing = true;
    tell();
  }
  figures.addEventListener("htmx:sendError", function () { failed(SILENT); });
  figures.addEventListener("htmx:timeout", function () { failed(SILENT); });
  figures.addEventListener("htmx:responseError", function (event) {
    if (event.detail.xhr.status === 401) {
      sessionEnded = true;
      const link = document.createElement("a");
      link.href = "/login";
      link.id = "log-in-again";
      link.textContent = "Log in again";
      stale.replaceChildren("Your session has ended, and these figures are old. ", link);
      figures.classList.add("old");
    } else if (event.detail.xhr.status === 503) {
      failed("the database or the queue does not answer");
    } else { failed(`the server answers with an error (${event.detail.xhr.status})`); }
  });
  function tell() {
    if (sessionEnded || stopped || document.hidden) { return; }
    const seconds = Math.round((Date.now() - lastAnswer) / 1000);
    if (failing || seconds >= OLD_AFTER_SECONDS) {
      stale.textContent = `These figures are ${seconds} s old: ${failing ? why : SILENT}.`;
      figures.classList.add("old");
    }
  }
  setInterval(tell, 1000);
})();
