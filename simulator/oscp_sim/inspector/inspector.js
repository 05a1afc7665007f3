// The inspector: what the parties do, and a way to steer the simulated ones. Texts of messages go
// into the page as text alone, never as markup.

const LANES = ["Capacity Optimizer", "SolarUser", "Flexibility Provider", "Capacity Provider"];
const ROW = 40;
const MOST = 50000;
// How many rows are asked at once what they say, where a filter wants to know it of all.
const SOME = 400;
const byId = (id) => document.getElementById(id);
const nothing = () => ({ rows: [], sides: new Map(), numbered: new Map(), shown: [] });
const state = { ...nothing(), last: 0, came: 0, chosen: null, plotted: "", paused: false, follows: true, enters: false, token: sessionStorage.getItem("token") };

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((each) => each != null && each !== false));
  return element;
}

class Refused extends Error {}

async function ask(path, options = {}) {
  const headers = { Accept: "application/json", ...(options.headers ?? {}) };
  if (state.token) headers.Authorization = `Bearer ${state.token}`;
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) {
    byId("token").hidden = false;
    throw new Refused("This simulator asks for its control token.");
  }
  const text = await answer.text();
  if (!answer.ok) {
    let why = text;
    try { why = JSON.parse(text).error ?? text; } catch { /* it is no JSON */ }
    throw new Refused(why || `HTTP ${answer.status}`);
  }
  return text ? JSON.parse(text) : {};
}

const post = (path, body) => ask(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

let telling = 0;
function tell(text, isBad = false) {
  const told = byId("told");
  told.textContent = text;
  told.className = isBad ? "bad" : "";
  clearTimeout(telling);
  telling = setTimeout(() => { told.textContent = ""; }, isBad ? 12000 : 5000);
}

// What a simulated party sent, and got: why it was refused is in the exchange.
function answered(sent) {
  if (!sent) return;
  const { action, status, reason, entry } = sent;
  const isBad = status === null || status >= 400;
  tell(`${action}: ${status ?? "no answer"} ${reason}`, isBad);
  if (isBad) byId("told").append(", see entry ", linked(entry));
}

async function attempt(what, done) {
  try {
    const result = await what();
    if (done) tell(typeof done === "function" ? done(result) : done);
    return result;
  } catch (error) {
    tell(error.message, true);
    return null;
  }
}

// What happened.

const laneOf = (name) => Math.max(0, LANES.findIndex((lane) => name.startsWith(lane)));
const isBad = (row) => row.kind === "exchange"
  ? (!row.is_queue && (row.status === null || row.status >= 400)) || row.findings.some((each) => each.severity === "error") || /Declined/.test(row.answer)
  : row.state === "Declined" || row.findings.some((each) => each.severity === "error");

function take(rows) {
  for (const row of rows) {
    const first = row.kind === "exchange" && row.exchange != null ? state.sides.get(row.exchange) : null;
    if (first) {
      // Its other side: the sender's says what came back, the receiver's what was in it.
      if (row.is_sent) Object.assign(first, { status: row.status, from: row.from });
      else Object.assign(first, { to: row.to, receiver: row.number });
      first.unread.push(row.number);
      first.numbers.push(row.number);
      state.numbered.set(row.number, first);
      state.sides.delete(row.exchange);
      continue;
    }
    if (row.kind === "exchange" && row.exchange != null) state.sides.set(row.exchange, row);
    Object.assign(row, { says: "", answer: "", why: "", group: null, findings: [], unread: [row.number], numbers: [row.number] });
    state.numbered.set(row.number, row);
    state.rows.splice(place(row), 0, row);
  }
  if (state.rows.length > MOST) {
    for (const row of state.rows.splice(0, state.rows.length - MOST)) row.numbers.forEach((number) => state.numbered.delete(number));
  }
  if (state.sides.size > 2000) state.sides.delete(state.sides.keys().next().value);
}

// What rows say costs the simulator more than all else of them: it is asked of those in sight.
function hear(told) {
  for (const { number, says, findings, ...more } of told) {
    const row = state.numbered.get(number);
    if (!row?.unread.includes(number)) continue;
    row.unread = row.unread.filter((each) => each !== number);
    const known = new Set(row.findings.map((each) => each.rule));
    row.findings.push(...findings.filter((each) => !known.has(each.rule)));
    if (number === row.number) Object.assign(row, more);
    if (!row.says || number === row.receiver) row.says = says || row.says;
  }
  choices("group", told.map((each) => each.group));
}

const wantsAll = (filter) => Boolean(filter.group || filter.text || filter.bad);

function unheard() {
  const rows = wantsAll(wanted()) ? state.rows : state.shown.slice(...inSight());
  return rows.filter((row) => row.unread.length > 0).slice(-SOME);
}

let isHearing = false;
async function listen() {
  if (isHearing) return;
  isHearing = true;
  try {
    for (let rows; (rows = ["exchanges", "export"].includes(view) ? unheard() : []).length;) {
      const began = performance.now();
      const asked = new Set(rows.flatMap((row) => row.unread));
      const { told } = await ask(`/_sim/told?numbers=${[...asked].join()}`);
      hear(told);
      // What was forgotten meanwhile says nothing; of what came meanwhile, nothing was asked.
      for (const row of rows) row.unread = row.unread.filter((number) => !asked.has(number));
      refresh();
      const isBusy = performance.now() - state.came < 2000;
      // Nobody reads rows that pass by so quickly.
      if (isBusy) await moment(Math.max(8 * GLANCE, 9 * (performance.now() - began)));
    }
  } catch { /* the simulator is not there: the list says so, and asks again */ } finally {
    isHearing = false;
  }
}

// The journal has a request to SolarUser when it is answered: it goes before what it led to.
function place(row) {
  const end = state.rows.length;
  if (row.to !== "SolarUser" || row.instruction == null) return end;
  const newest = Math.max(0, end - 20);
  const first = state.rows.slice(newest).findIndex((each) => each.instruction === row.instruction);
  return first < 0 ? end : newest + first;
}

function fits(row, wanted) {
  const parties = row.kind === "exchange" ? [row.from, row.to] : [row.party];
  return (!wanted.party || parties.some((each) => each === wanted.party || each.replace(/ \d+$/, "") === wanted.party))
    && (!wanted.action || row.action === wanted.action)
    && (!wanted.group || row.group === wanted.group)
    && (!wanted.instruction || String(row.instruction) === wanted.instruction)
    && (!wanted.bad || isBad(row))
    && (!wanted.text || JSON.stringify(row).toLowerCase().includes(wanted.text.toLowerCase()));
}

const wanted = () => Object.fromEntries(new FormData(byId("filters")));

function choices(name, values) {
  const select = byId("filters").elements[name];
  for (const value of new Set(values)) {
    if (value && ![...select.options].some((each) => each.value === value)) select.append(make("option", {}, value));
  }
}

const counted = (number) => (number === 1 ? "1 row" : `${number} rows`);

function refresh() {
  const filter = wanted();
  const isAll = !Object.values(filter).some(Boolean);
  state.shown = isAll ? state.rows.slice() : state.rows.filter((row) => fits(row, filter));
  const left = wantsAll(filter) ? state.rows.filter((row) => row.unread.length).length : 0;
  const all = counted(state.rows.length);
  const count = isAll ? all : `${state.shown.length} of ${all}${left ? `, ${left} yet to be read` : ""}`;
  byId("count").textContent = count;
  byId("kept").textContent = isAll ? "Everything that the simulator remembers." : `What the filters show: ${count}.`;
  byId("all").hidden = isAll;
  byId("nothing").hidden = state.rows.length > 0;
  byId("none").hidden = state.rows.length === 0 || state.shown.length > 0 || left > 0;
  byId("space").style.height = `${state.shown.length * ROW}px`;
  if (state.follows) byId("list").scrollTop = state.shown.length * ROW;
  draw();
}

let drawing = 0;
function draw() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(() => {
    const [first, last] = inSight();
    byId("space").replaceChildren(...state.shown.slice(first, last).map((row, at) => drawn(row, first + at)));
    listen();
  });
}

function inSight() {
  const list = byId("list");
  const last = Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 5;
  return [Math.max(0, Math.floor(list.scrollTop / ROW) - 5), Math.min(state.shown.length, last)];
}

function drawn(row, at) {
  const time = row.at.slice(11, 23).replace("Z", "");
  const chosen = state.chosen === row.number;
  const way = make("div", { class: "way" }, ...(row.kind === "exchange" ? exchange(row) : [pill(row)]));
  return make("div", { class: "row", role: "option", id: `row-${row.number}`, style: `top:${at * ROW}px`, "aria-selected": String(chosen), "aria-posinset": at + 1, "aria-setsize": state.shown.length, "aria-label": spoken(row), onclick: () => open(row.number) },
    make("span", { class: "n" }, String(row.number)), make("span", { class: "t" }, time), way);
}

function spoken(row) {
  const found = row.findings.length ? `, ${row.findings.map((each) => each.rule).join(", ")}` : "";
  if (row.kind !== "exchange") return `${row.number}: ${row.party}, ${row.says}${found}`;
  return `${row.number}: ${row.from} to ${row.to}, ${row.action ?? row.method}, ${outcome(row)}${found}`;
}

const ending = (row) => (row.is_queue ? "queued" : row.status === null ? "no answer" : String(row.status));
const outcome = (row) => [ending(row), / Declined/.test(row.answer) ? row.answer : row.instruction ? `instruction ${row.instruction}` : "", row.why].filter(Boolean).join(", ");
const numbered = (name) => /\d+$/.exec(name)?.[0];

function exchange(row) {
  const [from, to] = [laneOf(row.from), laneOf(row.to)];
  const [left, right] = from === to ? [from, from + 0.5] : [Math.min(from, to), Math.max(from, to)];
  const place = `left:${12.5 + left * 25}%;width:${(right - left) * 25}%`;
  const bad = isBad(row);
  const kind = `arrow ${to >= from ? "right" : "left"}${bad ? " bad" : ""}${row.is_queue ? " queue" : ""}`;
  const what = row.action ?? `${row.method} ${(row.path ?? "").split("?")[0].split("/").pop()}`;
  const id = numbered(row.from) ?? numbered(row.to);
  const rules = [...new Set(row.findings.map((each) => each.rule))];
  const below = [outcome({ ...row, why: rules.length ? "" : row.why }), ...rules].join(", ");
  return [
    make("div", { class: kind, style: place }),
    make("div", { class: "label", style: place, title: row.says || row.path }, what + (id ? ` · ${id}` : "")),
    make("div", { class: `below${bad ? " bad" : ""}`, style: place, title: [below, row.why, row.answer].filter(Boolean).join("\n") }, below),
  ];
}

function pill(row) {
  const kind = isBad(row) ? " bad" : row.state === "Completed" ? " good" : "";
  return make("div", { class: `pill${kind}`, style: `left:${12.5 + laneOf(row.party) * 25}%`, title: row.says }, row.says);
}

// After news there is a moment until the next look: many exchanges a second are a few answers.
const GLANCE = 250;
const moment = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function live() {
  // The first answer comes at once, whether or not anything has happened.
  let isFirst = true;
  for (;;) {
    try {
      while (state.paused) await moment(GLANCE);
      const page = await ask(`/_sim/rows?since=${state.last}${isFirst ? "" : "&wait=20"}`);
      if (isFirst) await offerGroups();
      isFirst = false;
      byId("token").hidden = true;
      byId("state").textContent = state.paused ? "paused" : "live";
      if (page.forgotten && state.rows.length) { Object.assign(state, nothing()); refresh(); changed(); }
      state.last = page.last;
      if (page.rows.length) state.came = performance.now();
      take(page.rows);
      hear(page.told);
      choices("party", page.rows.flatMap((row) => [row.from, row.to]));
      choices("action", page.rows.map((row) => row.action));
      if (page.rows.length && !state.paused) { refresh(); changed(); }
      if (page.rows.length && !page.more) await moment(GLANCE);
    } catch (error) {
      byId("state").textContent = error instanceof Refused ? error.message : "the simulator is not there; trying again";
      isFirst = true;
      await moment(2000);
      if (!(error instanceof Refused)) await restarted();
    }
  }
}

// Rows name theirs only once they have been in sight.
async function offerGroups() {
  const { users } = await ask("/_sim/world");
  choices("group", users.flatMap((user) => (user.capacity_groups ?? []).map((each) => each.identifier)));
}

// A simulator that was started anew begins its numbers anew.
async function restarted() {
  try {
    const page = await ask("/_sim/rows?limit=1&since=4000000000000000");
    if (page.last < state.last) Object.assign(state, nothing(), { last: 0 });
  } catch { /* not yet */ }
}

function choose(step) {
  const at = state.shown.findIndex((row) => row.number === state.chosen);
  const next = state.shown[Math.min(state.shown.length - 1, Math.max(0, at < 0 ? (step > 0 ? 0 : state.shown.length - 1) : at + step))];
  if (!next) return;
  state.chosen = next.number;
  follow(false);
  const list = byId("list");
  const top = state.shown.indexOf(next) * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
  list.setAttribute("aria-activedescendant", `row-${next.number}`);
  draw();
}

function follow(does) {
  state.follows = does;
  byId("follow").setAttribute("aria-pressed", String(does));
  if (does) refresh();
}

const open = (number) => { location.hash = `entry/${number}`; };
const close = () => { location.hash = "exchanges"; byId("list").focus(); };

// One exchange.

async function show(number) {
  state.chosen = number;
  draw();
  const found = await attempt(() => ask(`/_sim/entries/${number}`));
  // Another one may have been chosen meanwhile.
  if (!found || state.chosen !== number) return;
  const { entry } = found;
  const detail = byId("detail");
  const title = found.from ? `${found.from} → ${found.to}` : entry.party.replaceAll("_", " ");
  detail.replaceChildren(
    make("h2", {}, linked(number), title, make("button", { type: "button", "aria-label": "Close", onclick: close }, "×")),
    make("p", { class: "soft" }, `${entry.at}${entry.action ? `, ${entry.action}` : ""}${entry.instruction_id ? `, instruction ${entry.instruction_id}` : ""}`, found.other && ", the other side is entry ", found.other && linked(found.other)),
    ...(found.from ? ofExchange(found) : ofNote(found)).filter(Boolean),
  );
  detail.hidden = false;
  detail.scrollTop = 0;
  if (state.enters) detail.focus();
  else detail.scrollIntoView({ block: "nearest" });
  state.enters = false;
}

const linked = (number) => make("a", { href: `#entry/${number}` }, String(number));

const ofNote = (found) => [
  found.entry.state && make("p", {}, `instruction ${found.entry.instruction_id} is ${found.entry.state}${found.entry.reason ? `: ${found.entry.reason}` : ""}`),
  ...Object.entries(found.entry.detail).map(([name, value]) => make("p", {}, `${name.replaceAll("_", " ")}: ${typeof value === "string" ? value : JSON.stringify(value)}`)),
  ...found.findings.map(finding),
];

function ofExchange(found) {
  const { entry } = found;
  const placed = new Map();
  for (const each of found.findings) {
    const at = each.pointer ?? "";
    placed.set(at, [...(placed.get(at) ?? []), each]);
  }
  let message = null;
  try { message = JSON.parse(found.message); } catch { /* it is no JSON: its findings say so */ }
  return [
    make("p", {}, make("span", { class: `badge ${found.is_queue ? "none" : found.status !== null && found.status < 400 && !/ Declined/.test(found.answer_says) ? "good" : "bad"}` }, ending(found)), `${found.method} ${found.target}`),
    found.says && make("p", {}, found.says),
    found.answer_says && make("p", { class: "problem" }, make("strong", {}, found.answer_says), found.hint && make("span", { class: "finding" }, make("br"), found.hint)),
    ...found.notes.map((note) => make("p", { class: "soft" }, note)),
    message === null ? null : make("h3", {}, "The message"),
    message === null ? null : make("ul", { class: "tree" }, tree("", message, "", placed)),
    ...[...placed.values()].flat().filter((each) => !each.told).map(finding),
    found.signature.canonical_request && signature(found),
    found.parts.length > 1 && parts(found.parts),
    make("h3", {}, "Request"),
    headersOf(found.headers),
    found.body && make("pre", { tabindex: "0" }, found.body),
    !found.is_queue && make("h3", {}, "Answer"),
    headersOf(found.answer_headers),
    found.answer ? make("pre", { tabindex: "0" }, found.answer) : !found.is_queue && make("p", { class: "soft" }, found.status === null ? "none" : "without a body"),
    make("p", { class: "buttons" }, found.curl && copying("Copy as curl", found.curl), copying("Copy as scenario step", () => ask(`/_sim/entries/${entry.number}/step`).then(({ step }) => step)), copying("Copy the message", found.message)),
  ];
}

const finding = (each) => make("p", { class: "finding" },
  make("span", { class: `badge ${each.severity === "error" ? "bad" : each.severity === "warning" ? "warn" : "none"}` }, each.rule),
  `${each.message}${each.hint ? `; ${each.hint}` : ""}`,
  each.explained && make("span", { class: "soft" }, each.explained));

const escaped = (key) => String(key).replaceAll("~", "~0").replaceAll("/", "~1");

function tree(key, value, pointer, placed) {
  const found = placed.get(pointer) ?? [];
  for (const each of found) each.told = true;
  const worst = found.some((each) => each.severity === "error") ? "found" : found.length ? "found warning" : null;
  const name = key === "" ? null : make("span", { class: "key" }, `${key}: `);
  const below = value !== null && typeof value === "object" ? Object.entries(value) : null;
  // A property that is missing is told where it ought to be.
  const missing = below ? [...placed.keys()].filter((each) => each.startsWith(`${pointer}/`) && !each.slice(pointer.length + 1).includes("/") && !below.some(([own]) => `${pointer}/${escaped(own)}` === each)) : [];
  const lines = [...found.map(finding)];
  if (!below) return make("li", { class: worst }, name, JSON.stringify(value), ...lines);
  const size = Array.isArray(value) ? `[${value.length}]` : "{}";
  return make("li", { class: worst }, name, make("span", { class: "soft" }, size), ...lines,
    make("ul", {}, ...below.map(([own, each]) => tree(own, each, `${pointer}/${escaped(own)}`, placed)),
      ...missing.flatMap((each) => placed.get(each).map((one) => { one.told = true; return make("li", { class: "found" }, make("span", { class: "key" }, each.split("/").pop()), finding(one)); }))));
}

const signature = (found) => make("div", {}, make("h3", {}, "The signature"), make("div", { class: "beside" },
  make("div", {}, make("p", { class: "soft" }, "What SolarUser signs of this request"), make("pre", {}, found.signature.canonical_request)),
  make("div", {}, make("p", { class: "soft" }, "What came, and what was said to be signed"), make("pre", {}, [found.method, found.target, "", ...found.headers.map(([name, value]) => `${name.toLowerCase()}:${value}`)].join("\n")))),
  found.signature.string_to_sign && make("details", {}, make("summary", {}, "the string to sign"), make("pre", {}, found.signature.string_to_sign)));

const parts = (texts) => make("div", {}, make("h3", {}, `In ${texts.length} parts of at most 256 UTF-16 units`),
  make("pre", { class: "parts", tabindex: "0" }, ...texts.map((text, at) => make("span", { "data-part": at + 1 }, text))));

const headersOf = (headers) => (headers.length ? make("table", { class: "headers-table" }, make("tbody", {}, ...headers.map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value))))) : null);

const copying = (title, text) => make("button", { type: "button", onclick: async () => {
  const copied = await attempt(async () => (typeof text === "string" ? text : text()));
  if (copied === null) return;
  // A browser may forbid it, and does to a page that neither HTTPS nor this machine serves.
  try { await navigator.clipboard.writeText(copied); tell("Copied."); } catch { prompt("Your browser does not let a page copy it; do it here:", copied); }
} }, title);

// Capacity.

async function capacity() {
  const found = await attempt(() => ask("/_sim/plots"));
  if (!found || JSON.stringify(found) === state.plotted) return;
  state.plotted = JSON.stringify(found);
  const figures = found.plots.map((plot) => {
    // The drawing is ours, and what it shows of messages was escaped when it was made.
    const drawing = parsed(plot.svg);
    const told = [...drawing.querySelectorAll(".told")].map((each) => each.textContent.split("\n"));
    const here = make("p", { class: "soft" }, told.length ? "Point at a time to read its values." : "Too many values to point at.");
    drawing.addEventListener("pointerover", ({ target }) => { if (target.matches(".told")) here.textContent = target.textContent.replaceAll("\n", ", "); });
    return make("figure", {}, make("figcaption", {}, plot.title),
      make("ul", { class: "legend" }, ...plot.legend.map(([kind, meaning]) => make("li", {}, sample(kind), meaning))),
      make("div", { class: "wide", tabindex: "0", role: "group", "aria-label": plot.title }, drawing), here,
      told.length > 0 && make("details", { "data-of": plot.title }, make("summary", {}, "Values as a table"), make("table", { class: "headers-table" }, make("tbody", {}, ...told.map(([when, ...values]) => make("tr", {}, make("th", { scope: "row" }, when), make("td", {}, values.join(", "))))))));
  });
  redraw(byId("plots"), figures.length ? figures : [make("p", { class: "soft" }, "No forecast was sent yet.")]);
}

// What is open, and where the keyboard is, stays.
function redraw(place, children) {
  const known = new Map([...place.querySelectorAll("details")].map((each) => [each.dataset.of, each.open]));
  const at = place.contains(document.activeElement) ? document.activeElement : null;
  place.replaceChildren(...children);
  for (const each of place.querySelectorAll("details")) {
    if (known.has(each.dataset.of)) each.open = known.get(each.dataset.of);
    if (at?.parentElement?.dataset.of === each.dataset.of && at.tagName === "SUMMARY") each.firstElementChild.focus();
  }
  if (at?.tagName === "A") [...place.querySelectorAll("a")].find((each) => each.hash === at.hash)?.focus();
}

function sample(kind) {
  const shape = kind === "limit" ? '<g class="limit"><rect width="34" height="12"/></g>' : `<g class="series ${kind}"><line x1="0" x2="34" y1="6" y2="6"/></g>`;
  return parsed(`<svg viewBox="0 0 34 12" aria-hidden="true">${shape}</svg>`);
}

// Nothing in it is carried out, and the page's policy forbids what could be.
const parsed = (svg) => document.adoptNode(new DOMParser().parseFromString(svg, "text/html").body.firstElementChild);

// Control.

const field = (title, name, attributes = {}) => make("label", {}, `${title} `, make("input", { name, ...attributes }));
const given = (form) => Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== "" && typeof value === "string"));
const system = (select) => { const [kind, id, user] = select.value.split(" "); return { kind, path: `/_sim/${kind}/${id}`, query: `?user=${user}` }; };

function sending(select, command, title, fields = [], read = given) {
  return make("form", { onsubmit: (event) => {
    event.preventDefault();
    const { path, query } = system(select);
    attempt(() => post(`${path}/${command}${query}`, read(event.target))).then(answered);
  } }, make("button", {}, title), ...fields);
}

async function control() {
  const world = await attempt(() => ask("/_sim/world"));
  const clock = await attempt(() => ask("/_sim/clock"));
  const faults = await attempt(() => ask("/_sim/faults"));
  const known = await attempt(() => ask("/_sim/fault-kinds"));
  if (!world || !clock || !faults || !known) return;
  const made = JSON.stringify([world.users.map((user) => [user.id, ...["capacity_providers", "capacity_optimizers"].map((key) => (user[key] ?? []).map((each) => [each.id, each.name]))]), clock.runs]);
  if (byId("control").dataset.made === made) {
    // What was typed stays.
    byId("now").replaceWith(now(clock));
    byId("faults").replaceWith(armed(faults));
    return;
  }
  byId("control").dataset.made = made;
  const select = make("select", { "aria-label": "Simulated system" });
  for (const user of world.users) {
    for (const [key, kind, name] of [["capacity_providers", "providers", "Capacity Provider"], ["capacity_optimizers", "optimizers", "Capacity Optimizer"]]) {
      for (const each of user[key] ?? []) select.append(make("option", { value: `${kind} ${each.id} ${user.id}` }, `${name} ${each.id}, ${each.name}`));
    }
  }
  if ([...select.options].some((each) => each.value === state.system)) select.value = state.system;
  const numbers = (form) => { const values = given(form); return "heartbeat_interval" in values ? { heartbeat_interval: Number(values.heartbeat_interval) } : {}; };
  byId("control").replaceChildren(
    make("fieldset", {}, make("legend", {}, "A simulated party"), make("div", { class: "line" }, select),
      make("div", { class: "line" }, sending(select, "register", "Register"), sending(select, "heartbeat", "Heartbeat"),
        sending(select, "handshake", "Handshake", [field("heartbeat every", "heartbeat_interval", { type: "number", min: 1, placeholder: "seconds", size: 8 })], numbers)), forecasting(select)),
    make("fieldset", {}, make("legend", {}, "The clock"), now(clock), clock.runs === "real" ? make("p", { class: "soft" }, "It is the machine's: start with --clock frozen or fast to move it.") : advancing(), clock.runs === "fast" && running()),
    faulting(faults, known),
    make("fieldset", {}, make("legend", {}, "Begin anew"), make("button", { type: "button", onclick: () => { if (confirm("Forget everything that happened?")) attempt(() => post("/_sim/reset", {}), () => { Object.assign(state, nothing()); refresh(); return "All is as at the start."; }); } }, "Forget everything")),
  );
}

function forecasting(select) {
  const sender = make("button", {});
  const titled = () => { state.system = select.value; sender.textContent = select.value.startsWith("providers") ? "Send as forecast" : "Send as adjustment"; };
  select.addEventListener("change", titled);
  titled();
  const area = make("textarea", { name: "csv", "aria-label": "Table", oninput: () => typed(), placeholder: "start,capacity\n2026-12-01T00:00:00+01:00,50\n2026-12-01T00:15:00+01:00,42.5" });
  let file = null;
  const asks = "Type or paste a table, or drop a CSV or XLSX file here.";
  const dropped = make("p", { class: "soft" }, asks);
  const picker = make("input", { type: "file", "aria-label": "CSV or XLSX file", accept: ".csv,.txt,.tsv,.xlsx", onchange: () => take1(picker.files[0]) });
  const take1 = (chosen) => {
    file = chosen ?? null;
    dropped.textContent = file ? `${file.name}, ${file.size} bytes, will be sent; what you type here takes its place.` : asks;
    tell("");
  };
  // A file that was there before would be sent instead.
  const typed = () => { if (file) { picker.value = ""; take1(null); } };
  const form = make("form", { class: "drop", ondragover: (event) => { event.preventDefault(); form.classList.add("over"); }, ondragleave: () => form.classList.remove("over"),
    ondrop: (event) => { event.preventDefault(); form.classList.remove("over"); picker.value = ""; take1(event.dataTransfer.files[0]); },
    onsubmit: (event) => {
      event.preventDefault();
      const body = new FormData();
      body.append("file", file ?? new Blob([area.value], { type: "text/csv" }), file?.name ?? "table");
      const { csv, columns, ...fields } = given(form);
      for (const [name, value] of Object.entries(fields)) body.append(name, value === "on" ? "true" : value);
      for (const column of (columns ?? "").split(/,(?=[^,=]*=)/)) if (column.trim()) body.append("columns", column.trim());
      const { kind, path, query } = system(select);
      const command = kind === "providers" ? "forecast" : "adjust";
      attempt(() => ask(`${path}/${command}${query}`, { method: "POST", body })).then(answered);
    } },
  dropped, area, picker, make("div", { class: "line" },
    field("group", "group", { size: 10 }), field("type", "type", { size: 14, placeholder: "CONSUMPTION" }), field("unit", "unit", { size: 4, placeholder: "KW" }), field("phase", "phase", { size: 6, placeholder: "ALL" }), field("step", "step", { size: 5, placeholder: "15m" }),
    field("time zone", "time_zone", { size: 16, placeholder: "Europe/Amsterdam" }), field("date format", "date_format", { size: 16, placeholder: "%d.%m.%Y %H:%M" }), field("columns", "columns", { size: 24, placeholder: "start=Begin,capacity=kW" }), make("label", {}, make("input", { type: "checkbox", name: "decimal_comma" }), " decimal comma")),
  sender);
  return form;
}

const submitted = (what, done, ...children) => make("form", { onsubmit: (event) => { event.preventDefault(); attempt(() => what(event.target), done).then((result) => result && control()); } }, ...children);

const advancing = () => submitted((form) => post("/_sim/clock", { advance: given(form).advance }), (clock) => `It is ${clock.now}.`,
  field("advance by", "advance", { placeholder: "15m", required: true, size: 6 }), make("button", {}, "Let it pass"));

const running = () => submitted((form) => post("/_sim/clock", { speed: Number(given(form).speed) || null }), (clock) => (clock.speed ? `An hour passes in ${+(3600 / clock.speed).toPrecision(3)} seconds.` : "It runs only for who waits."),
  field("speed", "speed", { type: "number", min: 0, step: "any", placeholder: "none", size: 8 }), make("button", {}, "Run so fast"));

const words = (name) => name.replaceAll("_", " ");

const now = (clock) => make("p", { id: "now" }, `${clock.now}, ${clock.runs}${clock.speed ? ` at ${clock.speed} times the machine's speed` : ""}`);

const armed = ({ faults }) => make("div", { id: "faults", tabindex: "-1" }, faults.length ? make("ul", {}, ...faults.map((rule) => make("li", {}, make("code", {}, JSON.stringify(rule)), " ", disarming(rule)))) : make("p", { class: "soft" }, "Nothing."));
const disarming = ({ number }) => make("button", { type: "button", "aria-label": `Take fault ${number} away`, onclick: () => attempt(() => ask(`/_sim/faults?number=${number}`, { method: "DELETE" }), "It goes well again.").then(control).then(() => byId("faults").focus()) }, "Take away");

function faulting(faults, known) {
  const rule = make("textarea", { name: "rule", "aria-label": "Rule as JSON", required: true, placeholder: '{"where": "capacity_provider", "fault": "status", "status": 503, "times": 1}' });
  const arm = (value) => post("/_sim/faults", value);
  return make("fieldset", {}, make("legend", {}, "What goes wrong on purpose"), armed(faults), choosing(known, arm),
    make("details", {}, make("summary", {}, "Write it as JSON"), submitted(() => arm(JSON.parse(rule.value)), "From now on.", rule, make("button", {}, "Let the rule go wrong"))));
}

// A rule of chosen words: those that a fault takes, as its schema says.
function choosing(known, arm) {
  const where = make("select", { name: "where", onchange: () => kinds() }, ...known.words.where.enum.map((each) => make("option", { value: each }, words(each))));
  const fault = make("select", { name: "fault", onchange: () => details() });
  const more = make("div", { class: "line" });
  const kinds = () => {
    fault.replaceChildren(...Object.entries(known.kinds).filter(([, kind]) => kind.where.includes(where.value)).map(([name, kind]) => make("option", { value: name }, `${words(name)}: ${kind.does}`)));
    details();
  };
  const details = () => {
    const { takes, needs } = known.kinds[fault.value];
    const first = ["action", ...needs].filter((name) => takes.includes(name));
    const fields = (names) => names.map((name) => asked(name, known, needs.includes(name))).filter(Boolean);
    more.replaceChildren(...fields([...first, "times"]), make("details", {}, make("summary", {}, "More"), make("div", { class: "line" }, ...fields([...takes.filter((name) => !first.includes(name)), "after", "every", "probability"]))));
  };
  where.value = "capacity_provider";
  kinds();
  return submitted((form) => arm(ruled(form, known)), "From now on.", make("label", {}, "Where ", where), make("label", {}, "What ", fault), more, make("button", {}, "Let it go wrong"));
}

function asked(name, known, required = false) {
  const { type, enum: values, description } = known.words[name];
  if (type === "object") return null;
  const choices = values ?? (type === "boolean" ? ["true", "false"] : null);
  const attributes = { name, title: description, ...(required && { required }) };
  if (choices) return make("label", { title: description }, `${words(name)} `, make("select", attributes, make("option", { value: "" }, name === "action" ? "any" : "as usual"), ...choices.map((each) => make("option", {}, each))));
  const isNumber = ["integer", "number"].includes(type);
  return field(words(name), name, { ...attributes, size: 9, ...(isNumber ? { type: "number", step: type === "integer" ? 1 : "any" } : {}) });
}

const ruled = (form, known) => Object.fromEntries(Object.entries(given(form)).map(([name, value]) => {
  const { type } = known.words[name];
  if (["integer", "number"].includes(type)) return [name, Number(value)];
  if (type === "boolean") return [name, value === "true"];
  return [name, type === "array" ? value.split(",").map((each) => each.trim()) : value];
}));

// World.

async function world() {
  const found = await attempt(() => ask("/_sim/world"));
  if (!found) return;
  const parts = [];
  for (const user of found.users) {
    parts.push(make("h2", {}, `User ${user.id}: nodes ${(user.nodes ?? []).map((each) => each.id ?? each).join(", ") || "none"}`));
    for (const [key, kind, name] of [["capacity_providers", "providers", "Capacity Provider"], ["capacity_optimizers", "optimizers", "Capacity Optimizer"]]) {
      for (const each of user[key] ?? []) {
        const known = await ask(`/_sim/${kind}/${each.id}?user=${user.id}`).catch(() => null);
        parts.push(table(`${name} ${each.id}, ${each.name}${known ? `: ${standing(known)}` : ""}`, { ...each, ...(known ? brief(known) : {}) }));
      }
    }
    for (const each of user.capacity_groups ?? []) parts.push(table(`Capacity Group ${each.id}, ${each.identifier}`, each));
  }
  const ends = new Map();
  for (const row of state.rows) if (row.instruction) ends.set(row.instruction, [row.number, row.state ?? ends.get(row.instruction)?.[1]]);
  parts.push(make("h2", {}, "Instructions"), ends.size ? make("table", {}, make("tbody", {}, ...[...ends].slice(-500).map(([id, [number, end]]) => make("tr", {}, make("th", { scope: "row" }, String(id)), make("td", {}, end || "under way", ", entry ", linked(number)))))) : make("p", { class: "soft" }, "None yet."));
  redraw(byId("world"), parts);
}

const standing = (known) => [known.registered ? "registered" : "not registered", known.handshaken ? "shook hands" : "did not shake hands", known.offline ? "offline" : "online"].join(", ");
// What was agreed is told; what was sent and got is in the exchanges.
const brief = (known) => Object.fromEntries(Object.entries(known).filter(([name, value]) => value === null || typeof value !== "object" || ["required", "asked"].includes(name)));
const word = (value) => (value === null ? "none" : value === true ? "yes" : value === false ? "no"
  : Array.isArray(value) ? value.map(word).join(", ") || "none"
    : typeof value === "object" ? Object.entries(value).map(([name, each]) => `${name.replaceAll("_", " ")}: ${word(each)}`).join("; ") : String(value));
const table = (title, values) => make("details", { open: true, "data-of": title.split(":")[0] }, make("summary", {}, title), make("table", { class: "headers-table" }, make("tbody", {}, ...Object.entries(values).map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, name.replaceAll("_", " ")), make("td", {}, word(value)))))));

// Views.

const VIEWS = { exchanges: () => refresh(), capacity, control, world, export: () => refresh() };
let view = "exchanges";

let isStale = false;
let isAsking = false;

// What these views ask for costs the simulator time: it gets nine times as much for its parties.
async function changed() {
  isStale = true;
  if (isAsking) return;
  isAsking = true;
  try {
    while (isStale && ["capacity", "world"].includes(view)) {
      isStale = false;
      const began = performance.now();
      await VIEWS[view]();
      await new Promise((done) => setTimeout(done, 9 * (performance.now() - began)));
    }
  } finally {
    isAsking = false;
  }
}

function route() {
  byId("told").textContent = "";
  const [name, number] = location.hash.slice(1).split("/");
  view = name in VIEWS ? name : "exchanges";
  for (const each of Object.keys(VIEWS)) byId(each).hidden = each !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  byId("detail").hidden = name !== "entry";
  VIEWS[view]();
  if (name === "entry") show(Number(number));
}

byId("filters").addEventListener("input", () => refresh());
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("pause").addEventListener("click", () => {
  state.paused = !state.paused;
  byId("pause").setAttribute("aria-pressed", String(state.paused));
  byId("state").textContent = state.paused ? "paused" : "live";
  if (!state.paused) refresh();
});
byId("follow").addEventListener("click", () => follow(!state.follows));
byId("list").addEventListener("scroll", () => {
  const list = byId("list");
  if (state.follows && list.scrollTop + list.clientHeight < list.scrollHeight - ROW) follow(false);
  draw();
});
byId("list").addEventListener("keydown", (event) => {
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -MOST, End: MOST };
  if (event.key in steps) { event.preventDefault(); choose(steps[event.key]); }
  if (event.key === "Enter" && state.chosen !== null) {
    state.enters = true;
    if (location.hash === `#entry/${state.chosen}`) byId("detail").focus();
    else open(state.chosen);
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && location.hash.startsWith("#entry/")) close();
});
byId("token").addEventListener("submit", (event) => {
  event.preventDefault();
  state.token = new FormData(event.target).get("token");
  sessionStorage.setItem("token", state.token);
  event.target.hidden = true;
  route();
});
for (const link of document.querySelectorAll("a[download]")) {
  // A link cannot show the control token.
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    const headers = state.token ? { Authorization: `Bearer ${state.token}` } : {};
    const chosen = byId("all").hidden ? null : JSON.stringify({ entries: state.shown.flatMap((row) => row.numbers) });
    const answer = await fetch(link.href, { headers, ...(chosen && { method: "POST", body: chosen, headers: { ...headers, "Content-Type": "application/json" } }) });
    if (!answer.ok) { tell((await answer.json()).error ?? `HTTP ${answer.status}`, true); return; }
    const address = URL.createObjectURL(await answer.blob());
    make("a", { href: address, download: link.download || link.pathname.split("/").pop() }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  });
}
for (const id of ["all", "any"]) byId(id).addEventListener("click", () => { byId("filters").reset(); refresh(); });
addEventListener("hashchange", route);
addEventListener("resize", draw);
route();
live();
