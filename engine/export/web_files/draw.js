// Draws pictures from the exported network: seeds, noise, samplers. The same seed draws the same picture as the
// program that trained the network, up to rounding: the noise is that of torch's CPU generator.

// BLAKE2b (RFC 7693) without a key, `size` bytes long.
const IV = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
const SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4], [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13], [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11], [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5], [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
const MASK = (1n << 64n) - 1n;
const turn = (x, by) => ((x >> by) | (x << (64n - by))) & MASK;

function blake2b(data, size) {
  const h = IV.slice();
  h[0] ^= 0x01010000n ^ BigInt(size);
  const blocks = Math.max(1, Math.ceil(data.length / 128));
  const padded = new Uint8Array(blocks * 128);
  padded.set(data);
  const words = new BigUint64Array(padded.buffer);
  for (let block = 0; block < blocks; block++) {
    const m = words.subarray(block * 16, block * 16 + 16);
    const v = [...h, ...IV];
    v[12] ^= BigInt(Math.min((block + 1) * 128, data.length));
    if (block === blocks - 1) v[14] ^= MASK;
    const mix = (a, b, c, d, x, y) => {
      v[a] = (v[a] + v[b] + x) & MASK; v[d] = turn(v[d] ^ v[a], 32n);
      v[c] = (v[c] + v[d]) & MASK; v[b] = turn(v[b] ^ v[c], 24n);
      v[a] = (v[a] + v[b] + y) & MASK; v[d] = turn(v[d] ^ v[a], 16n);
      v[c] = (v[c] + v[d]) & MASK; v[b] = turn(v[b] ^ v[c], 63n);
    };
    for (let round = 0; round < 12; round++) {
      const s = SIGMA[round % 10];
      for (let i = 0; i < 4; i++) mix(i, 4 + i, 8 + i, 12 + i, m[s[2 * i]], m[s[2 * i + 1]]);
      for (let i = 0; i < 4; i++) {
        mix(i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4), m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
      }
    }
    for (let i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
  }
  return new Uint8Array(new BigUint64Array(h).buffer).slice(0, size);
}

function hash(...parts) {
  const joined = [];
  for (const part of parts) {
    const n = part.length;
    joined.push(n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >> 24) & 255, ...part);
  }
  return blake2b(new Uint8Array(joined), 8);
}

// The low half of the seed of (seed, purpose, counter), which is all that the generator takes.
export function seedFor(seed, purpose, counter) {
  const text = (value) => new TextEncoder().encode(String(value));
  const key = hash(text("key"), text(seed), text(purpose), text(0));
  let [left, right] = [counter >>> 16, counter & 0xffff];
  for (let round = 0; round < 4; round++) {
    const mixed = hash(key, new Uint8Array([round]), new Uint8Array([right & 255, right >> 8]));
    [left, right] = [right, left ^ (mixed[0] | (mixed[1] << 8))];
  }
  return ((left << 16) | right) >>> 0;
}

// Normal numbers as torch.randn draws them on a CPU: MT19937, and Box-Muller over blocks of 16.
export class Noise {
  constructor(seed, purpose, index) {
    const s = (this.state = new Uint32Array(624));
    s[0] = seedFor(seed, purpose, index);
    for (let i = 1; i < 624; i++) s[i] = Math.imul(1812433253, s[i - 1] ^ (s[i - 1] >>> 30)) + i;
    this.at = 624;
  }

  uniform() {
    const s = this.state;
    if (this.at === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (s[i] & 0x80000000) | (s[(i + 1) % 624] & 0x7fffffff);
        s[i] = s[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.at = 0;
    }
    let y = s[this.at++];
    y ^= y >>> 11; y ^= (y << 7) & 0x9d2c5680; y ^= (y << 15) & 0xefc60000; y ^= y >>> 18;
    return (y & 0xffffff) / 16777216;
  }

  // Fill values, a Float32Array of at least 16.
  draw(values) {
    const whole = values.length - (values.length % 16);
    for (let i = 0; i < values.length; i++) values[i] = this.uniform();
    for (let i = 0; i < whole; i += 16) normal(values, i);
    if (values.length % 16) {
      const last = values.length - 16;
      for (let i = last; i < values.length; i++) values[i] = this.uniform();
      normal(values, last);
    }
    return values;
  }
}

function normal(values, start) {
  for (let i = start; i < start + 8; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - values[i]));
    const angle = 2 * Math.PI * values[i + 8];
    values[i] = radius * Math.cos(angle);
    values[i + 8] = radius * Math.sin(angle);
  }
}

// a/b to the nearest whole number, halves to the even one.
function nearest(a, b) {
  const floor = Math.floor(a / b), rest = a - floor * b;
  return 2 * rest < b || (2 * rest === b && floor % 2 === 0) ? floor : floor + 1;
}

export function timesteps(logs, count, spacing) {
  const T = logs.length, all = [...Array(count).keys()];
  if (spacing === "trailing") return all.map((k) => nearest(T * count - k * T, count) - 1);
  if (spacing === "leading") return all.map((k) => Math.floor((k * T) / count)).reverse();
  if (spacing === "linspace") {
    return count === 1 ? [T - 1] : all.map((k) => nearest(k * (T - 1), count - 1)).reverse();
  }
  const snr = logs.map((bar) => bar - Math.log(-Math.expm1(bar)));
  const noisiest = Math.max(snr[T - 1], Math.min(-10, snr[0])), cleanest = snr[0];
  const chosen = [T - 1];
  for (let k = 1; k < count; k++) {
    const wanted = noisiest + ((cleanest - noisiest) * k) / (count - 1);
    let best = 0;
    for (let t = 1; t < T; t++) if (Math.abs(snr[t] - wanted) < Math.abs(snr[best] - wanted)) best = t;
    chosen.push(Math.max(Math.min(best, chosen[k - 1] - 1), count - 1 - k));
  }
  return chosen;
}

// What each step multiplies: x_0 = clip(fromX x + fromOutput output); x = keep x + picture x_0 + before x_0' + noise z.
export function coefficients(facts, settings) {
  const logs = facts.log_alpha_bars.map((value) => (value === null ? -Infinity : value));
  const chosen = timesteps(logs, settings.steps, settings.spacing || facts.spacings[settings.sampler]);
  const alpha = (bar) => Math.exp(0.5 * bar), variance = (bar) => -Math.expm1(bar);
  const lambda = (bar) => 0.5 * (bar - Math.log(variance(bar)));
  return chosen.map((t, index) => {
    const here = logs[t], a = alpha(here), sigma = Math.sqrt(variance(here));
    const [fromX, fromOutput] = { eps: [1 / a, -sigma / a], x0: [0, 1], v: [a, -sigma] }[facts.prediction];
    const step = { t, fromX, fromOutput, keep: 0, picture: 1, before: 0, noise: 0 };
    if (index === chosen.length - 1) return step;
    const there = logs[chosen[index + 1]], b = alpha(there), after = Math.sqrt(variance(there));
    const beta = -Math.expm1(here - there);
    if (settings.sampler === "ddpm") {
      const kept = variance(there) / variance(here);
      step.keep = Math.sqrt(1 - beta) * kept;
      step.picture = (b * beta) / variance(here);
      step.noise = Math.sqrt(settings.variance === "fixed_small" ? kept * beta : beta);
    } else if (settings.sampler === "ddim") {
      const share = (settings.eta ** 2 * beta) / variance(here);
      step.keep = (after * Math.sqrt(Math.max(0, 1 - share))) / sigma;
      step.picture = b - step.keep * a;
      step.noise = after * Math.sqrt(share);
    } else {
      const h = lambda(there) - lambda(here);
      const ratio = index ? h / (2 * (lambda(here) - lambda(logs[chosen[index - 1]]))) : 0;
      const moved = -b * Math.expm1(-h);
      step.keep = after / sigma;
      step.picture = moved * (1 + ratio);
      step.before = -moved * ratio;
    }
    return step;
  });
}

// Pictures of these numbers in the set of this seed, as Float32Array (n, 3, size, size) in [-1, 1].
// network(x, t, n) → the output for n pictures; onStep(done, total, x) is awaited after each step.
export async function draw(network, facts, settings, seed, indices, onStep = async () => {}) {
  const each = 3 * facts.size * facts.size, count = indices.length;
  const fresh = indices.map((index) => new Noise(seed, "sampling.steps", index));
  const part = (values, i) => values.subarray(i * each, (i + 1) * each);
  let x = new Float32Array(count * each), before = new Float32Array(count * each);
  indices.forEach((index, i) => new Noise(seed, "sampling.initial", index).draw(part(x, i)));
  const steps = coefficients(facts, settings);
  for (const [done, step] of steps.entries()) {
    const output = await network(x, step.t, count);
    const picture = new Float32Array(x.length), next = new Float32Array(x.length);
    const noise = step.noise ? new Float32Array(x.length) : null;
    if (noise) fresh.forEach((source, i) => source.draw(part(noise, i)));
    for (let i = 0; i < x.length; i++) {
      let value = step.fromX * x[i] + step.fromOutput * output[i];
      if (settings.clip) value = Math.min(1, Math.max(-1, value));
      picture[i] = value;
      next[i] = step.keep * x[i] + step.picture * value + step.before * before[i] + (noise ? step.noise * noise[i] : 0);
    }
    x = next;
    before = picture;
    await onStep(done + 1, steps.length, x);
  }
  return x;
}

// One picture of x as ImageData's bytes, RGBA.
export function toBytes(x, index, size) {
  const area = size * size, bytes = new Uint8ClampedArray(4 * area).fill(255);
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < area; i++) {
      const value = Math.min(1, Math.max(-1, x[(3 * index + c) * area + i]));
      bytes[4 * i + c] = nearest((value + 1) * 127.5, 1);
    }
  }
  return bytes;
}
