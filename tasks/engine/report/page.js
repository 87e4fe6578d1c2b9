// Fills the charts with what the view shows: never more points than there are pixels, however long the recording.
"use strict";
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const item = JSON.parse(document.getElementById("item").textContent);
  const root = document.documentElement;
  const at = (id) => document.getElementById(id);
  const MAX_POINTS = 800;
  const SCORE_STEPS = 10000;

  // --- messages ---

  const text = (key, fields = {}) =>
    data.messages[root.lang][key].replace(/\{(\w+)\}/g, (_, name) => String(fields[name]));
  const decimal = (number, digits) => number.toFixed(digits).replace(".", data.messages[root.lang].decimal);
  const clock = (seconds) => {
    const whole = Math.floor(Math.round(seconds * 1000) / 1000);
    const two = (number) => String(number).padStart(2, "0");
    const rest = decimal(Math.round(seconds * 1000) / 1000 - whole, 3).slice(1);
    return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}${rest}`;
  };
  const timecode = (seconds) => clock(seconds).replace(",", ".");
  const legend = () => [
    ["background:#0072B2", "", data.compared ? text("candidate") : text("timeline")],
    ...(data.compared ? [
      ["background:#E69F00", "", text("reference")],
      ["background:#D55E00", "", text("legend_flip")],
      ["background:#CC79A7", "", text("legend_other")],
    ] : []),
    ["", "dashed", text("legend_decision", { threshold: decimal(data.threshold, 2) })],
  ];
  const speak = () => {
    for (const place of document.querySelectorAll("[data-message]")) place.textContent = text(place.dataset.message);
    at("language").textContent = text("language");
    at("language").lang = root.lang === "fr" ? "en" : "fr";
    at("charts").setAttribute("aria-label", text("picture"));
    at("turns_region").setAttribute("aria-label", text("turns"));
    const helped = ["help", ...(data.places.length ? ["help_differences"] : []), ...(data.sound ? ["help_sound"] : [])];
    at("help").textContent = `${helped.map((key) => text(key)).join(", ")}.`;
    at("legend").replaceChildren(...legend().map(([style, kind, words]) => {
      const line = document.createElement("li");
      const swatch = document.createElement("i");
      swatch.style.cssText = style;
      swatch.className = kind;
      line.append(swatch, words);
      return line;
    }));
    if (data.sound) {
      const whole = data.sound[0] === 0 && data.sound[1] >= data.duration - 1;
      const ends = { start: clock(data.sound[0]), end: clock(data.sound[1]) };
      at("sound_note").textContent = whole ? text("sound_note") : text("excerpt", ends);
    }
  };
  at("language").addEventListener("click", () => {
    root.lang = root.lang === "fr" ? "en" : "fr";
    speak();
    tell();
    list();
  });

  // --- data ---

  const unpack = async (packed, Kind) => {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Kind(await new Response(plain).arrayBuffer());
  };
  const summed = (values, Kind) => {
    const sums = new Kind(values.length);
    let sum = 0;
    for (let place = 0; place < values.length; place += 1) sums[place] = sum += values[place];
    return sums;
  };
  // Lowest and highest of 1, 2, 4, 8 … neighbours.
  const pyramid = (low, high) => {
    const levels = [[low, high]];
    while (levels.at(-1)[0].length > MAX_POINTS) {
      const [lows, highs] = levels.at(-1);
      const length = Math.ceil(lows.length / 2);
      const [less, more] = [new low.constructor(length), new high.constructor(length)];
      for (let place = 0; place < length; place += 1) {
        const other = Math.min(2 * place + 1, lows.length - 1);
        less[place] = Math.min(lows[2 * place], lows[other]);
        more[place] = Math.max(highs[2 * place], highs[other]);
      }
      levels.push([less, more]);
    }
    return levels;
  };
  const series = async (packed) => {
    if (!packed) return null;
    const values = summed(await unpack(packed, Int16Array), Int16Array);
    return pyramid(values, values);
  };
  if (typeof DecompressionStream === "undefined") {
    speak();
    at("charts").textContent = text("too_old");
    return;
  }
  const times = data.clock ? summed(await unpack(data.clock, Int32Array), Float64Array) : null;
  const timeOf = (frame) => (times ? (frame < times.length ? times[frame] / 10000 : data.duration) : frame / data.fps);
  const frameAt = (seconds) => {
    let [low, high] = [0, data.frames];
    if (!times) return Math.max(0, Math.min(data.frames - 1, Math.floor(seconds * data.fps + 1e-6)));
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (timeOf(middle) <= seconds) low = middle; else high = middle;
    }
    return low;
  };
  const scores = { candidate: await series(data.scores.candidate), reference: await series(data.scores.reference) };
  const wave = data.wave && pyramid(await unpack(data.wave.low, Int8Array), await unpack(data.wave.high, Int8Array));

  // --- charts ---

  await Bokeh.embed.embed_item(item, "charts");
  const made = Bokeh.documents.at(-1);
  const model = (name) => made.get_model_by_name(name);
  const view = model("view");
  const sources = {};
  for (const one of made._all_models.values()) {
    if (one.type === "ColumnDataSource") sources[one.name] = one;
  }
  const charts = ["chart_overview", "chart_lanes", "chart_scores", "chart_wave"].map(model).filter(Boolean);
  const fill = (name, columns) => { if (sources[name]) sources[name].data = columns; };

  // First of the runs that ends after a frame.
  const firstAfter = (runs, frame) => {
    let [low, high] = [0, runs.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (runs[middle][1] > frame) high = middle; else low = middle + 1;
    }
    return low;
  };
  // Runs of the view in seconds; those closer than a pixel are one.
  const visible = (runs, from, to, join) => {
    const found = [];
    for (let place = firstAfter(runs, from); place < runs.length && runs[place][0] < to; place += 1) {
      const last = found.at(-1);
      if (last && runs[place][0] - last[1] < join) last[1] = runs[place][1];
      else found.push([...runs[place]]);
    }
    return found;
  };
  const boxes = (parts) => {
    const columns = { left: [], right: [], bottom: [], top: [] };
    for (const [runs, bottom, top] of parts) {
      for (const [first, stop] of runs) {
        columns.left.push(timeOf(first));
        columns.right.push(timeOf(stop));
        columns.bottom.push(bottom);
        columns.top.push(top);
      }
    }
    return columns;
  };
  const level = (levels, first, stop) => {
    let height = 0;
    while (height < levels.length - 1 && (stop - first) / 2 ** height > MAX_POINTS / 2) height += 1;
    return height;
  };
  const line = (levels, from, to) => {
    const columns = { x: [], y: [] };
    if (!levels) return columns;
    const height = level(levels, from, to);
    const [low, high] = levels[height];
    const size = 2 ** height;
    for (let place = Math.floor(from / size); place < low.length && place * size <= to; place += 1) {
      const middle = (timeOf(place * size) + timeOf(Math.min((place + 1) * size, data.frames))) / 2;
      columns.x.push(middle);
      columns.y.push(low[place] / SCORE_STEPS);
      if (height) {
        columns.x.push(middle);
        columns.y.push(high[place] / SCORE_STEPS);
      }
    }
    return columns;
  };
  const band = (from, to) => {
    const columns = { x: [], y1: [], y2: [] };
    const [first, stop] = [Math.max(0, Math.floor(from / data.wave.step)), Math.ceil(to / data.wave.step)];
    const height = level(wave, first, stop);
    const [low, high] = wave[height];
    const size = 2 ** height;
    for (let place = Math.floor(first / size); place < low.length && place * size <= stop; place += 1) {
      columns.x.push((place + 0.5) * size * data.wave.step);
      columns.y1.push(low[place] / 127);
      columns.y2.push(high[place] / 127);
    }
    return columns;
  };
  const draw = () => {
    const [from, to] = [frameAt(view.start), Math.min(frameAt(view.end) + 2, data.frames)];
    const join = (to - from) / MAX_POINTS;
    const rows = data.lanes.length;
    const half = data.compared ? 0.5 : 0.9;
    const shown = (runs) => visible(runs, Math.max(0, from - 1), to, join);
    const [flips, others] = [shown(data.flips), shown(data.others)];
    fill("candidate", boxes(data.lanes.map((lane, row) => [shown(lane.c), rows - row - half, rows - row - 0.08])));
    fill("reference", boxes(data.lanes.map((lane, row) => [shown(lane.r), rows - row - 0.92, rows - row - 0.5])));
    fill("flips", boxes([[flips, 0, rows]]));
    fill("others", boxes([[others, 0, rows]]));
    fill("flip_strip", boxes([[flips, -0.2, -0.03]]));
    fill("other_strip", boxes([[others, -0.2, -0.03]]));
    fill("score_candidate", line(scores.candidate, from, to));
    fill("score_reference", line(scores.reference, from, to));
    if (wave) fill("wave", band(view.start, view.end));
    fill("window", { left: [view.start], right: [view.end], bottom: [0], top: [1] });
  };
  const drawOverview = () => {
    const cells = 400;
    const share = new Float64Array(cells);
    const marked = data.compared ? [...data.flips, ...data.others] : data.lanes.flatMap((lane) => lane.c);
    for (const [first, stop] of marked) {
      for (let cell = Math.floor(first / data.frames * cells); cell < cells; cell += 1) {
        const [begin, end] = [cell * data.frames / cells, (cell + 1) * data.frames / cells];
        if (begin >= stop) break;
        share[cell] += (Math.min(stop, end) - Math.max(first, begin)) / (end - begin);
      }
    }
    const columns = { left: [], right: [], bottom: [], top: [] };
    share.forEach((part, cell) => {
      if (!part) return;
      columns.left.push(timeOf(Math.floor(cell * data.frames / cells)));
      columns.right.push(timeOf(Math.floor((cell + 1) * data.frames / cells)));
      columns.bottom.push(0);
      columns.top.push(Math.max(0.06, Math.min(1, part)));
    });
    fill("overview", columns);
  };
  // Hours where many seconds show, seconds where few do.
  const Clock = Bokeh.Models.get("NumeralTickFormatter");
  const ticks = [charts[0].below[0].formatter, new Clock({ format: "00:00:00" })];
  const label = () => {
    for (const chart of charts) {
      const seconds = chart.name === "chart_overview" ? data.duration : view.end - view.start;
      chart.below[0].formatter = ticks[Number(seconds > 20)];
      // As many labels as there is room for: on a phone four, on a desk ten.
      chart.below[0].ticker.desired_num_ticks = Math.max(2, Math.min(10, Math.floor(at("charts").clientWidth / 90)));
    }
  };
  let waiting = false;
  const later = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; label(); draw(); });
  };
  view.change.connect(later);
  addEventListener("resize", later);

  // --- colours ---

  const paint = (light) => {
    const dark = !light && matchMedia("(prefers-color-scheme: dark)").matches;
    const ink = dark ? "#ececec" : "#1a1a1a";
    for (const chart of charts) {
      chart.outline_line_color = ink;
      for (const place of ["above", "below", "left", "right", "center"]) {
        for (const one of chart[place]) {
          if (one.type.endsWith("Axis")) {
            one.axis_label_text_color = one.major_label_text_color = ink;
            one.axis_line_color = one.major_tick_line_color = one.minor_tick_line_color = ink;
          } else if (one.type === "Grid") one.grid_line_color = ink;
          else if (one.type === "Span") one.line_color = ink;
        }
      }
    }
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paint(false));
  addEventListener("beforeprint", () => paint(true));
  addEventListener("afterprint", () => paint(false));

  // --- moving ---

  const show = (start, end) => {
    const width = Math.min(end - start, data.duration);
    const left = Math.max(0, Math.min(start, data.duration - width));
    view.setv({ start: left, end: left + width });
  };
  const zoom = (factor) => {
    const seconds = (view.end - view.start) * factor;
    const middle = chosen !== null && timeOf(chosen) >= view.start && timeOf(chosen) <= view.end
      ? timeOf(chosen) : (view.start + view.end) / 2;
    const part = (middle - view.start) / (view.end - view.start);
    const width = Math.max(Math.min(0.2, data.duration), Math.min(seconds, data.duration));
    show(middle - part * width, middle + (1 - part) * width);
  };
  const pan = (part) => show(view.start + part * (view.end - view.start), view.end + part * (view.end - view.start));
  const whole = () => show(0, data.duration);
  const worst = () => show(...data.places[0]);
  const all = [...data.flips, ...data.others].sort((one, other) => one[0] - other[0]);
  const next = () => {
    const from = chosen === null ? frameAt(view.start) - 1 : chosen;
    const found = all.find(([first]) => first > from) || all[0];
    if (found) choose(found[0], true);
  };

  // --- the chosen frame ---

  let chosen = null;
  const inside = (runs, frame) => {
    const found = runs[firstAfter(runs, frame)];
    return Boolean(found) && found[0] <= frame;
  };
  const saying = (side) => {
    const [runs, name] = side === "candidate" ? ["c", "candidate"] : ["r", "reference"];
    const who = data.lanes.filter((lane) => inside(lane[runs], chosen)).map((lane) => lane[name]);
    const level = scores[side];
    const score = level ? `, ${text("score", { score: decimal(level[0][0][chosen] / SCORE_STEPS, 3) })}` : "";
    return `${text(side === "candidate" && !data.compared ? "timeline" : side)}: ${who.join(", ") || text("nobody")}${score}`;
  };
  const tell = () => {
    if (chosen === null) return;
    const where = text("frame", { frame: chosen + 1, frames: data.frames, time: clock(timeOf(chosen)) });
    const differs = inside(data.flips, chosen) ? text("legend_flip") : inside(data.others, chosen) ? text("legend_other") : "";
    const parts = [where, saying("candidate"), ...(data.compared ? [saying("reference")] : []), ...(differs ? [differs] : [])];
    at("readout").textContent = parts.join(" · ");
  };
  // An address of this instant: to be kept, or sent to somebody. Once the frame rests, not while it plays or a key is
  // held: browsers throw where the address changes about a hundred times in seconds.
  let resting = null;
  const remember = () => {
    clearTimeout(resting);
    resting = setTimeout(() => {
      try {
        history.replaceState(null, "", `#t=${timeOf(chosen).toFixed(3)}`);
      } catch {  // refused all the same: the page does without
      }
    }, 500);
  };
  const choose = (frame, follow = false) => {
    chosen = Math.max(0, Math.min(data.frames - 1, frame));
    const seconds = timeOf(chosen);
    model("cursor").location = seconds;
    if (follow && (seconds < view.start || seconds > view.end)) {
      const width = view.end - view.start;
      show(seconds - width / 3, seconds + 2 * width / 3);
    }
    at("copy").hidden = false;
    mark();
    tell();
    remember();
  };
  // `#t=62.5`, `#t=1:02.5` and `#t=60,90` (a view), as media fragments are written.
  const seconds = (stated) => stated.split(":").reduce((sum, part) => 60 * sum + Number(part), 0);
  const jump = (hash = location.hash) => {
    const stated = /^#t=([\d:.]+)(?:,([\d:.]+))?$/.exec(hash);
    if (!stated || !data.frames) return;
    const [start, end] = [seconds(stated[1]), stated[2] && seconds(stated[2])];
    if (!(start <= data.duration)) return;
    if (end > start) show(start, end);
    else if (view.end - view.start > 60) show(start - 10, start + 20);
    choose(frameAt(start + 1e-4), true);
  };
  // The event's address: what was remembered meanwhile may stand in location already.
  addEventListener("hashchange", (event) => jump(new URL(event.newURL).hash));
  const copy = async () => {
    const copied = timecode(timeOf(chosen));
    try {
      await navigator.clipboard.writeText(copied);
    } catch {  // an address that is not secure, or a browser that asks and was refused
      const field = document.createElement("textarea");
      field.value = copied;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    at("copy").textContent = `${text("copied")}: ${copied}`;
    setTimeout(() => { at("copy").textContent = text("copy"); }, 2000);
  };
  at("copy").addEventListener("click", copy);
  for (const chart of charts) {
    chart.on_event("tap", (event) => {
      if (chart.name === "chart_overview") {
        const width = view.end - view.start;
        show(event.x - width / 2, event.x + width / 2);
      } else choose(frameAt(event.x));
      if (data.sound && !at("sound").paused) seek();
    });
  }

  // --- sound ---

  const seek = () => {
    const wanted = timeOf(chosen === null ? frameAt(view.start) : chosen);
    at("sound").currentTime = Math.max(0, Math.min(wanted, data.sound[1]) - data.sound[0]);
  };
  const play = () => {
    if (!data.sound) return;
    const sound = at("sound");
    if (!sound.paused) { sound.pause(); return; }
    seek();
    sound.play();
  };
  if (data.sound) {
    const sound = at("sound");
    const follow = () => {
      if (sound.paused) return;
      choose(frameAt(sound.currentTime + data.sound[0]), true);
      requestAnimationFrame(follow);
    };
    const label = (word) => { at("play").dataset.message = word; at("play").textContent = text(word); };
    sound.addEventListener("play", () => { label("pause"); follow(); });
    sound.addEventListener("pause", () => label("play"));
    at("play").addEventListener("click", play);
  }

  // --- turns ---

  const MAX_ROWS = 2000;
  const turns = data.lanes
    .flatMap((lane) => lane.c.map(([first, stop]) => ({ first, stop, speaker: lane.candidate })))
    .sort((one, other) => one.first - other.first || one.stop - other.stop);
  const list = () => {
    const whose = data.compared ? `${text("turns")}: ${text("candidate")}` : text("turns");
    at("turns_title").textContent = `${whose} (${turns.length})`;
    const shown = Math.min(turns.length, MAX_ROWS);
    at("turns_more").textContent = shown < turns.length ? text("turns_more", { shown, count: turns.length }) : "";
    at("turns_rows").replaceChildren(...turns.slice(0, MAX_ROWS).map((turn) => {
      const [start, end] = [timeOf(turn.first), timeOf(turn.stop)];
      const link = document.createElement("a");
      link.href = `#t=${start.toFixed(3)}`;
      link.textContent = timecode(start);
      const row = document.createElement("tr");
      for (const cell of [link, timecode(end), `${decimal(end - start, 1)} s`, turn.speaker]) {
        row.appendChild(document.createElement("td")).append(cell);
      }
      return row;
    }));
    mark();
  };
  // Shows in the list which turns the chosen frame is in.
  const mark = () => {
    for (const row of document.querySelectorAll("#turns_rows .current")) row.classList.remove("current");
    const rows = at("turns_rows").rows;
    if (chosen === null) return;
    for (let place = 0; place < rows.length && turns[place].first <= chosen; place += 1) {
      if (chosen < turns[place].stop) rows[place].classList.add("current");
    }
  };
  at("turns_rows").addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link && link.hash === location.hash) jump();  // the same address again is no change of it
  });
  const nextTurn = () => {
    const from = chosen === null ? frameAt(view.start) - 1 : chosen;
    const found = turns.find((turn) => turn.first > from) || turns[0];
    if (found) choose(found.first, true);
  };
  at("downloads").replaceChildren(...data.files.map(([name, packed]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `⤓ ${name}`;
    button.addEventListener("click", async () => {
      const link = document.createElement("a");
      link.download = name;
      link.href = URL.createObjectURL(new Blob([await unpack(packed, Uint8Array)], { type: "text/plain" }));
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    return button;
  }));

  // --- keys and buttons ---

  const keys = {
    ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2),
    ArrowUp: () => zoom(0.7), ArrowDown: () => zoom(1 / 0.7),
    "+": () => zoom(0.7), "=": () => zoom(0.7), "-": () => zoom(1 / 0.7),
    ...(data.places.length ? { w: worst, n: next } : {}),
    ...(data.sound ? { " ": play } : {}),
    t: nextTurn, 0: whole,
    ".": () => choose((chosen ?? frameAt(view.start)) + 1, true),
    ",": () => choose((chosen ?? frameAt(view.start)) - 1, true),
  };
  // Wherever the focus is, but for what has a use of its own there: up and down scroll, space presses a button.
  const ownUse = (event) => {
    const within = (selector) => event.target instanceof Element && event.target.closest(selector);
    if (event.key === " " || event.key === "Enter") return within("button, summary, a");
    if (event.key === "ArrowUp" || event.key === "ArrowDown") return !within("#charts");
    return event.key.startsWith("Arrow") && within(".wide");
  };
  addEventListener("keydown", (event) => {
    const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey || ownUse(event)) return;
    event.preventDefault();
    action();
  });
  const buttons = { ...(data.places.length ? { worst, next } : {}), whole, zoom_in: () => zoom(0.7), zoom_out: () => zoom(1 / 0.7) };
  for (const [id, action] of Object.entries(buttons)) at(id).addEventListener("click", action);
  for (const place of document.querySelectorAll("[data-start]")) {
    place.addEventListener("click", () => {
      show(Number(place.dataset.start), Number(place.dataset.end));
      at("charts").scrollIntoView({ block: "nearest" });
      at("charts").focus({ preventScroll: true });
    });
  }

  speak();
  paint(false);
  label();
  drawOverview();
  list();
  jump();
  draw();
  root.dataset.ready = "yes";
})();
