(() => {
"use strict";
const { abs, max, min, round, floor, sqrt } = Math, { isFinite, isNaN } = Number;
const bounds = (element) => element.getBoundingClientRect();
const listen = (element, types, react, options) => types.split(" ").forEach((type) => element.addEventListener(type, react, options));
const short = (x) => { // four digits, as mathematics writes them; a dash for what is not known
  if (x === null) return "–";
  if (isNaN(x)) return "NaN";
  if (!isFinite(x)) return x < 0 ? "−∞" : "∞";
  const size = abs(x), far = size >= 1e6 || (size < 1e-4 && size > 0);
  return (far ? x.toExponential(3).replace(/\.?0+e/, "e").replace("e+", "e") : String(+x.toPrecision(4) || 0)).replaceAll("-", "−");
};
const full = (x) => (Object.is(x, -0) ? "−0" : String(x ?? "").replaceAll("-", "−").replace("Infinity", "∞"));
const bracketed = (x) => (short(x).startsWith("−") ? `(${short(x)})` : short(x));
const sign = (x) => (!x && x === x ? "" : isFinite(x) ? (x < 0 ? ".neg" : ".pos") : ".bad"); // NaN is not itself

// Elements: `make("div.a.b", { … }, child, …)` of the classes al-a and al-b; in a drawing with attributes instead of properties.
const build = (create, set) => (what, properties = {}, ...children) => {
  const [tag, ...classes] = what.split("."), element = create(tag);
  element.setAttribute("class", classes.map((look) => `al-${look}`).join(" "));
  for (const [key, value] of Object.entries(properties)) set && key in element && key !== "style" ? (element[key] = value) : element.setAttribute(key, value);
  element.append(...children);
  return element;
};
const make = build((tag) => document.createElement(tag), true), draw = build((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
const ICONS = { first: "M3 3h2v10H3zM14 3v10L6 8z", previous: "M11 3v10L4 8z", next: "M5 3v10l7-5z", play: "M4 2.5v11l9-5.5z", pause: "M4 3h3v10H4zM9 3h3v10H9z" };
const icon = (name) => draw("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, draw("path", { d: ICONS[name] }));

// What a learner types: a number, or a sum of products such as 2.2 × −0.1 + 1.
function reckon(text) {
  const plain = text.replaceAll("−", "-").replace(/[×·]/g, "*").replaceAll(",", ".");
  const tokens = plain.match(/(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+*/()]|nan|-?inf\w*|∞|\S/gi) ?? [];
  let at = 0;
  const atom = () => {
    const token = tokens[at++];
    if (token === "-") return -atom();
    if (token === "+") return atom();
    if (token === "(") { const inside = sum(); return tokens[at++] === ")" ? inside : NaN; }
    return /^(inf|∞)/i.test(token) ? Infinity : Number(token);
  };
  const product = () => { let value = atom(); while (/^[*/]$/.test(tokens[at])) value = tokens[at++] === "*" ? value * atom() : value / atom(); return value; };
  const sum = () => { let value = product(); while (/^[-+]$/.test(tokens[at])) value = tokens[at++] === "+" ? value + product() : value - product(); return value; };
  const value = sum();
  return at === tokens.length ? value : NaN;
}

function mount(root) {
  const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const { nodes, rules, shares, definitions, notes } = data, seeds = data.seeds.map(([i, x]) => [i, +x]);
  const calm = matchMedia("(prefers-reduced-motion: reduce)"), outputs = seeds.map(([i]) => i), main = outputs.at(-1), plain = seeds.every(([, x]) => x === 1);
  nodes.forEach((node) => { node.value = +node.value; node.locals = node.locals?.map(Number); node.received = []; });
  const name = (i) => nodes[i]?.name ?? "a node not drawn";
  const leaves = nodes.map((_, i) => i).filter((i) => !nodes[i].from);
  const slope = (i, k) => { const { from } = nodes[i], twice = from.indexOf(from[k]) < from.lastIndexOf(from[k]); return `∂${name(i)}/∂${name(from[k])}${twice ? ` (place ${k + 1})` : ""}`; };

  // The steps: the leaves, the other nodes, the seed, the shares, the end.
  const steps = [{ kind: "leaves" }];
  nodes.forEach((node, i) => { if (node.from) node.step = steps.push({ kind: "value", i }) - 1; });
  const seed = steps.push({ kind: "seed" }) - 1, sums = new Map(seeds);
  for (const [user, k, to, upstream] of shares) {
    const step = { kind: user >= 0 && upstream === 0 ? "none" : "share", user, k, to, at: steps.length, old: sums.get(to) ?? null };
    step.upstream = user < 0 ? +upstream : sums.get(user);
    step.local = user < 0 ? +k : nodes[user].locals[k];
    if (step.kind === "share") {
      step.sent = step.local * step.upstream;
      step.sum = step.old === null ? step.sent : step.old + step.sent;
      sums.set(to, step.sum);
      nodes[to].received.push(step);
    }
    steps.push(step);
  }
  const last = steps.push({ kind: "end" }) - 1;
  const largest = steps.reduce((most, step) => (isFinite(step.sum) ? max(most, abs(step.sum)) : most), 1e-300);
  const strength = (x) => sqrt(min(1, abs(x) / largest));

  // The formula in which each node is written out.
  const home = new Map();
  const scan = (definition, [i, ...parts]) => { if (parts.length > 1 || Array.isArray(parts[0])) home.set(i, definition); for (const part of parts) if (Array.isArray(part)) scan(definition, part); };
  definitions.forEach((definition) => scan(definition, definition[2]));

  // ---- the page
  const now = { step: 0, asking: false, tries: 0, asked: 0, right: 0, seen: new Set(), chosen: null, timer: null, tab: null, wants: false };
  const g = nodes.map(() => null), ui = {};
  const button = (key, label, content, onclick, look = "") => (ui[key] = make(`button.button${look}`, { type: "button", ariaLabel: label, title: label, onclick }, content));
  const leap = (to) => () => { stop(); go(to()); };
  ui.tabs = make("div.tabs");
  if (definitions.length > 1 && definitions.length <= 12) ui.tabs.append(...definitions.map(([i, text]) => make("button.tab", { type: "button", textContent: text, onclick: () => { now.tab = i; formula(); } })));
  ui.phase = make("span"); ui.place = make("span");
  ui.math = make("span.math"); ui.canvas = make("div.canvas", {}, ui.math);
  ui.formula = make("div.formula", {}, make("div", { role: "heading", ariaLevel: root.dataset.level ?? "2" }, ui.canvas));
  ui.sum = make("div.sum"); ui.say = make("p.say"); ui.live = make("p.unseen", { ariaLive: "polite", ariaAtomic: "true" });
  ui.top = make("div.top", {}, ...notes.map((note) => make("p.note", {}, note)), make("div.meta", {}, ui.phase, ui.tabs, ui.place), ui.formula, ui.sum, ui.say);
  ui.slider = make("input", { type: "range", min: 0, max: last, step: 1, value: 0, ariaLabel: "Step", oninput: () => { stop(); go(+ui.slider.value); } });
  const share = (100 * (seed - 0.5)) / last;
  ui.track = make("div.track", { style: `--seed:${share}%` }, make("div.rail"), ui.slider, make("span.caption", { style: "left:0" }, "forward"), make("span.caption", { style: `left:${share}%` }, "backward"));
  ui.bar = make("div.bar", { role: "group", ariaLabel: "Player" },
    button("first", "First step", icon("first"), leap(() => 0), ".wide"), button("previous", "Previous step", icon("previous"), leap(() => now.step - 1)),
    button("play", "Play", icon("play"), toggle, ".main"), button("next", "Next step", icon("next"), leap(() => now.step + 1)),
    button("back", "To the backward pass", "Backward", leap(() => seed), ".wide"), ui.track, button("predict", "You say each gradient before it is shown", "Predict first", predict));
  ui.predict.ariaPressed = "false";
  ui.view = draw("g"); ui.svg = draw("svg", { role: "group", "aria-label": `Graph of ${nodes.length} nodes` }, ui.view);
  ui.hint = make("div.hint", {}, "Hold Ctrl to zoom with the wheel");
  ui.stage = make("div.stage", {}, ui.svg, ui.hint, make("div.zoom", {}, button("less", "Smaller", "−", () => zoom(1 / 1.35)), button("fit", "Fit the graph", "Fit", () => { view.free = false; fit(); }), button("more", "Larger", "+", () => zoom(1.35))));
  ui.side = make("div.side", { role: "region", ariaLabel: "Numbers", tabIndex: 0 });
  root.querySelector("div").remove();
  root.dataset.lmSuppressShortcuts = ""; // JupyterLab leaves the keys to us
  root.append(make("div.in", {}, ui.top, ui.bar, make("div.body", {}, ui.stage, ui.side), ui.live));

  // ---- the graph
  let layout = null, boxes = [], arrows = [];
  const view = { scale: 1, x: 0, y: 0, free: false, fitted: 1, labelled: false };
  function arrange(which) {
    layout = which;
    view.labelled = false;
    arrows = nodes.map((node, i) => (node.from ?? []).map((_, k) => arrow(layout.paths[i][k], node, i, k)));
    boxes = nodes.map(box);
    ui.token = draw("g.token", { visibility: "hidden" }, draw("rect", { rx: 9, height: 20, y: -10 }), draw("text", { y: 4.5 }));
    ui.view.replaceChildren(...arrows.flat(), ...boxes, ui.token);
  }
  function arrow(d, node, i, k) {
    const line = draw("path", { d }), points = (d.match(/-?[\d.]+/g) ?? [0, 0, 0, 0]).slice(-4).map(Number);
    const turn = Math.atan2(points[3] - points[1], points[2] - points[0]), text = draw("text", { visibility: "hidden" });
    const tip = draw("path.tip", { d: "M7,0L0,4.5V-4.5z", transform: `translate(${points[2]},${points[3]}) rotate(${(turn * 180) / Math.PI})`, visibility: d ? "visible" : "hidden" });
    const title = draw("title");
    title.textContent = `local derivative ${slope(i, k)} = ${full(node.locals[k])}`;
    text.append(short(node.locals[k]), title);
    return Object.assign(draw("g.edge", {}, line, tip, text), { line, text });
  }
  function label() { // each number beside its arrow where it covers least; only when numbers can be read
    if (view.labelled || ui.svg.classList.contains("al-middle")) return;
    view.labelled = true;
    const put = [];
    arrows.forEach((list, i) => list.forEach(({ line, text }, k) => {
      const length = line.getTotalLength(), half = 4 * short(nodes[i].locals[k]).length + 2, shifts = layout === data.lr ? [[0, -5], [0, 15]] : [[half, 4], [-half, 4], [0, 4]];
      if (!length) return;
      const covered = (x, y) => nodes.reduce((count, { w }, j) => count + (abs(x - layout.at[j][0]) < w / 2 + half && abs(y - 5 - layout.at[j][1]) < 38), 0) + 2 * put.some((other) => abs(x - other.x) < half + other.half && abs(y - other.y) < 13);
      let best = null;
      for (const part of [0.46, 0.38, 0.54, 0.3, 0.62, 0.7, 0.22]) for (const [across, down] of shifts) {
        const { x, y } = line.getPointAtLength(length * part), cost = best?.cost === 0 ? 1 : covered(x + across, y + down);
        if (!best || cost < best.cost) best = { x: x + across, y: y + down, cost };
      }
      put.push({ ...best, half });
      text.setAttribute("x", best.x); text.setAttribute("y", best.y); text.setAttribute("visibility", "visible");
    }));
  }
  function box({ name: title, made, w }, i) { // the style sheet arranges its parts anew where it is drawn small
    const [x, y] = layout.at[i], write = (look, at, down, ...content) => draw(`text${look}`, { x: at * w, y: down }, ...content);
    const cell = draw("rect.cell"), value = write(".value", 0.23, 49), grad = write(".grad", 0.73, 49), tip = draw("title");
    const group = draw(`g.node.${made ? "computed" : "leaf"}${outputs.includes(i) ? ".output" : ""}`, { transform: `translate(${x - w / 2},${y - 28})`, style: `--w:${w}px;--fit:${(1.6 * w) / title.length}px`, role: "button", tabindex: i === main ? 0 : -1, "aria-label": made ? `${title} = ${made}` : title },
      draw("rect.frame", { width: w, height: 56, rx: 6 }), draw("rect.head"), cell, write(".title", 0.5, 17, title, draw("tspan.made", {}, made ? ` = ${made}` : "")),
      write(".small", 0.23, 35, "value"), write(".small.under", 0.73, 35, "grad"), value, grad, draw("rect.ring", { x: -3, y: -3, width: w + 6, height: 62, rx: 8 }), tip);
    group.onclick = () => { if (!view.moved) choose(i); };
    group.onkeydown = (event) => {
      if (event.key === "Enter" || event.key === " ") choose(i);
      else if (event.key === "ArrowUp" || event.key === "ArrowDown") focus(i + (event.key === "ArrowUp" ? -1 : 1));
      else return;
      event.preventDefault(); event.stopPropagation();
    };
    return Object.assign(group, { value, grad, cell, tip });
  }
  function focus(i) {
    if (!boxes[i]) return;
    boxes.forEach((other, j) => other.setAttribute("tabindex", i === j ? 0 : -1));
    boxes[i].focus({ preventScroll: true });
    reveal([i]);
  }
  function place() {
    ui.view.setAttribute("transform", `translate(${view.x},${view.y}) scale(${view.scale})`);
    for (const [look, below] of [["al-middle", 0.66], ["al-tiles", 0.4], ["al-dots", 0.13]]) ui.svg.classList.toggle(look, view.scale < below);
    ui.stage.classList.toggle("al-zoomed", view.free);
    label();
  }
  function fit() {
    const { clientWidth: W, clientHeight: H } = ui.stage, margin = 20;
    if (!W || !H) return;
    for (const foot of [14, 56]) { // the buttons must not cover a box
      view.fitted = view.scale = min(1.35, (W - 2 * margin) / layout.w, (H - margin - foot) / layout.h);
      view.x = (W - layout.w * view.scale) / 2;
      view.y = max(margin / 2, (H - (foot - 14) - layout.h * view.scale) / 2);
      if (!layout.at.some(([x, y], i) => (x + nodes[i].w / 2) * view.scale + view.x > W - 150 && (y + 28) * view.scale + view.y > H - 54)) break;
    }
    place();
  }
  function zoom(factor, x = ui.stage.clientWidth / 2, y = ui.stage.clientHeight / 2) {
    const scale = min(3, max(view.fitted, view.scale * factor)), by = scale / view.scale;
    Object.assign(view, { scale, x: x - (x - view.x) * by, y: y - (y - view.y) * by, free: scale > view.fitted * 1.001 });
    view.free ? clamp() : fit();
  }
  function clamp() {
    const least = 60, within = (at, room, size) => min(room - least, max(least - size * view.scale, at));
    view.x = within(view.x, ui.stage.clientWidth, layout.w); view.y = within(view.y, ui.stage.clientHeight, layout.h);
    place();
  }
  function reveal(list) { // while zoomed in, the step is brought into sight, or at least the first of its boxes
    if (!view.free) return;
    for (const part of [list, list.slice(0, 1)]) for (const [axis, at, room] of [[0, "x", ui.stage.clientWidth], [1, "y", ui.stage.clientHeight]]) {
      const ends = part.flatMap((i) => [-1, 1].map((side) => view[at] + view.scale * (layout.at[i][axis] + side * (axis ? 28 : nodes[i].w / 2)))), low = min(...ends), high = max(...ends);
      if (low < 8 || high > room - 8) view[at] += (room - low - high) / 2;
    }
    place();
  }
  const pointers = new Map(), inside = (event, area = bounds(ui.stage)) => [event.clientX - area.left, event.clientY - area.top];
  listen(ui.stage, "pointerdown", (event) => { if (!event.target.closest(".al-zoom")) { pointers.set(event.pointerId, event); view.moved = false; } });
  listen(ui.stage, "pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    if (pointers.size === 2) {
      const other = [...pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId), apart = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY) || 1;
      const [a, b] = [inside(event), inside(other)];
      view.moved = true;
      zoom(apart(event) / apart(before), (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
    } else if (view.free) {
      const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
      if (!view.moved && Math.hypot(dx, dy) < 4) return;
      if (!view.moved) ui.stage.setPointerCapture(event.pointerId);
      view.moved = true; view.x += dx; view.y += dy;
      clamp();
    }
    pointers.set(event.pointerId, event);
  });
  listen(ui.stage, "pointerup pointercancel pointerleave", (event) => pointers.delete(event.pointerId));
  listen(ui.stage, "wheel", (event) => { // the page keeps its wheel where it can scroll
    if (!event.ctrlKey && !event.metaKey && !view.free && document.documentElement.scrollHeight > innerHeight + 2) {
      ui.hint.classList.add("al-shown"); clearTimeout(view.hint); view.hint = setTimeout(() => ui.hint.classList.remove("al-shown"), 1000);
      return;
    }
    event.preventDefault();
    zoom(Math.exp(-max(-60, min(60, event.deltaY)) * 0.006), ...inside(event));
  }, { passive: false });

  // ---- the formula, and the numbers under it
  function written(definition) {
    ui.shown = definition; ui.spans = new Map();
    const spell = (tree) => {
      if (!Array.isArray(tree)) return tree;
      const [i, ...parts] = tree;
      if (i === "^") return make("sup", {}, ...parts.map(spell));
      const span = make("span", {}, ...parts.map(spell));
      if (parts.length === 1 && parts[0] === name(i)) span.className = "al-name";
      ui.spans.set(i, [...(ui.spans.get(i) ?? []), span]);
      return span;
    };
    const [i, title, tree] = definition, body = spell(tree), alone = home.get(i) !== definition;
    ui.math.replaceChildren(...(alone ? [] : [make("span.name", {}, title), " = "]), body, (ui.result = make("span.result")));
    ui.formula.scrollLeft = 0;
    const room = ui.formula.clientWidth - (ui.formula.clientWidth < 560 ? 28 : 40), most = room < 520 ? 26 : 34;
    ui.math.style.setProperty("--size", `${most}px`);
    ui.result.textContent = ` = ${short(nodes[i].value)}`;
    const { width } = bounds(ui.math);
    if (width > room) ui.math.style.setProperty("--size", `${max(17, floor((most * room * 10) / width) / 10)}px`);
  }
  function formula() {
    const step = steps[now.step], { kind } = step;
    const subject = kind === "value" ? step.i : step.user >= 0 ? step.user : step.to >= 0 ? step.to : main;
    const definition = definitions.find(([i]) => i === now.tab) ?? home.get(subject) ?? definitions.find(([, , tree]) => holds(tree, subject)) ?? definitions.at(-1);
    [...ui.tabs.children].forEach((tab, k) => { tab.ariaPressed = String(definitions[k] === definition); });
    if (ui.shown !== definition) written(definition);
    const known = now.step >= (nodes[definition[0]].step ?? 0), { value } = nodes[definition[0]];
    ui.result.textContent = ` = ${known ? short(value) : "?"}`; ui.result.title = known ? full(value) : "";
    ui.result.classList.toggle("al-bad", known && !isFinite(value));
    for (const span of ui.math.querySelectorAll(".al-user,.al-argument")) span.classList.remove("al-user", "al-argument");
    ui.canvas.querySelectorAll(".al-mark,.al-number").forEach((mark) => mark.remove());
    const base = bounds(ui.canvas), bottom = bounds(ui.math).bottom - base.top, spans = (i) => ui.spans.get(i) ?? [];
    const under = (items, row) => { // brackets with their numbers, moved apart where they would touch
      const put = items.map(({ span, text, x, look = "", hot = false }) => {
        const { left, width } = bounds(span), mark = make(`span.mark${hot ? ".hot" : ""}`), number = make(`span.number${hot ? ".hot" : ""}${look}`, { title: full(x) }, text);
        mark.style.cssText = `left:${left - base.left + 1}px;width:${max(4, width - 2)}px;top:${bottom - 4 + row * 26}px`;
        number.style.top = `${bottom + 4 + row * 26}px`;
        ui.canvas.append(mark, number);
        return { number, at: left - base.left + width / 2, room: bounds(number).width };
      }).sort((a, b) => a.at - b.at);
      for (let turn = 0; turn < 8; turn++) put.forEach((b, k) => { const a = put[k - 1], lack = a ? (a.room + b.room) / 2 + 6 - (b.at - a.at) : 0; if (lack > 0) { a.at -= lack / 2; b.at += lack / 2; } });
      put.reduceRight((end, item) => (item.at = min(item.at, end - item.room / 2)) - item.room / 2 - 6, base.width);
      put.reduce((end, item) => (item.at = max(item.at, end + item.room / 2)) + item.room / 2 + 6, 0); // what is too much goes to the right
      for (const { number, at } of put) number.style.left = `${at}px`;
    };
    if (kind === "leaves" || kind === "end") {
      under(leaves.flatMap((i) => spans(i).slice(0, kind === "end" ? 1 : undefined).map((span) => kind === "end" ? { span, text: short(g[i]), x: g[i] ?? undefined, look: sign(g[i]), hot: true } : { span, text: short(nodes[i].value), x: nodes[i].value })), 0);
    } else if (kind === "value" && spans(step.i).length) {
      const [whole] = spans(step.i), parts = nodes[step.i].from.flatMap((p) => spans(p).filter((span) => span !== whole && whole.contains(span)).map((span) => ({ span, text: short(nodes[p].value), x: nodes[p].value })));
      whole.classList.add("al-user");
      under(parts.filter(({ span }, k) => parts.findIndex((part) => part.span === span) === k), 0);
      under([{ span: whole, text: short(nodes[step.i].value), x: nodes[step.i].value, hot: true }], 1);
    } else if (kind === "seed") {
      for (const [i, x] of seeds) for (const span of spans(i).slice(0, 1)) { span.classList.add("al-user"); under([{ span, text: `grad ${short(x)}`, x, look: sign(x), hot: true }], 0); }
    } else if (kind === "share" || kind === "none") {
      const user = step.user < 0 ? null : spans(step.user)[0] ?? null, occurs = spans(step.to).filter((span) => !user || user.contains(span));
      const argument = occurs[user ? nodes[step.user].from.slice(0, step.k).filter((p) => p === step.to).length : 0] ?? occurs[0];
      if (user) { user.classList.add("al-user"); under([{ span: user, text: `${name(step.user)}: ${short(step.upstream)}`, x: step.upstream, look: sign(step.upstream) }], 1); }
      if (argument) {
        const x = step.kind === "none" ? step.old : step.sum;
        argument.classList.add("al-argument");
        under([now.asking ? { span: argument, text: "?", hot: true } : { span: argument, text: short(x), x: x ?? undefined, look: sign(x), hot: true }], 0);
        if (ui.formula.scrollWidth > ui.formula.clientWidth) ui.formula.scrollLeft += bounds(argument).left - bounds(ui.formula).left - ui.formula.clientWidth / 2;
      }
    }
  }
  const holds = ([i, ...parts], wanted) => i === wanted || parts.some((part) => Array.isArray(part) && holds(part, wanted));

  // ---- the sum and the sentence
  const term = (operator, text, caption, look = "", x) => make("span.term", {}, operator, make("span", {}, make(`span${look}`, { title: full(x) }, text), make("small", {}, caption)));
  const strong = (x) => `.new${sign(x)}`;
  function words() {
    const step = steps[now.step], { kind } = step, few = max(2, floor(root.clientWidth / 330));
    ui.phase.textContent = now.step < seed ? "Forward: values" : "Backward: gradients";
    ui.place.textContent = `${now.asked ? `${now.right} of ${now.asked} right at the first try · ` : ""}step ${now.step} of ${last}`;
    ui.say.replaceChildren();
    if (kind === "leaves") {
      ui.sum.replaceChildren(...leaves.slice(0, 2 * few).map((i) => term("", `${name(i)} = ${short(nodes[i].value)}`, "given", "", nodes[i].value)), leaves.length > 2 * few ? "…" : "");
      ui.say.append(`${leaves.length > 2 * few ? `${leaves.length} leaves are given. ` : ""}The forward pass computes every other node, in the order of the program.`);
    } else if (kind === "value") {
      const { made, value, from, locals } = nodes[step.i];
      ui.sum.replaceChildren(term("", name(step.i), "node"), term("=", made, "operation"), term("=", short(value), "value", isFinite(value) ? ".new" : ".new.bad", value));
      if (!isFinite(value)) ui.say.append(make("b.bad", {}, isNaN(value) ? "Not a number. " : "Infinite. "));
      const kept = from.slice(0, 6).map((_, k) => `${slope(step.i, k)} = ${short(locals[k])}`);
      ui.say.append(`Kept for the way back: ${kept.join(", ")}${from.length > 6 ? ", …" : ""}.`);
    } else if (kind === "seed") {
      ui.sum.replaceChildren(...seeds.map(([i, x]) => term("", make("span", {}, `grad(${name(i)}) = `, make(`b${strong(x)}`, { title: full(x) }, short(x))), "seed")));
      ui.say.append(seeds.some(([, x]) => isNaN(x)) ? `${name(main)} is not a number, so no gradient of it is one.` : `${plain ? `Moving ${name(main)} by a small d moves ${name(main)} by 1 · d. ` : ""}From here every gradient is old + local × upstream, from the newest node to the oldest.`);
    } else if (kind === "none") {
      ui.sum.replaceChildren(term("", `grad(${name(step.to)})`, "gradient"), term("=", short(step.old), "as before", sign(step.old), step.old ?? undefined));
      ui.say.append(`${name(step.user)} did not take ${name(step.to)}, so nothing is sent there.`);
    } else if (kind === "share") {
      const { asking } = now, hidden = asking && now.tries < 2, old = step.old ?? 0, path = step.user < 0 ? "" : slope(step.user, step.k);
      ui.sum.replaceChildren(term("", `grad(${name(step.to)})`, "gradient"), term("=", short(old), "old", sign(old), old),
        hidden ? term("+", path || "local", "local, yours to find") : term("+", bracketed(step.local), `local ${path}`, "", step.local),
        term("×", bracketed(step.upstream), `upstream grad(${name(step.user)})`, sign(step.upstream), step.upstream),
        asking ? question(step) : term("=", short(step.sum), "new", strong(step.sum), step.sum));
      const all = nodes[step.to].received, at = all.indexOf(step), from = max(0, min(at - 2, all.length - 4));
      if (all.length > 1) ui.say.append(...all.slice(from, from + 4).flatMap((other, k) => [make(`span.chip${k + from < at ? ".done" : k + from === at ? ".current" : ""}`, {}, `${k + from + 1}. from ${name(other.user)}${k + from < at || (k + from === at && !asking) ? `: ${short(other.sent)}` : ""}`), " "]));
      ui.note = make("span", {}, asking ? `Say the new gradient of ${name(step.to)}. Two digits are enough; a sum such as 2.2 × −0.1 counts too.`
        : all.length === 1 ? `${name(step.to)} is used once, so its gradient is complete.`
        : `${name(step.to)} is used ${all.length} times${at === all.length - 1 ? "; now all shares are in." : ": its shares add up."}`);
      ui.say.append(ui.note);
    } else {
      ui.sum.replaceChildren(...leaves.slice(0, few).map((i) => term("", make("span", {}, `grad(${name(i)}) = `, make(`b${sign(g[i])}`, { title: full(g[i]) }, short(g[i]))), "complete")), leaves.length > few ? "…" : "");
      ui.say.append(`Done.${plain ? ` Moving a leaf by a small d moves ${outputs.map(name).join(" + ")} by about its gradient times d.` : ""}`);
    }
  }

  // ---- prediction
  function question(step) {
    const input = make("input", { type: "text", autocomplete: "off", spellcheck: false, ariaLabel: `New gradient of ${name(step.to)}`, placeholder: "?" });
    const form = make("form.ask", {}, "=", input, make("button.button", { type: "submit" }, "Check"), make("button.button", { type: "button", onclick: () => answered(false, false) }, "Show"));
    form.onsubmit = (event) => {
      event.preventDefault();
      const said = reckon(input.value), near = (x) => said === x || (isFinite(x) && abs(said - x) <= 0.02 * abs(x) + 1e-12);
      const nan = isNaN(step.sum) && /^\s*nan\s*$/i.test(input.value);
      if (nan || (!isNaN(said) && near(step.sum))) return answered(now.tries === 0, true);
      now.tries++;
      const hint = isNaN(said) ? "That is not a number yet."
        : near(-step.sum) ? "Right size, other sign: mind the signs of local and upstream."
        : step.old !== null && near(step.sent) ? `That is local × upstream alone. ${name(step.to)} already holds ${short(step.old)}: add it.`
        : near(step.upstream) ? "That is upstream. It still has to be multiplied by the local derivative."
        : near(step.local) ? "That is the local derivative. It still has to be multiplied by upstream."
        : near(step.local + step.upstream) ? "Local times upstream, not plus: along a path derivatives multiply."
        : `Not yet. ${step.user >= 0 && rules[nodes[step.user].op] ? `The rule of ${nodes[step.user].op}: ${rules[nodes[step.user].op]}.` : "New is old + local × upstream."}`;
      const kept = input.value;
      words();
      const again = ui.sum.querySelector("input");
      again.value = kept; again.select(); again.focus({ preventScroll: true });
      ui.note.replaceChildren(make("b", {}, "✗ "), hint, now.tries > 1 ? ` The local derivative is ${short(step.local)}.` : "");
      ui.live.textContent = hint;
    };
    if (now.wants) { now.wants = false; setTimeout(() => ui.sum.querySelector("input")?.focus({ preventScroll: true })); } // after a step, never after a change of size
    return form;
  }
  function answered(first, right) {
    now.asked++; now.right += first; now.seen.add(now.step); now.asking = false;
    paint(true);
    if (right) ui.note.prepend(make("b", {}, "✓ Right. "));
    ui.live.textContent = `${right ? "Right. " : ""}${said(ui.sum)}`;
    ui.next.focus({ preventScroll: true });
  }
  function predict() {
    const on = ui.predict.ariaPressed !== "true";
    ui.predict.ariaPressed = String(on); now.seen.clear(); now.right = now.asked = 0;
    stop(); go(on && now.step < seed ? seed : now.step); resize(true);
  }

  // ---- numbers at the side
  function side() {
    const i = now.chosen, step = steps[now.step], foot = make("div.foot");
    const key = make("span"); for (const [role, text] of [["positive-fill", "positive"], ["negative-fill", "negative"], ["bad", "NaN, ∞"]]) key.append(make("span.key", { style: `background:var(--${role})` }), text);
    if (i === null) {
      const item = (j) => { const asked = now.asking && step.to === j, x = g[j];
        return make(`li${step.to === j ? ".now" : ""}`, {}, make("b", {}, name(j)), make("span", { title: full(nodes[j].value) }, short(nodes[j].value)), make(`span${asked ? "" : sign(x)}`, { title: asked || x === null ? "not reached yet" : full(x) }, asked ? "?" : short(x))); };
      foot.append(make("span", {}, "A box clicked shows all its digits. – means not reached yet."), key, make("span.keys", {}, "← → step · Space play · Home, End · ↑ ↓ in the graph: another node"));
      ui.side.replaceChildren(make("ul.leaves", { ariaLabel: "Leaves: value, gradient" }, make("li.names", { ariaHidden: "true" }, make("span", {}, "leaf"), make("span", {}, "value"), make("span", {}, "gradient")), ...leaves.map(item)), foot);
      return;
    }
    const { full: whole, value, made, from, op, kept, line, scope, received, step: at } = nodes[i];
    const row = (title, content, look = "", current = false) => make(`tr${current ? ".now" : ""}`, {}, make("th", { scope: "row" }, title), make(`td${look}`, {}, content));
    const link = (to) => make("button.link", { type: "button", onclick: leap(() => to) }, `step ${to}`);
    const about = [row("value", now.step < (at ?? 0) ? "not computed yet" : full(value)), row("gradient now", full(g[i] ?? "–"), sign(g[i]))];
    if (whole) about.unshift(row("name", whole));
    if (kept !== undefined) about.push(row("kept before", full(+kept)));
    if (from) about.push(row("rule", rules[op] ?? "given by hand"), row("made in", link(at)));
    if (line) about.push(row("line", line));
    if (scope) about.push(row("scope", scope));
    foot.append(key);
    ui.side.replaceChildren(make("h3", {}, make("b", {}, name(i)), made ? `= ${made}` : "leaf", make("button.link", { type: "button", onclick: () => choose(i) }, "close")), make("table.table", {}, ...about));
    if (received.length) ui.side.append(make("h3", {}, "Its gradient is the sum of"), make("table.table", {}, ...received.map((part) => {
      const known = now.step > part.at || (now.step === part.at && !now.asking), title = make("span", {}, `from ${name(part.user)} · `, link(part.at));
      return row(title, known ? `${short(part.local)} × ${bracketed(part.upstream)} = ${short(part.sent)}` : "–", known ? sign(part.sent) : "", now.step === part.at);
    })));
    ui.side.append(foot);
  }
  function choose(i) {
    now.chosen = now.chosen === i ? null : i;
    boxes.forEach((other, j) => { other.classList.toggle("al-chosen", j === now.chosen); other.setAttribute("aria-pressed", String(j === now.chosen)); });
    side();
    if (now.chosen !== null) ui.live.textContent = said(ui.side);
  }
  const said = (element) => element.innerText.replaceAll("\n", " ");

  // ---- playing
  function paint(flow = false, moved = false) {
    const t = now.step, step = steps[t], { kind } = step, lit = [];
    g.fill(null);
    if (t >= seed) for (const [i, x] of seeds) g[i] = x;
    for (const past of steps.slice(seed + 1, t + 1)) if (past.kind === "share" && !(past === step && now.asking)) g[past.to] = past.sum;
    if (t === last) g.forEach((x, i) => { g[i] = x ?? 0; });
    nodes.forEach((node, i) => {
      const drawn = boxes[i], known = !node.from || t >= node.step, asked = now.asking && step.to === i, text = asked ? "?" : short(g[i]);
      drawn.classList.toggle("al-known", known); drawn.classList.toggle("al-broken", known && !isFinite(node.value));
      drawn.classList.remove("al-lit", "al-active");
      drawn.value.textContent = known ? short(node.value) : "";
      drawn.grad.textContent = text;
      drawn.cell.setAttribute("class", `al-cell ${asked ? "" : sign(g[i]).replace(".", "al-")}`); drawn.cell.style.setProperty("--strength", `${g[i] ? 12 + 88 * strength(g[i]) : 0}%`);
      drawn.tip.textContent = `${node.name}${node.made ? ` = ${node.made}` : ""}\nvalue ${known ? full(node.value) : "not computed yet"}\ngradient ${g[i] === null || asked ? "not reached yet" : full(g[i])}`;
      for (const edge of arrows[i]) { edge.setAttribute("class", `al-edge${known ? " al-known" : ""}`); edge.text.style.display = known ? "" : "none"; }
    });
    for (const past of steps.slice(seed + 1, t + 1)) {
      if (past.kind !== "share" || past.user < 0 || (past === step && now.asking)) continue;
      const edge = arrows[past.user][past.k];
      edge.classList.add(sign(past.sent).replace(".", "al-") || "al-zero");
      edge.style.setProperty("--thick", `${1.4 + 2.2 * strength(past.sent)}px`);
    }
    const light = (i, how = "al-lit") => { if (i >= 0) { boxes[i].classList.add(how); lit.push(i); } };
    if (kind === "leaves") leaves.forEach((i) => boxes[i].classList.add("al-lit"));
    if (kind === "value") { light(step.i, "al-active"); nodes[step.i].from.forEach((p, k) => { light(p); arrows[step.i][k].classList.add("al-lit"); }); }
    if (kind === "seed") outputs.forEach((i) => light(i, "al-active"));
    if (kind === "share" || kind === "none") {
      light(step.to, "al-active"); light(step.user);
      const edge = arrows[step.user]?.[step.k];
      edge?.classList.add("al-lit");
      if (edge && now.asking && now.tries < 2) edge.text.style.display = "none";
    }
    ui.svg.classList.toggle("al-forward", t < seed);
    if (!moved) words();
    formula(); side();
    for (const part of ui.top.children) part.style.minHeight = `${bounds(part).height}px`; // the graph keeps its place
    reveal(lit.length ? lit : [main]);
    ui.slider.value = t; ui.track.style.setProperty("--at", `${(100 * t) / last}%`);
    ui.slider.setAttribute("aria-valuetext", `${ui.place.textContent}, ${t < seed ? "forward" : "backward"}`);
    ui.previous.disabled = ui.first.disabled = t === 0; ui.next.disabled = t === last || now.asking;
    if (!moved) ui.live.textContent = now.asking ? `Predict the new gradient of ${name(step.to)}.` : `${ui.place.textContent}. ${said(ui.sum)} ${said(ui.say)}`;
    root.dataset.step = t; root.dataset.asking = now.asking;
    cancelAnimationFrame(now.frame); ui.token.setAttribute("visibility", "hidden");
    if (flow && !calm.matches && !now.asking) {
      if (kind === "share" && step.user >= 0) fly(arrows[step.user][step.k].line, short(step.sent), true);
      if (kind === "value") nodes[step.i].from.slice(0, 1).forEach((p, k) => p >= 0 && fly(arrows[step.i][k].line, short(nodes[p].value), false));
    }
    if ("address" in root.dataset) { clearTimeout(now.note); now.note = setTimeout(() => { try { history.replaceState(null, "", `#step=${t}`); } catch { /* a frame without an address */ } }, 250); }
  }
  function fly(line, text, backward) { // the number travels along its arrow; nothing waits for it
    const [plate, letters] = ui.token.children, width = 14 + 7.6 * text.length, begin = performance.now(), length = line.getTotalLength();
    letters.textContent = text; plate.setAttribute("width", width); plate.setAttribute("x", -width / 2);
    const tick = (time) => {
      const u = max(0, min(1, (time - begin) / 480)), eased = u * u * (3 - 2 * u), { x, y } = line.getPointAtLength(length * (backward ? 1 - eased : eased));
      ui.token.setAttribute("transform", `translate(${x},${y}) scale(${max(1, 0.8 / view.scale)})`); ui.token.setAttribute("visibility", u < 1 ? "visible" : "hidden");
      if (u < 1) now.frame = requestAnimationFrame(tick);
    };
    now.frame = requestAnimationFrame(tick);
  }
  function go(to) {
    const t = min(last, max(0, to)), forward = t === now.step + 1;
    Object.assign(now, { step: t, tab: null, tries: 0 });
    now.asking = now.wants = ui.predict.ariaPressed === "true" && steps[t].kind === "share" && !now.seen.has(t);
    if (now.asking) stop();
    paint(forward);
  }
  function player(label, picture) { ui.play.replaceChildren(icon(picture), label); ui.play.ariaLabel = ui.play.title = label; }
  function stop() { clearInterval(now.timer); now.timer = null; player("Play", "play"); }
  function toggle() {
    if (now.timer) return stop();
    if (now.step === last) go(0);
    player("Pause", "pause");
    now.timer = setInterval(() => { now.step === last || !root.isConnected ? stop() : go(now.step + 1); }, nodes.length > 20 ? 700 : 1400);
  }
  function keys(event) {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target !== ui.slider) return;
    const to = { ArrowLeft: now.step - 1, ArrowRight: now.step + 1, Home: 0, End: last }[event.key];
    if (event.key === "Escape" && now.chosen !== null) choose(now.chosen);
    else if (event.key === " " && event.target.tagName !== "BUTTON") toggle();
    else if (to !== undefined && !(now.asking && event.key === "ArrowRight")) { stop(); go(to); }
    else return;
    event.preventDefault();
  }
  listen(root, "keydown", keys);
  let current = "full" in root.dataset; // a page keeps its keys, but for those meant for the root used last
  listen(document, "pointerdown focusin", ({ target }) => { current = root.contains(target); });
  listen(document, "keydown", (event) => { if (event.target === document.body && current && root.isConnected) keys(event); });

  // ---- the size of the section, not of the window
  let size = "";
  function resize(again = false) {
    const width = root.clientWidth, which = width <= 560 || (data.lr.w > 1.6 * ui.stage.clientWidth && width <= 860) ? data.tb : data.lr;
    if (!width || (!again && size === `${width}x${ui.stage.clientHeight}`)) return;
    if (layout !== which) arrange(which);
    for (const part of ui.top.children) part.style.minHeight = "";
    const flat = which.w > 2.1 * which.h || (width > 560 && width <= 860);
    root.toggleAttribute("data-flat", flat);
    const room = width <= 560 ? innerHeight - ui.top.offsetHeight - ui.bar.offsetHeight - ("full" in root.dataset ? 8 : 72) : innerHeight * 0.62;
    const ideal = min(which.h * min(1.35, (ui.stage.clientWidth - 40) / which.w) + (flat ? 84 : 44), room);
    root.style.setProperty("--tall", `${round(max(210, ideal))}px`);
    view.free ? clamp() : fit();
    ui.shown = null;
    paint(false, true);
    size = `${width}x${ui.stage.clientHeight}`;
  }
  const linked = () => ("address" in root.dataset ? /step=(\d+)/.exec(location.hash)?.[1] : undefined);
  listen(window, "hashchange", () => { if (linked()) { stop(); go(+linked()); } });
  arrange(root.clientWidth <= 560 ? data.tb : data.lr);
  player("Play", "play");
  if ("predict" in root.dataset) ui.predict.ariaPressed = "true";
  const begin = Number(linked() ?? root.dataset.start ?? 0);
  go(begin < 0 ? last + 1 + begin : begin);
  now.wants = false;
  resize(true);
  new ResizeObserver(() => requestAnimationFrame(() => resize())).observe(root);
  new ResizeObserver(() => { if (!view.free) fit(); }).observe(ui.stage);
  document.fonts?.ready.then(() => { ui.shown = null; formula(); });
}
for (const root of document.querySelectorAll(".al-step:not([data-live])")) { root.dataset.live = ""; mount(root); }
})();
