// Image files as the network's input, equal to jaxcnn's read_image and read_pictures pixel by pixel.
// An image is {data: RGBA bytes that are not premultiplied, width, height}; here it becomes bytes, (height, width, channels).

const FILTERS = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
};
const BITS = 22; // of Pillow's fixed-point weights

// fit: "pad" makes images gray and light on a dark background and pads them to a square; "crop" takes the central square.
// background: "dark", "light", or "auto", which looks at the border. Cropped images stay as they are.
function prepareImage(image, { fit, height, channels }, background = "auto") {
  if (fit === "crop") {
    return resize(cropToSquare(flatten(image, channels, 0), channels), channels, height, FILTERS.bilinear);
  }
  const gray = flatten(image, 1, 255);
  let median = borderMedian(gray);
  if (background === "light" || (background === "auto" && median > 127)) {
    gray.data = gray.data.map((value) => 255 - value);
    median = 255 - median;
  }
  return resize(padToSquare(gray, Math.trunc(median)), 1, height, FILTERS.box);
}

// Replace transparency by a shade, and convert to gray (1 channel) or RGB (3), rounded as Pillow does.
function flatten({ data, width, height }, channels, shade) {
  const result = new Uint8Array(width * height * channels);
  const color = [0, 0, 0];
  for (let i = 0; i < width * height; i++) {
    const alpha = data[4 * i + 3];
    const share = alpha * 128; // with seven bits after the point
    for (let c = 0; c < 3; c++) {
      const mixed = data[4 * i + c] * share + shade * (255 * 128 - share) + 128 * 128;
      color[c] = ((mixed >> 8) + mixed) >> 15;
    }
    if (channels === 1) {
      result[i] = (color[0] * 19595 + color[1] * 38470 + color[2] * 7471 + 32768) >> 16;
    } else {
      result.set(color, 3 * i);
    }
  }
  return { data: result, width, height };
}

// The median of the first and last rows and columns; corners count twice.
function borderMedian({ data, width, height }) {
  const counts = new Uint32Array(256);
  for (let x = 0; x < width; x++) {
    counts[data[x]]++;
    counts[data[(height - 1) * width + x]]++;
  }
  for (let y = 0; y < height; y++) {
    counts[data[y * width]]++;
    counts[data[y * width + width - 1]]++;
  }
  const middle = width + height; // half the number of pixels
  const valueAt = (rank) => counts.findIndex((count) => (rank -= count) < 0);
  return (valueAt(middle - 1) + valueAt(middle)) / 2;
}

function padToSquare({ data, width, height }, shade) {
  const side = Math.max(width, height);
  const top = (side - height) >> 1;
  const left = (side - width) >> 1;
  const result = new Uint8Array(side * side).fill(shade);
  for (let y = 0; y < height; y++) {
    result.set(data.subarray(y * width, (y + 1) * width), (top + y) * side + left);
  }
  return { data: result, width: side, height: side };
}

function cropToSquare({ data, width, height }, channels) {
  const side = Math.min(width, height);
  const top = (height - side) >> 1;
  const left = (width - side) >> 1;
  const result = new Uint8Array(side * side * channels);
  for (let y = 0; y < side; y++) {
    const start = ((top + y) * width + left) * channels;
    result.set(data.subarray(start, start + side * channels), y * side * channels);
  }
  return { data: result, width: side, height: side };
}

// Resize a square, first along rows and then along columns, with Pillow's rounding after each.
function resize({ data, width }, channels, size, filter) {
  const windows = filterWindows(width, size, filter);
  const from = { line: width * channels, pixel: channels };
  const rows = resizeLines(data, windows, width, channels, from, { line: size * channels, pixel: channels });
  const columns = { line: channels, pixel: size * channels };
  return resizeLines(rows, windows, size, channels, columns, columns);
}

// Replace the pixels of each line by the weighted sums of `windows`. `from` and `to` are the distances in memory between
// lines and between the pixels of a line, in the input and in the result.
function resizeLines(data, windows, lines, channels, from, to) {
  const result = new Uint8Array(lines * windows.length * channels);
  for (let line = 0; line < lines; line++) {
    windows.forEach(({ first, weights }, at) => {
      for (let c = 0; c < channels; c++) {
        let sum = 1 << (BITS - 1);
        for (let k = 0; k < weights.length; k++) {
          sum += data[line * from.line + (first + k) * from.pixel + c] * weights[k];
        }
        result[line * to.line + at * to.pixel + c] = Math.min(255, sum >> BITS);
      }
    });
  }
  return result;
}

// For each output pixel, the first input pixel of its window, and the weights as integers.
function filterWindows(length, size, filter) {
  const scale = length / size;
  const spread = Math.max(1, scale);
  const support = filter.support * spread;
  return Array.from({ length: size }, (_, at) => {
    const center = (at + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(length, Math.trunc(center + support + 0.5));
    const weights = Array.from({ length: end - first }, (_, k) => filter.weight((k + first - center + 0.5) * (1 / spread)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: weights.map((weight) => Math.trunc(0.5 + (weight / total) * 2 ** BITS)) };
  });
}
