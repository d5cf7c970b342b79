// Looks at a page, and sorts its tables if they can be; prints JSON: node table.mjs PAGE CHROMIUM [PICTURES]
import { launch, look, open } from "./pages.mjs";

const [file, executable, pictures] = process.argv.slice(2);
const browser = await launch(executable);
const looks = await look(browser, file, pictures);

// Press every heading twice, with the keyboard; the values of its column after each press.
const { context, page, found: sorting } = await open(browser, file, 1440, "light");
const buttons = await page.$$("main table:first-of-type th button");
sorting.columns = [];
for (const button of buttons) {
  const orders = [];
  for (const press of [1, 2]) {
    await button.focus();
    await page.keyboard.press("Enter");
    orders.push(await button.evaluate((one) => {
      const head = one.closest("th");
      const column = [...head.parentElement.children].indexOf(head);
      const rows = [...head.closest("table").tBodies[0].rows];
      return [head.getAttribute("aria-sort"), rows.map((row) => row.children[column].textContent)];
    }));
  }
  sorting.columns.push({ name: await button.textContent(), orders });
}
await context.close();
await browser.close();
console.log(JSON.stringify({ looks, sorting }, null, 1));
