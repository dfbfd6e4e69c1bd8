// The page: loads the network and ONNX Runtime from beside it, and shows the denoising as it goes. One thread, no host
// but the one that the page came from.

import { draw, toBytes } from "./draw.js";

const find = (id) => document.getElementById(id);
const say = (text) => { find("said").textContent = text; };
const RUNTIMES = [
  ["./runtime/ort.js", "./runtime/ort.wasm"],
  ["./package/dist/ort.wasm.bundle.min.mjs", "./package/dist/ort-wasm-simd-threaded.wasm"],
];

async function load(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} is not there (${answer.status})`);
  return answer;
}

async function openRuntime() {
  for (const [script, binary] of RUNTIMES) {
    const there = await fetch(script, { method: "HEAD" });
    if (!there.ok) continue;
    const ort = await import(new URL(script, document.baseURI).href);
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = await (await load(binary)).arrayBuffer();
    return ort;
  }
  throw new Error("ONNX Runtime is not there; in this folder: npm pack onnxruntime-web && tar xzf onnxruntime-web-*.tgz");
}

async function open() {
  const facts = await (await load("./model.json")).json();
  const ort = await openRuntime();
  const bytes = new Uint8Array(await (await load("./model.onnx")).arrayBuffer());
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const network = async (x, t, count) => {
    const feeds = {
      x: new ort.Tensor("float32", x, [count, 3, facts.size, facts.size]),
      t: new ort.Tensor("int64", new BigInt64Array(count).fill(BigInt(t)), [count]),
    };
    return (await session.run(feeds)).output.data;
  };
  return { facts, network };
}

function show(x, count, size) {
  const columns = Math.ceil(Math.sqrt(count)), canvas = find("faces");
  canvas.width = columns * size;
  canvas.height = Math.ceil(count / columns) * size;
  const context = canvas.getContext("2d");
  for (let i = 0; i < count; i++) {
    const picture = new ImageData(toBytes(x, i, size), size, size);
    context.putImageData(picture, (i % columns) * size, Math.floor(i / columns) * size);
  }
}

async function main() {
  const { facts, network } = await open();
  const settings = facts.settings;
  find("steps").max = facts.log_alpha_bars.length;
  find("steps").value = settings.steps;
  find("sampler").value = settings.sampler;
  for (const id of ["steps", "count"]) {
    const tell = () => { find(`${id}-is`).value = find(id).value; };
    find(id).addEventListener("input", tell);
    tell();
  }
  find("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    find("draw").disabled = true;
    try {
      const count = Number(find("count").value);
      const chosen = { ...settings, sampler: find("sampler").value, steps: Number(find("steps").value) };
      const start = performance.now();
      await draw(network, facts, chosen, BigInt(find("seed").value), [...Array(count).keys()], async (done, total, x) => {
        show(x, count, facts.size);
        say(`Step ${done} of ${total}`);
        await new Promise((resolve) => setTimeout(resolve));
      });
      say(`Done in ${((performance.now() - start) / 1000).toFixed(1)} s`);
    } catch (error) {
      say(String(error.message || error));
    }
    find("draw").disabled = false;
  });
  find("draw").disabled = false;
  say("Ready");
}

main().catch((error) => say(String(error.message || error)));
