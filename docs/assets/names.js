// Names, for screen readers, of parts of the theme that have none or share one.
function nameParts() {
  for (const search of document.querySelectorAll(".md-search[role=dialog]:not([aria-label])"))
    search.setAttribute("aria-label", "Search");
  for (const buttons of document.querySelectorAll("nav.md-code__nav:not([role])"))
    buttons.setAttribute("role", "none"); // a button to copy code is no part of the navigation
  for (const menu of document.querySelectorAll("nav.md-nav[aria-labelledby]")) {
    const title = menu.querySelector(":scope > .md-nav__title");
    menu.setAttribute("aria-label", `Pages: ${title ? title.textContent.trim() : "more"}`);
    menu.removeAttribute("aria-labelledby");
  }
}
nameParts();
new MutationObserver(nameParts).observe(document.body, { childList: true, subtree: true });
