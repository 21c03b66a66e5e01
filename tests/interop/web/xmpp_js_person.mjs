// A person with xmpp.js: what both plays need. `task` is what the suite asks for.

import WebSocket from "ws";
import {client, xml} from "@xmpp/client";

export {xml};
export const task = JSON.parse(process.argv[2]);
const {service, domain, address} = task;
// The domain is in no name server.
globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    const lookup = (name, options, done) =>
      options.all ? done(null, [{address, family: 4}]) : done(null, address, 4);
    super(url, protocols, {lookup});
  }
};

export const once = (emitter, name) => new Promise((go) => emitter.once(name, go));

// Resolves once it is online, counts what it receives, and is available.
export async function person([username, password], resource = "js") {
  const one = client({service, domain, username, password, resource});
  one.stanzas = [];
  one.waiting = [];
  one.on("error", (error) => console.error(String(error)));
  one.on("stanza", (stanza) => {
    one.stanzas.push(stanza);
    one.waiting.splice(0).forEach((go) => go());
  });
  // The first stanza that passes, whether it came already or is yet to come.
  one.until = async (test) => {
    for (;;) {
      const found = one.stanzas.find(test);
      if (found) return found;
      await new Promise((go) => one.waiting.push(go));
    }
  };
  one.bodies = () => one.stanzas.filter((stanza) => stanza.is("message"))
    .map((stanza) => stanza.getChildText("body")).filter(Boolean);
  one.hear = (body) => one.until((stanza) => stanza.is("message") && stanza.getChildText("body") === body);
  one.say = (to, body, type = "chat") =>
    one.send(xml("message", {to: (to.jid ?? to).toString(), type}, xml("body", {}, body)));
  await one.start();
  // It counts from the turn after the answer on, and tells nobody; what came in between would not be counted.
  while (!one.streamManagement.enabled) await new Promise((go) => setTimeout(go, 5));
  await one.send(xml("presence"));
  return one;
}

// Prints what is told, and ends.
export async function tell(told, people) {
  console.log(JSON.stringify(told));
  await Promise.all(people.map((one) => one.stop()));
  process.exit(0);
}
