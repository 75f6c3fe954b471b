/** The components that pages are built of. */

export { Button, Copyable, CopyButton, ItemLink, StateBadge, Switch } from './ui/controls.mjs';
export { Confirm, Dialog } from './ui/dialog.mjs';
export { Checkbox, Choice, Field } from './ui/form.mjs';
export { html } from './ui/html.mjs';
export { Icon, Mark } from './ui/icons.mjs';
export { Issues, Notice, prose } from './ui/notice.mjs';
export { Empty, Facts, Page, Section } from './ui/page.mjs';
export { Table } from './ui/table.mjs';
export { Tabs } from './ui/tabs.mjs';
export { now, Time } from './ui/time.mjs';
export { announce, toast } from './ui/toast.mjs';
export { Toasts } from './ui/toasts.mjs';
