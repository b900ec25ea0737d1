// The arrows of the sidebar are pictures without words; those who do not see them hear what they open.
for (const arrow of document.querySelectorAll("summary:has(.toctree-toggle)")) {
  arrow.setAttribute("aria-label", `Pages below ${arrow.closest("li").querySelector("a").textContent.trim()}`);
}
