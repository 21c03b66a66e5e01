// xmpp.js over WebSocket: two people talk; then the connection of one is cut, and what is said meanwhile arrives, once.
//
//     node xmpp_js.mjs '{"service": "ws://...", "domain": "...", "address": "...", "users": [["romeo", "secret"], ...]}'
//
// Prints one JSON object.

import WebSocket from "ws";
import {client, xml} from "@xmpp/client";

const {service, domain, address, users} = JSON.parse(process.argv[2]);
// The domain is in no name server.
globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    const lookup = (name, options, done) =>
      options.all ? done(null, [{address, family: 4}]) : done(null, address, 4);
    super(url, protocols, {lookup});
  }
};

function person([username, password]) {
  const one = client({service, domain, username, password, resource: "js"});
  one.heard = [];
  one.waiting = [];
  one.on("error", (error) => console.error(String(error)));
  one.on("stanza", (stanza) => {
    const body = stanza.is("message") && stanza.getChildText("body");
    if (body) {
      one.heard.push(body);
      one.waiting.splice(0).forEach((go) => go());
    }
  });
  one.until = async (body) => {
    while (!one.heard.includes(body)) await new Promise((go) => one.waiting.push(go));
  };
  one.say = (to, body) => one.send(xml("message", {to: to.jid.toString(), type: "chat"}, xml("body", {}, body)));
  return one;
}

const once = (emitter, name) => new Promise((go) => emitter.once(name, go));

const [romeo, juliet] = users.map(person);
for (const one of [romeo, juliet]) {
  await one.start();
  // It counts from the turn after the answer on, and tells nobody; what came in between would not be counted.
  while (!one.streamManagement.enabled) await new Promise((go) => setTimeout(go, 5));
  await one.send(xml("presence"));
}
await romeo.say(juliet, "But, soft! <&> \u00e9 \u{1f319}");
await juliet.until("But, soft! <&> \u00e9 \u{1f319}");

const back = once(juliet.streamManagement, "resumed");
juliet.socket.socket.terminate();
for (let line = 0; line < 5; line += 1) await romeo.say(juliet, "line " + line);
await back;
await juliet.until("line 4");
await juliet.say(romeo, "done");
await romeo.until("done");
console.log(JSON.stringify({heard: juliet.heard}));
await Promise.all([romeo.stop(), juliet.stop()]);
process.exit(0);
