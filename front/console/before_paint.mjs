// A classic script in the head that runs before the first paint: sets the theme, and hides the page that the front
// rendered if the address names another one, so that neither flashes.
{
  let theme = null;
  try {
    theme = localStorage.getItem('hub-theme');
  } catch {} // storage is forbidden: the system's theme
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  if (!/^(#\/?(workspaces\/?)?)?$/.test(location.hash)) document.documentElement.dataset.elsewhere = '';

  // Load the console's modules after the first paint, so that they do not delay it (in a background tab nothing is
  // painted).
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
