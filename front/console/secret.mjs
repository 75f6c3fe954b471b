// A classic script that runs first on every page of a protected hub: removes the page's secret from the address, where
// the login put it, and adds it to all requests of the page to the hub.
{
  const KEY = 'hub-page';
  const HEADER = 'x-hub-page';
  const found = /[#&]hub_page=([\w-]+)$/.exec(location.hash);
  const storedSecret = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is forbidden: the page asks for a login each time
    }
  };
  if (found) {
    try {
      localStorage.setItem(KEY, found[1]);
    } catch {}
    const rest = location.hash.slice(0, found.index);
    history.replaceState(history.state, '', location.pathname + location.search + rest);
  }
  /** @param {string | URL} url */
  const isHubUrl = (url) => {
    const { origin, pathname } = new URL(url, document.baseURI);
    return origin === location.origin && /^\/(api\/|logout$)/.test(pathname);
  };

  const originalFetch = window.fetch;
  window.fetch = (input, init) => {
    const secret = storedSecret();
    const url = input instanceof Request ? input.url : input;
    if (!secret || !isHubUrl(url)) return originalFetch(input, init);
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    headers.set(HEADER, secret);
    return originalFetch(input, { ...init, headers });
  };

  const { open } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function opened(/** @type {any[]} */ ...args) {
    open.apply(this, /** @type {any} */ (args));
    const secret = storedSecret();
    if (secret && isHubUrl(args[1])) this.setRequestHeader(HEADER, secret);
  };

  // Fetch a link to a file of the API by script, because the browser would request it without the header.
  addEventListener('click', async (event) => {
    const link = event.target instanceof Element ? event.target.closest('a[href]') : null;
    if (!(link instanceof HTMLAnchorElement) || !storedSecret() || !isHubUrl(link.href) || event.defaultPrevented)
      return;
    event.preventDefault();
    const answer = await window.fetch(link.href);
    const url = URL.createObjectURL(await answer.blob());
    const name = link.download || decodeURIComponent(new URL(link.href).pathname.split('/').at(-1) ?? '');
    Object.assign(document.createElement('a'), { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  });
}
