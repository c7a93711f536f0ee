// The site in a browser, in both colour schemes and on a phone: no error in the console, no request to another host, nothing
// wider than the screen, no serious fault that axe finds; search, versions and dark mode work by keyboard.
// node browser.mjs FOLDER CHROMIUM
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';

const [folder, executablePath] = process.argv.slice(2);
const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.json': 'application/json', '.svg': 'image/svg+xml', '.png': 'image/png' };
const PAGES = ['index', 'language', 'networks/index', 'networks/resnet50', 'operators/conv', 'errors/E0301', 'commands/git', 'api/index', 'api/functions/load', 'api/classes/Compiled', 'families/resnet'];

const server = http.createServer((request, response) => {
  // Browsers look for one at the root now and then, although pages name theirs.
  if (request.url === '/favicon.ico') return response.writeHead(204).end();
  let file = path.join(folder, decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
  if (fs.existsSync(file) && fs.statSync(file).isDirectory()) file = path.join(file, 'index.html');
  if (!fs.existsSync(file)) return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' });
  fs.createReadStream(file).pipe(response);
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const origin = `http://127.0.0.1:${server.address().port}`;
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const faults = [];
let looked = 0;

async function open(address, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && faults.push(`${address}: ${message.text()} ${message.location().url}`));
  page.on('pageerror', (error) => faults.push(`${address}: ${error.message}`));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !/^(data|blob):/.test(url)) faults.push(`${address}: requests ${url}`);
  });
  await page.goto(`${origin}/dev/${address}.html`, { waitUntil: 'networkidle' });
  return page;
}

for (const address of PAGES) {
  for (const options of [{ colorScheme: 'light' }, { colorScheme: 'dark' }, { viewport: { width: 390, height: 844 } }]) {
    const page = await open(address, options);
    const found = await new AxeBuilder({ page }).analyze();
    for (const violation of found.violations) {
      if (['serious', 'critical'].includes(violation.impact)) {
        faults.push(`${address} ${JSON.stringify(options)}: ${violation.id}: ${violation.nodes[0].target.join(' ')}: ${violation.nodes[0].failureSummary}`);
      }
    }
    const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (excess > 0) faults.push(`${address} ${JSON.stringify(options)}: ${excess} px wider than the screen`);
    const empty = await page.evaluate(() => [...document.images].filter((one) => one.complete && one.checkVisibility() && !one.naturalWidth).map((one) => one.src));
    for (const picture of empty) faults.push(`${address}: cannot show ${picture}`);
    looked += 1;
    await page.context().close();
  }
}

// The search, by keyboard: `s` opens it, Enter follows the first result.
const page = await open('index', {});
await page.keyboard.press('s');
await page.keyboard.type('channel_shuffle');
await page.waitForSelector('.md-search-result__item');
await page.keyboard.press('ArrowDown');
await page.keyboard.press('Enter');
await page.waitForURL(/\/dev\/.+html/);
assert.match(await page.locator('article').innerText(), /channel_shuffle/);

// The version selector leads to the other version.
await page.goto(`${origin}/dev/operators/conv.html`);
await page.focus('.md-version__current');
await page.click('.md-version__link >> text="9.9.9"');
await page.waitForURL(`${origin}/9.9.9/**`);

// Dark mode shows the dark picture; the first page of the folder leads to the newest release.
const dark = await open('networks/resnet50', { colorScheme: 'light' });
const visible = () => dark.evaluate(() => [...document.querySelectorAll('figure.network img')].filter((one) => one.checkVisibility()).map((one) => one.src.split('-').pop()));
assert.deepEqual(await visible(), ['light']);
await dark.click('label[title="Switch to dark mode"]:visible');
assert.deepEqual(await visible(), ['dark']);
await dark.goto(`${origin}/`);
await dark.waitForURL(`${origin}/9.9.9/`);

await browser.close();
server.close();
for (const fault of faults) console.error(fault);
console.log(`${looked} views of ${PAGES.length} pages, ${faults.length} faults`);
process.exit(faults.length ? 1 : 0);
