/** The page that shows a running application. No framework, no build: one document and one script, both from here. */

export const ADMIN_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Strand</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/admin.css">
<script src="/admin.js" defer></script>
</head>
<body>
<h1 id="name">&#8230;</h1>
<p id="state" role="status">connecting</p>
<main id="processes"></main>
<noscript>This page needs scripts; <a href="/status">the same as JSON</a>.</noscript>
</body>
</html>
`;

export const ADMIN_STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; }
h2 { font-size: 1.05rem; margin: 1.5rem 0 .25rem; }
#state.ready { color: #178a3a; } #state.down { color: #c0392b; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .15rem .75rem .15rem 0; font-weight: normal; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
ul { list-style: none; padding-left: 1.1rem; margin: 0; border-left: 1px solid #8885; }
main > section > ul { border: 0; padding: 0; }
.off { opacity: .55; } .address, .kind { opacity: .7; }
`;

export const ADMIN_SCRIPT = `'use strict';
const $ = (id) => document.getElementById(id);
const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const shown = (value) => Number.isInteger(value) ? value.toLocaleString('en') : value.toLocaleString('en', { maximumFractionDigits: 2 });
let before = new Map();

function tree(service) {
  const item = make('li', undefined, service.running ? '' : 'off');
  item.append(make('strong', service.name));
  if (service.kind !== service.name) item.append(make('span', ' ' + service.kind, 'kind'));
  if (service.address) item.append(make('span', ' ' + service.address, 'address'));
  if (!service.running) item.append(make('span', ' (stopped)'));
  if (service.children.length > 0) {
    const list = make('ul');
    list.append(...service.children.map(tree));
    item.append(list);
  }
  return item;
}

function numbers(report, time, seen) {
  const table = make('table');
  const row = (name, value, rate) => {
    const line = make('tr');
    line.append(make('th', name), make('td', shown(value), 'number'), make('td', rate === undefined ? '' : shown(rate) + '/s', 'number rate'));
    table.append(line);
  };
  row('uptime, s', Math.round(report.uptime));
  row('memory, MiB', Math.round(report.memory / 1048576));
  for (const { name, type, value, labels = {} } of report.measurements) {
    const label = Object.values(labels).join(', ');
    const key = report.pid + ' ' + name + ' ' + label;
    const old = before.get(key);
    seen.set(key, { value, time });
    const rate = type === 'counter' && old && time > old.time ? (value - old.value) / (time - old.time) : undefined;
    row(name.replace(/^strand_|_total$/g, '').replaceAll('_', ' ') + (label ? ' \\u2013 ' + label : ''), value, rate);
  }
  return table;
}

function show({ name, time, processes }) {
  document.title = name;
  $('name').textContent = name;
  const reasons = processes.flatMap((each) => each.reasons);
  $('state').textContent = reasons.length === 0 ? 'ready' : 'not ready: ' + reasons.join('; ');
  $('state').className = reasons.length === 0 ? 'ready' : 'down';
  const seen = new Map();
  $('processes').replaceChildren(...processes.map((report) => {
    const section = make('section');
    section.append(make('h2', (report.worker === null ? '' : 'worker ' + report.worker + ', ') + 'process ' + report.pid));
    const list = make('ul');
    list.append(tree(report.services));
    section.append(list, numbers(report, time, seen));
    return section;
  }));
  before = seen;
}

const source = new EventSource('/events');
source.onmessage = (event) => show(JSON.parse(event.data));
source.onerror = () => {
  $('state').textContent = 'no connection';
  $('state').className = 'down';
};
`;
