// Runs before anything is painted, so that the page does not flash in the other theme. "system" is no attribute at all.
{
  const theme = localStorage.getItem("fastgate.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}
