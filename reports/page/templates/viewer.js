/* Cuts the sheets of each viewer into slices. */
for (const viewer of all(".viewer")) {
  const find = (name) => viewer.querySelector(name), views = all("[data-rank]", viewer);
  const pair = find(".pair"), plane = find(".plane"), slice = find(".slice"), blend = find(".blend"), before = find(".before"), lines = find(".lines");
  let view = views[0], from = null, facts, number, moved, sides;

  async function choose(rank, name) {
    const own = views.filter((one) => one.dataset.rank === rank);
    view = own.find((one) => one.dataset.plane === name) || own[0];
    pair.value = rank;
    plane.replaceChildren(...own.map((one) => make("option", { textContent: one.dataset.plane, selected: one === view })));
    const { count, columns, width, height, step, scale, aspect } = view.dataset, [across, along] = view.dataset.nodes.split(" ").map(Number);
    facts = { count: +count, columns: +columns, width: +width, height: +height, step: +step, scale: +scale, across, along };
    moved = Int8Array.from(atob(view.dataset.displacement.split(",")[1]), (letter) => letter.charCodeAt(0));
    const zoom = Math.max(1, Math.round(640 / Math.max(facts.width, facts.height)));
    sides = [facts.width * zoom, Math.round(facts.width * zoom * aspect)];
    [slice.max, slice.value] = [count, (facts.count + 1) >> 1];
    const ends = view.dataset.sides.split(" ").filter(Boolean).map((textContent, place) => make("span", { textContent, className: ["left", "right", "low", "high"][place] }));
    find(".edges").replaceChildren(find(".blended"), ...ends);
    const mm = view.dataset.mm * facts.width, bar = [1, 2, 5, 10, 20, 50, 100].filter((length) => length <= mm / 3).pop();
    find(".scale").replaceChildren(...(bar ? [make("i", { style: `width: ${(100 * bar) / mm}%` }), ` ${bar} mm`] : []));
    await Promise.all(all("img", view).map((image) => ((image.loading = "eager"), image.decode())));
    draw();
  }
  function cleared(name) {
    const canvas = find(name);
    [canvas.width, canvas.height] = sides;
    return canvas.getContext("2d");
  }
  const cut = () => [(number % facts.columns) * facts.width, Math.floor(number / facts.columns) * facts.height, facts.width, facts.height];
  const paint = (context, name) => context.drawImage(view.querySelector("img." + name), ...cut(), 0, 0, ...sides);
  function drawBlend() {
    const context = cleared(".blended");
    paint(context, "fixed");
    context.globalAlpha = blend.value / 100;
    paint(context, before.checked ? "moving" : "warped");
    context.globalAlpha = 1;
    if (lines.checked && !before.checked && view.querySelector("img.outlines")) drawOutlines(context);
  }
  function drawOutlines(context) {
    const { width, height } = facts, [right, down] = [sides[0] / width, sides[1] / height];
    const small = make("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
    small.drawImage(view.querySelector("img.outlines"), ...cut(), 0, 0, width, height);
    const bits = small.getImageData(0, 0, width, height).data;
    Object.assign(context, { lineWidth: 3, lineCap: "square" });
    for (const [colour, bit] of [["#56b4e9", 1], ["#e69f00", 4]]) {
      context.strokeStyle = colour;
      context.beginPath();
      for (let row = 0; row < height; row++) for (let column = 0; column < width; column++) {
        const ends = bits[4 * (row * width + column)], [x, y] = [(column + 1) * right, row * down];
        if (ends & bit) { context.moveTo(x, y); context.lineTo(x, y + down); }
        if (ends & (2 * bit)) { context.moveTo(x - right, y); context.lineTo(x, y); }
      }
      context.stroke();
    }
  }
  function drawGrid() {
    const context = cleared(".grid"), { across, along, scale, step } = facts, [right, down] = [sides[0] / facts.width, sides[1] / facts.height];
    const at = (axis, i, j) => moved[((number * 2 + axis) * across + i) * along + j] * scale;
    const point = (i, j) => [(i * step + at(0, i, j) + 0.5) * right, sides[1] - (j * step + at(1, i, j) + 0.5) * down];
    Object.assign(context, { strokeStyle: getComputedStyle(viewer).color, lineWidth: 1.6 });
    context.beginPath();
    for (let i = 0; i < across; i++) for (let j = 0; j < along; j++) context[j ? "lineTo" : "moveTo"](...point(i, j));
    for (let j = 0; j < along; j++) for (let i = 0; i < across; i++) context[i ? "lineTo" : "moveTo"](...point(i, j));
    context.stroke();
  }
  const say = (input, text) => (input.ariaValueText = input.parentElement.querySelector("output").textContent = text);
  function draw() {
    number = slice.value - 1;
    say(slice, `${slice.value} of ${facts.count} (voxel ${view.dataset.places.split(" ")[number]})`);
    say(blend, `${blend.value} %`);
    all(".to", viewer).forEach((word) => (word.textContent = before.checked ? "moving" : "warped"));
    find(".shown").textContent = `${view.dataset.rank[0].toUpperCase()}${view.dataset.rank.slice(1)} pair ${view.dataset.pair}, ${view.dataset.plane}`;
    drawBlend();
    drawGrid();
    paint(Object.assign(cleared(".volume"), { imageSmoothingEnabled: false }), "determinant");
  }
  function go(event, steps) {
    const old = slice.value;
    slice.value = +old + steps;
    if (slice.value !== old || event.type !== "wheel") event.preventDefault();
    draw();
  }
  const panels = find(".panels");
  panels.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Home: -facts.count, End: facts.count }[event.key];
    if (steps && !(event.ctrlKey || event.altKey || event.metaKey)) go(event, steps);
  });
  panels.addEventListener("wheel", (event) => go(event, Math.sign(event.deltaY)), { passive: false });
  panels.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY, +slice.value, +blend.value]; panels.setPointerCapture(event.pointerId); });
  panels.addEventListener("pointermove", (event) => {
    if (!from) return;
    slice.value = from[2] + Math.round((from[1] - event.clientY) / 12);
    blend.value = from[3] + (event.clientX - from[0]) / 2;
    draw();
  });
  for (const end of ["pointerup", "pointercancel"]) panels.addEventListener(end, () => (from = null));
  for (const input of all("input", viewer)) input.addEventListener("input", draw);
  for (const input of [pair, plane]) input.addEventListener("change", () => choose(pair.value, plane.value));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  const ranked = () => views.map((one) => one.dataset.rank).find((rank) => location.hash === `#${viewer.id}-${rank}`);
  addEventListener("hashchange", () => ranked() && choose(ranked(), plane.value));
  choose(ranked() || view.dataset.rank, view.dataset.plane).then(() => {
    find(".controls").hidden = find(".panels").hidden = false;
    viewer.classList.add("live");
  });
}
