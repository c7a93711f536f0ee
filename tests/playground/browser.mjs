// The playground in Chromium: node tests/playground/browser.mjs URL FOLDER-WITH-ONNX-FILES [FOLDER for screenshots].
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../build/node/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const axe = require.resolve("axe-core/axe.min.js");

const [url, models, pictures] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const context = await browser.newContext({ viewport: { width: 1400, height: 850 } });
const page = await context.newPage();
page.setDefaultTimeout(180_000);
const faults = [];
page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(`console: ${message.text()}`));
page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
page.on("request", (request) => {
  const to = new URL(request.url());
  if (["http:", "https:"].includes(to.protocol) && to.origin !== new URL(url).origin) faults.push(`request to ${to.host}`);
});

const step = async (name, run) => {
  const start = performance.now();
  await run();
  console.log(`${Math.round(performance.now() - start).toString().padStart(6)} ms  ${name}`);
};
const picture = async (name) => pictures && page.screenshot({ path: `${pictures}/${name}.png` });
const status = (text) => page.waitForFunction((wanted) => document.getElementById("status").textContent === wanted, text);
const restore = async () => {
  await page.dispatchEvent("#examples", "change");
  await status("No errors");
};
const write = async (from, to) => {
  // As a person would: find the word with the keyboard, and type over it.
  await page.click("#new .cm-content");
  await page.keyboard.press("Control+f");
  await page.keyboard.type(from);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  await page.keyboard.type(to);
};

await step("first paint", async () => {
  await page.goto(url);
  await page.waitForSelector("#new .cm-line");
});
await step("ready", () => page.waitForSelector("body[data-ready]"));
await step("picture", async () => {
  await page.waitForSelector("#picture svg");
  await status("No errors");
  await page.waitForSelector(".hint");
});
await picture("picture");

await step("a typing error, and its correction", async () => {
  await write("avgpool", "avgpol");
  await status("1 error");
  await page.waitForSelector(".cm-lintRange-error");
  await page.waitForSelector("#output.stale svg"); // the last picture stays
  await picture("error");
  await page.click("#new .cm-content");
  await page.keyboard.press("Control+z");
  await status("No errors");
  await restore();
});

await step("a deeper network, although its totals are stated otherwise", async () => {
  await write("2 x basic(64", "3 x basic(64");
  await page.waitForFunction(() => document.getElementById("picture").textContent.includes("20 layers"));
  await page.waitForSelector("#output:not(.stale)");
  await page.waitForSelector("#notice >> text=Lines 23, 24 and 25 do not fit");
  await page.waitForSelector("#notice button");
  await picture("deeper");
  await page.hover("#new .cm-lintRange-error >> nth=2");
  await page.waitForSelector(".cm-tooltip .cm-diagnosticAction >> text=depth == 20");
  await page.keyboard.press("Escape");
  await page.click("#notice button");
  await status("No errors");
  assert.match(await page.textContent("#new .cm-content"), /expect depth == 20/);
  await page.waitForSelector("#notice", { state: "hidden" });
  await page.keyboard.press("Control+z"); // one change
  await status("3 errors");
  await restore();
});

await step("texts that are no network yet", async () => {
  await page.click("#new .cm-content");
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  await page.waitForSelector("#notice >> text=Write a network");
  await page.keyboard.type("model a {");
  await page.waitForSelector("#notice >> text=before the error in line 1");
  await restore();
});

await step("out of the text by the keyboard", async () => {
  await page.focus("#new .cm-content");
  assert.ok(await page.isVisible("#keys"));
  await page.keyboard.press("Escape");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "status");
  await page.keyboard.press("Tab");
  const width = () => page.evaluate(() => document.getElementById("input").offsetWidth);
  const before = await width();
  await page.keyboard.press("ArrowLeft");
  assert.ok((await width()) < before);
  await page.keyboard.press("ArrowRight");
});

await step("from a line to its boxes, and back", async () => {
  await page.click("#new .cm-line:has-text('conv1: conv')");
  await page.waitForFunction(() => document.querySelector("#picture g.current")?.textContent.includes("7x7 conv"));
  assert.equal(await page.locator("#picture g.current").count(), 1);
  await page.click("#picture g:has(> title):has-text('fc 1000')");
  await page.waitForFunction(() => document.querySelector("#new .cm-activeLine").textContent.includes("fc: linear"));
});

await step("completion", async () => {
  await write("softmax", "softmax\n  max");
  await page.keyboard.press("Control+Space");
  await page.waitForSelector(".cm-tooltip-autocomplete >> text=maxpool");
  await page.keyboard.press("Escape");
  await restore();
});

await step("summary", async () => {
  await page.focus("#picture-tab");
  await page.keyboard.press("ArrowRight");
  await page.waitForSelector("#summary td");
  assert.match(await page.textContent("#summary"), /11,689,512/); // torchvision's count of ResNet-18
});
await picture("summary");

await step("explorer", async () => {
  await page.focus("#summary-tab");
  await page.keyboard.press("ArrowRight");
  await page.frameLocator("#explorer").locator("svg").first().waitFor();
});
await picture("explorer");

await step("comparison", async () => {
  await page.click("#compare");
  await page.click("#picture-tab");
  await page.waitForSelector("#old .cm-line");
  await write("maxpool(3x3", "avgpool(3x3");
  await status("No errors");
  await page.waitForFunction(() => /old: old\.res[^]*3x3 avg pool/.test(document.getElementById("picture").textContent));
  await page.waitForSelector("#output:not(.stale)");
});
await picture("comparison");

await step("a link that holds both texts, and a reload", async () => {
  await page.click("#share");
  await page.waitForFunction(() => /#text=.*&old=/.test(location.hash));
  const other = await context.newPage();
  await other.goto(page.url());
  await other.waitForFunction(() => /avgpool\(3x3/.test(document.querySelector("#new .cm-content").textContent));
  await other.waitForFunction(() => /maxpool\(3x3/.test(document.querySelector("#old .cm-content").textContent));
  await other.close();
  await write("2 x basic(64", "3 x basic(64");
  await page.waitForFunction(() => !location.hash); // the link is that of the text before
  await page.reload();
  await page.waitForFunction(() => /3 x basic\(64/.test(document.querySelector("#new .cm-content").textContent));
  await page.waitForFunction(() => /new: network\.res, 20 layers/.test(document.getElementById("picture").textContent));
  await page.selectOption("#examples", "resnet18");
  await status("No errors");
});
await page.click("#compare");

await step("another example", async () => {
  await page.selectOption("#examples", "densenet121");
  await page.waitForFunction(() => /densenet121/.test(document.getElementById("picture").textContent));
  await status("No errors");
});

await step("a link that holds the text", async () => {
  await page.click("#share");
  await page.waitForFunction(() => location.hash.startsWith("#text="));
  const other = await context.newPage();
  await other.goto(page.url());
  await other.waitForFunction(() => /densenet121/.test(document.querySelector("#new .cm-content").textContent));
  await other.close();
});

await step("a link that cannot be read", async () => {
  const other = await context.newPage();
  await other.goto(`${url}#text=AAAA`);
  await other.waitForSelector("#shared >> text=no text that can be read");
  await other.close();
});

await step("download of the picture", async () => {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save-svg")]);
  assert.equal(download.suggestedFilename(), "densenet121.svg");
  assert.match(readFileSync(await download.path(), "utf8"), /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
});

await step("an ONNX file as text", async () => {
  await page.setInputFiles("#file", `${models}/convolutions.onnx`);
  await page.waitForFunction(() => /conv\(/.test(document.querySelector("#new .cm-content").textContent));
  await page.waitForFunction(() => /3x3 conv/.test(document.getElementById("picture").textContent));
  await status("No errors");
});

await step("an ONNX file without text, dropped", async () => {
  const data = readFileSync(`${models}/detector.onnx`, "base64");
  const transfer = await page.evaluateHandle((base64) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(base64), (one) => one.charCodeAt(0))], "detector.onnx"));
    return transfer;
  }, data);
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
  await page.waitForFunction(() => /NonMaxSuppression/.test(document.getElementById("picture").textContent));
  assert.match(await page.textContent("#new .cm-content"), /cannot be written/);
});
await picture("detector");

await step("a file that is no model", async () => {
  await page.setInputFiles("#file", { name: "bad.onnx", mimeType: "", buffer: Buffer.from("no model") });
  await page.waitForFunction(() => /`bad.onnx`.*not an ONNX model/.test(document.getElementById("status").textContent));
  await page.selectOption("#examples", "densenet121");
  await status("No errors");
});

for (const scheme of ["light", "dark"]) {
  await step(`no serious fault of accessibility, ${scheme}`, async () => {
    await page.emulateMedia({ colorScheme: scheme });
    await page.waitForTimeout(500);
    await page.evaluate(readFileSync(axe, "utf8"));
    const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    const found = serious.map(({ id, nodes }) => [id, ...nodes.map((node) => node.html.slice(0, 200))]);
    // The text in CodeMirror's scrolling box takes the focus and scrolls it; axe does not see editable text as focusable.
    assert.deepEqual(found.filter(([id, ...nodes]) => id !== "scrollable-region-focusable" || !nodes.every((node) => /cm-scroller/.test(node))), []);
  });
}
await picture("dark");

await step("a phone", async () => {
  await page.setViewportSize({ width: 390, height: 800 });
  for (const panel of ["summary", "picture"]) {
    await page.click(`#${panel}-tab`);
    await page.waitForSelector(`#${panel}-panel:not([hidden])`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "no sideways scrolling");
  }
});
await picture("phone");
await page.setViewportSize({ width: 1400, height: 850 });

await step("from the cache, without a network", async () => {
  await page.evaluate(() => navigator.serviceWorker.ready);
  await context.setOffline(true);
  await page.reload();
  await page.waitForSelector("body[data-ready]");
  await page.waitForSelector("#picture svg");
  await context.setOffline(false);
});

await browser.close();
assert.deepEqual(faults, []);
console.log("passed");
