// A program in Node that has production's URLs in its source: by fetch, and by node:https.

import { get } from "node:https";

const URL = "https://data.solarnetwork.net/solaruser/api/v1/sec/instr/view?id=1";

console.log("fetch", (await fetch(URL)).status);
get(URL, (answer) => console.log("https", answer.resume().statusCode));
