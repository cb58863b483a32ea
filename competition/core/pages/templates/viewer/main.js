/** Start every viewer of the page; links to a scan open it. */

import { Viewer } from "./viewer.js";

for (const root of document.querySelectorAll("section.viewer")) {
  const viewer = new Viewer(root);
  root.viewer = viewer;
  let latest = 0;
  const open = (number) => {
    const own = ++latest;
    viewer.part("failure").textContent = "";
    return viewer.open(number).catch((error) => {
      // Another scan was chosen meanwhile.
      if (own !== latest) return;
      root.dataset.state = "failed";
      viewer.part("failure").textContent = `This browser cannot show the scan: ${error.message}. Use one of the last three years.`;
      throw error;
    });
  };
  viewer.part("scan").addEventListener("change", (event) => open(Number(event.target.value)));
  for (const link of document.querySelectorAll("a[data-scan]")) {
    link.addEventListener("click", () => open(Number(link.dataset.scan)));
  }
  open(0);
}
