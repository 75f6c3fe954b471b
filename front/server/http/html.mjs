// What all pages that the server makes share: the frame of a document, and text in it.

/** Return text as HTML, also within an attribute. @param {string} text */
export const escaped = (text) => text.replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);

/**
 * Return an HTML document that loads nothing by itself.
 * @param {object} parts
 * @param {string} parts.title  text
 * @param {string} parts.style  CSS
 * @param {string} parts.body  HTML
 * @param {string} [parts.head]  HTML
 */
export function documentOf({ title, style, body, head = '' }) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<meta name="robots" content="noindex" />
<title>${escaped(title)} · yamcp-hub</title>
<link rel="icon" href="data:," />
<style>${style}</style>
${head}
</head>
<body>
${body}
</body>
</html>
`;
}
