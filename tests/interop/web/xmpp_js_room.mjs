// xmpp.js over WebSocket: two people talk, alone and in a room, which one is cut off from and comes back to; then a new
// client, which knows nothing, reads both archives (XEP-0313) and enters the room, which shows what was said.
//
//     node xmpp_js_room.mjs '{"service": "ws://...", "domain": "...", "address": "...", "room": "...", "users": [...]}'
//
// Prints one JSON object.

import {once, person, task, tell, xml} from "./xmpp_js_person.mjs";

const MUC = "http://jabber.org/protocol/muc";
const MAM = "urn:xmpp:mam:2";
const {room, users} = task;

// Enters, and gives back the status codes of its own presence.
async function enter(one, nick) {
  await one.send(xml("presence", {to: `${room}/${nick}`}, xml("x", {xmlns: MUC})));
  const codes = (stanza) => (stanza.getChild("x", MUC + "#user")?.getChildren("status") ?? []).map((status) => status.attrs.code);
  const own = await one.until((stanza) =>
    stanza.is("presence") && stanza.attrs.from === `${room}/${nick}` && (codes(stanza).includes("110") || stanza.attrs.type === "error"));
  if (own.attrs.type === "error") throw new Error(own.toString());
  return codes(own);
}

// What an archive says, page by page from its start: who said it, and what.
async function read(one, archive) {
  const said = [];
  for (let after; ;) {
    const before = one.stanzas.length;
    const set = xml("set", {xmlns: "http://jabber.org/protocol/rsm"}, xml("max", {}, "4"), after && xml("after", {}, after));
    const answer = await one.iqCaller.request(
      xml("iq", {type: "set", ...(archive && {to: archive})}, xml("query", {xmlns: MAM, queryid: "q" + said.length}, set)));
    for (const stanza of one.stanzas.slice(before)) {
      const message = stanza.getChild("result", MAM)?.getChild("forwarded", "urn:xmpp:forward:0")?.getChild("message");
      const body = message?.getChildText("body");
      if (body) said.push([message.attrs.from, body]);
    }
    const fin = answer.getChild("fin", MAM);
    if (fin.attrs.complete === "true") return said;
    after = fin.getChild("set").getChildText("last");
  }
}

const romeo = await person(users[0]);
const juliet = await person(users[1]);
for (let line = 0; line < 5; line += 1) {
  await romeo.say(juliet, "alone " + line);
  await juliet.hear("alone " + line);
}
await juliet.say(romeo, "alone 5");
await romeo.hear("alone 5");

const made = await enter(romeo, "Romeo");
await romeo.iqCaller.request(
  xml("iq", {type: "set", to: room}, xml("query", {xmlns: MUC + "#owner"}, xml("x", {xmlns: "jabber:x:data", type: "submit"}))));
await enter(juliet, "Juliet");
await juliet.say(room, "in the room 0", "groupchat");
await romeo.hear("in the room 0");
const back = once(juliet.streamManagement, "resumed");
juliet.socket.socket.terminate();
for (let line = 1; line < 6; line += 1) await romeo.say(room, "in the room " + line, "groupchat");
await back;
await juliet.hear("in the room 5");
await juliet.say(room, "in the room 6", "groupchat");
await romeo.hear("in the room 6");
await juliet.hear("in the room 6");
const left = romeo.stanzas.some((stanza) =>
  stanza.is("presence") && stanza.attrs.type === "unavailable" && stanza.attrs.from === `${room}/Juliet`);
await juliet.stop();

const again = await person(users[1], "js-again");
const own = await read(again);
await enter(again, "Juliet");
await again.until((stanza) => stanza.is("message") && stanza.getChild("subject") && !stanza.getChild("body"));
const shown = again.bodies();
const inRoom = await read(again, room);
await tell({made, heard: juliet.bodies(), left, own, shown, inRoom}, [romeo, again]);
