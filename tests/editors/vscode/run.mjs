// Starts VS Code as a server (code-server) with the extension and its test, and a browser that opens it; checks the answers.
// node run.mjs CODE_SERVER EXTENSION.vsix TEST.vsix [PICTURE.png]
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createRequire } from "node:module";

const { chromium } = createRequire(process.env.PLAYWRIGHT)("playwright-core");
const [codeServer, extension, test, picture] = process.argv.slice(2);
const PORT = 8757;
const PATIENCE = 300_000;

const TEXT = `block bloc_of_two(width) { conv1: conv(width, 3x3); bn1: bn }
model a {
  input x: f32[N, 3, 8, 8]
  conv1: cnv(8, 3x3);   relu
  pair: bloc_of_two(16)
  output y
}
`;
const SHOWN = `use "std/residual.res" (bottleneck)

# A small residual network.
model small_resnet(classes = 10, width = 64) {
  input image: f32[N, 3, 224, 224]

  conv1: conv(width, 7x7, stride = 2); bn1: bn; relu
  maxpool(3x3, stride = 2)

  stage layer1             { 3 x bottleneck(width) }
  stage layer2(stride = 2) { 4 x bottleneck(2 * width) }
  stage layer3(stride = 2) { 6 x bottleneck(4 * width) }

  avgpool(global); flatten
  fc: linear(classes)
  output logits
}
`;

const work = fs.mkdtempSync(path.join(os.tmpdir(), "resdsl-vscode-"));
const folder = path.join(work, "networks");
fs.mkdirSync(path.join(work, "data", "User"), { recursive: true });
fs.mkdirSync(folder);
fs.writeFileSync(path.join(folder, "a.res"), TEXT);
fs.writeFileSync(path.join(folder, "small_resnet.res"), SHOWN);
const settings = { "resdsl.python": process.env.RESDSL_PYTHON, "workbench.startupEditor": "none", "editor.minimap.enabled": false,
  "telemetry.telemetryLevel": "off" };
fs.writeFileSync(path.join(work, "data", "User", "settings.json"), JSON.stringify(settings));

const answers = path.join(work, "answers.json");
const shared = ["--user-data-dir", path.join(work, "data"), "--extensions-dir", path.join(work, "extensions")];
const installed = spawnSync(codeServer, [...shared, "--install-extension", extension, "--install-extension", test], { encoding: "utf8" });
assert.equal(installed.status, 0, installed.stdout + installed.stderr);

const server = spawn(
  codeServer,
  [...shared, "--auth", "none", "--bind-addr", `127.0.0.1:${PORT}`, "--disable-telemetry", "--disable-update-check",
   "--disable-workspace-trust", "--disable-getting-started-override", folder],
  { env: { ...process.env, RESDSL_ANSWERS: answers }, stdio: ["ignore", "pipe", "pipe"], detached: true },
);
let log = "";
for (const stream of [server.stdout, server.stderr]) stream.on("data", (data) => (log += data));
let browser;
try {
  const address = `http://127.0.0.1:${PORT}/?folder=${encodeURIComponent(folder)}`;
  const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
  for (let tries = 0; ; tries++) {
    if (await fetch(address).then((answer) => answer.ok, () => false)) break;
    assert.ok(tries < 200, `no server:\n${log}`);
    await pause(0.5);
  }
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  const page = await browser.newPage({ viewport: { width: 1400, height: 800 } });
  page.setDefaultTimeout(PATIENCE);
  await page.goto(address);
  for (const end = Date.now() + PATIENCE; !fs.existsSync(answers); await pause(0.5)) {
    assert.ok(Date.now() < end, `no answers:\n${log}`);
  }
  await pause(0.5);
  check(JSON.parse(fs.readFileSync(answers, "utf8")));
  for (const end = Date.now() + PATIENCE; !(await showsWrongTotal(page)); await pause(0.5)) {
    assert.ok(Date.now() < end, "the picture does not say that a total is wrong, or is an earlier one");
  }
  if (picture) {
    // As a person: the file by its name, then the button for the picture.
    await page.keyboard.press("Control+p");
    await page.keyboard.type("small_resnet.res");
    await pause(3);
    await page.keyboard.press("Enter");
    await page.getByText("-> [N, 512, 28, 28]").first().waitFor();
    await page.keyboard.press("Control+b");
    await page.getByText("maxpool").first().click();
    await page.keyboard.press("F1");
    await page.keyboard.type("resdsl: Show Picture to the Side");
    await pause(3);
    await page.keyboard.press("Enter");
    await pause(20);
    await page.screenshot({ path: picture });
  }
} finally {
  await browser?.close();
  try {
    process.kill(-server.pid, "SIGKILL");
  } catch {
    // It has ended itself.
  }
  fs.rmSync(work, { recursive: true, force: true, maxRetries: 5 });
}

/** Whether the picture is that of the text, with a note that a total is another one. */
async function showsWrongTotal(page) {
  for (const frame of page.frames()) {
    const note = frame.locator("#problem:has-text('not as the text states it: `depth` is 2')");
    if ((await note.count()) && (await frame.locator("#picture:not(.stale) svg").count())) return true;
  }
  return false;
}

function check(found) {
  assert.equal(found.error, undefined);
  assert.equal(found.language, "res");
  assert.equal(found.problems[0].code, "E0202");
  assert.deepEqual(found.problems[0].range, [3, 9, 3, 12]);
  assert.match(found.fix, /conv/);
  assert.ok(found.updates.includes("expect what the network has, `depth == 2`"), String(found.updates));
  assert.equal(found.fixed, "  conv1: conv(8, 3x3);   relu");
  assert.ok(found.hints.some(([line, label]) => line === 3 && label.includes("[N, 8, 8, 8]")), JSON.stringify(found.hints));
  assert.ok(found.lenses.some((title) => /parameters .* MACs .* layers deep/.test(title)), JSON.stringify(found.lenses));
  assert.match(found.hover, /conv/);
  for (const name of ["conv", "maxpool", "residual"]) assert.ok(found.completion.includes(name), `no ${name}`);
  assert.deepEqual(found.symbols, ["bloc_of_two", "a"]);
  assert.deepEqual(found.definition, [[0, 6, 0, 17]]);
  assert.ok(found.colours > 0);
  assert.deepEqual(found.renamed, [
    "block unit(width) { conv1: conv(width, 3x3); bn1: bn }",
    "  pair: unit(16)",
  ]);
  assert.equal(found.formatted, "  conv1: conv(8, 3x3);  relu");
  assert.ok(found.tasks.some((name) => name.includes("check")), JSON.stringify(found.tasks));
  assert.match(found.picture, /a\.res|resdsl/);
  console.log("the extension host answers as expected");
}
