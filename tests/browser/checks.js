// Put into a report before anything else: looks at the finished page, uses it as a reader would, and tells the page around it what is wrong.
(() => {
const problems = [];
const wrong = (what, detail) => problems.push(`${what}: ${detail}`);
addEventListener("error", event => wrong("script", event.message));
addEventListener("unhandledrejection", event => wrong("script", event.reason));
document.addEventListener("securitypolicyviolation", event => wrong("request", `${event.violatedDirective} ${event.blockedURI}`));
for (const level of ["error", "warn"]) console[level] = (...words) => wrong("console", words.join(" "));

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const expect = (truth, what, detail) => truth || wrong(what, detail);
const visible = element => element.getClientRects().length > 0;
const named = element => element.textContent.trim().slice(0, 40);

const network = () => {
  for (const entry of performance.getEntriesByType("resource")) wrong("request", entry.name);
};

const layout = () => {
  const page = document.documentElement;
  expect(page.scrollWidth <= innerWidth, "overflow", `the page is ${page.scrollWidth} wide in ${innerWidth}`);
  const box = table().parentElement;
  const beyond = box.scrollWidth - box.clientWidth;
  expect(beyond <= 0 || visible(document.querySelector(".swipe")), "columns", `${beyond} of the table are out of sight, and nothing says so`);
  expect(beyond <= 0 || innerWidth < 1112, "columns", `${beyond} have no room on a desk`);
  for (const svg of all("svg[role=img]").filter(visible)) {
    const { width, height } = svg.viewBox.baseVal;
    const texts = all("text", svg).filter(visible).map(text => {
      const box = text.getBBox();
      const size = parseFloat(getComputedStyle(text).fontSize);
      const base = Number(text.getAttribute("y")) + (text.getAttribute("dy") ? parseFloat(text.getAttribute("dy")) * size : 0);
      // The letters, not the line: capitals and descenders.
      return { text: text.textContent, left: box.x, right: box.x + box.width, top: base - 0.76 * size, bottom: base + 0.24 * size };
    });
    const where = svg.getAttribute("aria-label").slice(0, 30);
    texts.forEach((a, index) => {
      const outside = a.left < -0.5 || a.right > width + 0.5 || a.top < -0.5 || a.bottom > height + 0.5;
      expect(!outside, "outside", `"${a.text}" in ${where} (${[a.left, a.top, a.right, a.bottom].map(Math.round)})`);
      for (const b of texts.slice(index + 1)) {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        expect(wide < 0.5 || high < 0.5, "overlap", `"${a.text}" and "${b.text}" in ${where}`);
      }
    });
  }
};

const access = () => {
  const levels = all("h1,h2,h3,h4,h5,h6").map(heading => Number(heading.tagName[1]));
  levels.forEach((level, i) => expect(level <= (levels[i - 1] || 0) + 1, "headings", `h${level} after h${levels[i - 1]}`));
  expect(levels.filter(level => level === 1).length === 1, "headings", "one h1");
  const ids = all("[id]").map(element => element.id);
  ids.forEach((id, index) => expect(ids.indexOf(id) === index, "ids", `${id} twice`));
  for (const link of all("a[href]")) expect(document.getElementById(link.hash.slice(1)), "links", link.hash);
  for (const svg of all("svg")) {
    const hidden = svg.getAttribute("aria-hidden") === "true";
    expect(hidden || (svg.getAttribute("role") === "img" && svg.getAttribute("aria-label")), "names", "a picture without words");
  }
  for (const box of all("*").filter(element => /auto|scroll/.test(getComputedStyle(element).overflowX))) {
    const fine = box.id === "chips" || box.tabIndex === 0;
    expect(fine && (box.tagName === "PRE" || box.getAttribute("aria-label")), "names", `a box that scrolls: ${box.className || box.tagName}`);
  }
  for (const button of all("button")) expect(named(button), "names", "a button without a name");
  for (const head of all("th")) expect(head.scope, "names", `a head without scope: ${named(head)}`);
  for (const element of all("[tabindex]")) expect(element.tabIndex <= 0, "focus", "an order of its own");
  expect(document.documentElement.lang && document.title && table().caption, "names", "language, title, caption");
};

// WCAG 2.2, "contrast ratio", of all text against the nearest background that is not transparent.
const contrast = () => {
  const parts = colour => (colour.match(/[\d.]+/g) || []).map(Number);
  const luminance = colour => {
    const [r, g, b] = parts(colour).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const clear = colour => parts(colour)[3] === 0;
  const seen = new Set();
  for (const element of all("body *").filter(visible)) {
    const text = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!text || element.closest(".vh") || /SCRIPT|STYLE/.test(element.tagName)) continue;
    let behind = element;
    while (behind && clear(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
    const ground = getComputedStyle(behind || document.body).backgroundColor;
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [high, low] = [luminance(ink), luminance(ground)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const what = `${ink} on ${ground}, ${ratio.toFixed(2)}`;
    // Text inside a coloured segment of a picture lies on that, not on the page.
    if (ratio < 4.5 && !/\bon[ld]\b/.test(element.getAttribute("class")) && !seen.has(what)) {
      seen.add(what);
      wrong("contrast", `"${named(element)}": ${what}`);
    }
  }
};

const table = () => document.querySelector(".cmp");
const rows = () => [...table().tBodies[0].rows];
const press = button => button.click();

const chips = () => {
  const bar = document.getElementById("chips");
  const buttons = all("button[aria-pressed]", bar);
  if (rows().length < 2) return expect(!visible(bar), "chips", "one policy has no chips");
  expect(visible(bar) && buttons.length === rows().length, "chips", `${buttons.length} chips`);
  // What has no room is told by number, and nothing lies on anything.
  const more = bar.querySelector(".more");
  const folded = () => buttons.filter(button => !visible(button)).length;
  const untouched = () => {
    const boxes = [...bar.children].filter(visible).map(child => child.getBoundingClientRect());
    const inside = bar.getBoundingClientRect();
    const apart = (a, b) => a.right <= b.left + 0.5 || b.right <= a.left + 0.5 || a.bottom <= b.top + 0.5 || b.bottom <= a.top + 0.5;
    expect(boxes.every((a, i) => boxes.slice(i + 1).every(b => apart(a, b))), "chips", "one lies on another");
    expect(boxes.every(a => a.left >= inside.left && a.right <= inside.right), "chips", "one goes beyond the bar");
  };
  const hidden = folded();
  expect(hidden ? more.textContent === `+${hidden} more` : !visible(more), "chips", `${hidden} are folded: ${more.textContent}`);
  untouched();
  if (hidden) {
    press(more);
    expect(folded() === 0 && more.getAttribute("aria-expanded") === "true", "chips", "they do not unfold");
    untouched();
    press(more);
    expect(folded() === hidden, "chips", "they do not fold again");
  }
  const marks = policy => all(`.${policy}`).filter(element => !element.closest("#chips"));
  const [second, other] = [rows()[1].className, rows()[0].className];
  const [before, others] = [marks(second).filter(visible).length, marks(other).filter(visible).length];
  expect(before > 10, "chips", `${second} has only ${before} marks`);
  press(buttons[1]);
  expect(buttons[1].getAttribute("aria-pressed") === "false", "chips", "not told that it is off");
  expect(!marks(second).some(visible), "chips", "marks stay behind");
  expect(rows()[1].className === second && !visible(rows()[1]), "chips", "its row stays");
  const reset = all(".reset", bar);
  untouched();
  expect(reset.length === 1 && visible(reset[0]), "chips", "no way back");
  // What is inside the panel of the hidden one is gone, and no more.
  const inside = marks(other).filter(element => element.closest(`.${second}`) && element.closest("figure")).length;
  expect(marks(other).filter(visible).length === others - inside, "chips", "others are hidden too");
  press(reset[0]);
  expect(marks(second).filter(visible).length === before && !visible(reset[0]), "chips", "not all came back");
};

const sorting = () => {
  if (rows().length < 2) return;
  const file = rows();
  const heads = [...table().tHead.rows[0].cells];
  const sorted = column => rows().map(row => row.cells[column].dataset.v);
  heads.slice(1).forEach((head, index) => {
    for (const [way, sign] of [["descending", -1], ["ascending", 1]]) {
      press(head.querySelector("button"));
      const states = heads.map(other => other.getAttribute("aria-sort"));
      expect(states[index + 1] === way && states.filter(state => state !== "none").length === 1, "sort", `states ${states}`);
      const values = sorted(index + 1);
      const present = values.filter(value => value !== undefined).map(Number);
      const order = present.every((value, i) => i === 0 || (value - present[i - 1]) * sign >= 0);
      const last = values.slice(present.length).every(value => value === undefined);
      expect(order && last && present.length > 0, "sort", `${named(head)} ${way}: ${values}`);
    }
  });
  press(heads[0].querySelector("button"));
  expect(rows().every((row, index) => row === file[index]), "sort", "not back in the file's order");
};

const crossHair = () => {
  const data = JSON.parse(document.getElementById("storm-data").textContent);
  const figures = all("#fig-storm figure");
  const pictures = figures.map(figure => figure.querySelector("svg[role=img]"));
  const lines = () => figures.map(figure => figure.querySelector(".read").textContent);
  const shown = () => pictures.map(svg => svg.querySelector(".xh")).filter(line => getComputedStyle(line).visibility === "visible");
  const key = (name, shiftKey = false) =>
    pictures[0].dispatchEvent(new KeyboardEvent("keydown", { key: name, shiftKey, bubbles: true, cancelable: true }));
  const words = lines();
  const height = document.documentElement.scrollHeight;
  expect(shown().length === 0, "cross-hair", "there before anybody points");
  pictures[0].focus();
  expect(document.activeElement === pictures[0], "cross-hair", "no focus");
  key("ArrowRight");
  expect(shown().length === figures.length, "cross-hair", `in ${shown().length} of ${figures.length} panels`);
  expect(lines().every((line, i) => line !== words[i] && line.startsWith("0")), "cross-hair", lines()[0]);
  expect(document.documentElement.scrollHeight === height, "cross-hair", "the page moves");
  const places = new Set(shown().map(line => line.getAttribute("x1")));
  expect(places.size === 1, "cross-hair", "not at one instant");
  const spoken = document.querySelector("#fig-storm [aria-live=polite]").textContent;
  expect(spoken.endsWith(lines()[0]) && spoken.startsWith(named(figures[0].querySelector(".name"))), "cross-hair", `says ${spoken}`);

  const x = () => Number(shown()[0].getAttribute("x1"));
  const width = bins => bins * data.bin / data.end * (data.right - data.left);
  let before = x();
  key("ArrowRight");
  expect(Math.abs(x() - before - width(1)) < 0.01, "cross-hair", "one bin to the right");
  before = x();
  key("ArrowRight", true);
  const minute = Math.max(1, Math.round(60 / data.bin));
  const bins = Math.ceil(data.end / data.bin);
  expect(Math.abs(x() - before - width(Math.min(minute, bins - 2))) < width(0.6), "cross-hair", "a minute to the right");
  key("ArrowLeft", true);
  key("ArrowLeft");
  const first = data.policies[0].attempts[0];
  expect(lines()[0].replace(",", "").includes(`: ${first} attempts/s`), "cross-hair", `${lines()[0]} is not ${first}`);
  key("Escape");
  expect(shown().length === 0 && lines().every((line, i) => line === words[i]), "cross-hair", "Esc does not end it");

  const box = pictures[0].getBoundingClientRect();
  const at = share => (data.left + share * (data.right - data.left)) / pictures[0].viewBox.baseVal.width * box.width + box.left;
  const move = (type, share) => pictures[0].dispatchEvent(
    new PointerEvent(type, { clientX: at(share), clientY: box.top + 50, pointerType: "mouse", bubbles: true }));
  move("pointermove", 0.5);
  const middle = Math.floor(data.end / data.bin / 2);
  const there = String(data.policies[0].attempts[middle] || 0);
  expect(lines()[0].replace(",", "").includes(`: ${there} attempts/s`), "cross-hair", `${lines()[0]} is not ${there}`);
  move("pointerleave", 0.5);
  expect(lines().every((line, i) => line === words[i]), "cross-hair", "stays when the pointer has gone");
};

const print = () => {
  const open = () => all("details").filter(details => details.open).length;
  const before = open();
  dispatchEvent(new Event("beforeprint"));
  expect(open() === all("details").length && open() > before, "print", "something stays closed");
  dispatchEvent(new Event("afterprint"));
  expect(open() === before, "print", "it stays open");
};

// The styles of print on a page as wide as A4 with its margins.
const paper = () => {
  const queries = all("style").flatMap(style => [...style.sheet.cssRules]).filter(rule => rule instanceof CSSMediaRule);
  const before = queries.map(rule => rule.media.mediaText);
  const closed = all("details:not([open])");
  closed.forEach(details => details.open = true);
  queries.forEach((rule, index) => rule.media.mediaText = before[index].startsWith("print") ? "all" : "not all");
  document.body.style.width = "688px";
  for (const element of all("main :is(table,figure,svg,p,pre,ul,h1,h2,h3)").filter(visible)) {
    const right = element.getBoundingClientRect().right - document.body.getBoundingClientRect().left;
    expect(right < 689 || element.closest(".vh"), "paper", `${element.tagName} ${element.className} in ${(element.closest("section") || {}).id} ends at ${right}`);
  }
  document.body.style.width = "";
  queries.forEach((rule, index) => rule.media.mediaText = before[index]);
  closed.forEach(details => details.open = false);
};

// What the table says: head, policy, number as shown, number as sorted.
const cells = () => rows().flatMap(row => [...row.cells].slice(1).map((cell, index) => {
  const head = table().tHead.rows[0].cells[index + 1].querySelector("button") || table().tHead.rows[0].cells[index + 1];
  const number = cell.querySelector(".n");
  return {
    policy: row.querySelector(".name").textContent,
    head: [...head.childNodes].filter(node => node.nodeName !== "SMALL").map(node => node.textContent).join(""),
    unit: head.querySelector("small").textContent,
    shown: number && number.lastChild.textContent,
    value: cell.dataset.v,
  };
}));

addEventListener("load", () => {
  for (const check of [network, layout, access, contrast, chips, sorting, crossHair, print, paper, network]) {
    try {
      check();
    } catch (error) {
      wrong("check", `${check.name}: ${error.stack}`);
    }
  }
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  // Violations are reported by and by.
  setTimeout(() => parent.postMessage({ width: innerWidth, dark, problems: [...new Set(problems)], cells: cells() }, "*"), 50);
});
})();
