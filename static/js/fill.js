// Fills a disk: uploads a file in pieces, goes on after a cut line or a reload, and asks for imports from elsewhere.
(() => {
  "use strict";
  const PIECE_BYTES = 32 * 1024 * 1024;
  const LONGEST_WAIT_SECONDS = 30;
  const SPEED_WINDOW_SECONDS = 5;
  const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

  const size = (count) => {
    let step = 0;
    while (count >= 1024 && step < UNITS.length - 1) { count /= 1024; step += 1; }
    return `${count >= 100 || Number.isInteger(count) ? Math.round(count) : count.toFixed(1)} ${UNITS[step]}`;
  };
  const span = (seconds) => {
    if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
    return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  };
  const token = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1]
    || document.querySelector("[name=csrfmiddlewaretoken]").value;
  const sleep = (seconds, signal) => new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
  const reasonOf = (text, status) => {
    try {
      const detail = JSON.parse(text).detail;
      return typeof detail === "string" ? detail : detail[0].msg;
    } catch { return `The server answered ${status}.`; }
  };
  const wake = () => document.querySelectorAll("[data-live]").forEach((part) => window.htmx.trigger(part, "wake"));

  // --- What this browser began to upload, so that it goes on after a reload ---------------------------------
  const memory = {
    key: (image) => `upload:${image}`,
    read(image) { try { return JSON.parse(localStorage.getItem(this.key(image))); } catch { return null; } },
    write(image, file) {
      const known = { name: file.name, size: file.size, modified: file.lastModified };
      try { localStorage.setItem(this.key(image), JSON.stringify(known)); } catch { /* private window */ }
    },
    forget(image) { try { localStorage.removeItem(this.key(image)); } catch { /* private window */ } },
    isOf(image, file) {
      const known = this.read(image);
      return Boolean(known) && known.name === file.name && known.size === file.size && known.modified === file.lastModified;
    },
  };

  class Refusal extends Error {}
  class CutOff extends Error {}

  // How much of an upload of `total` bytes is there. A refusal to tell is final; silence is a cut line.
  const receivedOf = async (image, total) => {
    let answer;
    try { answer = await fetch(`/api/v1/images/${image}`, { headers: { Accept: "application/json" } }); } catch { throw new CutOff(); }
    if (answer.status >= 500) throw new CutOff();
    if (!answer.ok) throw new Refusal(reasonOf(await answer.text(), answer.status));
    const body = await answer.json();
    return body.total_bytes === total ? body.received_bytes || 0 : 0;
  };

  class Upload {
    constructor(box) {
      this.box = box;
      this.image = box.dataset.image;
      this.file = null;
      this.stop = null;
      this.refusals = 0;
      this.part = (name) => box.querySelector(`[data-part=${name}]`);
      this.part("choose").addEventListener("change", (event) => this.choose(event.target.files[0]));
      this.part("start")?.addEventListener("click", () => this.run());
      this.part("pause").addEventListener("click", () => (this.stop ? this.pause("Paused.") : this.run()));
      this.part("cancel").addEventListener("click", () => this.cancel());
      this.listenToDrops(this.part("drop"));
      window.addEventListener("beforeunload", (event) => { if (this.stop) event.preventDefault(); });
      if (this.image) this.remember();
    }

    listenToDrops(place) {
      const over = (is) => place.classList.toggle("drop-over", is);
      place.addEventListener("dragover", (event) => { event.preventDefault(); over(true); });
      place.addEventListener("dragleave", () => over(false));
      place.addEventListener("drop", (event) => {
        event.preventDefault();
        over(false);
        if (event.dataTransfer.files.length) this.choose(event.dataTransfer.files[0]);
      });
    }

    tell(text, isError = false) {
      const note = this.part("note");
      note.textContent = text;
      note.classList.toggle("text-red", isError);
    }

    async remember() {
      const known = memory.read(this.image);
      if (!known) return;
      try {
        const received = await receivedOf(this.image, known.size);
        if (this.file) return;
        if (!received || received >= known.size) { memory.forget(this.image); return; }
        this.draw(received, known.size);
        this.tell(`${size(received)} of ${known.name} (${size(known.size)}) are here already. Choose the same file again to go on.`);
      } catch { /* asked again when a file is chosen */ }
    }

    choose(file) {
      if (!file || this.stop) return;
      this.file = file;
      this.part("name").textContent = `${file.name}, ${size(file.size)}`;
      if (!this.image) { this.box.dispatchEvent(new CustomEvent("chosen", { detail: file })); return; }
      const goesOn = memory.isOf(this.image, file);
      this.part("start").hidden = false;
      this.part("start-word").textContent = goesOn ? "Go on" : "Upload";
      this.tell(goesOn ? "This is the file that was begun." : memory.read(this.image) ? "This is another file: the upload begins anew." : "");
      this.part("start").focus();
    }

    // Until all is there, or somebody stops it, or the server refuses it.
    async run() {
      if (!this.file || this.stop) return;
      if (!this.file.size) { this.tell("This file is empty.", true); return; }
      if (!this.part("sha256").checkValidity()) { this.tell("A SHA-256 has 64 hex digits.", true); return; }
      this.stop = new AbortController();
      this.box.classList.add("is-running");
      this.part("running").hidden = false;
      this.part("start").hidden = true;
      this.part("pause-word").textContent = "Pause";
      this.samples = [];
      this.refusals = 0;
      try { await this.sendAll(this.stop.signal); } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.end(error.message, true);
      }
    }

    async sendAll(signal) {
      let position = 0;
      let failures = 0;
      let isAsked = memory.isOf(this.image, this.file);  // else it begins anew
      memory.write(this.image, this.file);
      while (!signal.aborted) {
        try {
          if (isAsked) position = await receivedOf(this.image, this.file.size);
          isAsked = false;
          this.draw(position, this.file.size);
          if (position >= this.file.size) { this.done(); return; }
          position = await this.send(position, signal);
          failures = this.refusals = 0;
          if (position >= this.file.size) { this.done(); return; }
          this.tell("");
        } catch (error) {
          if (signal.aborted) return;
          if (!(error instanceof CutOff)) throw error;
          isAsked = true;
          await this.checkFile();
          const seconds = Math.min(LONGEST_WAIT_SECONDS, 2 ** failures);
          failures += 1;
          this.tell(`${error.message || "The connection is gone"}; goes on in ${span(seconds)}.`);
          await sleep(seconds, signal);
        }
      }
    }

    // One piece; where the next one begins.
    send(start, signal) {
      const end = Math.min(start + PIECE_BYTES, this.file.size);
      return new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        const digest = this.part("sha256").value.trim().toLowerCase();
        request.open("PUT", `/api/v1/images/${this.image}/content${digest ? `?sha256=${digest}` : ""}`);
        request.setRequestHeader("X-CSRFToken", token());
        request.setRequestHeader("Content-Type", "application/octet-stream");
        request.setRequestHeader("Content-Range", `bytes ${start}-${end - 1}/${this.file.size}`);
        request.upload.onprogress = (event) => this.draw(start + event.loaded, this.file.size);
        request.onload = () => this.take(request, end, resolve, reject);
        request.onerror = () => reject(new CutOff());
        request.onabort = () => reject(new CutOff());
        signal.addEventListener("abort", () => request.abort(), { once: true });
        request.send(this.file.slice(start, end));
      });
    }

    take(request, end, resolve, reject) {
      if (request.status < 300) {
        const isLast = end === this.file.size;
        let received = end;
        try { received = isLast ? end : JSON.parse(request.responseText).received_bytes ?? end; } catch { /* as sent */ }
        resolve(received);
      } else if (request.status >= 500) {
        reject(new CutOff("The server does not answer"));
      } else if (request.status === 409 && this.refusals < 4) {  // the cut line may still be open at its end
        this.refusals += 1;
        reject(new CutOff(reasonOf(request.responseText, 409).replace(/[.;]*$/, "")));
      } else if (request.status === 401 || request.status === 403) {
        reject(new Refusal("You are signed out. Sign in again in another tab, then go on here."));
      } else {
        reject(new Refusal(reasonOf(request.responseText, request.status)));
      }
    }

    async checkFile() {
      try { await this.file.slice(0, 1).arrayBuffer(); } catch {
        throw new Refusal("The file cannot be read any more: it was changed or moved. Choose it again.");
      }
    }

    draw(position, total) {
      this.part("running").hidden = false;
      const percent = `${Math.min(100, (100 * position) / total).toFixed(1)}%`;
      this.part("fill").setAttribute("width", percent);
      this.part("bar").setAttribute("aria-valuenow", parseFloat(percent));
      this.part("figures").textContent = `${size(position)} of ${size(total)}${this.pace(position, total)}`;
    }

    pace(position, total) {
      if (!this.stop) return "";
      const now = performance.now() / 1000;
      this.samples.push([now, position]);
      while (now - this.samples[0][0] > SPEED_WINDOW_SECONDS) this.samples.shift();
      const [then, from] = this.samples[0];
      const speed = (position - from) / (now - then);
      if (!(speed > 0) || now - then < 0.5) return "";
      return ` · ${size(speed)}/s · ${span((total - position) / speed)} left`;
    }

    pause(text) {
      this.stop?.abort();
      this.end(text);
    }

    end(text, isError = false) {
      this.stop = null;
      this.box.classList.remove("is-running");
      this.part("pause-word").textContent = "Go on";
      this.tell(text, isError);
      wake();
    }

    cancel() {
      this.stop?.abort();
      memory.forget(this.image);
      this.end("Cancelled; what the disk held is untouched.");
      this.clear();
    }

    clear() {
      this.file = null;
      this.part("choose").value = "";
      this.part("name").textContent = "";
      this.part("running").hidden = true;
    }

    done() {
      memory.forget(this.image);
      this.draw(this.file.size, this.file.size);
      this.end(`All of ${this.file.name} is here; the page shows what is made of it.`);
      this.clear();
      this.box.dispatchEvent(new CustomEvent("filled"));
    }
  }

  // --- Imports from elsewhere: the storage node does them, this page only asks --------------------------------
  const askForImport = async (box, body) => {
    const note = box.querySelector("[data-part=import-note]");
    const answer = await fetch(`/api/v1/images/${box.dataset.image}/import`, {
      method: "POST", headers: { "Content-Type": "application/json", "X-CSRFToken": token() }, body: JSON.stringify(body),
    });
    note.classList.toggle("text-red", !answer.ok);
    note.textContent = answer.ok ? "The import has begun; the page shows how far it is." : reasonOf(await answer.text(), answer.status);
    wake();
    return answer.ok;
  };
  const listFolder = async (select) => {
    const answer = await fetch("/api/v1/import-files", { headers: { Accept: "application/json" } });
    const files = answer.ok ? await answer.json() : [];
    select.replaceChildren(...files.map((file) => new Option(`${file.name} (${size(file.size_bytes)})`, file.name)));
    if (!files.length) select.append(new Option("The import folder is empty", ""));
  };
  const sources = (box) => {
    const show = (name) => {
      for (const panel of box.querySelectorAll("[data-panel]")) panel.hidden = panel.dataset.panel !== name;
      if (name === "folder") listFolder(box.querySelector("[data-part=folder]"));
    };
    for (const radio of box.querySelectorAll("[data-source]")) radio.addEventListener("change", () => show(radio.value));
    show(box.querySelector("[data-source]:checked").value);
  };
  const chosenSource = (box) => box.querySelector("[data-source]:checked").value;
  const importBody = (box) => (chosenSource(box) === "url"
    ? { url: box.querySelector("[data-part=url]").value.trim() } : { file: box.querySelector("[data-part=folder]").value });

  // --- A new image: made first, then filled, in one go ---------------------------------------------------------
  const slug = (text) => text.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 63);
  const newImage = (form, box, upload) => {
    const { name, image_id: id, size_gb: gigabytes } = form.elements;
    let isOurs = !id.value;
    id.addEventListener("input", () => { isOurs = false; });
    name.addEventListener("input", () => { if (isOurs) id.value = slug(name.value); });
    box.addEventListener("chosen", ({ detail: file }) => {
      if (!name.value) { name.value = file.name.replace(/\.(xz|gz|zst|zip|img|raw|qcow2|vmdk|vhdx|iso)\b/gi, ""); }
      if (isOurs) id.value = slug(name.value);
      if (!gigabytes.value) gigabytes.value = Math.max(1, Math.ceil(file.size / 1024 ** 3));
    });
    box.addEventListener("filled", () => window.location.assign(`/images/${upload.image}/`));
    form.addEventListener("submit", async (event) => {
      const source = chosenSource(box);
      if (source === "empty" || (source === "upload" && !upload.file)) return;
      event.preventDefault();
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" });
      if (answer.type !== "opaqueredirect") { form.submit(); return; }  // the page says what is wrong
      upload.image = box.dataset.image = id.value;
      if (source !== "upload") {
        await askForImport(box, importBody(box));
        window.location.assign(`/images/${id.value}/`);
        return;
      }
      history.replaceState(null, "", `/images/${id.value}/`);  // a reload leads to the page that goes on with it
      form.querySelectorAll("button[type=submit]").forEach((button) => { button.disabled = true; });
      upload.run();
    });
  };

  for (const box of document.querySelectorAll("[data-fill]")) {
    const upload = new Upload(box);
    sources(box);
    box.querySelector("[data-part=import]")?.addEventListener("click", () => askForImport(box, importBody(box)));
    box.querySelector("[data-part=import-file]")?.addEventListener("click", () => askForImport(box, importBody(box)));
    const form = box.closest("form");
    if (form) newImage(form, box, upload);
  }
})();
