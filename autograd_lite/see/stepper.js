"use strict";
const $ = (id) => document.getElementById(id);
const { numbers, nodes, rules, outputs, shares, largest } = JSON.parse($("data").textContent);
const zero = numbers.push(["0.0", "0"]) - 1;
const full = (place) => [numbers[place]].flat()[0];
const short = (place) => [numbers[place]].flat().at(-1);
const bracketed = (place) => short(place).replace(/^-.*/, "($&)");
const sign = (place) => (Number.isFinite(+full(place)) ? ["neg", "", "pos"][Math.sign(full(place)) + 1] : "alarm");
const name = (i) => (i === null ? "a node not drawn" : nodes[i].name);
const slope = (i, k, { from, name: user } = nodes[i]) => // ∂user/∂argument, with its place where it stands in several
  `∂${user}/∂${name(from[k])}${from.indexOf(from[k]) < from.lastIndexOf(from[k]) ? ` (place ${k + 1})` : ""}`;
const some = (texts) => texts.slice(0, 8).join(", ") + (texts.length > 8 ? ` and ${texts.length - 8} more` : "");

// The steps: the leaves, the other nodes one by one, the seed, the shares one by one, the end.
const leaves = nodes.filter((node) => !node.made);
const received = nodes.map(() => []);
const steps = [{ kind: "leaves" }];
nodes.forEach((node, i) => node.made && (node.step = steps.push({ kind: "value", i }) - 1));
const seed = steps.push({ kind: "seed" }) - 1;
for (const [user, k, to, upstream, product, old, sum] of shares) {
  const kind = sum === undefined ? "none" : "share";
  const share = { kind, step: steps.length, user, k, to, local: nodes[user]?.locals[k], upstream, product, old, sum };
  received[to].push(share);
  steps.push(share);
}
const last = steps.push({ kind: "end" }) - 1;

// The picture after the steps so far.
const boxes = nodes.map(({ id }) => $(id));
const arrow = (i, k) => (i === null ? null : $(`e${nodes[i].id.slice(1)}_${k}`));
const gradients = nodes.map(() => null); // places of what the boxes show
function showValue(i, known) {
  boxes[i].classList.toggle("known", known);
  boxes[i].querySelector(".value").classList.toggle("alarm", known && sign(nodes[i].value) === "alarm");
  (nodes[i].from ?? []).forEach((_, k) => arrow(i, k)?.classList.toggle("known", known));
}
function showGradient(i, place) {
  gradients[i] = place;
  const cell = boxes[i].querySelector(".grad");
  cell.setAttribute("class", `grad ${place === null ? "" : sign(place)}`);
  cell.style.setProperty("--s", `${100 * Math.sqrt(Math.abs(full(place ?? zero)) / largest)}%`);
  boxes[i].querySelector(".g").textContent = place === null ? "–" : short(place);
}
function change(step, done) { // does a step, or takes it back
  if (step.kind === "value") showValue(step.i, done);
  if (step.kind === "seed") nodes.forEach((_, i) => showGradient(i, done ? new Map(outputs).get(i) ?? zero : null));
  if (step.kind !== "share") return;
  showGradient(step.to, done ? step.sum : step.old);
  arrow(step.user, step.k)?.setAttribute("class", `edge known ${done ? `done ${sign(step.product)}` : ""}`);
}
function light(step) { // marks what takes part, and scrolls a large picture there
  document.querySelectorAll(".lit").forEach((element) => element.classList.remove("lit", "active"));
  const { kind, i = step.to, user = null, k } = step;
  const parts = kind === "leaves" ? boxes.filter((_, i) => !nodes[i].made) : kind === "seed" ? outputs.map(([i]) => boxes[i])
    : kind === "value" ? nodes[i].from.flatMap((parent, k) => [boxes[parent], arrow(i, k)]) : [boxes[user], arrow(user, k)];
  boxes[i]?.classList.add("active");
  $("stage").classList.toggle("back", now > seed);
  const lit = [boxes[i], ...parts].filter(Boolean);
  lit.forEach((element) => element.classList.add("lit"));
  const view = $("stage").getBoundingClientRect();
  const places = lit.map((element) => element.getBoundingClientRect());
  const by = (a, b, size) => {
    const [all, first] = [places, places.slice(0, 1)].map((r) => [Math.min(...r.map((r) => r[a])), Math.max(...r.map((r) => r[b]))]);
    const [low, high] = all[1] - all[0] < view[size] ? all : first;
    return low < view[a] || high > view[b] ? (low + high - view[a] - view[b]) / 2 : 0;
  };
  if (lit.length) $("stage").scrollBy(by("left", "right", "width"), by("top", "bottom", "height"));
}

// The words: for each kind of step the terms of its formula, then sentences.
function make(tag, kind, ...children) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.append(...children);
  return element;
}
const term = (before, text, caption, kind) => make("span", "", before, make("span", kind, text, make("small", "", caption)));
const ink = (place) => `${sign(place)}-ink`;
const cells = (tag, texts) => texts.map((text) => make(tag, "", text));
const table = (rows) => make("table", "", ...rows.map(([a, ...b]) => make("tr", "", ...cells("th", [a]), ...cells("td", b))));
const words = {
  leaves: () => [[some(leaves.map((n) => `${n.name} = ${short(n.value)}`))],
    "The leaves are given. The forward pass computes every other node, in the order of the program."],
  value({ i }) {
    const n = nodes[i];
    const kept = some(n.from.map((_, k) => `${slope(i, k)} = ${short(n.locals[k])}`));
    const terms = [term("", n.name, "node"), term("=", n.made, "formula"), term("=", n.sum, "numbers")];
    return [[...terms, term("=", short(n.value), "value", "result")], `Kept for the way back: ${kept}.`,
      n.rule === undefined ? "" : `Rule of ${rules[n.rule]}.`];
  },
  seed: () => [outputs.map(([i, place]) => term("", `grad(${name(i)}) = ${short(place)}`, "seed", "result")),
    "Every other gradient starts at 0. The backward pass goes from the newest node to the oldest."],
  share(step) {
    const [user, to, shares] = [name(step.user), name(step.to), received[step.to]];
    const [which, count] = [shares.indexOf(step) + 1, shares.length];
    const product = step.local === undefined ? [term("+", bracketed(step.product), "sent", ink(step.product))]
      : [term("+", bracketed(step.local), `local ${slope(step.user, step.k)}`),
        term("×", bracketed(step.upstream), `upstream grad(${user})`, ink(step.upstream))];
    const terms = [term("", `grad(${to})`, "gradient"), term("=", short(step.old), "old", ink(step.old)), ...product];
    return [[...terms, term("=", short(step.sum), "new", `result ${ink(step.sum)}`)],
      count > 1 ? `${to} is used ${count} times and adds up what comes back: share ${which} of ${count}, from ${user}.`
        : `${to} is used once, by ${user}.`, which === count ? `grad(${to}) is complete.` : ""];
  },
  none: ({ user, to }) => [[`${name(user)} did not take ${name(to)}`], "So nothing goes back there."],
  end: () => [["The gradients of the leaves"], "Moving a leaf by a little d moves the output by its gradient times d."],
};

// One node: all its numbers.
let chosen = null;
function choose(i) {
  chosen = i;
  boxes.forEach((box, k) => box.classList.toggle("chosen", k === i));
  $("details").replaceChildren();
  if (i === null) return;
  const n = nodes[i];
  const link = (step) => Object.assign(make("a", "", `step ${step}`), { href: `#${step}` });
  const facts = [["value", now < n.step ? "not computed yet" : full(n.value)], ["gradient at the end", full(n.grad)],
    ["gradient now", gradients[i] === null ? "–" : full(gradients[i])], ["kept from before", numbers[n.kept] && full(n.kept)],
    ["formula", n.made], ["computed in", n.made && link(n.step)], ["rule", rules[n.rule]], ["scope", n.scope],
    ["line", n.line ?? "not recorded; run inside al.record_locations()"]].filter(([, fact]) => fact !== undefined);
  const locals = (n.from ?? []).map((_, k) => [slope(i, k), full(n.locals[k])]);
  const sum = received[i].map(({ kind, user, local, upstream, product, step }) => [`from ${name(user)}`,
    (local === undefined ? "" : `${full(local)} × ${full(upstream)} = `) + (kind === "none" ? "not sent" : full(product)), link(step)]);
  $("details").append(make("h2", "", make("bdi", "", n.full ?? n.name)), table(facts), make("h2", "", "Local derivatives"),
    table(locals), make("h2", "", "Its gradient is the sum of"), table(sum));
}
function pick(i) { // by hand: a second time puts it away
  choose(chosen === i ? null : i);
  $("details").scrollIntoView({ block: "nearest" });
  $("live").textContent = $("details").innerText;
}

// The player.
let [now, timer, noted] = [0, null, null];
function go(to) {
  const target = Math.min(last, Math.max(0, to));
  while (now < target) change(steps[++now], true);
  while (now > target) change(steps[now--], false);
  const [terms, ...sentences] = words[steps[now].kind](steps[now]);
  $("sum").replaceChildren(...terms);
  $("say").textContent = sentences.join(" ");
  $("result").replaceChildren(...(now < last ? [] : [table(leaves.map((n) => [n.name, full(n.grad)]))]));
  $("place").textContent = `Step ${now} of ${last}, ${now < seed ? "forward" : "backward"}`;
  $("live").textContent = `${$("place").textContent}. ${$("now").innerText.replaceAll("\n", " ")}`;
  $("slider").value = now;
  $("slider").setAttribute("aria-valuetext", $("place").textContent);
  [$("previous").disabled, $("next").disabled] = [now === 0, now === last];
  light(steps[now]);
  choose(chosen);
  clearTimeout(noted); // not at once: browsers refuse to change the address a hundred times a second
  noted = setTimeout(() => history.replaceState(null, "", `#${now}`), 150);
}
function play(on) {
  clearTimeout(timer);
  timer = on ? setTimeout(() => { go(now + 1); play(now < last); }, 1800 / $("speed").value) : null;
  $("play").textContent = on ? "Pause" : "Play";
  $("live").setAttribute("aria-live", on ? "off" : "polite"); // a voice could not keep up
}
const byHand = (to) => { play(false); go(to); };
const fromAddress = () => /^#\d+$/.test(location.hash) && byHand(+location.hash.slice(1));
const toggle = () => { if (timer) return play(false); go(now === last ? 0 : now + 1); play(true); };
addEventListener("hashchange", fromAddress);
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("select")) return;
  const to = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: last }[event.key];
  if (to !== undefined) byHand(to);
  else if (event.key === "Escape") choose(null);
  else if ([" ", "Enter"].includes(event.key) && event.target.matches(".node")) pick(boxes.indexOf(event.target));
  else if (event.key === " " && !event.target.matches("button, a")) toggle();
  else return;
  event.preventDefault();
});
$("previous").onclick = () => byHand(now - 1);
$("next").onclick = () => byHand(now + 1);
$("play").onclick = toggle;
$("slider").oninput = () => byHand(+$("slider").value);
nodes.forEach((n, i) => { showValue(i, !n.made); showGradient(i, null); boxes[i].onclick = () => pick(i); });
go(0);
fromAddress();
