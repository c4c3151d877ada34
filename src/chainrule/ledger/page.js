"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PHASES = ["Given", "Forward", "Loss", "Backward", "Update", "After the step"];
  const find = (id) => document.getElementById(id);
  const slider = find("slider");
  let step = 0, at = 0, chosen = null;

  const lists = [...document.querySelectorAll(".lines")];
  const rowOf = (i) => lists[step].querySelector(`tr[data-i="${i}"]`);
  const lines = () => data.steps[step].lines;

  // What the drawing shows when the lines up to `at` have been worked out.
  function paint() {
    const found = lines(), now = found[at], row = now.r ?? lastRow(found);
    const shown = {};
    for (let i = 0; i <= at; i++) {
      const line = found[i];
      if (!line.o || (line.r !== undefined && line.r !== row)) continue;
      const place = (shown[line.o] ??= { state: "", number: "", error: "" });
      if (line.k === "g" || line.k === "w") {
        place.state = "backward";
        if (line.k === "g") place.error = line.v;
      } else if (line.k === "u" || line.k === "c") {
        place.state = "update";
        if (line.o[0] === "e" && line.k === "u") place.number = line.v;
      } else {
        if (line.p > 0 || line.o[0] === "e") place.state ||= line.p > 0 ? "forward" : "";
        if (!(line.o[0] === "n" && isWeight(line))) place.number = line.v;
        if (line.p === 0 && line.o[0] === "n" && !isWeight(line)) place.state = "forward";
      }
    }
    for (const g of document.querySelectorAll(".node, .edge")) {
      const place = shown[g.id] ?? { state: "", number: "", error: "" };
      const base = g.classList.contains("node") ? "node" : "edge";
      const state = base === "node" && place.state === "update" ? "backward" : place.state;
      g.setAttribute("class", `${base} ${state}${g.id === now.o ? " here" : ""}${g.id === chosen ? " chosen" : ""}`);
      const number = g.querySelector(base === "node" ? ".number" : "text"), error = g.querySelector(".error");
      if (number) number.textContent = place.number;
      if (error) error.textContent = place.error;
    }
  }
  const isWeight = (line) => line.p === 0 && line.r === undefined;
  const lastRow = (found) => {
    for (let i = at; i >= 0; i--) if (found[i].r !== undefined) return found[i].r;
    return 0;
  };

  // A formula taken apart before every sign on its top level, so that a long one may go over several lines.
  function pieces(math) {
    const found = [math.cloneNode(false)];
    for (const part of [...math.children]) {
      const sign = part.localName === "mo" && "+−=".includes(part.textContent);
      if (sign && found.at(-1).children.length) {
        found.push(math.cloneNode(false));
        part.setAttribute("form", "infix");
      }
      found.at(-1).append(part);
    }
    return found.flatMap((piece) => [piece, document.createTextNode(" ")]);
  }

  function tell() {
    const now = lines()[at], row = rowOf(at), phase = document.querySelector(".phase");
    phase.textContent = `${PHASES[now.p]} · line ${at + 1} of ${lines().length}`;
    phase.className = `phase p${now.p}`;
    const [name, formula, value] = row.children;
    const box = document.querySelector(".formula");
    box.replaceChildren();
    const equals = "<math><mo>=</mo></math>";
    const add = (html, kind) => {
      const line = document.createElement("div");
      line.innerHTML = html;
      for (const math of line.querySelectorAll("math")) math.replaceWith(...pieces(math));
      if (kind) line.className = kind;
      box.append(line);
    };
    const [symbols, put] = formula.querySelectorAll("span");
    add(name.innerHTML + equals + (symbols ?? value).innerHTML);
    if (put) add(put.innerHTML, "put");
    if (symbols) add(equals + value.innerHTML + row.children[3].innerHTML, "result");
    document.querySelector(".said").textContent = name.title;
    for (const old of document.querySelectorAll("tr.here")) old.classList.remove("here");
    row.classList.add("here");
  }

  function show() {
    at = Math.max(0, Math.min(at, lines().length - 1));
    lists.forEach((list, i) => list.classList.toggle("current", i === step));
    slider.max = lines().length - 1;
    slider.value = at;
    slider.setAttribute("aria-valuetext", `line ${at + 1}`);
    const here = data.steps[step];
    find("step").textContent = `Step ${data.first + step}: loss ${here.loss}` + (here.after ? ` → ${here.after}` : "");
    find("earlier").disabled = step === 0;
    find("later").disabled = step === data.steps.length - 1;
    paint();
    tell();
  }

  function go(to) { at = to; show(); }
  function part(by) {
    const found = lines(), phase = found[at].p;
    let to = at;
    if (by > 0) while (to < found.length - 1 && found[to].p === phase) to++;
    else {
      while (to > 0 && found[to - 1].p === phase) to--;
      if (to === at && to > 0) { const before = found[to - 1].p; while (to > 0 && found[to - 1].p === before) to--; }
    }
    go(to);
  }
  function train(by) { step = Math.max(0, Math.min(step + by, data.steps.length - 1)); choose(chosen); show(); }

  // A unit or weight chosen: only its lines are listed, and the first one is told.
  function choose(id) {
    chosen = id;
    for (const list of lists) {
      list.classList.toggle("filtered", id !== null);
      for (const old of list.querySelectorAll(".mine")) old.classList.remove("mine");
    }
    find("chosen").hidden = id === null;
    if (id === null) return;
    lines().forEach((line, i) => {
      if (line.o !== id) return;
      const row = rowOf(i), table = row.closest("table");
      row.classList.add("mine");
      table.classList.add("mine");
      table.parentElement.previousElementSibling.classList.add("mine");
    });
  }
  function pick(id) {
    if (chosen === id) { choose(null); show(); return; }
    const own = lines().map((line, i) => [line, i]).filter(([line]) => line.o === id);
    if (!own.length) return;
    choose(id);
    // the last of its lines that was reached, or its first one that is computed
    const worked = own.filter(([line]) => line.p > 0), passed = worked.filter(([, i]) => i <= at);
    at = (passed.at(-1) ?? worked[0] ?? own[0])[1];
    show();
  }

  find("begin").onclick = () => go(0);
  find("back").onclick = () => go(at - 1);
  find("on").onclick = () => go(at + 1);
  find("end").onclick = () => go(Infinity);
  find("earlier").onclick = () => train(-1);
  find("later").onclick = () => train(1);
  find("all").onclick = () => { choose(null); show(); };
  slider.oninput = () => go(Number(slider.value));
  document.addEventListener("click", (event) => {
    const g = event.target.closest(".node, .edge[tabindex]"), row = event.target.closest("tr[data-i]");
    if (g) pick(g.id);
    else if (row) go(Number(row.dataset.i));
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const g = event.target.closest?.(".node, .edge[tabindex]");
    if (g && (event.key === "Enter" || event.key === " ")) { pick(g.id); event.preventDefault(); return; }
    const keys = {
      ArrowRight: () => go(at + 1), ArrowLeft: () => go(at - 1), Home: () => go(0), End: () => go(Infinity),
      PageDown: () => part(1), PageUp: () => part(-1), "[": () => train(-1), "]": () => train(1),
      Escape: () => { choose(null); show(); },
    };
    if (keys[event.key]) { keys[event.key](); event.preventDefault(); }
  });
  // The table's formulas follow when there is time, so that the page opens at once.
  const waiting = [...document.querySelectorAll("td:not(.value) math")];
  const later = window.requestIdleCallback ?? ((work) => setTimeout(work, 50));
  later(function split() {
    for (const math of waiting.splice(0, 60)) math.replaceWith(...pieces(math));
    if (waiting.length) later(split);
  });
  // It begins where the computation does; what is given can be looked at by going back.
  at = Math.max(0, lines().findIndex((line) => line.p > 0));
  show();
})();
