// Uploads files and whole folders into a kernel set, one after the other, and shows how far it is.
(() => {
  "use strict";
  const UNITS = ["B", "KiB", "MiB", "GiB"];
  const KEPT_FOLDERS = ["overlays"];  // a folder of another name stands for the set itself: boot/, firmware/

  const size = (count) => {
    let step = 0;
    while (count >= 1024 && step < UNITS.length - 1) { count /= 1024; step += 1; }
    return `${count >= 100 || Number.isInteger(count) ? Math.round(count) : count.toFixed(1)} ${UNITS[step]}`;
  };
  const token = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1]
    || document.querySelector("[name=csrfmiddlewaretoken]").value;
  const reasonOf = (text, status) => {
    try {
      const detail = JSON.parse(text).detail;
      return typeof detail === "string" ? detail : detail[0].msg;
    } catch { return `The server answered ${status}.`; }
  };
  const wake = () => document.querySelectorAll("[data-live]").forEach((part) => window.htmx.trigger(part, "wake"));
  const inside = (path) => {
    const parts = path.split("/").filter(Boolean);
    return (parts.length > 1 && !KEPT_FOLDERS.includes(parts[0]) ? parts.slice(1) : parts).join("/");
  };
  const isHidden = (path) => path.split("/").some((part) => part.startsWith("."));

  // What was dropped: files, and all files of folders.
  const readFolder = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  const filesOf = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      return [{ file, path: entry.fullPath }];
    }
    const reader = entry.createReader();
    const found = [];
    for (let some = await readFolder(reader); some.length; some = await readFolder(reader)) {
      for (const child of some) found.push(...await filesOf(child));
    }
    return found;
  };

  class FileBox {
    constructor(form) {
      this.form = form;
      this.request = null;
      this.chosen = [];
      this.part = (name) => form.querySelector(`[data-part=${name}]`);
      this.part("choose").addEventListener("change", (event) => this.choose(this.listed(event.target.files)));
      this.part("folder").addEventListener("change", (event) => this.choose(this.listed(event.target.files)));
      this.part("cancel").addEventListener("click", () => this.cancel());
      form.addEventListener("submit", (event) => { event.preventDefault(); this.run(); });
      this.listenToDrops(this.part("drop"));
      window.addEventListener("beforeunload", (event) => { if (this.request) event.preventDefault(); });
    }

    listed(files) {
      return [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
    }

    listenToDrops(place) {
      const over = (is) => place.classList.toggle("drop-over", is);
      place.addEventListener("dragover", (event) => { event.preventDefault(); over(true); });
      place.addEventListener("dragleave", () => over(false));
      place.addEventListener("drop", async (event) => {
        event.preventDefault();
        over(false);
        const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
        const lists = await Promise.all(entries.map(filesOf));
        this.choose(lists.flat());
      });
    }

    choose(found) {
      if (this.request) return;
      const below = this.form.elements.folder.value.trim().replace(/^\/+|\/+$/g, "");
      this.chosen = found
        .map(({ file, path }) => ({ file, path: inside(path) }))
        .filter(({ path }) => path && !isHidden(path))
        .map(({ file, path }) => ({ file, path: below ? `${below}/${path}` : path }));
      this.total = this.chosen.reduce((sum, { file }) => sum + file.size, 0);
      const one = this.chosen.length === 1;
      this.part("name").textContent = this.chosen.length
        ? `${one ? this.chosen[0].path : `${this.chosen.length} files`}, ${size(this.total)}` : "";
      this.tell("");
      if (this.chosen.length) this.part("start").focus();
    }

    tell(text, isError = false) {
      const note = this.part("note");
      note.textContent = text;
      note.classList.toggle("text-red", isError);
    }

    // One after the other; what is refused is told, and the rest goes on.
    async run() {
      if (this.request) return;
      if (!this.chosen.length) { this.tell("Choose files or a folder first.", true); return; }
      this.part("running").hidden = false;
      this.part("start").disabled = true;
      this.tell("");
      this.refused = [];
      this.isCancelled = false;
      let sent = 0;
      let came = 0;
      for (const { file, path } of this.chosen) {
        this.part("figures").textContent = path;
        const reason = await this.send(file, path, (loaded) => this.draw(sent + loaded));
        if (this.isCancelled) break;
        sent += file.size;
        this.draw(sent);
        if (reason) this.refused.push(`${path}: ${reason}`);
        else came += 1;
      }
      this.end(came);
    }

    send(file, path, onProgress) {
      return new Promise((resolve) => {
        const request = this.request = new XMLHttpRequest();
        const address = path.split("/").map(encodeURIComponent).join("/");
        request.open("PUT", `/api/v1/kernel-sets/${encodeURIComponent(this.form.dataset.set)}/files/${address}`);
        request.setRequestHeader("X-CSRFToken", token());
        request.setRequestHeader("Content-Type", "application/octet-stream");
        request.upload.onprogress = (event) => onProgress(event.loaded);
        request.onload = () => resolve(request.status < 300 ? "" : reasonOf(request.responseText, request.status));
        request.onerror = () => resolve("The server does not answer.");
        request.onabort = () => resolve("Cancelled.");
        request.send(file);
      });
    }

    draw(position) {
      const percent = this.total ? `${Math.min(100, (100 * position) / this.total).toFixed(1)}%` : "100%";
      this.part("fill").setAttribute("width", percent);
      this.part("bar").setAttribute("aria-valuenow", parseFloat(percent));
    }

    cancel() {
      this.isCancelled = true;
      this.request?.abort();
    }

    end(came) {
      this.request = null;
      this.part("start").disabled = false;
      this.part("running").hidden = true;
      const told = `${came} file${came === 1 ? " is" : "s are"} here.`;
      if (this.isCancelled) this.tell(`Cancelled; ${told}`);
      else this.tell([told, ...this.refused].join("\n"), this.refused.length > 0);
      if (!this.refused.length) this.clear();
      wake();
    }

    clear() {
      this.chosen = [];
      this.part("choose").value = "";
      this.part("folder").value = "";
      this.part("name").textContent = "";
    }
  }

  for (const form of document.querySelectorAll("[data-files]")) new FileBox(form);
})();
