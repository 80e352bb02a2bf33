// The page: start the network, then classify the image that the visitor chooses, drops or draws.

const MAX_PIXELS = 50_000_000;
const MAX_SHOWN = 5;

const find = (id) => document.getElementById(id);
const metadata = JSON.parse(find("metadata").textContent);
const { height, width, channels } = metadata.preprocessing;

// A file of this page: its script element has it as base64 of gzip.
async function unpack(id) {
  const bytes = Uint8Array.from(atob(find(id).textContent), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function startNetwork() {
  const script = new Blob([await unpack("runtime")], { type: "text/javascript" });
  const ort = await import(URL.createObjectURL(script));
  ort.env.wasm.numThreads = 1; // more need a server that isolates the page
  ort.env.wasm.wasmBinary = await unpack("wasm");
  const session = await ort.InferenceSession.create(await unpack("network"), { executionProviders: ["wasm"] });
  return async (pixels) => {
    const images = new ort.Tensor("float32", Float32Array.from(pixels, (value) => value / 255), [1, height, width, channels]);
    const { logits } = await session.run({ images });
    return softmax(logits.data);
  };
}

function softmax(logits) {
  const max = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - max));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

const network = startNetwork();
network.then(
  () => say("Ready"),
  (error) => say(`The network cannot start in this browser: ${error.message}`),
);

function say(text) {
  find("status").textContent = text;
}

async function classify(name, image, background) {
  const pixels = prepareImage(image, metadata.preprocessing, background);
  showInput(pixels);
  const probabilities = await (await network)(pixels);
  const order = probabilities.map((_, label) => label).sort((a, b) => probabilities[b] - probabilities[a]);
  const rows = order.slice(0, MAX_SHOWN).map((label) => makeRow(metadata.class_names[label], probabilities[label]));
  find("classes").replaceChildren(...rows);
  say(`${name}: ${metadata.class_names[order[0]]}, ${percent(probabilities[order[0]])}`);
}

const percent = (share) => `${(100 * share).toFixed(1)}%`;

function makeRow(name, probability) {
  const value = Object.assign(document.createElement("data"), { value: probability, textContent: percent(probability) });
  const label = Object.assign(document.createElement("span"), { textContent: name });
  const bar = Object.assign(document.createElement("div"), { className: "bar", ariaHidden: "true" }); // the text has it
  bar.append(document.createElement("span"));
  bar.firstChild.style.width = percent(probability);
  const row = document.createElement("li");
  row.append(label, value, bar);
  return row;
}

function showInput(pixels) {
  const context = find("input").getContext("2d");
  const shown = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) {
      shown.data[4 * i + c] = pixels[channels * i + (channels === 1 ? 0 : c)];
    }
    shown.data[4 * i + 3] = 255;
  }
  context.putImageData(shown, 0, 0);
}

// Pixels as they are in the file: without color management, in the orientation that its EXIF data says.
async function readFile(file) {
  const bitmap = await createImageBitmap(file, {
    colorSpaceConversion: "none",
    imageOrientation: "from-image",
    premultiplyAlpha: "none",
  });
  if (bitmap.width * bitmap.height > MAX_PIXELS) {
    throw new Error("more than 50 million pixels");
  }
  const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

let chosen = null;

async function classifyFile() {
  const file = chosen;
  if (file === null) {
    return;
  }
  let image;
  try {
    image = await readFile(file);
  } catch (error) {
    find("classes").replaceChildren();
    say(`${file.name} cannot be read (${error.message}): choose a PNG, JPEG, WebP or GIF file`);
    return;
  }
  if (file === chosen) {
    await classify(file.name, image, find("background")?.value);
  }
}

function choose(file) {
  chosen = file ?? null;
  classifyFile();
}

find("file").addEventListener("change", (event) => choose(event.target.files[0]));
find("background")?.addEventListener("change", classifyFile);
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    find("drop").classList.toggle("over", name === "dragenter" || name === "dragover");
  });
}
document.addEventListener("drop", (event) => choose(event.dataTransfer.files[0]));

// The drawing is white on black, as Fashion-MNIST is light on dark.
function startDrawing(canvas) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const clear = () => context.fillRect(0, 0, canvas.width, canvas.height);
  const place = (event) => [
    (event.offsetX * canvas.width) / canvas.clientWidth,
    (event.offsetY * canvas.height) / canvas.clientHeight,
  ];
  let last = null;
  context.lineCap = "round";
  context.strokeStyle = "#fff";
  clear();
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
    draw(event);
  });
  canvas.addEventListener("pointermove", draw);
  canvas.addEventListener("lostpointercapture", () => {
    last = null;
    classify("Drawing", context.getImageData(0, 0, canvas.width, canvas.height), "dark");
  });
  find("clear").addEventListener("click", clear);

  function draw(event) {
    if (last === null) {
      return;
    }
    const to = place(event);
    context.lineWidth = find("brush").value;
    context.beginPath();
    context.moveTo(...last);
    context.lineTo(...to);
    context.stroke();
    last = to;
  }
}

if (find("drawing")) {
  startDrawing(find("drawing"));
}
