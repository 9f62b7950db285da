/* Draws the figures that the page carries, in the colours of the reader's screen: light, dark, or paper. */
(function () {
  "use strict";
  const { figures, colours } = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const toDark = new Map(colours);
  const touch = window.matchMedia("(pointer: coarse)").matches;
  const PRINTED = 660; // CSS pixels between the margins of an A4 sheet

  function recoloured(value) {
    if (typeof value === "string") return toDark.get(value) || value;
    if (Array.isArray(value)) return value.map(recoloured);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, recoloured(inner)]));
    }
    return value;
  }

  function draw(printed) {
    for (const [id, figure] of Object.entries(figures)) {
      const place = document.getElementById(id);
      if (!place) continue;
      // A fresh copy each time: Plotly writes into what it is given.
      const { data, layout } = dark.matches && !printed ? recoloured(figure) : JSON.parse(JSON.stringify(figure));
      if (printed) layout.width = Math.min(PRINTED, PRINTED * (place.clientWidth / place.closest("section").clientWidth));
      // On a touch screen a drag scrolls the page.
      if (touch) layout.dragmode = false;
      Plotly.react(place, data, layout, { displayModeBar: false, responsive: !printed, doubleClick: "reset" });
    }
  }

  draw(false);
  dark.addEventListener("change", () => draw(false));
  window.addEventListener("beforeprint", () => draw(true));
  window.addEventListener("afterprint", () => draw(false));
})();
