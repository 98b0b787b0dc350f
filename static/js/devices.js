// Ticked rows of the table of devices: all at once, kept while the table brings itself up to date, counted.
(() => {
  "use strict";
  const bar = document.getElementById("bulk");
  if (!bar) return;
  const found = bar.querySelector("[data-ticks=found]");
  const ticks = () => [...document.querySelectorAll("input[name=mac][form=bulk]")];
  const ticked = new Set();

  const show = () => {
    const rows = ticks();
    const count = rows.filter((row) => row.checked).length;
    bar.querySelector("[data-part=ticked]").textContent = found.checked ? "" : `${count} selected`;
    bar.classList.toggle("is-on", count > 0 || found.checked);
    const all = document.querySelector("[data-ticks=all]");
    if (!all) return;
    all.checked = rows.length > 0 && count === rows.length;
    all.indeterminate = count > 0 && count < rows.length;
  };
  const note = (row) => { if (row.checked) ticked.add(row.value); else ticked.delete(row.value); };

  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.dataset.ticks === "all") ticks().forEach((row) => { row.checked = box.checked; note(row); });
    else if (box.name === "mac" && box.form === bar) note(box);
    else if (box !== found) return;
    show();
  });
  // Pressed with shift: all rows since the last one, as in a list of files.
  let last = null;
  document.addEventListener("click", (event) => {
    const box = event.target;
    if (box.name !== "mac" || box.form !== bar) return;
    const rows = ticks();
    const [from, to] = [rows.findIndex((row) => row.value === last), rows.indexOf(box)].sort((a, b) => a - b);
    if (event.shiftKey && from >= 0) rows.slice(from, to + 1).forEach((row) => { row.checked = box.checked; note(row); });
    last = box.value;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "dialog-body") return;
    ticks().forEach((row) => { row.checked = ticked.has(row.value); });
    show();
  });
  // Done: whoever was ticked is not ticked for the next thing.
  document.addEventListener("saved", () => {
    ticked.clear();
    found.checked = false;
    ticks().forEach((row) => { row.checked = false; });
    show();
  });
  ticks().forEach(note);  // after a step back the browser has kept them
  show();
})();
