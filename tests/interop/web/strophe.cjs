// Strophe.js, over BOSH with the XMLHttpRequest of jsdom, which keeps the rules of origins, or over WebSocket.
//
//     node strophe.cjs '{"service": "http://...", "domain": "...", "origin": "https://...", "users": [[...], [...]]}'
//
// Prints one JSON object.

const {JSDOM, VirtualConsole} = require("jsdom");
const {service, domain, origin, users} = JSON.parse(process.argv[2]);
const page = new JSDOM("", {url: origin + "/", virtualConsole: new VirtualConsole()});
global.XMLHttpRequest = page.window.XMLHttpRequest;
for (const name of ["DOMParser", "XMLSerializer", "document", "Document", "Element", "Node"]) {
  global[name] = page.window[name];
}
const {Strophe, $msg, $pres, $iq} = require("strophe.js");
Strophe.log = () => {};

function login([user, password]) {
  return new Promise((go, fail) => {
    const one = new Strophe.Connection(service);
    one.heard = [];
    one.waiting = [];
    one.connect(user + "@" + domain + "/strophe", password, (status, reason) => {
      if (status === Strophe.Status.CONNECTED) go(one);
      if (status === Strophe.Status.AUTHFAIL || status === Strophe.Status.CONNFAIL) fail(new Error("refused: " + reason));
      if (status === Strophe.Status.DISCONNECTED) {
        fail(new Error("disconnected"));
        if (one.gone) one.gone();
      }
    });
    one.addHandler((message) => {
      const body = message.getElementsByTagName("body")[0];
      if (body) {
        one.heard.push(body.textContent);
        one.waiting.splice(0).forEach((go) => go());
      }
      return true;
    }, null, "message");
  });
}

async function heard(one, count) {
  while (one.heard.length < count) await new Promise((go) => one.waiting.push(go));
}

// Strophe tries again and again when it is kept out; this says at once whether it would be.
function letIn() {
  return new Promise((go, fail) => {
    const request = new XMLHttpRequest();
    request.onload = go;
    request.onerror = () => fail(new Error("kept out"));
    request.open("POST", service);
    request.setRequestHeader("Content-Type", "text/xml; charset=utf-8");
    request.send("");
  });
}

async function main() {
  if (service.startsWith("http")) await letIn();
  const romeo = await login(users[0]);
  const juliet = await login(users[1]);
  juliet.send($pres());
  await new Promise((go, fail) => juliet.sendIQ($iq({type: "get", to: domain}).c("ping", {xmlns: "urn:xmpp:ping"}), go, fail));
  const lines = Array.from({length: 50}, (_, line) => "line " + line + " <&> \u00e9");
  for (const line of lines) romeo.send($msg({to: juliet.jid, type: "chat"}).c("body").t(line));
  await heard(juliet, lines.length);
  juliet.send($msg({to: romeo.jid, type: "chat"}).c("body").t("done"));
  await heard(romeo, 1);
  const gone = [romeo, juliet].map((one) => new Promise((go) => { one.gone = go; }));
  romeo.disconnect();
  juliet.disconnect();
  await Promise.all(gone);
  console.log(JSON.stringify({inOrder: JSON.stringify(juliet.heard) === JSON.stringify(lines), back: romeo.heard}));
  process.exit(0);
}

main().catch((error) => {
  console.log(JSON.stringify({failed: String(error)}));
  process.exit(0);
});
