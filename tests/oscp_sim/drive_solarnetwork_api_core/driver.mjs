// Drives a server with SolarNetwork's own JavaScript client, and with clients that it could be part
// of. Prints what came back, as one JSON object: a case's name, then status, headers and body.
//
//   node driver.mjs <base URL> <token> <secret>

import http from "node:http";

import { Instruction, InstructionStates } from "solarnetwork-api-core/lib/domain";
import {
	AuthorizationV2Builder,
	Environment,
	HttpContentType,
	HttpHeaders,
	HttpMethod,
	SolarUserApi,
} from "solarnetwork-api-core/lib/net";

const [base, token, secret] = process.argv.slice(2);
const server = new URL(base);
const environment = new Environment({
	protocol: server.protocol,
	host: server.hostname,
	port: server.port,
});
const api = new SolarUserApi(environment);
const TOPIC = "OSCP_v20";
const DAY = 24 * 3600 * 1000;
const HANDSHAKE = [
	Instruction.parameter("action", "Handshake"),
	Instruction.parameter("coId", "1"),
	Instruction.parameter("cgIdentifier", "foo-group"),
	Instruction.parameter("msg", "{}"),
];
const results = {};

// ---- what a program around the library does

function path(rest) {
	return `${base}/solaruser/api/v1/sec${rest}`;
}

/** Signs with the library; returns the headers to send. `change` sees the builder before it signs. */
function sign(method, url, { type, body, form, change, key, date } = {}) {
	const builder = new AuthorizationV2Builder(token, environment);
	builder.method(method).url(url).snDate(true);
	if (date) {
		builder.date(date);
	}
	if (type) {
		builder.contentType(type);
	}
	if (form) {
		builder.queryParams(form);
	}
	if (body !== undefined && !form) {
		builder.computeContentDigest(body);
	}
	change?.(builder);
	const headers = {};
	if (builder.useSnDate) {
		headers[HttpHeaders.X_SN_DATE] = builder.requestDateHeaderValue;
	}
	if (type) {
		headers[HttpHeaders.CONTENT_TYPE] = type;
	}
	const digest = builder.httpHeaders.firstValue(HttpHeaders.DIGEST);
	if (digest) {
		headers[HttpHeaders.DIGEST] = digest;
	}
	headers[HttpHeaders.AUTHORIZATION] = key
		? builder.buildWithKey(key)
		: builder.build(secret);
	return headers;
}

/** Sends as a browser would, which adds headers of its own. */
async function send(name, method, url, headers, body) {
	const response = await fetch(url, { method, headers, body });
	const bytes = Buffer.from(await response.arrayBuffer());
	keep(name, response.status, Object.fromEntries(response.headers), bytes);
}

/** Sends exactly these headers, also those that a browser keeps for itself. */
function sendRaw(name, method, url, headers, body) {
	return new Promise((resolve, reject) => {
		const request = http.request(url, { method, headers, agent: false }, (response) => {
			const chunks = [];
			response.on("data", (chunk) => chunks.push(chunk));
			response.on("end", () => {
				keep(name, response.statusCode, response.headers, Buffer.concat(chunks));
				resolve();
			});
		});
		request.on("error", reject);
		request.end(body);
	});
}

function keep(name, status, headers, bytes) {
	const json = (headers["content-type"] ?? "").startsWith("application/json");
	results[name] = {
		status,
		headers,
		body: json ? JSON.parse(bytes.toString()) : null,
		base64: json ? null : bytes.toString("base64"),
	};
}

async function json(name, url, content, options = {}) {
	const type = options.type ?? HttpContentType.APPLICATION_JSON_UTF8;
	const body = typeof content === "string" ? content : JSON.stringify(content);
	const headers = sign(HttpMethod.POST, url, { ...options, type, body });
	await send(name, HttpMethod.POST, url, { ...headers, ...options.more }, options.sent ?? body);
}

/** Moves the query of a URL that the library made into a form body, and signs it as parameters. */
async function form(name, url, options = {}) {
	const whole = new URL(url);
	const fields = [...whole.searchParams];
	const bare = whole.origin + whole.pathname;
	const type = options.type ?? HttpContentType.FORM_URLENCODED_UTF8;
	const headers = sign(HttpMethod.POST, bare, {
		...options,
		type,
		form: Object.fromEntries(fields),
	});
	const body = new URLSearchParams(fields).toString();
	await send(name, HttpMethod.POST, bare, headers, body);
}

async function get(name, url, options = {}) {
	const headers = sign(HttpMethod.GET, url, options);
	await send(name, HttpMethod.GET, url, { Accept: "application/json", ...headers, ...options.more });
}

function add(topic) {
	return path(topic ? `/instr/add/${topic}` : "/instr/add");
}

function parameters(changes) {
	return HANDSHAKE.map(({ name, value }) => Instruction.parameter(name, changes[name] ?? value));
}

function request(changes = {}) {
	return api.queueInstructionRequest(TOPIC, parameters(changes), 1);
}

// ---- requests that are taken

await json("json", add(), request());
const queued = results.json.body?.data?.id;
await json("json on a topic", add(TOPIC), api.queueInstructionRequest(undefined, HANDSHAKE, 1));
await json("json without charset", add(), request(), { type: HttpContentType.APPLICATION_JSON });
await json("params as a list", add(TOPIC), { nodeId: 1, params: HANDSHAKE });
await json(
	"a parameter in parts, as the library lists it",
	add(),
	api.queueInstructionRequest(
		TOPIC,
		[...parameters({ msg: "{" }), Instruction.parameter("msg", "}")],
		1,
	),
);
await json(
	"a long message with an emoji on the boundary",
	add(),
	request({ msg: JSON.stringify({ note: "x".repeat(246) + "\u{1F600}" + "y".repeat(300) }) }),
);
await json("declined", add(), request({ cgIdentifier: "nope" }));
await form("form", api.queueInstructionUrl(TOPIC, HANDSHAKE, 1));
await form("form for several nodes", api.queueInstructionsUrl(TOPIC, HANDSHAKE, [1, 2]));
await form("form without charset", api.queueInstructionUrl(TOPIC, HANDSHAKE, 1), {
	type: HttpContentType.FORM_URLENCODED,
});
{
	const url = api.queueInstructionUrl(TOPIC, HANDSHAKE, 1);
	const type = HttpContentType.FORM_URLENCODED;
	const headers = sign(HttpMethod.POST, url, { type });
	await send("form in the query", HttpMethod.POST, url, headers);
}
await form("exec", `${api.execInstructionUrl(TOPIC, parameters({ coId: "99" }), 1)}&resultMaxWait=0`);
await get("view", api.viewInstructionUrl(queued));
await get("list", path("/instr?nodeId=1"));
await get("list as any type", path("/instr?nodeId=1"), { more: { Accept: "*/*" } });
await get("list of nothing", path("/instr?nodeId=1&state=Received"));
await get("pending", api.viewPendingInstructionsUrl(1));
await get("active", api.viewActiveInstructionsUrl(1));
await form("update", api.updateInstructionStateUrl(queued, InstructionStates.Completed));
await get(
	"events",
	path("/user/events?startDate=2020-01-01&endDate=2100-01-01&tags=oscp,error&max=1"),
);
await get("optimizers", path("/user/oscp/capacity-optimizers"));
{
	const builder = new AuthorizationV2Builder(token, environment);
	builder.date(new Date(Date.now() - 6 * DAY));
	await get("a key of six days ago", path("/instr?nodeId=1"), {
		key: builder.computeSigningKey(secret),
	});
}
/** Signs every header there is, and one that is not there. */
async function signingAll(name, language) {
	const url = api.viewInstructionUrl(queued);
	const headers = {
		Accept: "application/json",
		"Accept-Language": language,
		"User-Agent": "a browser (of some sort)",
		Origin: "https://app.example",
		Referer: "https://app.example/",
		"X-Requested-With": "XMLHttpRequest",
		"Cache-Control": "no-cache",
	};
	const signed = sign(HttpMethod.GET, url, {
		change(builder) {
			for (const [header, value] of Object.entries(headers)) {
				builder.header(header, value);
			}
			builder.signedHttpHeaders([...Object.keys(headers), "X-Absent"]).snDate(true);
		},
	});
	await sendRaw(name, HttpMethod.GET, url, { ...headers, ...signed });
}

await signingAll("every header signed", "en, de;q=0.5");
{
	const url = api.viewInstructionUrl(queued);
	let date;
	const headers = sign(HttpMethod.GET, url, {
		change(builder) {
			builder.snDate(false);
			date = builder.requestDateHeaderValue;
		},
	});
	delete headers[HttpHeaders.X_SN_DATE];
	headers.Date = date;
	await sendRaw("date instead of x-sn-date", HttpMethod.GET, url, headers);
}
{
	const url = path("/instr?nodeId=1&startDate=2020-01-01%2000:00&state=Declined&x=a%2Bb~c*d");
	await get("escaped query", url);
}

// ---- a browser on another origin

const ORIGIN = { Origin: "https://app.example" };
await sendRaw("preflight", HttpMethod.OPTIONS, add(TOPIC), {
	...ORIGIN,
	"Access-Control-Request-Method": "POST",
	"Access-Control-Request-Headers": "authorization,content-type,digest,x-sn-date",
});
{
	const body = JSON.stringify(request());
	const type = HttpContentType.APPLICATION_JSON_UTF8;
	const headers = sign(HttpMethod.POST, add(TOPIC), { type, body });
	await sendRaw("from a browser", HttpMethod.POST, add(TOPIC), { ...ORIGIN, ...headers }, body);
	headers.Authorization = headers.Authorization.replace(/.{64}$/, "0".repeat(64));
	await sendRaw("from a browser, refused", HttpMethod.POST, add(TOPIC), { ...ORIGIN, ...headers }, body);
}

// ---- requests that are refused

await send("unsigned", HttpMethod.GET, path("/instr?nodeId=1"), {});
await get("stale", path("/instr?nodeId=1"), { date: new Date(Date.now() - 16 * 60 * 1000) });
{
	const builder = new AuthorizationV2Builder(token, environment);
	await get("another secret", path("/instr?nodeId=1"), {
		key: builder.computeSigningKey("another"),
	});
	builder.date(new Date(Date.now() - 8 * DAY));
	await get("a key of eight days ago", path("/instr?nodeId=1"), {
		key: builder.computeSigningKey(secret),
	});
}
await json("another body than signed", add(), request(), {
	sent: JSON.stringify(request({ coId: "2" })),
});
{
	const body = JSON.stringify(request());
	const type = HttpContentType.APPLICATION_JSON;
	const unsigned = sign(HttpMethod.POST, add(), {
		change(builder) {
			builder.contentSHA256(digestOf(body));
		},
	});
	const headers = { ...unsigned, [HttpHeaders.CONTENT_TYPE]: type };
	await send("content type not signed", HttpMethod.POST, add(), headers, body);
	const partly = sign(HttpMethod.POST, add(), {
		type,
		change(builder) {
			builder.contentSHA256(digestOf(body));
		},
	});
	const digest = sign(HttpMethod.POST, add(), { type, body })[HttpHeaders.DIGEST];
	await send("digest not signed", HttpMethod.POST, add(), { ...partly, Digest: digest }, body);
	await send("body hashed without a digest header", HttpMethod.POST, add(), partly, body);
}
// The service makes one blank of two before it verifies; the library signs both.
await signingAll("two blanks in a signed header", "en,  de;q=0.5");
await get("host without its port", path("/instr?nodeId=1"), {
	change: (builder) => builder.host(server.hostname),
});
await get("query not signed", path("/instr?nodeId=1"), {
	change: (builder) => builder.parameters.clear(),
});
{
	const url = new URL(api.queueInstructionUrl(TOPIC, HANDSHAKE, 1));
	const body = url.searchParams.toString();
	const bare = url.origin + url.pathname;
	const type = HttpContentType.FORM_URLENCODED;
	const headers = sign(HttpMethod.POST, bare, { type, body });
	await send("form with a digest", HttpMethod.POST, bare, headers, body);
}
await json("text/plain", add(), request(), { type: "text/plain" });
await json("a node of nobody", add(), { ...request(), nodeId: 999 });
await json("an unknown key first", add(), { comment: "hello", ...request() });
await json("null for a date", add(), { ...request(), expirationDate: null });
await json("no node", add(), { topic: TOPIC, params: {} });
await json("not json", add(), "{not json}");
await get("events without dates", path("/user/events"));

process.stdout.write(JSON.stringify(results));

function digestOf(body) {
	const builder = new AuthorizationV2Builder(token, environment);
	builder.computeContentDigest(body);
	return builder.canonicalContentSHA256();
}
