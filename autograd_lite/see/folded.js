"use strict";
(() => {
const inflate = (text) => new Response(new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]).stream()
  .pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
const minus = (text) => text.replaceAll("-", "−");
const full = (x) => minus(Number.isFinite(x) ? String(x) : String(x).replace("Infinity", "inf").replace("NaN", "nan"));
const short = (x) => (!Number.isFinite(x) ? full(x) : x === 0 ? "0"
  : minus(Math.abs(x) < 1e-4 || Math.abs(x) >= 1e6 ? x.toExponential(2) : String(+x.toPrecision(4))));
const bracketed = (x) => (short(x).startsWith("−") ? `(${short(x)})` : short(x));
const sign = (x) => (!Number.isFinite(x) ? "al-bad" : x > 0 ? "al-pos" : x < 0 ? "al-neg" : "");
const grouped = (count) => count.toLocaleString("en");
const sums = (steps) => { let x = 0; return steps.map((step) => (x += step)); };
const SIGNS = { "*": "×", "-": "−", "**": "^" };

function el(tag, kind, props = {}, ...inside) {
  const element = tag === "svg" || tag === "rect" || tag === "path" || tag === "line"
    ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  if (kind) element.setAttribute("class", kind);
  for (const [key, value] of Object.entries(props)) typeof value === "function" ? (element[key] = value) : element.setAttribute(key, value);
  element.append(...inside);
  return element;
}
const button = (kind, act, props, ...inside) => el("button", kind, { type: "button", onclick: act, ...props }, ...inside);

// The numbers of one moment: values forwards, gradients backwards; what is stored is read, the rest computed.
function model(data, numbers) {
  const F = data.labels.length, n = data.op.length, { whole, args, op, ops, ends } = data;
  const start = [0, ...sums(data.counts)], values = sums(data.values), locals = sums(data.locals);
  const kept = new Int32Array(n).fill(-1), slope = new Int32Array(args.length).fill(-1), numeral = new Int32Array(args.length).fill(-1);
  let row = data.boxes.length - 1;
  for (const i of values) kept[i] = row++;
  const outer = whole.flatMap((all, i) => (all ? [] : [[i, row++]]));
  for (const s of locals) slope[s] = row++;
  args.forEach((a, s) => { if (a === -1) numeral[s] = row++; });
  const uses = whole.map(() => []);
  for (let i = n - 1; i >= 0; i--) for (let s = start[i]; s < start[i + 1]; s++) if (args[s] > 0) uses[i - args[s]].push([i, s]);
  const m = { F, n, start, uses, value: new Float64Array(n), grad: new Float64Array(n), sent: new Uint8Array(n), frame: 0 };
  m.at = (row, f = m.frame) => numbers[row * F + f];
  m.operands = (i) => { const found = []; for (let s = start[i]; s < start[i + 1]; s++)
    found.push(args[s] > 0 ? m.value[i - args[s]] : numeral[s] >= 0 ? m.at(numeral[s]) : undefined); return found; };
  m.arguments = (i) => Array.from({ length: start[i + 1] - start[i] }, (_, k) => (args[start[i] + k] > 0 ? i - args[start[i] + k] : null));
  m.local = (i, s) => {
    if (slope[s] >= 0) return m.at(slope[s]);
    const k = s - start[i], other = () => m.operands(i)[1 - k];
    switch (ops[op[i]][0]) {
      case "add": return 1;
      case "sub": return k ? -1 : 1;
      case "mul": return other();
      case "div": return k ? -(m.value[i] / m.operands(i)[1]) : 1 / other();
      case "neg": return -1;
      default: return m.operands(i)[0] > 0 ? 1 : 0; // relu
    }
  };
  m.move = (f) => {
    m.frame = f;
    for (let i = 0; i < n; i++) {
      if (kept[i] >= 0) { m.value[i] = m.at(kept[i]); continue; }
      const [a, b] = m.operands(i);
      switch (ops[op[i]][0]) {
        case "add": m.value[i] = a + b; break;
        case "sub": m.value[i] = a - b; break;
        case "mul": m.value[i] = a * b; break;
        case "div": m.value[i] = a / b; break;
        case "neg": m.value[i] = -a; break;
        default: m.value[i] = a < 0 ? 0 : a; // relu
      }
    }
    m.sent.fill(0);
    ends.forEach((i, k) => { m.grad[i] = m.at(row + k); m.sent[i] = 1; });
    for (const [i, at] of outer) { m.grad[i] = m.at(at); m.sent[i] = 1; }
    for (let i = n - 1; i >= 0; i--) for (let s = start[i]; m.sent[i] && s < start[i + 1]; s++) {
      const j = i - args[s];
      if (args[s] <= 0 || !whole[j]) continue;
      const local = m.local(i, s);
      if (ops[op[i]][2] && local === 0) continue;
      m.grad[j] = m.sent[j] ? m.grad[j] + local * m.grad[i] : local * m.grad[i];
      m.sent[j] = 1;
    }
  };
  const counts = sums(data.numbers.map((x) => x));
  m.name = (i) => (i === null ? "…" : data.names[i] || `${data.counts[i] ? "n" : "v"}${counts[i]}`);
  m.written = (i, parts) => { // the operation with these texts for its arguments
    const [rule, symbol] = ops[op[i]];
    return symbol && parts.length === 2 ? `${parts[0]} ${SIGNS[symbol] ?? symbol} ${parts[1]}` : `${rule}(${parts.join(", ")})`;
  };
  m.formula = (i) => m.written(i, m.arguments(i).map((j, k) => (j === null ? number(m.operands(i)[k]) : m.name(j))));
  const number = (x) => (x === undefined ? "…" : short(x));
  m.reckoned = (i) => m.written(i, m.operands(i).map((x) => (x === undefined ? "…" : ops[op[i]][1] && start[i + 1] - start[i] === 2 ? bracketed(x) : short(x))));
  m.isSum = (i) => ops[op[i]][0] === "add";
  return m;
}

async function unpack(store) {
  const [text, planes] = await Promise.all([inflate(store.text), inflate(store.numbers)]);
  const from = new Uint8Array(planes), bytes = new Uint8Array(from.length), M = from.length / 8;
  for (let k = 0; k < 8; k++) for (let r = 0; r < M; r++) bytes[8 * r + k] = from[k * M + r];
  return { data: JSON.parse(new TextDecoder().decode(text)), numbers: new Float64Array(bytes.buffer) };
}

async function mount(root) {
  const { data, numbers } = await unpack(JSON.parse(root.querySelector("script[type='application/json']").textContent));
  const m = model(data, numbers), { F } = m;
  let painters = []; // what to do when the moment changes, each with the element that it is about
  const paint = (about, painter) => { painters.push([about, painter]); painter(); };
  const repaint = () => { painters = painters.filter(([about]) => about.isConnected); for (const [, painter] of painters) painter(); };
  const told = el("p", "al-unseen", { "aria-live": "polite" });

  // The scale of the bars.
  const sizes = data.boxes[0].boxes?.flatMap((k) => data.labels.map((_, f) => m.at(k - 1, f))).filter((x) => x > 0 && Number.isFinite(x)).map(Math.log10) ?? [];
  const low = sizes.length ? Math.floor(Math.min(...sizes)) : -1, high = Math.max(low + 1, Math.ceil(Math.max(...sizes, low)));
  const tens = (k) => `10${minus(String(k)).replace(/./g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻")}`;
  const along = (x) => (x > 0 ? `${Math.min(100, Math.max(0, (100 * (Math.log10(x) - low)) / (high - low)))}%` : "0%");

  function row(k) { // a box, closed or open
    const box = data.boxes[k], bar = el("i", "al-bar"), tick = el("b", "al-tick"), number = el("span", "al-number");
    const panel = el("div", "al-panel", { hidden: "" }), head = button("al-row", () => toggle(), { "aria-expanded": "false" },
      el("span", "al-tri", { "aria-hidden": "true" }, "▶"), el("span", "al-title", {}, box.title), el("span", "al-what", {}, box.what ?? ""),
      el("span", "al-size", { "aria-hidden": "true" }, el("span", "al-rail", {}, bar, ...(F > 1 ? [tick] : [])), number),
      el("span", "al-count", { "aria-hidden": "true" }, `${grouped(box.count)} node${box.count > 1 ? "s" : ""}`));
    const item = el("div", "al-box", {}, head, panel);
    const toggle = () => {
      panel.hidden = !panel.hidden;
      head.setAttribute("aria-expanded", String(!panel.hidden));
      if (!panel.childNodes.length) fill(panel, box);
    };
    paint(item, () => {
      const [x, first] = [m.at(k - 1), m.at(k - 1, 0)];
      bar.style.width = Number.isFinite(x) ? along(x) : "100%";
      bar.setAttribute("class", `al-bar ${Number.isFinite(x) ? "" : "al-bad"}`);
      tick.style.left = along(first);
      number.textContent = short(x);
      number.setAttribute("class", `al-number ${Number.isFinite(x) ? "" : "al-bad"}`);
      head.title = `${[box.title, box.what].filter(Boolean).join(": ")}\n${grouped(box.count)} nodes\ngradients of its results, root mean square ${full(x)}${F > 1 ? `\nat ${data.labels[0]}: ${full(first)}` : ""}`;
      head.setAttribute("aria-label", head.title.replaceAll("\n", ", "));
    });
    if (box.open) toggle();
    return item;
  }

  function list(box) { // boxes, those beside a line further right
    const lines = box.lines ?? [], top = el("div", `al-list${lines.length ? " al-lined" : ""}`);
    const around = [[top, Infinity]];
    (box.boxes ?? []).forEach((k, place) => {
      while (around.at(-1)[1] <= place) around.pop();
      around.at(-1)[0].append(row(k));
      for (const [, b] of lines.filter(([a]) => a === place)) {
        const past = el("div", "al-past");
        around.at(-1)[0].append(past);
        around.push([past, b]);
      }
    });
    return top;
  }

  function fill(panel, box) {
    if (box.closed || box.brief) panel.append(el("p", "al-note", {}, `${box.brief ? "Only the result of each cell is stored" : "Not stored"}, to keep this page small. al.draw(…, fold=True, open="${box.id}") stores more of this box.`));
    if (box.cells) panel.append(...map(box));
    if (box.boxes) panel.append(list(box));
    if (box.nodes) panel.append(block(box.nodes));
  }

  function map(box) { // a matrix of copies, turns or leaves, twice: gradients and values
    let big = 0;
    const cells = box.cells.map(([count, ...steps]) => (count ? { nodes: sums(steps) } : { nodes: [steps[0]], copy: data.boxes[box.copies[big++]] }));
    let rows = box.rows;
    if (rows.length === 1 && cells.length > 32) rows = Array.from({ length: Math.ceil(cells.length / 32) }, (_, k) => Math.min(32, cells.length - 32 * k));
    const wide = Math.max(...rows), turned = rows.length > 1.4 * wide;
    const places = rows.flatMap((count, y) => Array.from({ length: count }, (_, x) => (turned ? [y, x] : [x, y])));
    const [X, Y] = turned ? [rows.length, wide] : [wide, rows.length];
    const at = new Map(places.map(([x, y], c) => [x + X * y, c])), last = (c) => cells[c].nodes.at(-1);
    let chosen = null;
    const say = (c) => `${place(c)}, ${m.name(last(c))}: value ${short(m.value[last(c)])}, gradient ${m.sent[last(c)] ? short(m.grad[last(c)]) : "–"}`;
    const line = el("p", "al-note al-read", {}), inner = el("div", "al-inner", { hidden: "" }), picks = [];
    const views = [["gradient", (i) => m.grad[i]], ["value", (i) => m.value[i]]].map(([caption, read]) => {
      const rects = places.map(([x, y]) => el("rect", "", { x: x + 0.04, y: y + 0.04, width: 0.92, height: 0.92, rx: 0.1 }));
      const pick = el("rect", "al-pick", { width: 1, height: 1, rx: 0.12, visibility: "hidden" });
      picks.push(pick);
      const svg = el("svg", "al-cells", { viewBox: `0 0 ${X} ${Y}`, "aria-hidden": "true", style: `--x:${X};--cell:${X > 32 ? 12 : X > 16 ? 18 : X > 8 ? 24 : 32}px` }, ...rects, pick);
      paint(svg, () => {
        const found = cells.map((_, c) => read(last(c))), most = found.reduce((a, b) => (Number.isFinite(b) ? Math.max(a, Math.abs(b)) : a), 0);
        found.forEach((x, c) => {
          rects[c].setAttribute("class", sign(x));
          rects[c].style.setProperty("--s", `${x && Number.isFinite(x) ? 12 + 88 * Math.sqrt(Math.abs(x) / most) : 0}%`);
        });
      });
      const where = (event) => {
        const { left, top, width, height } = svg.getBoundingClientRect();
        return at.get(Math.floor((X * (event.clientX - left)) / width) + X * Math.floor((Y * (event.clientY - top)) / height));
      };
      svg.onclick = (event) => { const c = where(event); if (c !== undefined) choose(c); };
      svg.onpointermove = (event) => { const c = where(event); if (c !== undefined) line.textContent = say(c); };
      svg.onpointerleave = () => show();
      return el("figure", "al-view", {}, el("figcaption", "", {}, caption), svg);
    });
    const starts = [0, ...sums(rows)], row = (c) => starts.findIndex((start) => start > c) - 1;
    const place = (c) => (rows.length > 1 && box.rows.length > 1 ? `row ${row(c) + 1}, column ${c - starts[row(c)] + 1}` : `cell ${grouped(c + 1)} of ${grouped(cells.length)}`);
    const what = rows.length > 1 && new Set(rows).size === 1 ? `${rows.length} × ${wide}${turned ? ", rows run to the right" : ""}` : `${grouped(cells.length)} cells`;
    const whole = el("div", "al-map", { tabindex: 0, role: "slider", "aria-label": `${box.title}, ${what}: the arrow keys choose a cell`, "aria-valuemin": 0, "aria-valuemax": cells.length - 1, "aria-valuenow": 0, "aria-valuetext": "no cell chosen" }, ...views);
    const show = () => { line.textContent = chosen === null ? `${what}; a click or the arrow keys open one` : say(chosen); };
    function choose(c) {
      chosen = c;
      show();
      whole.setAttribute("aria-valuenow", c);
      whole.setAttribute("aria-valuetext", say(c));
      const [x, y] = places[c];
      for (const pick of picks) for (const [key, value] of Object.entries({ x, y, visibility: "visible" })) pick.setAttribute(key, value);
      inner.hidden = false;
      const step = (by, mark, label) => button("al-small", () => { choose((c + by + cells.length) % cells.length); inner.querySelector(`[data-step="${by}"]`).focus(); }, { "aria-label": label, "data-step": by }, mark);
      const heading = el("div", "al-head", {}, step(-1, "‹", "previous cell"), step(1, "›", "next cell"), el("b", "", {}, `${m.name(last(c))}`), el("span", "al-note", {}, place(c)),
        button("al-small al-close", close, { "aria-label": "close the cell" }, "×"));
      const body = el("div");
      inner.replaceChildren(heading, body);
      cells[c].copy ? fill(body, cells[c].copy) : body.append(block(cells[c].nodes));
    }
    function close() {
      chosen = null;
      inner.hidden = true;
      inner.replaceChildren();
      for (const pick of picks) pick.setAttribute("visibility", "hidden");
      show();
      whole.focus();
    }
    whole.onkeydown = (event) => {
      const by = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
      if (!by && event.key !== "Home" && event.key !== "End") return;
      event.preventDefault();
      const [x, y] = places[chosen ?? 0];
      const next = event.key === "Home" || chosen === null ? 0 : event.key === "End" ? cells.length - 1 : at.get(x + by[0] + X * (y + by[1]));
      if (next !== undefined && x + (by?.[0] ?? 0) < X) choose(next);
    };
    inner.close = close;
    whole.close = () => chosen !== null && (close(), true);
    paint(line, show);
    return [whole, line, inner];
  }

  function block(nodes) { // single nodes: chips by operation, and one node in full
    const order = nodes.slice().sort((a, b) => b - a), whole = el("div", "al-block"), card = el("div", "al-card"), chips = new Map();
    const within = new Set(nodes), trail = [];
    let now = order[0];
    const partial = (i) => m.isSum(i) && m.uses[i].length === 1 && within.has(m.uses[i][0][0]) && m.isSum(m.uses[i][0][0]);
    if (order.length > 1) {
      const groups = new Map();
      for (const i of order) { const key = !data.counts[i] ? "leaves" : partial(i) ? "partial sums" : ""; groups.set(key, [...(groups.get(key) ?? []), i]); }
      for (const key of ["", "leaves", "partial sums"]) if (groups.has(key)) {
        const bar = el("div", "al-chips", {}, ...groups.get(key).map((i) => { const chip = button("al-chip", () => show(i, true)); chips.set(i, chip); return chip; }));
        whole.append(key === "partial sums" ? el("details", "al-more", {}, el("summary", "", {}, `${groups.get(key).length} partial sum${groups.get(key).length > 1 ? "s" : ""}`), bar) : bar);
      }
      paint(whole, () => { const most = order.reduce((a, i) => (Number.isFinite(m.grad[i]) ? Math.max(a, Math.abs(m.grad[i])) : a), 0);
        for (const [i, chip] of chips) {
          chip.textContent = data.counts[i] ? m.reckoned(i) : `${m.name(i)} = ${short(m.value[i])}`;
          chip.title = `${m.name(i)}${data.counts[i] ? ` = ${m.formula(i)}` : ""}\nvalue ${full(m.value[i])}\ngradient ${m.sent[i] ? full(m.grad[i]) : "–"}`;
          chip.className = `al-chip ${m.sent[i] ? sign(m.grad[i]) : ""}`;
          chip.style.setProperty("--s", `${most && Number.isFinite(m.grad[i]) && m.grad[i] ? 12 + 48 * Math.sqrt(Math.abs(m.grad[i]) / most) : 0}%`);
        } });
    }
    function show(i, fresh) {
      if (fresh) trail.length = 0;
      now = i;
      detail();
    }
    const go = (i) => { trail.push(now); show(i); card.querySelector("button")?.focus(); told.textContent = card.innerText; };
    const jump = (i) => (i === null ? el("span", "", {}, "…") : button("al-small al-link", () => go(i), { title: `${m.name(i)}: value ${full(m.value[i])}` }, m.name(i)));
    const coloured = (x, kind = "") => el("span", `${kind} ${sign(x)}-ink`, { title: full(x) }, short(x));
    function detail() {
      for (const [i, chip] of chips) chip.setAttribute("aria-pressed", String(i === now));
      const i = now, made = data.counts[i] > 0, grad = m.sent[i] ? m.grad[i] : null, shares = [];
      const back = trail.length ? [button("al-small", () => show(trail.pop()), {}, "‹ back")] : [];
      const sum = el("p", "al-formula", {}, el("b", "", {}, m.name(i)), ...(made ? [` = ${m.formula(i)}`, ` = ${m.reckoned(i)}`] : []), " = ", el("b", "", { title: full(m.value[i]) }, short(m.value[i])));
      const digits = el("p", "al-note al-digits", { "data-value": m.value[i], "data-grad": grad ?? "" }, `value ${full(m.value[i])}, gradient ${grad === null ? "–" : full(grad)}`);
      const parents = [...new Set(m.arguments(i).filter((j) => j !== null))];
      const from = parents.length ? [el("p", "al-from", {}, "made from ", ...parents.map((j) => el("span", "", {}, jump(j), ` ${short(m.value[j])} `)))] : [];
      let old = null;
      for (const [user, s] of data.whole[i] ? m.uses[i] : []) {
        const local = m.local(user, s), upstream = m.grad[user], share = local * upstream;
        const sent = m.sent[user] && !(data.ops[data.op[user]][2] && local === 0);
        if (sent) old = old === null ? share : old + share;
        shares.push(el("tr", "", sent ? { "data-local": local, "data-upstream": upstream, "data-share": share } : {}, el("td", "", {}, jump(user), el("span", "al-note", {}, ` = ${m.formula(user)}`)),
          ...(sent ? [el("td", "", {}, el("span", "", { title: full(local) }, bracketed(local)), " × ", el("span", "", { title: full(upstream) }, bracketed(upstream))), el("td", "", {}, "= ", coloured(share)), el("td", "", {}, coloured(old, "al-sum"))]
            : [el("td", "", {}, "not sent"), el("td", "", {}, "–"), el("td", "", {}, old === null ? "–" : coloured(old))])));
      }
      const heads = ["share from", "local × upstream", "share", "sum so far"].map((text) => el("th", "", { scope: "col" }, text));
      const table = shares.length ? [el("div", "al-scroll", {}, el("table", "al-shares", {}, el("thead", "", {}, el("tr", "", {}, ...heads)), el("tbody", "", {}, ...shares)))] : [];
      const star = el("p", "al-star", {}, `grad(${m.name(i)}) = `, grad === null ? "–" : coloured(grad, "al-result"),
        el("small", "", {}, data.ends.includes(i) ? " the output: the pass begins here" : !data.whole[i] ? " its users are not stored in this page" : shares.length > 1 ? ` the sum of ${shares.length} shares` : ""));
      card.replaceChildren(...back, sum, star, ...table, ...from, digits);
    }
    whole.append(card);
    paint(card, detail);
    return whole;
  }

  // The head: with several moments, a slider on the curve of the output.
  const top = data.boxes[0];
  const head = [el("h2", "al-h", {}, data.title), el("p", "al-note al-lead", {}, "The output is at the top; gradients flow down. Each box opens in place: to its parts, to a matrix, to one operation with all its digits.")];
  let slide = () => {};
  if (F > 1) {
    const xs = data.labels.every((l) => Number.isFinite(+l) && l !== "") && data.labels.every((l, k) => !k || +l > +data.labels[k - 1]) ? data.labels.map(Number) : data.labels.map((_, k) => k);
    const ys = data.curve.map(Number), fine = ys.filter(Number.isFinite), most = Math.max(...fine, 0), least = Math.min(...fine, 0);
    const X = (f) => (1000 * (xs[f] - xs[0])) / (xs[F - 1] - xs[0]), Y = (y) => 94 - (86 * (y - least)) / (most - least || 1);
    const path = el("path", "al-curve", { d: ys.map((y, f) => (Number.isFinite(y) ? `${f && Number.isFinite(ys[f - 1]) ? "L" : "M"}${X(f)},${Y(y)}` : "")).join("") });
    const dots = ys.map((y, f) => el("line", "al-dot", { x1: X(f), x2: X(f), y1: Number.isFinite(y) ? Y(y) : 50, y2: Number.isFinite(y) ? Y(y) : 50 }));
    const rule = el("line", "al-rule", { y1: 0, y2: 100 });
    const svg = el("svg", "al-plot-svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" }, path, ...dots, rule);
    const range = el("input", "al-range", { type: "range", min: 0, max: F - 1, step: 1, "aria-label": "moment" }), read = el("div", "al-value");
    const plot = el("div", "al-plot", {}, svg, range, el("i", "al-ring"));
    const play = button("al-play", () => (timer ? stop() : start()), {}, "Play");
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; play.textContent = "Play"; };
    const start = () => { slide(m.frame === F - 1 ? 0 : m.frame + 1); play.textContent = "Pause"; timer = setInterval(() => (m.frame === F - 1 ? stop() : slide(m.frame + 1)), 800); };
    const point = (event) => {
      const { left, width } = svg.getBoundingClientRect(), x = (1000 * (event.clientX - left)) / width;
      stop();
      slide(xs.map((_, f) => f).reduce((a, b) => (Math.abs(X(b) - x) < Math.abs(X(a) - x) ? b : a)));
    };
    plot.onpointerdown = (event) => { plot.setPointerCapture(event.pointerId); point(event); range.focus({ preventScroll: true }); };
    plot.onpointermove = (event) => event.buttons && point(event);
    range.oninput = () => { stop(); slide(+range.value); };
    slide = (f) => { m.move(f); repaint(); };
    const name = m.name(data.ends[0] ?? null);
    paint(read, () => {
      range.value = m.frame;
      for (const key of ["x1", "x2"]) rule.setAttribute(key, X(m.frame));
      const y = short(ys[m.frame]);
      read.replaceChildren(el("b", sign(ys[m.frame]) === "al-bad" ? "al-bad-ink" : "", {}, `${name} ${y}`), el("span", "al-note", {}, `at ${data.labels[m.frame]} of ${data.labels[F - 1]}`));
      range.setAttribute("aria-valuetext", `${data.labels[m.frame]}: ${name} ${y}`);
      root.dataset.frame = m.frame;
    });
    head.push(el("div", "al-time", { role: "group", "aria-label": "moments" }, play, plot, read));
  }
  m.move(data.shown);
  const axis = el("div", "al-axis", {}, el("span", "", {}, `size of gradients, ${tens(low)} to ${tens(high)}, log scale${F > 1 ? `; tick: at ${data.labels[0]}` : ""}`));
  const foot = ["The size of a box is the root mean square of the gradients of its results, the numbers that other boxes use. Cells and nodes are blue above 0, orange below, stronger where they are larger.", ...(top.lines ? ["A line at the left: a value goes two ways, past the boxes and through them, and the two gradients add up."] : []), "The pass begins with 1 at the output; what .grad holds is not read."];
  root.querySelector("noscript")?.remove();
  const body = el("div", "al-body", {}, ...head, axis);
  root.append(body);
  fill(body, { ...top, closed: 0 });
  body.append(el("p", "al-note al-foot", {}, foot.join(" ")), told);
  repaint();
  root.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (target.matches(".al-row") && ["ArrowDown", "ArrowUp"].includes(event.key)) {
      const rows = [...root.querySelectorAll(".al-row")].filter((r) => r.offsetParent);
      rows[rows.indexOf(target) + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
      event.preventDefault();
    } else if (event.key === "Escape") {
      const inner = target.closest(".al-inner");
      if (inner) inner.close();
      else if (!target.close?.()) {
        const open = target.closest(".al-panel:not([hidden])")?.previousSibling ?? target.closest(".al-row[aria-expanded=true]");
        open?.click();
        open?.focus();
      }
      event.preventDefault();
    }
  });
  root.dataset.live = "yes";
}
for (const root of document.querySelectorAll(".al-fold:not([data-live])")) {
  root.dataset.live = "soon";
  mount(root).catch((error) => { root.append(el("p", "al-note", {}, `This browser cannot show the boxes: ${error.message}`)); });
}
})();
