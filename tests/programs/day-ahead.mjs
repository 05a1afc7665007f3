#!/usr/bin/env node
// An integrator's program in Node, without any library: asks for a day-ahead forecast through
// SolarUser, follows the instruction to its end, and exits with 0 if it was Completed, 1 if not.
//
//   OSCP_SEND_URL=... OSCP_SEND_TOKEN=... OSCP_SEND_SECRET=... node day-ahead.mjs [--day-ahead] [UNIT [GROUP]]
//
// With the unit KW, or none, all is well; with kW, the mistake that everybody makes once, SolarUser
// declines the message.

import { createHash, createHmac } from "node:crypto";

const [unit = "KW", group = "foo-group"] = process.argv.slice(2).filter((each) => each !== "--day-ahead");
const { OSCP_SEND_URL: base, OSCP_SEND_TOKEN: token, OSCP_SEND_SECRET: secret } = process.env;
const API = "/solaruser/api/v1/sec/instr";
const PATIENCE = 10_000;

const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const encoded = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

async function ask(method, path, fields) {
  const now = new Date();
  const query = Object.keys(fields)
    .sort()
    .map((name) => `${encoded(name)}=${encoded(fields[name])}`)
    .join("&");
  const isForm = method === "POST";
  const headers = {
    host: new URL(base).host,
    "x-sn-date": now.toUTCString(),
    ...(isForm ? { "content-type": "application/x-www-form-urlencoded" } : {}),
  };
  const names = Object.keys(headers).sort();
  const canonical = [
    method,
    path,
    query,
    ...names.map((name) => `${name}:${headers[name]}`),
    names.join(";"),
    sha256(""),
  ].join("\n");
  const stamp = now.toISOString().replace(/[-:]|\.\d+/g, "");
  const key = hmac(hmac(`SNWS2${secret}`, stamp.slice(0, 8)), "snws2_request");
  const signature = hmac(key, `SNWS2-HMAC-SHA256\n${stamp}\n${sha256(canonical)}`).toString("hex");
  const { host, ...sent } = headers;
  const response = await fetch(base + path + (isForm || !query ? "" : `?${query}`), {
    method,
    headers: {
      ...sent,
      authorization: `SNWS2 Credential=${token},SignedHeaders=${names.join(";")},Signature=${signature}`,
    },
    body: isForm ? query : undefined,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}: ${text}`);
  return JSON.parse(text).data;
}

function blocks() {
  const start = new Date();
  start.setUTCHours(24, 0, 0, 0);
  return [42, 42, 35.5, 30].map((capacity, index) => ({
    capacity,
    phase: "ALL",
    unit,
    start_time: new Date(start.getTime() + index * 900_000).toISOString(),
    end_time: new Date(start.getTime() + (index + 1) * 900_000).toISOString(),
  }));
}

async function send() {
  const message = { group_id: group, type: "CONSUMPTION", forecasted_blocks: blocks() };
  const fields = {
    nodeId: "1",
    "parameters[0].name": "coId",
    "parameters[0].value": "1",
    "parameters[1].name": "cgIdentifier",
    "parameters[1].value": group,
    "parameters[2].name": "action",
    "parameters[2].value": "AdjustGroupCapacityForecast",
    "parameters[3].name": "msg",
    "parameters[3].value": JSON.stringify(message),
  };
  let instruction = await ask("POST", `${API}/add/OSCP_v20`, fields);
  const deadline = Date.now() + PATIENCE;
  while (!["Completed", "Declined"].includes(instruction.state) && Date.now() < deadline) {
    await new Promise((resume) => setTimeout(resume, 20));
    instruction = await ask("GET", `${API}/view`, { id: String(instruction.id) });
  }
  const why = instruction.resultParameters?.error ?? instruction.resultParameters?.message;
  console.log(`instruction ${instruction.id} is ${instruction.state}${why ? `: ${why}` : ""}`);
  return instruction.state === "Completed";
}

send().then(
  (isGood) => process.exit(isGood ? 0 : 1),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
