"use strict";
/* Cuts the sheets of each viewer into slices. Nothing is fetched: all it shows stands in the page. */
for (const viewer of document.querySelectorAll(".viewer")) {
  const facts = viewer.dataset, find = (name) => viewer.querySelector(name);
  const count = +facts.count, columns = +facts.columns, width = +facts.width, height = +facts.height;
  const places = facts.places.split(" "), [across, along] = facts.nodes.split(" ").map(Number);
  const bytes = Uint8Array.from(atob(facts.displacement.split(",")[1]), (letter) => letter.charCodeAt(0));
  const moved = new Int8Array(bytes.buffer), scale = +facts.scale, step = +facts.step;
  const slice = find(".slice"), blend = find(".blend"), before = find(".before"), lines = find(".lines");
  const zoom = Math.max(1, Math.round(640 / Math.max(width, height)));
  const sides = [width * zoom, Math.round(width * zoom * facts.aspect)];

  function cleared(name) {
    const canvas = find(name);
    [canvas.width, canvas.height] = sides;
    return canvas.getContext("2d");
  }
  function paint(context, name, number) {
    const left = (number % columns) * width, top = Math.floor(number / columns) * height;
    context.drawImage(find("img." + name), left, top, width, height, 0, 0, ...sides);
  }
  function drawBlend(number) {
    const context = cleared(".blended"), share = blend.value / 100;
    paint(context, "fixed", number);
    context.globalAlpha = share;
    paint(context, before.checked ? "moving" : "warped", number);
    context.globalAlpha = 1;
    if (lines && lines.checked && !before.checked) drawOutlines(context, number);
  }
  function drawOutlines(context, number) {
    const bits = pixels(number), [right, down] = [sides[0] / width, sides[1] / height];
    context.lineWidth = 3;
    context.lineCap = "square";
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
  function pixels(number) {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const left = (number % columns) * width, top = Math.floor(number / columns) * height;
    context.drawImage(find("img.outlines"), left, top, width, height, 0, 0, width, height);
    return context.getImageData(0, 0, width, height).data;
  }
  function drawGrid(number) {
    const context = cleared(".grid"), [right, down] = [sides[0] / width, sides[1] / height];
    const at = (axis, i, j) => moved[((number * 2 + axis) * across + i) * along + j] * scale;
    const point = (i, j) => [(i * step + at(0, i, j) + 0.5) * right, sides[1] - (j * step + at(1, i, j) + 0.5) * down];
    context.strokeStyle = getComputedStyle(viewer).color;
    context.lineWidth = 1.6;
    context.beginPath();
    for (let i = 0; i < across; i++) for (let j = 0; j < along; j++) context[j ? "lineTo" : "moveTo"](...point(i, j));
    for (let j = 0; j < along; j++) for (let i = 0; i < across; i++) context[i ? "lineTo" : "moveTo"](...point(i, j));
    context.stroke();
  }
  function drawVolume(number) {
    const context = cleared(".volume");
    context.imageSmoothingEnabled = false;
    paint(context, "determinant", number);
  }
  function say(input, text) {
    input.setAttribute("aria-valuetext", text);
    input.parentElement.querySelector("output").textContent = text;
  }
  function draw() {
    const number = slice.value - 1;
    say(slice, `${slice.value} of ${count} (voxel ${places[number]})`);
    say(blend, `${blend.value} %`);
    for (const word of viewer.querySelectorAll(".controls .to, .panels .to")) word.textContent = before.checked ? "moving" : "warped";
    drawBlend(number);
    drawGrid(number);
    drawVolume(number);
  }
  function go(event) {
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Home: -count, End: count };
    if (!(event.key in steps) || event.ctrlKey || event.altKey || event.metaKey) return;
    slice.value = +slice.value + steps[event.key];
    event.preventDefault();
    draw();
  }
  find(".panels").addEventListener("keydown", go);
  for (const input of viewer.querySelectorAll("input")) input.addEventListener("input", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  Promise.all([...viewer.querySelectorAll("img")].map((image) => image.decode())).then(() => {
    for (const part of [".controls", ".panels"]) find(part).hidden = false;
    viewer.classList.add("live");
    draw();
  });
}
