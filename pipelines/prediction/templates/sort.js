"use strict";
// Sorts a table by the column whose button is pressed; a second press reverses the order.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const column = [...head.parentElement.children].indexOf(head);
    const body = head.closest("table").tBodies[0];
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const key = (row) => row.children[column].dataset.value ?? row.children[column].textContent;
    const rows = [...body.rows];
    rows.sort((a, b) => sign * key(a).localeCompare(key(b), "en", { numeric: true }));
    body.replaceChildren(...rows);
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
  });
}
