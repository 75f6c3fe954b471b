// Runs before the first paint (a classic script in the head), so that no page flashes in the other theme,
// and the page that the hub sent does not flash where another is wanted.
{
  let theme = null;
  try {
    theme = localStorage.getItem('hub-theme');
  } catch {} // storage is forbidden: the system's theme
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  if (!/^(#\/?(workspaces\/?)?)?$/.test(location.hash)) document.documentElement.dataset.elsewhere = '';

  // The program comes after the first paint, and does not compete with it (in the background nothing is painted).
  let begun = false;
  const begin = () => {
    if (begun) return;
    begun = true;
    document.head.append(/** @type {HTMLTemplateElement} */ (document.getElementById('modules')).content);
    document.head.append(
      Object.assign(document.createElement('script'), { type: 'module', src: '/hub/assets/main.mjs' }),
    );
  };
  new PerformanceObserver(begin).observe({ type: 'paint', buffered: true });
  setTimeout(begin, 200);
}
