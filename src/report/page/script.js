"use strict";
// What the page does beyond standing there. Everything it shows is in the page already; without it nothing is missing.
(() => {
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const make = (name, properties, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

// Chips: a switch for each policy. Every mark of a policy has its class, so that one rule hides them all.
const bar = document.getElementById("chips");
const table = document.querySelector(".cmp");
const rows = [...table.tBodies[0].rows];
const hiding = document.head.appendChild(make("style"));
const chips = rows.map(row => {
  const [key, name] = [".key", ".name"].map(part => row.cells[0].querySelector(part));
  const chip = make("button", { type: "button", title: name.textContent }, key.cloneNode(true), make("span", {}, name.textContent));
  chip.dataset.policy = row.className;
  return chip;
});
const more = make("button", { type: "button", className: "more", hidden: true }, "Fewer");
const reset = make("button", { type: "button", className: "reset", hidden: true }, "Show all");
// One line of chips stays in sight; what has no room in it is told by number.
let unfolded = false;
const fold = () => {
  chips.forEach(chip => chip.hidden = false);
  more.hidden = true;
  const line = () => [...bar.children].every(chip => chip.hidden || chip.offsetTop === chips[0].offsetTop);
  bar.classList.toggle("unfolded", unfolded);
  if (line()) return;
  more.hidden = false;
  more.setAttribute("aria-expanded", unfolded);
  more.textContent = "Fewer";
  for (let kept = chips.length; !unfolded && kept > 1 && !line();) {
    chips[--kept].hidden = true;
    more.textContent = `+${chips.length - kept} more`;
  }
};
more.addEventListener("click", () => {
  unfolded = !unfolded;
  fold();
});
addEventListener("resize", fold);
const shown = chip => chip.getAttribute("aria-pressed") === "true";
const show = (some, on) => {
  some.forEach(chip => chip.setAttribute("aria-pressed", on));
  const off = chips.filter(chip => !shown(chip));
  hiding.textContent = off.map(chip => `.${chip.dataset.policy}:not(#chips *){display:none!important}`).join("");
  reset.hidden = off.length === 0;
  fold();
};
// A policy that is one of many grey lines comes forward while its chip is pointed at.
const lit = document.head.appendChild(make("style"));
const light = policy => lit.textContent = policy ? `svg .ctx.${policy}{stroke:var(--fg);stroke-width:1.8}` : "";
chips.forEach(chip => {
  chip.addEventListener("click", () => show([chip], !shown(chip)));
  for (const type of ["pointerenter", "focus"]) chip.addEventListener(type, () => light(chip.dataset.policy));
  for (const type of ["pointerleave", "blur"]) chip.addEventListener(type, () => light());
});
reset.addEventListener("click", () => {
  show(chips, true);
  chips[0].focus();
});

// Sorting: heads become buttons. The largest value comes first, then the smallest; the policies' own order is that of the file.
const heads = [...table.tHead.rows[0].cells];
const sort = (head, column) => {
  const before = head.getAttribute("aria-sort");
  const down = column ? before !== "descending" : before === "ascending";
  heads.forEach(other => other.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = row => column ? row.cells[column].dataset.v : rows.indexOf(row);
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    // What has no value comes last either way.
    if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
    return down ? y - x : x - y;
  };
  table.tBodies[0].append(...[...rows].sort(compare));
};
if (rows.length > 1) {
  bar.append(...chips, more, reset);
  bar.hidden = false;
  show(chips, true);
  heads.forEach((head, column) => {
    const button = make("button", { type: "button" }, ...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", column ? "none" : "ascending");
    button.addEventListener("click", () => sort(head, column));
  });
}

// The storm's cross-hair: one instant in all panels; the line under each says what was there.
const data = JSON.parse(document.getElementById("storm-data").textContent);
const storm = document.getElementById("fig-storm");
const bins = Math.ceil(data.end / data.bin);
const minute = Math.max(1, Math.round(60 / data.bin));
const spoken = storm.appendChild(make("p", { className: "vh" }));
spoken.setAttribute("aria-live", "polite");
const panels = all("figure", storm).map((figure, index) => {
  const svg = figure.querySelector("svg[role=img]");
  const line = svg.appendChild(document.createElementNS(svg.namespaceURI, "line"));
  line.setAttribute("class", "xh");
  line.setAttribute("y1", data.top);
  line.setAttribute("y2", svg.viewBox.baseVal.height - data.foot);
  svg.setAttribute("tabindex", 0);
  svg.setAttribute("aria-describedby", "storm-keys");
  const read = figure.querySelector(".read");
  const name = figure.querySelector(".name").textContent;
  return { svg, line, read, name, said: [...read.childNodes], lines: data.policies[index] };
});
const number = value => String(value).replace(/\B(?=(\d{3})+$)/, ",");
const instant = t => {
  const digits = data.bin < 1 ? 1 : 0;
  if (data.end < 60) return `${+t.toFixed(2)} s`;
  const two = (value, width = 2) => value.padStart(width, "0");
  const minutes = Math.floor(t / 60 + 1e-9);
  const seconds = two(Math.max(0, t - minutes * 60).toFixed(digits), digits ? 4 : 2);
  return minutes < 60 ? `${minutes}:${seconds}` : `${Math.floor(minutes / 60)}:${two(String(minutes % 60))}:${seconds}`;
};
const reading = ({ attempts, low, high, goodput, demand: demands = data.demand }, bin) => {
  const at = line => line[bin] || 0;
  const demand = demands.length > 1 ? at(demands) : demands[0];
  const band = low ? ` (${number(at(low))}–${number(at(high))})` : "";
  const times = demand > 0 ? `, ${(at(attempts) / demand).toFixed(1)}× demand` : "";
  return `${instant(bin * data.bin)}: ${number(at(attempts))} attempts/s${band}${times}. Goodput ${number(at(goodput))}/s.`;
};
let current = -1;
const point = bin => {
  // The page keeps still: no line under a panel gets lower while it is replaced.
  if (current < 0 && bin >= 0) {
    panels.map(panel => panel.read.getBoundingClientRect().height).forEach((height, index) => panels[index].read.style.minHeight = `${height}px`);
  }
  current = bin;
  const x = data.left + Math.min(1, (bin + 0.5) * data.bin / data.end) * (data.right - data.left);
  panels.forEach(panel => {
    panel.line.setAttribute("x1", x);
    panel.line.setAttribute("x2", x);
    panel.read.replaceChildren(...(bin < 0 ? panel.said : [reading(panel.lines, bin)]));
    if (bin < 0) panel.read.style.minHeight = "";
  });
  storm.classList.toggle("live", bin >= 0);
};
const end = () => {
  if (current >= 0) point(-1);
};
panels.forEach(panel => {
  const follow = event => {
    const box = panel.svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * panel.svg.viewBox.baseVal.width;
    const bin = Math.floor((x - data.left) / (data.right - data.left) * data.end / data.bin);
    if (bin < 0 || bin >= bins) end();
    else if (bin !== current) point(bin);
  };
  panel.svg.addEventListener("pointermove", follow);
  panel.svg.addEventListener("pointerdown", follow);
  // A finger that is lifted leaves its reading.
  panel.svg.addEventListener("pointerleave", event => event.pointerType === "mouse" && end());
  panel.svg.addEventListener("blur", end);
  panel.svg.addEventListener("keydown", event => {
    const steps = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") {
      end();
      spoken.textContent = "";
    } else if (steps && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      point(Math.min(bins - 1, Math.max(0, current + steps * (event.shiftKey ? minute : 1))));
      spoken.textContent = `${panel.name}, ${panel.read.textContent}`;
    }
  });
});
document.getElementById("storm-keys").hidden = false;

// Print: everything that is closed on the screen.
let opened = [];
addEventListener("beforeprint", () => {
  end();
  opened = all("details:not([open])");
  opened.forEach(details => details.open = true);
});
addEventListener("afterprint", () => opened.forEach(details => details.open = false));
})();
