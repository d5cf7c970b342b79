// Opens pages in a browser and looks at them.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const launch = (executablePath) => chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});

// Opens a page and records its messages, errors, dialogs and requests.
export async function open(browser, file, width, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, bypassCSP: false });
  const page = await context.newPage();
  const found = { width, colorScheme, messages: [], requests: [] };
  page.on("console", (message) => found.messages.push(message.text()));
  page.on("pageerror", (error) => found.messages.push(String(error)));
  page.on("dialog", (dialog) => { found.messages.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => { if (!request.url().startsWith("data:")) found.requests.push(request.url()); });
  await page.goto(`file://${file}`);
  return { context, page, found };
}

// Looks at a page in two widths, light and dark: overflow, broken images, and faults that axe-core finds.
export async function look(browser, file, pictures) {
  const looks = [];
  for (const width of [390, 1440]) {
    for (const colorScheme of ["light", "dark"]) {
      const { context, page, found } = await open(browser, file, width, colorScheme);
      await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
      await page.evaluate(() => document.querySelectorAll("img[loading]").forEach((one) => { one.loading = "eager"; }));
      await page.evaluate(() => Promise.all([...document.images].map((one) => one.decode().catch(() => null))));
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
  return looks;
}
