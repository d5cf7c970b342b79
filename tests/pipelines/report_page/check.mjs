// Opens a page in a browser and prints results of checks as JSON: node check.mjs PAGE CHROMIUM [FOLDER for screenshots]
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [page_file, executablePath, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});

async function open(width, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, bypassCSP: false });
  const page = await context.newPage();
  const found = { width, colorScheme, messages: [], requests: [] };
  page.on("console", (message) => found.messages.push(message.text()));
  page.on("pageerror", (error) => found.messages.push(String(error)));
  page.on("dialog", (dialog) => { found.messages.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => { if (!request.url().startsWith("data:")) found.requests.push(request.url()); });
  await page.goto(`file://${page_file}`);
  return { context, page, found };
}

const looks = [];
for (const width of [390, 1440]) {
  for (const colorScheme of ["light", "dark"]) {
    const { context, page, found } = await open(width, colorScheme);
    await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
    found.overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    found.broken = await page.evaluate(() => [...document.images].filter((one) => one.src && !one.naturalWidth).length);
    if (pictures) await page.screenshot({ path: `${pictures}/${width}-${colorScheme}.png`, fullPage: true });
    await page.evaluate(axe); // the content security policy of the page does not apply to it
    const { violations, passes } = await page.evaluate(() => axe.run());
    found.passes = passes.length;
    found.violations = violations.map(({ id, impact, nodes }) => ({ id, impact, node: nodes[0].html.slice(0, 200) }));
    looks.push(found);
    await context.close();
  }
}

// With the keyboard: focus the first image, then the next one, enlarge it, show the one before, close it.
const { context, page, found: keyboard } = await open(1440, "light");
const focused = () => page.evaluate(() => document.activeElement.dataset.row ?? null);
const title = () => page.textContent("#viewer-title");
const onClosedSheet = () => page.evaluate(() => document.activeElement.matches(".sheet:not([open]) > summary"));
let tabs = 0;
while ((await focused()) === null && tabs++ < 100) {
  await page.keyboard.press("Tab");
  if (await onClosedSheet()) await page.keyboard.press("Enter");
}
keyboard.tabs = tabs;
keyboard.first = await focused();
await page.keyboard.press("ArrowRight");
keyboard.second = await focused();
await page.keyboard.press("Enter");
keyboard.opened = await title();
if (pictures) await page.screenshot({ path: `${pictures}/viewer.png` });
await page.keyboard.press("ArrowLeft");
keyboard.moved = await title();
await page.keyboard.press("Escape");
keyboard.closed = await page.evaluate(() => !document.getElementById("viewer").open);
keyboard.returned = await focused();
await page.check("input[value=test]");
keyboard.splits = await page.evaluate(() => [...document.querySelectorAll(".split:not([hidden])")].map((one) => one.dataset.split));
await page.check("input[value=both]");
keyboard.pages = (await page.pdf()).toString("latin1").match(/\/Type\s*\/Page\b/g).length;
if (pictures) {
  await page.emulateMedia({ media: "print" });
  await page.screenshot({ path: `${pictures}/print.png`, fullPage: true });
}
await context.close();
await browser.close();
console.log(JSON.stringify({ looks, keyboard }, null, 1));
