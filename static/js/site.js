// What the server cannot do: counting seconds, quiet polling, the dialog, the colours. Pages work without it.
(() => {
  "use strict";
  const all = (selector, root = document) => root.querySelectorAll(selector);

  // --- Times ---------------------------------------------------------------------------------------------
  const spans = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];
  const words = (seconds) => {
    for (const [unit, name, smaller, smallerName] of spans) {
      if (seconds < unit) continue;
      const rest = Math.floor((seconds % unit) / smaller);
      return `${Math.floor(seconds / unit)} ${name}` + (rest ? ` ${rest} ${smallerName}` : "");
    }
    return `${Math.floor(seconds)} s`;
  };
  const secondsSince = (text) => Math.max(0, (Date.now() - Date.parse(text)) / 1000);
  const ago = (seconds) => {
    if (seconds < 5) return "just now";
    const [unit, name] = seconds < 60 ? [1, "s"] : seconds < 3600 ? [60, "min"] : seconds < 172800 ? [3600, "h"] : [86400, "d"];
    return `${Math.floor(seconds / unit)} ${name} ago`;
  };
  const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  const tick = () => {
    all("[data-since]:not(progress)").forEach((element) => write(element, words(secondsSince(element.dataset.since))));
    all("progress[data-since]").forEach((bar) => { bar.value = Math.min(bar.max, secondsSince(bar.dataset.since)); });
    all("time[data-relative]").forEach((element) => write(element, ago(secondsSince(element.dateTime))));
  };
  setInterval(() => { if (!document.hidden) tick(); }, 1000);

  // --- Live parts: nothing is asked while nobody looks ----------------------------------------------------
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.target.matches("[data-live]")) event.preventDefault();
  });
  const wake = () => all("[data-live]").forEach((element) => window.htmx.trigger(element, "wake"));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { tick(); wake(); } });
  document.addEventListener("htmx:afterSettle", tick);
  // A list that grows at its end stays at its end, for whoever is there.
  let atEnd = null;
  const endOf = (root) => root.querySelector("[data-tail]")?.getBoundingClientRect().bottom;
  document.addEventListener("htmx:beforeSwap", (event) => {
    const end = endOf(event.detail.target);
    atEnd = event.detail.shouldSwap && end !== undefined && end > 0 && end <= window.innerHeight + 48;
  });
  document.addEventListener("htmx:afterSettle", () => {
    const tail = atEnd && document.querySelector("[data-tail]");
    atEnd = null;
    if (tail && endOf(document) > window.innerHeight) tail.lastElementChild.scrollIntoView({ block: "end", behavior: "instant" });
  });
  const lostNote = document.querySelector(".lost-note");
  const lostWords = lostNote?.textContent;
  const connection = (lost, why) => {
    if (lost && lostNote) write(lostNote, why ? `${why} This page carries on by itself.` : lostWords);
    document.documentElement.classList.toggle("lost", lost);
  };
  const reasonOf = (xhr) => xhr.getResponseHeader("Content-Type")?.startsWith("text/plain") ? xhr.responseText : "";
  document.addEventListener("htmx:sendError", () => connection(true));
  document.addEventListener("htmx:timeout", () => connection(true));
  document.addEventListener("htmx:responseError", (event) => connection(event.detail.xhr.status >= 500, reasonOf(event.detail.xhr)));
  document.addEventListener("htmx:afterOnLoad", () => connection(false));

  // --- The dialog that forms open in ----------------------------------------------------------------------
  const dialog = document.getElementById("dialog");
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "dialog-body") return;
    if (!dialog.open) dialog.showModal();
    narrow(dialog);
    dialog.querySelector(".is-invalid, [autofocus], input:not([type=hidden])")?.focus();
  });
  document.addEventListener("saved", (event) => {
    if (dialog?.open) dialog.close();
    toast(event.detail.message);
    if (document.querySelector("[data-live]")) wake();
    else window.htmx.ajax("GET", location.pathname + location.search, { target: "#main", select: "#main", swap: "outerHTML" });
  });
  document.addEventListener("refused", (event) => toast(event.detail.message, true));
  const toast = (text, isError = false) => {
    const note = document.createElement("div");
    note.className = isError ? "toast-note toast-error" : "toast-note";
    note.setAttribute("role", isError ? "alert" : "status");
    note.textContent = text;
    document.getElementById("toasts").append(note);
    setTimeout(() => note.remove(), isError ? 15000 : 6000);
  };

  // --- Images that fit the chosen type ----------------------------------------------------------------------
  const narrow = (root) => all("select[data-narrows]", root).forEach((type) => {
    const images = type.form.elements[type.dataset.narrows];
    if (!images) return;
    const headings = JSON.parse(type.dataset.fits)[type.value] || [];
    for (const group of all("optgroup", images)) {
      const fits = headings.includes(group.label);
      group.hidden = group.disabled = !fits;
      if (!fits && group.contains(images.selectedOptions[0])) images.value = "";
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-narrows]")) narrow(document);
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });

  // --- Buttons ----------------------------------------------------------------------------------------------
  const buttons = {
    theme: () => window.toggleTheme(),
    close: (button, event) => {
      if (!dialog.open) return;  // on a page of its own the link leads back
      event.preventDefault();
      dialog.close();
    },
    copy: async (button) => {
      const source = document.getElementById(button.dataset.from);
      getSelection().selectAllChildren(source);
      try { await navigator.clipboard.writeText(source.textContent.trim()); } catch { document.execCommand("copy"); }
      toast("Copied");
    },
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-does]");
    if (button) buttons[button.dataset.does](button, event);
    for (const menu of all("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") all("details.menu[open]").forEach((menu) => { menu.open = false; });
    if (event.key === "/" && !event.target.matches("input, textarea, select")) {
      const search = document.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); }
    }
  });
  document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  narrow(document);
  tick();
})();
