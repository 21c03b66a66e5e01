// xmpp.js over WebSocket: two people talk; then the connection of one is cut, and what is said meanwhile arrives, once.
//
//     node xmpp_js.mjs '{"service": "ws://...", "domain": "...", "address": "...", "users": [["romeo", "secret"], ...]}'
//
// Prints one JSON object.

import {once, person, task, tell} from "./xmpp_js_person.mjs";

const romeo = await person(task.users[0]);
const juliet = await person(task.users[1]);
await romeo.say(juliet, "But, soft! <&> \u00e9 \u{1f319}");
await juliet.hear("But, soft! <&> \u00e9 \u{1f319}");

const back = once(juliet.streamManagement, "resumed");
juliet.socket.socket.terminate();
for (let line = 0; line < 5; line += 1) await romeo.say(juliet, "line " + line);
await back;
await juliet.hear("line 4");
await juliet.say(romeo, "done");
await romeo.hear("done");
await tell({heard: juliet.bodies()}, [romeo, juliet]);
