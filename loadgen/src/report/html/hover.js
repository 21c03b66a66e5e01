// Tooltips. The page says everything without them.
"use strict";
const tip = document.body.appendChild(document.createElement("div"));
tip.id = "tip";
tip.hidden = true;
for (const svg of document.querySelectorAll("svg.plot")) {
  const plot = JSON.parse(svg.dataset.plot);
  if (!plot.at.length) continue;
  const cross = svg.appendChild(document.createElementNS(svg.namespaceURI, "line"));
  cross.setAttribute("class", "cross");
  cross.setAttribute("y1", plot.top);
  cross.setAttribute("y2", plot.bottom);
  cross.style.display = "none";
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) * plot.width) / box.width;
    let best = plot.at[0];
    for (const one of plot.at) if (Math.abs(one[0] - x) < Math.abs(best[0] - x)) best = one;
    cross.setAttribute("x1", best[0]);
    cross.setAttribute("x2", best[0]);
    cross.style.display = "";
    tip.textContent = best[1].join("\n");
    tip.hidden = false;
    const right = window.scrollX + document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = Math.min(event.pageX + 16, right) + "px";
    tip.style.top = event.pageY + 16 + "px";
  });
  svg.addEventListener("pointerleave", () => {
    cross.style.display = "none";
    tip.hidden = true;
  });
}
