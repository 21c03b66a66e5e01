// xmpp.js, told what to do by the suite: logs in by SASL2 with Bind 2, stream management and FAST; then has its connection
// cut, and comes back by itself. What happens is said as one JSON object a line.
//
//     node sasl2_client.mjs SERVICE DOMAIN USER PASSWORD

import { webcrypto } from "node:crypto";
import { client, xml } from "@xmpp/client";

const [service, domain, username, password] = process.argv.slice(2);
// The node of Debian 12 does not show it unasked.
globalThis.crypto ??= webcrypto;
const say = (what, more = {}) => console.log(JSON.stringify({ what, ...more }));
const xmpp = client({ service, domain, username, password, resource: "xmppjs" });
let connections = 0;

// Authentications and their answers, as they are on the wire.
const wire = (direction) => (element) => {
  const shown = ["authenticate", "success", "failure", "challenge", "auth"];
  if (!shown.includes(element.name)) return;
  say(direction, {
    element: element.name,
    namespace: element.attrs.xmlns,
    mechanism: element.attrs.mechanism,
    children: element.getChildElements().map((child) => child.name),
  });
};
xmpp.on("send", wire("sent"));
xmpp.on("nonza", wire("received"));
xmpp.on("error", (error) => say("error", { text: String(error) }));
xmpp.on("stanza", (stanza) => {
  if (stanza.is("message") && stanza.getChildText("body")) say("message", { body: stanza.getChildText("body") });
});
xmpp.streamManagement.on("resumed", () => back(true));
xmpp.on("online", (address) => {
  say("online", { address: address.toString() });
  back(false);
});

// Each time it is there: a message to itself shows that stanzas flow. Then its line is cut, twice; the second time its
// earlier session is forgotten, too, so that it must bind anew.
async function back(resumed) {
  connections += 1;
  say("here", { resumed, address: xmpp.jid?.toString() });
  if (!resumed) await xmpp.send(xml("presence"));
  await xmpp.send(xml("message", { to: `${username}@${domain}`, type: "chat" }, xml("body", {}, `round ${connections}`)));
  setTimeout(() => {
    if (connections === 3) {
      say("done");
      process.exit(0);
    }
    if (connections === 2) xmpp.streamManagement.id = "forgotten";
    xmpp.socket.socket.destroy();
  }, 500);
}

setTimeout(() => process.exit(3), 20_000);
xmpp.start().catch((error) => say("error", { text: String(error) }));
