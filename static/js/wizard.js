// The wizard's list: tick all, and how many are ticked. Without it each box is ticked by hand.
(() => {
  "use strict";
  const boxes = (name) => [...document.querySelectorAll(`input[type=checkbox][name="${name}"]`)];
  const show = () => {
    for (const counter of document.querySelectorAll("[data-tick-count]")) {
      const count = boxes(counter.dataset.tickCount).filter((box) => box.checked).length;
      const text = count ? `${count} chosen` : "";
      if (counter.textContent !== text) counter.textContent = text;
    }
    for (const all of document.querySelectorAll("[data-tick-all]")) {
      const rows = boxes(all.dataset.tickAll);
      const count = rows.filter((box) => box.checked).length;
      all.checked = count > 0 && count === rows.length;
      all.indeterminate = count > 0 && count < rows.length;
      all.disabled = rows.length === 0;
    }
  };
  document.addEventListener("change", (event) => {
    const all = event.target.dataset.tickAll;
    if (all) for (const box of boxes(all)) box.checked = event.target.checked;
    show();
  });
  document.addEventListener("htmx:afterSettle", show);
  window.addEventListener("pageshow", show);  // also when the way back brings ticks along
  show();
})();
