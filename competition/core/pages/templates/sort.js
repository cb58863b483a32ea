// In each table of the class "sorts" a button in the heading sorts by its column.
// Rows in other bodies of the table, such as all classes together, keep their place.

const NONE = "\u2013";

function value(row, column) {
  const cell = row.cells[column];
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(text.replaceAll(",", ""));
  return text === NONE || text === "" ? null : Number.isNaN(number) ? text : number;
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other), undefined, { numeric: true });
}

// Rows without a value come last in both directions.
export function sorted(rows, column, sign) {
  return rows
    .map((row) => [value(row, column), row])
    .sort(([one], [other]) => {
      if (one === null || other === null) return (one === null) - (other === null);
      return sign * compare(one, other);
    })
    .map(([, row]) => row);
}

function sort(table, heading) {
  const bodies = [...table.tBodies].filter((each) => !each.classList.contains("all"));
  const body = bodies[bodies.length - 1];
  // A second click on a heading reverses the order.
  const isAscending = heading.getAttribute("aria-sort") !== "ascending";
  for (const each of heading.parentElement.cells) each.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
  body.append(...sorted([...body.rows], heading.cellIndex, isAscending ? 1 : -1));
}

for (const table of document.querySelectorAll("table.sorts")) {
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(table, heading));
    heading.append(button);
  }
}
