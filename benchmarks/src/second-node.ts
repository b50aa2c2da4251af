// The other process of the questions "strong" and "modes": a node that acknowledges. Argument: the meeting.
import { consentSubject, openModesNode, type StrongMeeting } from "./subjects/modes.ts";

const node = await openModesNode(JSON.parse(process.argv[2] ?? "") as StrongMeeting);
// What is written by hand asks for consent too, and gets it from this same process over this same connection.
node.connection.subscribe(consentSubject, { callback: (_, message) => void message.respond() });
await node.connection.flush();
process.on("message", () => void node.close().then(() => process.exit(0)));
process.send?.("ready");
