// Looks at the report and controls it with the keyboard; prints JSON: node report.mjs PAGE CHROMIUM [PICTURES]
import { launch, look, open } from "./pages.mjs";

const [file, executable, pictures] = process.argv.slice(2);
const browser = await launch(executable);
const looks = await look(browser, file, pictures);

// With the keyboard: focus the first image, then the next one, enlarge it, show the one before, close it.
const { context, page, found: keyboard } = await open(browser, file, 1440, "light");
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
