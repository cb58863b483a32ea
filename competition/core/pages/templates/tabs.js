// The links of nav.tabs become tabs: only one of the parts that they lead to is shown.
// Without this script, and on paper, all parts are shown one after the other.

/** Return the index of the tab that a key leads to, or null for other keys. */
export function tabAfter(key, place, count) {
  const places = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: count - 1 };
  return key in places ? (places[key] + count) % count : null;
}

function panelOf(tab) {
  return document.getElementById(tab.hash.slice(1));
}

function select(tabs, chosen) {
  for (const tab of tabs) {
    tab.setAttribute("aria-selected", tab === chosen);
    tab.tabIndex = tab === chosen ? 0 : -1;
    panelOf(tab).hidden = tab !== chosen;
  }
}

/** Show the part that holds the target of the address, or the first part. */
function follow(tabs) {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  select(tabs, tabs.find((tab) => target && panelOf(tab).contains(target)) ?? tabs[0]);
  if (target && !tabs.some((tab) => panelOf(tab) === target)) target.scrollIntoView();
}

for (const bar of document.querySelectorAll("nav.tabs")) {
  const tabs = [...bar.querySelectorAll("a")];
  bar.setAttribute("role", "tablist");
  for (const tab of tabs) {
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panelOf(tab).id);
    panelOf(tab).setAttribute("role", "tabpanel");
    tab.addEventListener("click", (event) => {
      event.preventDefault();
      select(tabs, tab);
      history.replaceState(null, "", tab.hash);
    });
    tab.addEventListener("keydown", (event) => {
      const next = tabAfter(event.key, tabs.indexOf(tab), tabs.length);
      if (next === null) return;
      event.preventDefault();
      tabs[next].focus();
      tabs[next].click();
    });
  }
  addEventListener("hashchange", () => follow(tabs));
  follow(tabs);
}
