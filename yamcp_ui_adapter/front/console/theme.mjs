// Runs before the first paint (a classic script in the head), so that no page flashes in the other theme.
{
  let theme = null;
  try {
    theme = localStorage.getItem('hub-theme');
  } catch {} // storage is forbidden: the system's theme
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
}
