// The page that is a device: form in, MQTT.js in the middle, messages out.

import { credentials, hasWebCrypto } from './sign.js';
import { explain, languages } from './texts.js';

const { mqtt } = globalThis;
const $ = (id) => document.getElementById(id);
const messagesKept = 500;
const rememberedFields = ['pk', 'dn', 'url', 'version', 'method', 'client-id', 'keepalive'];
const storageKey = 'fairlead.device';

let client = null;
let state = 'idle';
let language = 'en';
let messageCount = 0;
const subscriptions = new Map(); // filter → { qos, refused }
const text = () => languages[language];

// ---- Form, language, memory -------------------------------------------------------------------

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(storageKey)) ?? {};
  } catch {
    return {}; // storage is forbidden or holds something else: begin anew
  }
}

function remember() {
  const form = { language, resume: $('resume').checked };
  for (const id of rememberedFields) form[id] = $(id).value;
  try {
    localStorage.setItem(storageKey, JSON.stringify(form));
  } catch {
    // Private windows may forbid it; the page works without.
  }
}

function recall() {
  const form = remembered();
  for (const id of rememberedFields) if (form[id]) $(id).value = form[id];
  $('resume').checked = form.resume === true;
  // A link may name the device: http://…/#pk=a1B2c3&dn=lamp
  const link = new URLSearchParams(location.hash.slice(1));
  for (const id of ['pk', 'dn', 'url']) if (link.get(id)) $(id).value = link.get(id);
  const preferred = navigator.language?.startsWith('zh') ? 'zh' : 'en';
  language = form.language in languages ? form.language : preferred;
}

function showLanguage() {
  const t = text();
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  document.title = `Fairlead: ${t.tagline}`;
  for (const node of document.querySelectorAll('[data-text]'))
    node.textContent = t[node.dataset.text];
  for (const node of document.querySelectorAll('[data-label]')) {
    node.setAttribute('aria-label', t[node.dataset.label]);
    if ('placeholder' in node) node.placeholder = t[node.dataset.label];
  }
  $('language').textContent = language === 'zh' ? 'English' : '中文';
  $('language').lang = language === 'zh' ? 'en' : 'zh-CN';
  showState(state);
  showSubscriptions();
  showCount();
}

function presets(container, target, topics) {
  $(container).replaceChildren(
    ...topics.map((topic) =>
      element('button', {
        type: 'button',
        textContent: topic,
        onclick: () => {
          $(target).value = topic;
          $(target).focus();
        },
      }),
    ),
  );
}

function showPresets() {
  const pk = $('pk').value.trim() || 'pk';
  const dn = $('dn').value.trim() || 'dn';
  const filters = [
    `/${pk}/${dn}/user/get`,
    `/${pk}/${dn}/user/#`,
    `/sys/${pk}/${dn}/thing/event/property/post_reply`,
  ];
  const topics = [
    `/${pk}/${dn}/user/update`,
    `/${pk}/${dn}/user/update/error`,
    `/sys/${pk}/${dn}/thing/event/property/post`,
  ];
  presets('filter-presets', 'filter', filters);
  presets('topic-presets', 'topic', topics);
  if (isUsual($('filter').value)) $('filter').value = filters[0];
  if (isUsual($('topic').value)) $('topic').value = topics[0];
}

// Follows the device name as it is typed, but never touches a topic that somebody wrote.
function isUsual(topic) {
  return topic === '' || /^\/[^/]*\/[^/]*\/user\/(get|update)$/.test(topic);
}

async function showEndpoints() {
  const host = location.hostname || '127.0.0.1';
  let endpoints = { ws: `ws://${host}:8443`, wss: `wss://${host}:8443` };
  try {
    const answer = await fetch('config.json');
    if (answer.ok) endpoints = (await answer.json()).endpoints ?? endpoints;
  } catch {
    // Opened as a file, or from another server: the usual port is a fair guess.
  }
  const urls = ['ws', 'wss']
    .filter((name) => endpoints[name])
    .map((name) =>
      endpoints[name].replace(
        /\/\/(0\.0\.0\.0|\[::\]|\*)(?=[:/]|$)/,
        `//${host.includes(':') ? `[${host}]` : host}`,
      ),
    );
  presets('endpoints', 'url', urls);
  const preferred = urls.find((url) => url.startsWith('wss:') === (location.protocol === 'https:'));
  if (!$('url').value) $('url').value = preferred ?? urls[0] ?? '';
}

// ---- What the user is told --------------------------------------------------------------------

function showState(next) {
  state = next;
  const name = `state${next[0].toUpperCase()}${next.slice(1)}`;
  $('state').textContent = text()[name];
  $('state').dataset.state = next;
  $('connect-button').hidden = next !== 'idle';
  $('disconnect-button').hidden = next === 'idle';
}

function showProblem(title, ...detail) {
  $('problem').replaceChildren(element('strong', { textContent: title }), ...detail);
  $('problem').hidden = false;
}

function clearProblem() {
  $('problem').hidden = true;
  $('problem').replaceChildren();
}

// The code in words, in the page's language, with the server's own sentence when it sent one.
function codeSentence(code, reason) {
  const hex = code > 5 ? `0x${code.toString(16).toUpperCase()}` : String(code);
  return [explain(code, language), reason, `(${text().code} ${hex})`].filter(Boolean).join(' ');
}

function showUnreachable(url) {
  const t = text();
  const secure = url.protocol === 'wss:';
  const health = `${secure ? 'https' : 'http'}://${url.host}/healthz`;
  showProblem(
    t.unreachable,
    `${secure ? t.unreachableWss : t.unreachableWs} `,
    element('a', { href: health, target: '_blank', rel: 'noreferrer', textContent: health }),
  );
}

function payloadText(payload) {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(payload);
  } catch {
    return [...payload].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  }
}

function showMessage(direction, topic, payload, qos, retained) {
  const now = new Date();
  const time = now.toLocaleTimeString('en-GB', { hour12: false });
  const item = element(
    'li',
    { className: direction },
    element('time', {
      dateTime: now.toISOString(),
      textContent: `${time}.${String(now.getMilliseconds()).padStart(3, '0')}`,
    }),
    element('span', {
      className: 'direction',
      textContent: direction === 'in' ? `↓ ${text().received}` : `↑ ${text().sent}`,
    }),
    element('span', { className: 'topic', textContent: topic }),
    element('span', { className: 'qos', textContent: `QoS ${qos}${retained ? ' · R' : ''}` }),
    element('pre', { textContent: payloadText(payload) }),
  );
  $('messages').prepend(item);
  if ($('messages').children.length > messagesKept) $('messages').lastChild.remove();
  messageCount += 1;
  showCount();
}

function showCount() {
  $('count').textContent = messageCount ? text().count(messageCount) : '';
  $('empty').hidden = messageCount > 0;
}

function showSubscriptions() {
  $('subscriptions').replaceChildren(
    ...[...subscriptions].map(([filter, { qos, refused }]) =>
      element(
        'li',
        {},
        element('span', { textContent: filter, className: refused ? 'refused' : '' }),
        element('span', {
          className: 'note',
          textContent: refused ? text().refused : `QoS ${qos}`,
        }),
        element('button', {
          type: 'button',
          className: 'quiet',
          textContent: '✕',
          ariaLabel: `${text().unsubscribe} ${filter}`,
          onclick: () => unsubscribe(filter),
        }),
      ),
    ),
  );
}

// ---- The connection ---------------------------------------------------------------------------

function serverUrl() {
  const t = text();
  let url;
  try {
    url = new URL($('url').value.trim());
  } catch {
    url = null;
  }
  if (!url || !['ws:', 'wss:'].includes(url.protocol)) {
    showProblem(t.badUrl, t.badUrlWhy);
    return null;
  }
  if (url.protocol === 'ws:' && location.protocol === 'https:') {
    showProblem(t.mixed, t.mixedWhy);
    return null;
  }
  return url;
}

async function connect() {
  clearProblem();
  const url = serverUrl();
  if (!url) return;
  remember();
  showState('connecting');
  const sign = await credentials({
    productKey: $('pk').value.trim(),
    deviceName: $('dn').value.trim(),
    secret: $('secret').value.trim(),
    clientId: $('client-id').value.trim(),
    method: $('method').value,
    secure: url.protocol === 'wss:',
  });
  $('shown-client-id').textContent = sign.clientId;
  $('shown-username').textContent = sign.username;
  $('credentials').hidden = false;
  const version = Number($('version').value);
  const resume = $('resume').checked;
  open(url, {
    ...sign,
    protocolVersion: version,
    protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
    clean: !resume,
    ...(version === 5 && resume ? { properties: { sessionExpiryInterval: 24 * 3600 } } : {}),
    keepalive: Number($('keepalive').value),
    connectTimeout: 10_000,
    reconnectPeriod: 2_000,
    timerVariant: 'native', // the default is a worker from a blob: forbidden by the page's policy
  });
}

function open(url, options) {
  client?.end(true);
  subscriptions.clear();
  showSubscriptions();
  const mine = mqtt.connect(url.href, options);
  client = mine;
  let wasConnected = false;
  let parting = null; // what the server's DISCONNECT said (MQTT 5.0)
  const current =
    (handler) =>
    (...args) =>
      client === mine && handler(...args);
  mine.on(
    'connect',
    current(() => {
      wasConnected = true;
      clearProblem();
      showState('connected');
      $('filter').focus();
    }),
  );
  mine.on(
    'message',
    current((topic, payload, packet) =>
      showMessage('in', topic, payload, packet.qos, packet.retain),
    ),
  );
  mine.on(
    'disconnect',
    current((packet) => (parting = packet)),
  );
  mine.on(
    'error',
    current((error) => {
      if (typeof error.code !== 'number') return; // the close event follows and says more
      const said = codeSentence(error.code, error.packet?.properties?.reasonString);
      disconnect();
      showProblem(text().refusedConnect, said);
    }),
  );
  mine.on(
    'close',
    current(() => {
      if (parting) {
        const { reasonCode, properties } = parting;
        disconnect(); // trying again would only fight with whoever took over, or be refused
        showProblem(text().closedByServer, codeSentence(reasonCode, properties?.reasonString));
      } else if (wasConnected) {
        showState('waiting');
      } else {
        disconnect();
        showUnreachable(url);
      }
    }),
  );
}

function disconnect() {
  const old = client;
  client = null;
  old?.end(state !== 'connected');
  subscriptions.clear();
  showSubscriptions();
  showState('idle');
}

function connectedClient() {
  if (client?.connected) return client;
  showProblem(text().notConnected, text().notConnectedWhy);
  return null;
}

function subscribe() {
  const mine = connectedClient();
  if (!mine) return;
  clearProblem();
  const filter = $('filter').value;
  mine.subscribe(filter, { qos: Number($('subscribe-qos').value) }, (error, granted, packet) => {
    if (client !== mine) return;
    const code = packet?.granted?.[0] ?? granted?.[0]?.qos ?? 0x80;
    const refused = Boolean(error) || code >= 0x80;
    subscriptions.set(filter, { qos: code, refused });
    showSubscriptions();
    if (!refused) return;
    // 0x80 is all that MQTT 3.1.1 can say; the reason is nearly always this one.
    const why =
      code === 0x80
        ? text().subscribeRefusedWhy
        : codeSentence(code, packet?.properties?.reasonString);
    showProblem(text().subscribeRefused, why);
  });
}

function unsubscribe(filter) {
  if (client?.connected && !subscriptions.get(filter)?.refused) client.unsubscribe(filter);
  subscriptions.delete(filter);
  showSubscriptions();
  $('filter').focus();
}

function publish() {
  const mine = connectedClient();
  if (!mine) return;
  clearProblem();
  const topic = $('topic').value;
  const payload = $('payload').value;
  const qos = Number($('publish-qos').value);
  const retain = $('retain').checked;
  mine.publish(topic, payload, { qos, retain }, (error) => {
    if (!error) return showMessage('out', topic, new TextEncoder().encode(payload), qos, retain);
    if (client !== mine) return undefined;
    const code = error.code;
    return typeof code === 'number'
      ? showProblem(text().publishRefused, codeSentence(code))
      : showProblem(text().publishFailed, error.message);
  });
}

// ---- Wiring -----------------------------------------------------------------------------------

function onSubmit(id, action) {
  $(id).addEventListener('submit', (event) => {
    event.preventDefault();
    action();
  });
}

onSubmit('connect', connect);
onSubmit('subscribe', subscribe);
onSubmit('publish', publish);
$('disconnect-button').addEventListener('click', disconnect);
$('clear').addEventListener('click', () => {
  $('messages').replaceChildren();
  messageCount = 0;
  showCount();
});
$('language').addEventListener('click', () => {
  language = language === 'zh' ? 'en' : 'zh';
  showLanguage();
  remember();
});
$('payload').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) $('publish').requestSubmit();
});
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  if (!$('problem').hidden) clearProblem();
  else if (state === 'connecting' || state === 'waiting') disconnect();
});
for (const id of ['pk', 'dn']) $(id).addEventListener('input', showPresets);

recall();
showLanguage();
showPresets();
showEndpoints();
if ($('pk').value && $('dn').value) $('secret').focus();
if (!hasWebCrypto) {
  $('method').value = 'hmacsha256';
  $('method').disabled = true;
  $('secret-note').textContent = text().noWebCrypto;
  $('secret-note').dataset.text = 'noWebCrypto';
}
